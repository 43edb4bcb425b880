"""Environments of the peers: one each, of this interpreter, with pinned versions, made when first needed.

Rule: nothing of a peer comes into Linkmill's environment, nor the other way round. An environment is kept in
`.bench-cache` under a name with a hash of interpreter and requirements, so that a change makes a new one.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from bench.vweb.process import ROOT

CACHE: Final = ROOT / ".bench-cache"
HERE: Final = Path(__file__).parent
READY: Final = "ready"
"""A file that is there once everything is installed."""


def python_of(name: str) -> Path:
    """Return the interpreter of a peer's environment; make the environment if it is missing (needs the network)."""
    requirements = HERE / f"{name}.txt"
    base = Path(sys.base_prefix, sys.version.split()[0])
    mark = hashlib.sha256(requirements.read_bytes() + bytes(base)).hexdigest()[:12]
    folder = CACHE / f"{name}-{mark}"
    python = folder / "bin" / "python"
    if not (folder / READY).exists():
        print(f"Installing {name} into {folder.relative_to(ROOT)} (once)", file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", requirements)
        subprocess.run(pip, check=True)
        (folder / READY).touch()
    return python


def version_of(name: str) -> str:
    """Return the pinned version of the peer's own package."""
    pins = (HERE / f"{name}.txt").read_text("utf-8").lower().splitlines()
    return next(pin.partition("==")[2] for pin in pins if pin.startswith(f"{name}=="))
