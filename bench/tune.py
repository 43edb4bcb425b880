"""Which settings serve this machine best: `python -m bench.tune [--sweep concurrency batch compression]`.

Each sweep crawls one web once a value, in `--rounds` turns over all values, and prints pages per CPU second as bars,
the best marked. A batch is what one commit makes durable and also one pair of segment files, so its sweep is that of
segment sizes too: bytes a link stand beside it. Values within a few per cent of each other are equal here.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from statistics import median
from typing import Final

from bench.results import Row, chart, head
from bench.trial import Changes, Trial, measure, web_of

PAGES: Final = 3_000
ROUNDS: Final = 2
SWEEPS: Final[dict[str, tuple[str, str, tuple[int, ...]]]] = {
    "concurrency": ("fetch", "concurrency", (8, 16, 32, 64, 128, 256)),
    "batch": ("storage", "commit_links", (12_500, 25_000, 50_000, 100_000, 200_000)),
    "compression": ("storage", "compression_level", (1, 3, 6, 9)),
}
"""Section, setting and values. Half of `commit_links` is a batch."""
NO_CLOCK: Final = {"storage": {"commit_interval": 3_600.0}}
"""So that batches are ended by their size alone."""


def changes_for(sweep: str, value: int) -> Changes:
    """Return the settings of one point of a sweep."""
    section, setting, _ = SWEEPS[sweep]
    base = NO_CLOCK if sweep == "batch" else {}
    return {**base, section: {**base.get(section, {}), setting: value}}


def best(rates: dict[int, list[float]]) -> int:
    """Return the value with the highest median rate."""
    return max(rates, key=lambda value: median(rates[value]))


def shown(sweep: str, rows: dict[int, list[Row]]) -> str:
    """Return a sweep as a chart with its best value."""
    rates = {value: [row.figures["pages_per_cpu_s"] for row in found] for value, found in rows.items()}
    bars = {_label(value, rows[value]): median(rates[value]) for value in rows}
    section, setting, _ = SWEEPS[sweep]
    return f"{section}.{setting}, pages a CPU second\n{chart(bars)}\nbest: {setting} = {best(rates)}"


def _label(value: int, rows: list[Row]) -> str:
    figures = rows[0].figures
    return f"{value:,} ({figures['rss_mib']} MiB, {figures['disk_bytes'] / figures['links']:.1f} B/link)"


def main() -> None:
    """Run the sweeps named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.tune", description=__doc__)
    parser.add_argument("--sweep", nargs="+", choices=SWEEPS, default=list(SWEEPS))
    parser.add_argument("--profile", type=int, default=40, choices=(4, 40, 130), help="median KB of a page")
    parser.add_argument("--pages", type=int, default=PAGES, help="pages of the web")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", type=Path, metavar="FILE", help="append the rows to this file as JSON lines")
    options = parser.parse_args()
    print(head())
    for sweep in options.sweep:
        rows: dict[int, list[Row]] = {value: [] for value in SWEEPS[sweep][2]}
        for value in list(rows) * options.rounds:
            trial = Trial(web_of(options.profile, options.pages), changes=changes_for(sweep, value))
            rows[value].append(asyncio.run(measure("tune", trial, {"sweep": sweep})))
        print(f"\n{shown(sweep, rows)}", flush=True)
        if options.json:
            with options.json.open("a", encoding="utf-8") as file:
                file.writelines(row.line() + "\n" for found in rows.values() for row in found)


if __name__ == "__main__":
    main()
