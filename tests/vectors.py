"""Reference cases from public suites, read from where `LINKMILL_VECTORS` points (default `../shared/vectors`).

They are not part of the project: a checkout without them skips these tests and says so.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path(os.environ.get("LINKMILL_VECTORS", ROOT / ".." / "shared" / "vectors"))


def load(name: str) -> list[dict[str, Any]]:
    """Return the rows of one suite, or skip the calling test or module where the suite is not there."""
    path = FOLDER / name
    if not path.is_file():
        pytest.skip(f"reference cases not found: {name} (set LINKMILL_VECTORS)", allow_module_level=True)
    rows: list[dict[str, Any]] = json.loads(path.read_bytes())
    return rows
