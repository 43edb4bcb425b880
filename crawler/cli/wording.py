"""How numbers are said to people.

Rule: what is counted stands in its right number, for `1 pages` looks like a mistake in the figure.
"""

from __future__ import annotations


def many(number: int, one: str) -> str:
    """Return a number and what it counts: `1 page`, `2,000 pages`."""
    return f"{number:,} {one}{'' if number == 1 else 's'}"
