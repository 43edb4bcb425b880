"""Where native doubles of Python functions come from: `crawler.native`, if it was compiled (`make compile`).

Rule: the only place that asks whether it is there. A double has the name of its function and gives the same answers.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Final, TypeVar

F = TypeVar("F")


def _compiled() -> ModuleType | None:
    try:
        return import_module("crawler.native")
    except ImportError:  # not compiled, or lexbor does not offer what it needs
        return None


NATIVE: Final = _compiled()


def double_of(function: F) -> F:
    """Return the native double of a function, the function itself where there is none."""
    double: F = getattr(NATIVE, getattr(function, "__name__", ""), function)
    return double
