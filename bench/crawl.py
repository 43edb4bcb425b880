"""Pages and links per CPU second of whole crawls: `python -m bench.crawl [--profile 4 40 130] [--workers 1 2 4] ...`.

How a crawl is measured: `bench.trial`. TLS is real: the web presents a self-signed certificate made at start, and the
crawler checks it against the file that OpenSSL's SSL_CERT_FILE names. `--polite` crawls 500 hosts on 50 addresses
twice, without pauses and with delays that never make it wait, to show what politeness itself costs.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, Final

from bench.results import Row, head
from bench.trial import HOSTS, PLAIN, POLITE, POLITE_ADDRESSES, POLITE_HOSTS, Changes, Trial, measure, web_of

PAGES: Final = {4: 20_000, 40: 10_000, 130: 5_000}
"""Pages of the web by profile: about ten CPU seconds each."""
HEADS: Final = (
    *("profile", "workers", "pages", "links/page", "KB/page", "CPU s", "pages/CPU s", "links/CPU s"),
    *("us/page", "RSS MiB", "B/link"),
)
FIRST_CELL: Final = len("130 KB gzip TLS 2 a connection")
CELL: Final = len("100,000")


def trials(options: argparse.Namespace) -> list[Trial]:
    """Return the crawls that the command line asks for, in the order in which they are run."""
    hosts = options.hosts or (POLITE_HOSTS if options.polite else HOSTS)
    made = []
    for _, profile, workers, tls, changes in product(
        range(options.rounds), options.profile, options.workers, _tls(options), _manners(options)
    ):
        spec = replace(
            web_of(profile, options.pages or PAGES[profile], hosts),
            gzip=options.gzip,
            tls=tls,
            requests_a_connection=options.per_connection,
        )
        made.append(Trial(spec, workers, changes, POLITE_ADDRESSES if options.polite else ("127.0.0.1",)))
    return made


def _tls(options: argparse.Namespace) -> tuple[bool, ...]:
    return {"off": (False,), "on": (True,), "both": (False, True)}[options.tls]


def _manners(options: argparse.Namespace) -> list[Changes]:
    """Return the settings to crawl with: those of the file, or without and with politeness, everything else equal."""
    fetch = {"fetch": {"concurrency": options.concurrency}} if options.concurrency else {}
    if not options.polite:
        return [{**PLAIN, **fetch}]
    off = {"politeness": {"connections_per_host": 1}}
    return [{**off, **fetch}, {**POLITE, **fetch}]


def shown(rows: list[Row]) -> str:
    """Return the rows as a table."""
    return "\n".join(map(line, [HEADS, *(_cells(row.case, row.figures) for row in rows)]))


def line(cells: Sequence[str]) -> str:
    """Return one line of the table, which is printed row by row: a crawl takes long, and may be the last."""
    others = (cell.rjust(max(CELL, len(name))) for cell, name in zip(cells[1:], HEADS[1:], strict=True))
    return "  ".join((cells[0].ljust(FIRST_CELL), *others))


def _cells(case: dict[str, Any], figures: dict[str, Any]) -> list[str]:
    pages, links, cpu_s = figures["pages"], figures["links"], figures["cpu_s"]
    return [
        named(case),
        f"{case['workers']}",
        f"{pages:,}",
        f"{links / pages:.1f}",
        f"{figures['body_bytes'] / pages / 1000:.1f}",
        f"{cpu_s:.2f}",
        f"{pages / cpu_s:,.0f}",
        f"{links / cpu_s:,.0f}",
        f"{cpu_s / pages * 1e6:,.0f}",
        f"{figures['rss_mib']}",
        f"{figures['disk_bytes'] / links:.1f}",
    ]


def named(case: dict[str, Any]) -> str:
    """Return a case in a few words."""
    words = [f"{case['profile_kb']} KB", "gzip" if case["gzip"] else "", "TLS" if case["tls"] else ""]
    if case["requests_per_connection"]:
        words.append(f"{case['requests_per_connection']} a connection")
    if "politeness.connections_per_host" in case:
        words.append("polite" if case["delay_s"] else "no delay")
    return " ".join(word for word in words if word)


def main() -> None:
    """Run the crawls named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.crawl", description=__doc__)
    add = parser.add_argument
    add("--profile", type=int, nargs="+", choices=sorted(PAGES), default=sorted(PAGES), help="median KB of a page")
    add("--workers", type=int, nargs="+", default=[1], help="worker processes, one row for each number")
    add("--pages", type=int, help="pages of each web")
    add("--hosts", type=int, help="hosts of each web")
    add("--gzip", action="store_true", help="serve compressed pages")
    add("--tls", nargs="?", choices=("off", "on", "both"), const="on", default="off", help="serve https")
    add("--per-connection", type=int, default=0, metavar="N", help="the web closes connections after N requests")
    add("--polite", action="store_true", help="many hosts, without and with politeness at work")
    add("--concurrency", type=int, help="requests open at once, instead of the file's")
    add("--rounds", type=int, default=1, help="run everything so many times, in turns")
    add("--json", type=Path, metavar="FILE", help="append the rows to this file as JSON lines")
    options = parser.parse_args()
    print(f"{head()}\n{line(HEADS)}", flush=True)
    for trial in trials(options):
        row = asyncio.run(measure("crawl", trial))
        print(line(_cells(row.case, row.figures)), flush=True)
        if options.json:
            with options.json.open("a", encoding="utf-8") as file:
                file.write(row.line() + "\n")


if __name__ == "__main__":
    main()
