"""The native doubles of functions in Python: `crawler.native`, if it was compiled (`make compile`).

Rule: a double has the name of its function and gives the same answers.
"""

from __future__ import annotations

from typing import Final, TypeVar

from storage.doubles import compiled

F = TypeVar("F")

NATIVE: Final = compiled("crawler.native")


def double_of(function: F) -> F:
    """Return the native double of a function, the function itself where there is none."""
    double: F = getattr(NATIVE, getattr(function, "__name__", ""), function)
    return double
