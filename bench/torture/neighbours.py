"""Hostile hosts beside healthy ones: what the healthy ones lose. `python -m bench.torture.neighbours`.

The same 20 healthy hosts are crawled alone, beside 50 hosts of every hostile kind, and with half of the crawler's
requests stuck on hosts that hold connections. Their pages a second come from their own server's log.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from bench.torture.figures import Figure, table
from bench.vweb.log import read_log
from bench.vweb.process import ROOT, Running, serve
from bench.vweb.spec import NO_FAULTS, WebSpec
from config import Settings
from crawler.supervisor import Crawl, Report, resolve_seeds

COMMAND: Final = "python -m bench.torture.neighbours"
HEALTHY: Final = 20
HOSTILE: Final = 50
PAGES: Final = 60
"""Pages of a healthy host at scale 1: about twelve seconds of crawling."""
DELAY_S: Final = 0.2
KEPT: Final = 0.95
LONGEST_S: Final = 300.0


def run(scale: float = 1.0) -> list[Figure]:
    """Crawl the three ways and return the shares of pages a second kept. Scale 1 takes about a minute."""
    return asyncio.run(_run(max(10, int(PAGES * scale))))


async def _run(pages: int) -> list[Figure]:
    alone, _ = await _rate(pages, 0, slow=False)
    beside, report = await _rate(pages, HOSTILE, slow=False)
    stuck, _ = await _rate(pages, HOSTILE, slow=True)
    failed = sum(n for name, n in _counters(report).items() if name.startswith("failed."))
    return [
        _kept("20 healthy hosts beside 50 hostile ones", beside, alone),
        _kept("the same with half of the requests stuck on slow hosts", stuck, alone),
        Figure("failures of the hostile hosts, each of a named class", str(failed), "over 0", failed > 0, COMMAND),
    ]


def _kept(name: str, rate: float, alone: float) -> Figure:
    value = f"{rate / alone:.1%} of {alone:.1f} pages/s"
    return Figure(name, value, f"at least {KEPT:.0%}", rate >= KEPT * alone, COMMAND)


def _counters(report: Report) -> dict[str, int]:
    assert report.snapshot is not None
    return report.snapshot.counters


async def _rate(pages: int, hostile: int, *, slow: bool) -> tuple[float, Report]:
    """Return the healthy hosts' pages a second, as their server saw them, and the crawl's report."""
    spec = WebSpec(hosts=HEALTHY, pages_per_host=pages, profile=4, faults=NO_FAULTS)
    with tempfile.TemporaryDirectory(prefix="linkmill-neighbours-") as folder:
        log = Path(folder) / "log"
        async with serve(spec, log=log, max_s=LONGEST_S) as web, _hostile(slow) as port:
            settings = _settings(web, port, hostile, Path(folder))
            report = await Crawl(settings, resolve_seeds(settings.crawl.seeds)).run()
        starts = sorted(row.started_s for row in read_log(log) if row.path != "/robots.txt")
    return (len(starts) - 1) / (starts[-1] - starts[0]), report


def _settings(web: Running, port: int, hostile: int, folder: Path) -> Settings:
    names = [f"x{number}.hostile.test" for number in range(hostile)]
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
            "hosts": web.hosts | {"*.hostile.test": f"127.0.0.1:{port}"},
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
    print(table(run()))
