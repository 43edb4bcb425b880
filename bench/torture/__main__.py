"""Run every part in full, or those named, and print one table: `python -m bench.torture [PART ...] [--scale 0.1]`.

Exit code 1 when a figure does not hold.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Final

from bench.torture.figures import Figure, table

PARTS: Final = (
    *("crash", "deaths", "faults", "damage", "storage", "clock", "resume", "machine"),
    *("politeness", "robots", "neighbours", "addresses", "echo", "html", "fuzz", "soak"),
)


def main() -> None:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m bench.torture", description=__doc__)
    parser.add_argument("part", nargs="*", choices=[[], *PARTS], help="parts to run; all of them without a name")
    parser.add_argument("--scale", type=float, default=1.0, help="size of everything against the full form")
    options = parser.parse_args()
    figures: list[Figure] = []
    for part in options.part or PARTS:
        print(f"{part} ...", file=sys.stderr, flush=True)
        run: Callable[[float], list[Figure]] = import_module(f"bench.torture.{part}").run
        figures += run(options.scale)
    print(table(figures))
    if not all(figure.holds for figure in figures):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
