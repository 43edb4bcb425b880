"""What every test may ask for: the documentation trees used as real input, and how property tests run."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, settings

from tests.compiled import outdated

DOC_TREES: Final = {
    "sqlite3-doc": Path("/usr/share/doc/sqlite3"),
    "postgresql-doc-15": Path("/usr/share/doc/postgresql-doc-15/html"),
    "python3.11-doc": Path("/usr/share/doc/python3.11/html"),
}
"""Debian package to the folder of its HTML pages."""

# No deadline: a busy machine stalls now and then. CI draws the same examples every time: a red run is the change's.
settings.register_profile(
    "linkmill", deadline=None, derandomize=bool(os.environ.get("CI")), suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("linkmill")


def pytest_sessionstart() -> None:
    """Refuse to test what is not what the source says."""
    if changed := sorted(outdated()):
        pytest.exit(f"changed since it was compiled: {', '.join(changed)}; `make compile` or `make clean`", 4)


@pytest.fixture(scope="session")
def doc_tree() -> Callable[[str], Path]:
    """Return the folder of a documentation package; skip without it, or fail where LINKMILL_REQUIRE_DOCS is set."""

    def find(package: str) -> Path:
        folder = DOC_TREES[package]
        if not (folder / "index.html").is_file():
            give_up = pytest.fail if os.environ.get("LINKMILL_REQUIRE_DOCS") else pytest.skip
            give_up(f"no pages in {folder}: install Debian's {package}")
        return folder

    return find
