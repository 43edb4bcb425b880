"""What a page costs as a crawl grows: `python -m bench.scale [--pages 100000]`, a million with `--pages 1000000`.

One crawl of small pages (4 KB, 20 links) by one worker, looked at on its way: CPU a page and links between two looks,
resident memory, bytes of the store, URLs still queued. Rule: compared are stretches of the one crawl, so machine and
interpreter are the same; the first stretch begins once the crawl runs, so that starting is in none. A million pages
are reckoned at twenty minutes on two free cores (half a million: 449 CPU seconds of the crawler).
"""

from __future__ import annotations

import argparse
import asyncio
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from bench.results import Row, head, table
from bench.trial import Trial, measure, web_of

PAGES: Final = 100_000
FIRST: Final = 1_000
"""Pages after which a crawl runs evenly: until then hosts are resolved and their robots.txt read."""
STEPS: Final = (1, 2, 5)
PAGES_A_HOST: Final = 500
MAX_MINUTES: Final = 60.0
END_S: Final = 60.0
"""For the last commit, before the web is gone."""
HEADS: Final = ("pages", "us/page", "links/page", "us/link", "against first", "RSS MiB", "store MB", "B/link", "queued")


def marks(pages: int) -> tuple[int, ...]:
    """Return where to look: 1, 2 and 5 times every power of ten from `FIRST` on, below the web's size."""
    found, power = [FIRST], 10_000
    while power < pages:
        found += [step * power for step in STEPS if step * power < pages]
        power *= 10
    return tuple(found)


def stretches(looks: list[dict[str, float]]) -> list[dict[str, float]]:
    """Return the figures between any two looks, beginning at the first mark; a look at nought is passed over."""
    found = []
    for before, after in pairwise(look for look in looks if look["pages"] >= FIRST):
        pages, links = after["pages"] - before["pages"], after["links"] - before["links"]
        cpu_us = (after["cpu_s"] - before["cpu_s"]) * 1e6
        if pages > 0 and links > 0:
            found.append(
                {**after, "us_per_page": cpu_us / pages, "us_per_link": cpu_us / links, "links_per_page": links / pages}
            )
    return found


def shown(row: Row) -> str:
    """Return the stretches of a crawl as a table."""
    found = stretches(row.figures["looks"])
    return table(HEADS, [_cells(stretch, found[0]) for stretch in found])


def _cells(stretch: dict[str, Any], first: dict[str, Any]) -> list[str]:
    return [
        f"{stretch['pages']:,}",
        f"{stretch['us_per_page']:,.0f}",
        f"{stretch['links_per_page']:.1f}",
        f"{stretch['us_per_link']:.1f}",
        f"{stretch['us_per_page'] / first['us_per_page']:.2f} x",
        f"{stretch['rss_mib']:,.0f}",
        f"{stretch['disk_bytes'] / 1e6:,.0f}",
        f"{stretch['disk_bytes'] / stretch['links']:.1f}",
        f"{stretch['queued']:,}",
    ]


def main() -> None:
    """Crawl as many pages as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--pages", type=int, default=PAGES, help="pages of the web")
    parser.add_argument("--profile", type=int, default=4, choices=(4, 40, 130), help="median KB of a page")
    parser.add_argument("--minutes", type=float, default=MAX_MINUTES, help="the crawl ends after this time")
    parser.add_argument("--json", type=Path, metavar="FILE", help="append the row to this file as a JSON line")
    options = parser.parse_args()
    spec = web_of(options.profile, options.pages, max(20, options.pages // PAGES_A_HOST))
    changes = {"crawl": {"max_pages": options.pages, "max_time": options.minutes * 60.0}}
    trial = Trial(spec, changes=changes, marks=marks(options.pages), max_s=options.minutes * 60.0 + END_S)
    row = asyncio.run(measure("scale", trial))
    if options.json:
        with options.json.open("a", encoding="utf-8") as file:
            file.write(row.line() + "\n")
    print(head())
    print(shown(row))
    told = row.figures
    print(f"{told['pages']:,} pages, {told['cpu_s']:.0f} CPU s, {told['wall_s']:.0f} s, {told['reason']}")


if __name__ == "__main__":
    main()
