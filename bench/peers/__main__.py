"""Run peers and Linkmill on one virtual web and print pages per CPU second and ratios: `python -m bench.peers`.

Each crawl gets a server of its own with the same pages. CPU is of all processes of the crawler, without what loading
takes. Linkmill's own crawl is `bench.trial`'s, with robots.txt, every column of its records and synced commits. Where
several rounds are run, everything takes turns and the median counts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

from bench.peers.environments import HERE, python_of, version_of
from bench.results import Row, circumstances, head, table
from bench.trial import Trial, bytes_below, measure, web_of
from bench.vweb.log import read_log
from bench.vweb.process import Running, serve
from bench.vweb.spec import WebSpec

PEERS: Final = {"scrapy": ("plain", "tuned"), "crawlee": ("plain", "tuned", "lean")}
"""Variants by peer: `peer_<name>.py` is the program, `<name>.txt` what it needs."""
LINKMILL: Final = "linkmill"
PAGES: Final = 2_000
MAX_S: Final = 240.0
"""A peer that takes longer is ended, and its figures are of what it fetched till then."""


LOG_END: Final = 4_000
"""Characters shown of what a failed peer logged."""


class Spent(NamedTuple):
    """What a process took, with its children."""

    cpu_s: float
    rss_mib: int
    ended: str
    """"exhausted", or how else."""


async def run_peer(peer: str, spec: WebSpec) -> Row:
    """Crawl the web with a peer, named `scrapy-tuned` or so, and return its figures."""
    name, variant = peer.split("-")
    python = python_of(name)
    with tempfile.TemporaryDirectory(prefix="linkmill-peer-") as root:
        log, output = Path(root, "served.log"), Path(tempfile.mkdtemp(dir=root))
        async with serve(spec, log=log, max_s=MAX_S + 30.0) as web:
            spent = await asyncio.to_thread(
                _run, [str(python), str(HERE / f"peer_{name}.py")], _order(web, output, variant)
            )
        asked = [(row.host, row.path) for row in read_log(log) if row.status == 200 and row.path != "/robots.txt"]
        pages, links = len(asked), sum(_links_in(output))
        figures = {
            "reason": spent.ended,
            "pages": pages,
            "distinct_pages": len(set(asked)),
            "links": links,
            "cpu_s": round(spent.cpu_s, 3),
            "rss_mib": spent.rss_mib,
            "disk_bytes": bytes_below(output),
            "pages_per_cpu_s": round(pages / spent.cpu_s, 1),
            "links_per_cpu_s": round(links / spent.cpu_s, 1),
        }
    case = {"peer": name, "variant": variant, "profile_kb": spec.profile, "hosts": spec.hosts, "gzip": spec.gzip}
    return Row("peers", {**case, "version": version_of(name)}, figures, circumstances())


def _order(web: Running, output: Path, variant: str) -> str:
    told = {"seeds": web.seeds, "proxy": f"http://{web.addresses[0]}:{web.port}", "output": str(output)}
    return json.dumps({**told, "variant": variant}) + "\n"


def _run(command: list[str], order: str) -> Spent:
    """Run a peer to its end; `wait4` tells what it and its children took. What it logs is shown only if it fails."""
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        timer = threading.Timer(MAX_S, process.terminate)
        timer.start()
        process.stdin.write(order)
        process.stdin.close()
        loaded = process.stdout.readline()
        process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        if not loaded.strip() or process.returncode > 0:
            log.seek(0)
            raise SystemExit(f"{log.read()[-LOG_END:]}\n{command[-1]} ended with {process.returncode}")
    ended = "exhausted" if process.returncode == 0 else f"ended after {MAX_S:.0f} s"
    return Spent(used.ru_utime + used.ru_stime - float(loaded), used.ru_maxrss // 1024, ended)


def _links_in(output: Path) -> Iterator[int]:
    """Count the links a peer wrote: a line or file is a link, or a page with its links."""
    for path in output.rglob("*.json*"):
        if path.name == "__metadata__.json" or "request_queues" in path.parts or "key_value_stores" in path.parts:
            continue
        text = path.read_text("utf-8")
        for line in text.splitlines() if path.suffix == ".jsonl" else [text]:
            found = json.loads(line)
            yield len(found["links"]) if "links" in found else 1


async def run_linkmill(spec: WebSpec) -> Row:
    """Crawl the web with Linkmill and return its figures."""
    case = {"peer": LINKMILL, "variant": "", "version": circumstances()["linkmill"]}
    return await measure("peers", Trial(spec), case)


def shown(rows: list[Row]) -> str:
    """Return the medians of each crawler as a table, with Linkmill's ratio to it."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.case["peer"], row.case["variant"]), []).append(row)
    own = [row.figures["pages_per_cpu_s"] for row in groups.get((LINKMILL, ""), [])]
    heads = ("crawler", "pages", "links/page", "CPU s", "pages/CPU s", "RSS MiB", "B/link", "Linkmill is")
    return table(heads, [_cells(key, group, median(own) if own else 0.0) for key, group in groups.items()])


def _cells(key: tuple[str, str], rows: list[Row], own: float) -> list[str]:
    middle: dict[str, Any] = {
        name: median(row.figures[name] for row in rows)
        for name in ("pages", "links", "cpu_s", "pages_per_cpu_s", "rss_mib", "disk_bytes")
    }
    rate = middle["pages_per_cpu_s"]
    named = " ".join(word for word in (key[0], rows[0].case["version"], key[1]) if word)
    return [
        named if all(row.figures["reason"] == "exhausted" for row in rows) else f"{named} (not to the end)",
        f"{middle['pages']:,.0f}",
        f"{middle['links'] / max(1, middle['pages']):.1f}",
        f"{middle['cpu_s']:.2f}",
        f"{rate:,.0f}",
        f"{middle['rss_mib']:.0f}",
        f"{middle['disk_bytes'] / max(1, middle['links']):.0f}",
        f"{own / rate:.1f} x" if own and rate and key[0] != LINKMILL else "",
    ]


def main() -> None:
    """Run what the command line names."""
    everyone = [f"{name}-{variant}" for name, variants in PEERS.items() for variant in variants]
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument("--peer", nargs="+", choices=everyone, default=everyone)
    parser.add_argument("--profile", type=int, default=40, choices=(4, 40, 130), help="median KB of a page")
    parser.add_argument("--pages", type=int, default=PAGES, help="pages of the web")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--gzip", action="store_true", help="serve compressed pages")
    parser.add_argument("--json", type=Path, metavar="FILE", help="append the rows to this file as JSON lines")
    options = parser.parse_args()
    spec = web_of(options.profile, options.pages)
    rows = []
    for _ in range(options.rounds):
        for one in [LINKMILL, *options.peer]:
            print(f"{one} ...", file=sys.stderr, flush=True)
            crawl = run_linkmill(spec) if one == LINKMILL else run_peer(one, spec)
            rows.append(asyncio.run(crawl))
    if options.json:
        with options.json.open("a", encoding="utf-8") as file:
            file.writelines(row.line() + "\n" for row in rows)
    print(head())
    print(shown(rows))


if __name__ == "__main__":
    main()
