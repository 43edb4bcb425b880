"""Half an hour on an endless web: what grows, and how long the loop is held up. `python -m bench.torture.soak`.

A polite crawl of 200 hosts that never run out of pages, sampled every second. One thing grows by design, the set
of known URLs (`crawler.seen`): its bytes are taken from each sample's resident size before the slope is drawn, and are
a figure of their own. It begins with `KNOWN` URLs, as that of a resumed crawl. All else has to be flat after a
warm-up in which what is bounded comes to its bound: caches, and the batch that waits while somebody holds the database.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import linear_regression, median, quantiles
from typing import Any, Final
from unittest.mock import patch

import numpy as np
import uvloop

from bench.torture.endless import HOSTS, host
from bench.torture.figures import Figure, table
from bench.vweb.process import ROOT
from config import Settings
from crawler.fingerprints import Marks
from crawler.memory import collecting_seldom, keep_freed_memory
from crawler.seen import Seen
from crawler.supervisor import Crawl, resolve_seeds

COMMAND: Final = "python -m bench.torture.soak"
SECONDS: Final = 1_800.0
DELAY_S: Final = 0.5
KNOWN: Final = 700_000
"""Ten times what a soak finds, so that what the URLs themselves take does not show as a slope."""
SAMPLE_S: Final = 1.0
WARM_UP_S: Final = 120.0
"""Until caches, pools and heaps have their size (measured: 90 s); of a shorter soak its first half."""
STALLS_AT_S: Final = (30.0, 60.0, 90.0)
STALL_S: Final = 5.0
"""When, and for how long, the database is held during the warm-up, so that the batch grows to its bound: Python's heap
keeps what it once needed, and a disk that is busy for a second later on would look like a leak."""
COMMIT_LINKS: Final = 20_000
"""That bound, twice what comes in a second: met within a stall."""
COMMIT_S: Final = 1.0
"""Between two commits: at the usual 5 s what waits for the next one comes and goes by 10 MB, and would drown a leak."""
TICK_S: Final = 0.01
"""Between two looks at how late the loop is."""
SLOPE_MB: Final = 1.0
LAG_MS: Final = 50.0
SPREAD: Final = 0.05
"""Share by which descriptors and tasks may differ between the first and the last third: hosts come and go."""
SLACK: Final = 5


@dataclass(frozen=True, slots=True)
class Sample:
    """The process at one moment."""

    at_s: float
    pages: int
    resident: int
    urls: int
    """Known ones."""
    known: int
    """Their bytes."""
    files: int
    tasks: int


@dataclass(frozen=True, slots=True)
class Soaked:
    """What a soak measured."""

    samples: list[Sample]
    lags_ms: list[float]
    """How late the loop was at each look."""
    busy_ms: list[float]
    """The same as far as this process was at work meanwhile: the rest is other processes' doing."""

    @property
    def warm(self) -> list[Sample]:
        start = min(WARM_UP_S, self.samples[-1].at_s / 2)
        return [sample for sample in self.samples if sample.at_s >= start]


class Known(Seen):
    """The set of known URLs; the last one made can be looked at."""

    last: Known

    def __init__(self, fingerprints: Iterable[int] | Marks = ()) -> None:
        made_up = np.random.default_rng(1).integers(0, 2**64, KNOWN, dtype=np.uint64)
        super().__init__(np.concatenate([made_up, np.fromiter(fingerprints, np.uint64)]))
        Known.last = self


def run(scale: float = 1.0) -> list[Figure]:
    """Soak in a process of its own, half an hour at scale 1, and return what it came to."""
    seconds = SECONDS * scale
    command = [sys.executable, "-m", "bench.torture.soak", "--seconds", str(seconds)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=seconds + 120.0)
    told = json.loads(done.stdout)
    return figures(Soaked([Sample(**sample) for sample in told["samples"]], told["lags_ms"], told["busy_ms"]))


def figures(soaked: Soaked) -> list[Figure]:
    """Judge a soak."""
    warm, last = soaked.warm, soaked.samples[-1]
    slope = linear_regression([s.pages for s in warm], [s.resident - s.known for s in warm]).slope / 10
    lag, busy = quantiles(soaked.lags_ms, n=100)[-1], quantiles(soaked.busy_ms, n=100)[-1]
    late = f"{lag:.1f} ms, {busy:.1f} by its own work"
    each = last.known / last.urls
    grown = f"{slope:+.2f} MB, over {last.pages - warm[0].pages:,} pages at {last.resident / 1e6:.0f} MB"
    is_flat = slope < SLOPE_MB
    return [
        Figure("growth a 100,000 pages beside known URLs", grown, f"under {SLOPE_MB:.0f} MB", is_flat, COMMAND),
        Figure("bytes of a known URL", f"{each:.0f}, of {last.urls:,}", "under 25", each < 25, COMMAND),
        _flat("open files", [sample.files for sample in warm]),
        _flat("tasks", [sample.tasks for sample in warm]),
        Figure("the loop is late, p99", late, f"under {LAG_MS:.0f} ms", lag < LAG_MS, COMMAND),
    ]


def _flat(name: str, counts: Sequence[int]) -> Figure:
    third = max(1, len(counts) // 3)
    early, late = median(counts[:third]), median(counts[-third:])
    value = f"{early:.0f} early, {late:.0f} late, {max(counts)} at most"
    return Figure(name, value, "late as early", late <= early * (1 + SPREAD) + SLACK, COMMAND)


async def soak(seconds: float, folder: Path) -> Soaked:
    """Crawl the endless web for so long, in this process."""
    async with _endless(seconds + 60.0) as port:
        settings = _settings(port, seconds, folder)
        crawl = Crawl(settings, resolve_seeds(settings.crawl.seeds))
        lags = Lags(seconds)
        samples: list[Sample] = []
        watching = [asyncio.ensure_future(task) for task in (_look(crawl, samples), lags.listen(), _stall(folder))]
        try:
            with patch("crawler.supervisor.Seen", Known):
                await crawl.run()
        finally:
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)
    return Soaked(samples, *lags.warm())


async def _look(crawl: Crawl, samples: list[Sample]) -> None:
    started = time.monotonic()
    while True:
        await asyncio.sleep(SAMPLE_S)
        snapshot = crawl.snapshot()
        if snapshot is not None and snapshot.pages:
            at_s, tasks = time.monotonic() - started, len(asyncio.all_tasks())
            known = Known.last
            samples.append(Sample(at_s, snapshot.attempts, _resident(), len(known), known.size_bytes, _files(), tasks))


async def _stall(folder: Path) -> None:
    """Hold the database now and then while the crawl is young, as a backup would."""
    started = time.monotonic()
    for at_s in STALLS_AT_S:
        await asyncio.sleep(started + at_s - time.monotonic())
        options: dict[str, Any] = {"isolation_level": None, "timeout": 10.0, "check_same_thread": False}
        with closing(sqlite3.connect(folder / "crawl.db", **options)) as database:
            await asyncio.to_thread(database.execute, "BEGIN IMMEDIATE")
            await asyncio.sleep(STALL_S)
            database.rollback()


class Lags:
    """How late the loop was, in arrays that have their full size from the beginning: a list would be a leak here."""

    def __init__(self, seconds: float) -> None:
        most = int(seconds / TICK_S)
        self._late_ms, self._own_ms = array("d", [0.0]) * most, array("d", [0.0]) * most
        self._taken = 0

    def add(self, late_s: float, cpu_s: float) -> None:
        """Note how late the loop was, and the CPU time of the process meanwhile."""
        if self._taken < len(self._late_ms):
            self._late_ms[self._taken] = max(0.0, late_s) * 1000.0
            self._own_ms[self._taken] = min(max(0.0, late_s), cpu_s) * 1000.0
            self._taken += 1

    def warm(self) -> tuple[list[float], list[float]]:
        """Return both after the warm-up, in milliseconds."""
        start = min(int(WARM_UP_S / TICK_S), self._taken // 2)
        return self._late_ms[start : self._taken].tolist(), self._own_ms[start : self._taken].tolist()

    async def listen(self) -> None:
        """Look again and again."""
        loop = asyncio.get_running_loop()
        while True:
            due, before = loop.time() + TICK_S, time.process_time()
            await asyncio.sleep(TICK_S)
            self.add(loop.time() - due, time.process_time() - before)


def _files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _settings(port: int, seconds: float, folder: Path) -> Settings:
    given: dict[str, Any] = {
        "crawl": {
            "seeds": [f"http://{host(number)}/" for number in range(HOSTS)],
            "data_dir": folder,
            "max_time": seconds,
        },
        "scope": {"follow": "any", "include": ["*.endless.test/*"]},
        "politeness": {"delay": DELAY_S, "delay_per_ip": 0.0, "connections_per_ip": 1000},
        "fetch": {"retries": 1, "retry_wait": 2.0},
        "storage": {"commit_interval": COMMIT_S, "commit_links": COMMIT_LINKS},
        "network": {"hosts": {"*.endless.test": f"127.0.0.1:{port}"}, "allow_addresses": ["127.0.0.0/8"]},
    }
    return Settings.model_validate(given)


@asynccontextmanager
async def _endless(max_s: float) -> AsyncIterator[int]:
    """Serve the endless web and yield its port."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.torture.endless", "--max-seconds", str(max_s)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        yield int((await process.stdout.readline()).rpartition(b":")[2])
    finally:
        process.kill()
        await process.wait()


def main() -> None:
    """Soak in full and print the table; with --seconds, soak in this very process and print what was measured."""
    parser = argparse.ArgumentParser(prog="python -m bench.torture.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, help="soak here for so long and print the samples as JSON")
    options = parser.parse_args()
    if options.seconds is None:
        print(table(run()))
        return
    keep_freed_memory()
    with tempfile.TemporaryDirectory(prefix="linkmill-soak-") as folder, collecting_seldom():
        print(json.dumps(asdict(uvloop.run(soak(options.seconds, Path(folder))))))


if __name__ == "__main__":
    main()
