"""Where native doubles of Python functions come from: modules that `make compile` makes.

Rule: the only place that asks whether one is there. A double gives the same answers as its function.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType


def compiled(name: str) -> ModuleType | None:
    """Return a module if it was compiled, and finds all it needs."""
    try:
        return import_module(name)
    except ImportError:
        return None
