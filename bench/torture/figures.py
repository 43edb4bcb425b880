"""What a part of the torture run measured, and whether it holds.

Rule: a figure says everything a reader needs to judge it and to measure it again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured promise."""

    name: str
    value: str
    bound: str
    holds: bool
    command: str
    """What measures it again."""


def table(figures: Iterable[Figure]) -> str:
    """Return the figures as aligned lines, one each."""
    rows = [("holds" if f.holds else "FAILS", f.name, f.value, f.bound, f.command) for f in figures]
    widths = [max((len(row[at]) for row in rows), default=0) for at in range(4)]
    return "\n".join(
        "  ".join((*(cell.ljust(width) for cell, width in zip(row[:4], widths, strict=True)), row[4])) for row in rows
    )


def play(run: Callable[[float], Iterable[Figure]], command: str, purpose: str | None) -> None:
    """Run one part as the command line asks for and print its table; exit 1 when something does not hold."""
    parser = argparse.ArgumentParser(prog=command, description=purpose)
    parser.add_argument("--scale", type=float, default=1.0, help="size of everything against the full form")
    figures = list(run(parser.parse_args().scale))
    print(table(figures))
    sys.exit(not all(figure.holds for figure in figures))
