"""Whether the crawler's core is compiled (`make compile`) or interpreted while it is tested."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from crawler import url

ROOT: Final = Path(__file__).parents[1]

interpreted: Final = pytest.mark.skipif(
    Path(url.__file__).suffix != ".py", reason="a compiled module does not look its own names up"
)
"""For tests that replace a name of a module."""


def outdated() -> Iterator[str]:
    """Yield the sources, from the root, that have changed since they were compiled."""
    for package in ("crawler", "storage"):
        for module in (ROOT / package).rglob("*.so"):
            stem = module.with_name(module.name.partition(".")[0])
            for source in (stem.with_suffix(".py"), stem.with_suffix(".pyx")):
                if source.exists() and source.stat().st_mtime > module.stat().st_mtime:
                    yield str(source.relative_to(ROOT))
