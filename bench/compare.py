"""Two results side by side: `python -m bench.compare BEFORE.jsonl AFTER.jsonl`.

Rows of the same benchmark and case are compared figure by figure: both values and the ratio; where a case was run
several times, by medians. Above stands in which circumstances the two differ: a ratio across two machines or two
interpreters says nothing about the code. Cases that only one of them has are named, not dropped.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench.results import Row, rows_in, table

Key = tuple[str, str]
Figures = dict[str, float]

LESS_IS_BETTER: Final = ("cpu_s", "rss_mib", "disk_bytes", "wall_s", "us", "us_each")
MORE_IS_BETTER: Final = ("pages_per_cpu_s", "links_per_cpu_s")
NEAR: Final = 0.03
"""Ratios closer to 1 than this say nothing on a machine that is not alone."""


def medians(rows: Iterable[Row]) -> dict[Key, Figures]:
    """Return the medians of the figures of each case, in the order in which the cases appear."""
    groups: dict[Key, list[Row]] = {}
    for row in rows:
        groups.setdefault((row.bench, json.dumps(row.case, sort_keys=True)), []).append(row)
    return {key: _medians(group) for key, group in groups.items()}


def _medians(rows: list[Row]) -> Figures:
    names = [name for name, value in rows[0].figures.items() if _is_number(value)]
    return {name: median(row.figures[name] for row in rows if _is_number(row.figures.get(name))) for name in names}


def _is_number(value: Any) -> bool:  # noqa: ANN401  # a value of JSON
    return isinstance(value, int | float) and not isinstance(value, bool)


def differing(before: list[Row], after: list[Row]) -> dict[str, tuple[str, str]]:
    """Return the circumstances that are not the same, with the values of both."""
    found = {}
    for name in dict.fromkeys(name for row in (*before, *after) for name in row.circumstances):
        values = [sorted({str(row.circumstances.get(name)) for row in rows}) for rows in (before, after)]
        if values[0] != values[1]:
            found[name] = (", ".join(values[0]), ", ".join(values[1]))
    return found


def compared(before: list[Row], after: list[Row]) -> str:
    """Return the comparison as text."""
    firsts, seconds = medians(before), medians(after)
    lines = [f"{name}: {old} -> {new}" for name, (old, new) in differing(before, after).items()]
    for key in dict.fromkeys((*firsts, *seconds)):
        first, second = firsts.get(key), seconds.get(key)
        lines += ["", f"{key[0]} {_words(key[1])}"]
        if first is None or second is None:
            lines.append(f"  only in {'the second' if first is None else 'the first'}")
            continue
        rows = [_cells(name, first[name], second[name]) for name in first if name in second]
        lines += ["  " + line for line in table(("", "before", "after", "ratio", ""), rows).splitlines()]
    return "\n".join(lines)


def _words(case: str) -> str:
    return ", ".join(f"{name} {value}" for name, value in json.loads(case).items() if value not in (False, 0, "", None))


def _cells(name: str, old: float, new: float) -> list[str]:
    ratio = new / old if old else float("nan")
    return [name, f"{old:,.6g}", f"{new:,.6g}", f"{ratio:.3f}", _verdict(name, ratio)]


def _verdict(name: str, ratio: float) -> str:
    if abs(ratio - 1.0) < NEAR or name not in (*LESS_IS_BETTER, *MORE_IS_BETTER):
        return ""
    return "better" if (ratio > 1.0) == (name in MORE_IS_BETTER) else "worse"


def main() -> None:
    """Compare the two files of the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.compare", description=__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    options = parser.parse_args()
    files = [rows_in(path) for path in (options.before, options.after)]
    for path, rows in zip((options.before, options.after), files, strict=True):
        if not rows:
            parser.error(f"{path} holds no rows: make it with --json")
    print(compared(*files))


if __name__ == "__main__":
    main()
