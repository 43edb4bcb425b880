"""What holds for the tree as a whole: locks, versions, packages and commands fit together."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from config.models import AGENT_VERSION

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("requirements.lock", "requirements-dev.lock")
PIN = re.compile(r"(?P<name>[a-z0-9-]+)==(?P<version>[A-Za-z0-9.+!]+)(?: ; (?P<marker>[^\\]+))? \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?")


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def pins(lock: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for line in (ROOT / lock).read_text("utf-8").splitlines():
        if match := PIN.fullmatch(line):
            found.setdefault(match["name"], set()).add(match["version"])
    return found


def required_names(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=~! ;\[]", requirement)[0].lower().replace("_", "-") for requirement in requirements}


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_holds_names_versions_and_hashes_only(lock: str) -> None:
    lines = (ROOT / lock).read_text("utf-8").splitlines()
    strange = [line for line in lines if not (PIN.fullmatch(line) or HASH.fullmatch(line) or line.startswith("#"))]
    assert not strange
    assert not [line for line in lines if line.startswith("#") and "/" in line]


def test_locks_hold_every_dependency(project: dict[str, Any]) -> None:
    runtime = required_names(project["project"]["dependencies"])
    development = required_names(project["project"]["optional-dependencies"]["dev"])
    assert runtime <= pins("requirements.lock").keys()
    assert runtime | development <= pins("requirements-dev.lock").keys()


def test_both_locks_name_the_same_versions() -> None:
    development = pins("requirements-dev.lock")
    assert not [name for name, versions in pins("requirements.lock").items() if development[name] != versions]


def test_user_agent_version_is_the_projects(project: dict[str, Any]) -> None:
    assert project["project"]["version"].split(".")[:2] == AGENT_VERSION.split(".")


def test_every_package_is_built(project: dict[str, Any]) -> None:
    patterns = {pattern.rstrip("*") for pattern in project["tool"]["setuptools"]["packages"]["find"]["include"]}
    top_level = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert top_level - {"tests"} == patterns


def test_every_folder_of_modules_is_a_package() -> None:
    modules = [path for name in ("bench", "config", "crawler", "storage") for path in (ROOT / name).rglob("*.py")]
    assert not sorted({path.parent for path in modules if not path.with_name("__init__.py").is_file()})


def test_make_help_lists_every_target() -> None:
    shown = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"make (\w+)", shown)) == {
        "audit",
        "help",
        "run",
        "test",
        "check",
        "format",
        "bench",
        "flame",
        "compile",
        "clean",
        "lock",
        "torture",
    }


def test_make_says_in_one_line_that_no_python_is_found(tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "requirements-dev.lock"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    run = subprocess.run(["make", "-s", "test", "PYTHON="], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode != 0
    assert run.stderr.splitlines()[0].startswith("linkmill: no Python >= 3.11")
    assert not (tmp_path / ".venv").exists()
