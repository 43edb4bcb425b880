"""Hostile hosts beside healthy ones: what the healthy ones lose. `python -m bench.torture.neighbours`.

The same 20 healthy hosts are crawled alone, beside 50 hosts of every hostile kind, and with half of the crawler's
requests stuck on hosts that hold connections. Their pages a second come from their own server's log: for each host its
pages by the time from the first request to any of them to the last request to it, so that a host without further pages
is no loss. Each way is taken in turn `TRIES` times and the best counts, for what else runs on a machine only takes.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import uvloop

from bench.torture.figures import Figure, play
from bench.vweb.log import read_log
from bench.vweb.process import ROOT, Running, serve
from bench.vweb.spec import NO_FAULTS, WebSpec
from config import Settings
from crawler.jobs import RobotsFetch
from crawler.outcome import Outcome, Request
from crawler.supervisor import Crawl, Report, resolve_seeds

COMMAND: Final = "python -m bench.torture.neighbours"
HEALTHY: Final = 20
HOSTILE: Final = 50
PAGES: Final = 60
"""Pages of a healthy host at scale 1: about twelve seconds of crawling."""
HOSTILE_DOMAIN: Final = ".hostile.test"
TRIES: Final = 2
DELAY_S: Final = 0.2
KEPT: Final = 0.95
LONGEST_S: Final = 300.0


def run(scale: float = 1.0) -> list[Figure]:
    """Crawl the three ways and return the shares of pages a second kept. Scale 1 takes about two minutes."""
    return uvloop.run(_run(max(10, int(PAGES * scale))))


async def _run(pages: int) -> list[Figure]:
    tries = [await _try(pages) for _ in range(TRIES)]
    alone, beside, stuck = (max(ways, key=lambda way: way.rate) for ways in zip(*tries, strict=True))
    return [
        _kept("20 healthy hosts beside 50 hostile ones", beside.rate, alone.rate),
        _kept("the same with half of the requests stuck on slow hosts", stuck.rate, alone.rate),
        Figure("failures of the hostile hosts meanwhile", str(beside.failed), "over 0", beside.failed > 0, COMMAND),
    ]


async def _try(pages: int) -> tuple[Way, Way, Way]:
    """Crawl the three ways, the later ones until the healthy hosts have given as many pages as alone."""
    alone = await crawl(pages, 0)
    return alone, await crawl(pages, HOSTILE, alone.pages), await crawl(pages, HOSTILE, alone.pages, slow=True)


def _kept(name: str, rate: float, alone: float) -> Figure:
    value = f"{rate / alone:.1%} of {alone:.1f} pages/s"
    return Figure(name, value, f"at least {KEPT:.0%}", rate >= KEPT * alone, COMMAND)


@dataclass(frozen=True, slots=True)
class Way:
    """One crawl: what the healthy hosts' server saw, and what became of the hostile ones."""

    pages: int
    rate: float
    """Pages a second."""
    failed: int


async def crawl(pages: int, hostile: int, enough: int = 0, *, slow: bool = False) -> Way:
    """Crawl beside so many hostile hosts, to the end or until `enough` pages of healthy ones were fetched."""
    spec = WebSpec(hosts=HEALTHY, pages_per_host=pages, profile=4, faults=NO_FAULTS)
    with tempfile.TemporaryDirectory(prefix="linkmill-neighbours-") as folder:
        log = Path(folder) / "log"
        async with serve(spec, log=log, max_s=LONGEST_S) as web, _hostile(slow) as port:
            report = await _until(enough, _settings(web, port, hostile, Path(folder)))
        assert report.snapshot is not None
        failed = sum(n for name, n in report.snapshot.counters.items() if name.startswith("failed."))
        served = [row for row in read_log(log) if row.path != "/robots.txt"]
    first = min(row.started_s for row in served)
    last: dict[str, float] = {}
    for row in served:
        last[row.host] = max(row.started_s, last.get(row.host, 0.0))
    asked = Counter(row.host for row in served)
    return Way(len(served), sum(asked[host] / (last[host] - first) for host in asked if asked[host] > 1), failed)


async def _until(enough: int, settings: Settings) -> Report:
    """Crawl to the end, or until so many pages of healthy hosts were fetched."""
    fetched = 0

    def watch(job: Request | RobotsFetch, outcome: Outcome) -> None:
        nonlocal fetched
        fetched += isinstance(job, Request) and not job.host.endswith(HOSTILE_DOMAIN)
        if enough and fetched >= enough:
            under_way.stop("the healthy hosts are done")

    under_way = Crawl(settings, resolve_seeds(settings.crawl.seeds), watch)
    return await under_way.run()


def _settings(web: Running, port: int, hostile: int, folder: Path) -> Settings:
    names = [f"x{number}{HOSTILE_DOMAIN}" for number in range(hostile)]
    given: dict[str, Any] = {
        "crawl": {
            "seeds": [*web.seeds, *(f"http://{name}/{page}" for page in range(6) for name in names)],
            "data_dir": folder / "data",
            "max_time": LONGEST_S,
        },
        "scope": {"follow": "any", "include": ["*.test/*"]},
        "politeness": {"delay": DELAY_S, "delay_per_ip": 0.0, "connections_per_ip": 1000},
        # Twice the hostile hosts, each of which has one request open: half of the requests are stuck.
        "fetch": {
            "concurrency": 2 * HOSTILE,
            "read_timeout": 2.0,
            "total_timeout": 4.0,
            "retries": 1,
            "retry_wait": 1.0,
        },
        "network": {
            "hosts": web.hosts | {f"*{HOSTILE_DOMAIN}": f"127.0.0.1:{port}"},
            "allow_addresses": ["127.0.0.0/8"],
        },
    }
    return Settings.model_validate(given)


@asynccontextmanager
async def _hostile(slow: bool) -> AsyncIterator[int]:
    """Run the hostile hosts and yield their port."""
    options = ["--max-seconds", str(LONGEST_S), *(["--slow"] if slow else [])]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.torture.hostile", *options), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        yield int((await process.stdout.readline()).rpartition(b":")[2])
    finally:
        process.kill()
        await process.wait()


if __name__ == "__main__":
    play(run, COMMAND, __doc__)
