"""What a frontier of many URLs on many hosts costs: memory, start, take and release, links let in.

Run with `python -m bench.frontier`; in full with `--urls 10000000 --hosts 1000000`. The store is filled directly,
robots.txt answers included; a new process resumes its crawl and plays pages on a simulated clock: every host has an
address and a delay of its own, every page 60 links, 10 of them new. Store, frontier, seen, admission and batches are
the crawler's own; nothing is fetched or parsed. CPU seconds of the process with its threads.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from config import Settings
from crawler.addresses import Endpoint
from crawler.filling import Filling
from crawler.jobs import Denied, Discovery, Job, Resolve, RobotsFetch, RobotsRefused
from crawler.memory import collecting_seldom, keep_freed_memory
from crawler.outcome import Answer, Fetched, Request
from crawler.parts import Parts
from crawler.robots_settling import RobotsSettling
from crawler.supervisor import Crawl
from crawler.url import fingerprint
from storage.records import Batch, HostRow, Kind, LinkRow, QueueRow, RobotsRow, Via
from storage.sqlite import CrawlStore

URLS: Final = 300_000
HOSTS: Final = 30_000
PAGES: Final = 5_000
CONCURRENCY: Final = 256
LATENCY_S: Final = 0.1
SEEN_LINKS: Final = 50
NEW_LINKS: Final = 10
PAGES_A_COMMIT: Final = 1_000
BATCH_ROWS: Final = 50_000
ROBOTS: Final = b"User-agent: *\nDisallow: /private/\nDisallow: /search?\nAllow: /search?page=\n" * 4
HOT_URLS: Final = 100_000
"""Links to URLs seen before lead to these: a page's neighbours link to the same."""


def host_name(number: int) -> str:
    """Return the name of a host; three share a domain."""
    return f"www{number % 3}.site-{number // 3}.example"


def url_of(host: int, number: int) -> str:
    """Return one of a host's URLs."""
    return f"http://{host_name(host)}/some/section/page-{number}.html"


async def make(data_dir: Path, urls: int, hosts: int, hot: int = 0) -> None:
    """Make a data directory whose crawl stopped with so many URLs queued, spread evenly over the hosts.

    The first host has `hot` more.
    """
    now = time.time()
    async with CrawlStore.open(data_dir, compression_level=1) as store:
        run = await store.start_run("frontier", "{}", fresh=False, now=now)
        for batch in _batches(urls // hosts, hosts, now):
            await store.commit(batch, now)
        for first in range(urls // hosts, urls // hosts + hot, BATCH_ROWS):
            await store.commit(_hot_batch(range(first, min(first + BATCH_ROWS, urls // hosts + hot)), urls, now), now)
        await store.end_run(run.run, "interrupted", now)


def _batches(each: int, hosts: int, now: float) -> Iterator[Batch]:
    lot = max(1, BATCH_ROWS // each)
    for first in range(0, hosts, lot):
        batch = Batch()
        for number in range(first, min(hosts, first + lot)):
            name, host_id = host_name(number), number + 1
            domain = name.partition(".")[2]
            batch.hosts[host_id] = HostRow(host_id, name, domain, domain, number & 4095, each)
            origin = f"http://{name}"
            batch.robots[origin] = RobotsRow(origin, host_id, "rules", 200, ROBOTS, now, now + 80_000.0)
            for at in range(each):
                url = url_of(number, at)
                batch.added.append(QueueRow(host_id, number * each + at, url, 2, 1, 1 << 40, now, 0, 0, 0.0))
                batch.seen.append(fingerprint(url))
                batch.seen_shards.append(number & 4095)
        yield batch


def _hot_batch(numbers: range, urls: int, now: float) -> Batch:
    batch, name = Batch(), host_name(0)
    domain = name.partition(".")[2]
    batch.hosts[1] = HostRow(1, name, domain, domain, 0, numbers.stop)
    for at in numbers:
        batch.added.append(QueueRow(1, urls + at, url_of(0, at), 2, 1, 1 << 40, now, 0, 0, 0.0))
        batch.seen.append(fingerprint(url_of(0, at)))
        batch.seen_shards.append(0)
    return batch


@dataclass
class Figures:
    """What was measured; times are CPU microseconds, sizes megabytes (10**6 bytes)."""

    urls: int
    hosts: int
    hot: int
    """Further URLs of the first host."""
    pages: int
    empty_rss_mb: float = 0.0
    """Of the process with everything imported and nothing loaded."""
    load_cpu_s: float = 0.0
    load_wall_s: float = 0.0
    loaded_rss_mb: float = 0.0
    final_rss_mb: float = 0.0
    """After the pages were played; `peak_rss_mb` at any moment."""
    peak_rss_mb: float = 0.0
    jobs_us: float = 0.0
    """Take and release, names and robots.txt included, a page."""
    refill_us: float = 0.0
    """Reading hosts and rows from the store, a page."""
    admit_us: float = 0.0
    """A page's links."""
    admitted_us: float = 0.0
    """The same, a URL that was new."""
    commit_us: float = 0.0
    """A page's share of commits."""
    longest_ms: float = 0.0
    """Longest step without an await: what an event loop would lag."""
    pages_a_s: float = 0.0
    """On the simulated clock; what concurrency and delays allow is the aim."""
    hosts_in_ram: int = 0


@dataclass
class Play:
    """Pages played through the parts of a worker."""

    parts: Parts
    figures: Figures
    now: float = field(default_factory=time.monotonic)
    chance: random.Random = field(default_factory=lambda: random.Random(4))
    waiting: list[Job] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.frontier, self.recorder = self.parts.frontier, self.parts.recorder
        self.robots = RobotsSettling(self.parts)
        self.filling = Filling(self.parts.store, "Linkmill", lambda: self.now, time.time)
        self.ended: deque[tuple[float, Request | RobotsFetch]] = deque()
        self.hot = [self._url(self.chance.randrange(self.figures.hosts)) for _ in range(HOT_URLS)]
        self.made = time.time_ns()  # new also to a store that was played on before

    def _url(self, host: int) -> str:
        return url_of(host, self.chance.randrange(self.figures.urls // self.figures.hosts))

    async def run(self) -> None:
        """Play the pages, then say how long each part took."""
        figures, begun_at = self.figures, self.now
        played = committed = 0
        while played < figures.pages:
            with self.timed("jobs_us"):
                self._take()
            if self.frontier.refills.wishing:
                with self.timed("refill_us", steps=False):
                    await self._refill()
                continue
            self._pass_time()
            with self.timed("jobs_us"):
                pages = self._release()
            links = [(page, self._links()) for page in pages]
            with self.timed("admit_us", steps=False):
                self._admit(links)
            played += len(pages)
            if played - committed >= PAGES_A_COMMIT:
                committed = played
                with self.timed("commit_us", steps=False):
                    await self.recorder.commit()
                with self.timed("jobs_us"):
                    self.frontier.committed(self.recorder.pending, self.now)
        figures.pages_a_s = played / (self.now - begun_at)
        figures.admitted_us = figures.admit_us / played / NEW_LINKS
        for name in ("jobs_us", "refill_us", "admit_us", "commit_us"):
            setattr(figures, name, getattr(figures, name) / played)

    @contextmanager
    def timed(self, name: str, *, steps: bool = True) -> Iterator[None]:
        """Add the CPU time of a step to a figure."""
        begun = time.process_time()
        yield
        spent = time.process_time() - begun
        setattr(self.figures, name, getattr(self.figures, name) + spent * 1e6)
        if steps:
            self.figures.longest_ms = max(self.figures.longest_ms, spent * 1e3)

    def _take(self) -> None:
        while len(self.ended) < CONCURRENCY and (job := self.frontier.take(self.now)) is not None:
            match job:
                case Resolve(_, host_id):
                    ip = f"198.{host_id >> 16}.{host_id >> 8 & 255}.{host_id & 255}"
                    self.frontier.resolved(host_id, (Endpoint(ip),), self.now + 600.0, self.now)
                case Request() | RobotsFetch():
                    self.ended.append((self.now + LATENCY_S, job))
                case Denied() | RobotsRefused():
                    raise AssertionError(job)

    async def _refill(self) -> None:
        async for _ in self.filling.fulfil(self.frontier):
            pass
        if self.frontier.refills.starving:
            await self.recorder.commit()

    def _pass_time(self) -> None:
        moments = [self.frontier.next_at() if len(self.ended) < CONCURRENCY else None]
        moments += [self.ended[0][0]] if self.ended else []
        self.now = max(self.now, min(moment for moment in moments if moment is not None))

    def _release(self) -> list[Request]:
        pages, well = [], Fetched(Answer(404, [], "192.0.2.1", "1.1", 0.0, 0.0, 0.0), b"")
        while self.ended and self.ended[0][0] <= self.now:
            _, job = self.ended.popleft()
            self.frontier.release(job, well, self.now)
            if isinstance(job, RobotsFetch):
                self.robots.settle(job, well, self.now)
                continue
            host = self.frontier.hosts[job.host_id]
            host.record.done += 1
            self.recorder.finish(job)
            self.recorder.touch(host)
            pages.append(job)
        return pages

    def _links(self) -> list[LinkRow]:
        urls = self.chance.choices(self.hot, k=SEEN_LINKS)
        for _ in range(NEW_LINKS):
            self.made += 1
            urls.append(f"http://{host_name(self.chance.randrange(self.figures.hosts))}/new/{self.made}")
        self.chance.shuffle(urls)
        return [_link(url) for url in urls]

    def _admit(self, pages: list[tuple[Request, list[LinkRow]]]) -> None:
        for page, links in pages:
            begun = time.process_time()
            how = Discovery(page.depth + 1, Via.LINK, 0, page.seq)
            for row, mark in self.parts.admission.admit_links(links, how, self.parts.stats.counters, self.now):
                self.recorder.queue(row, mark)
            self.figures.longest_ms = max(self.figures.longest_ms, (time.process_time() - begun) * 1e3)


def _link(url: str) -> LinkRow:
    return LinkRow(url, url.split("/", 3)[2], None, int(Kind.A), 0, "", 0, False, False, 0, 0, 0, None, None, None)


def _rss_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def _peak_rss_mb() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM"))


async def measure(data_dir: Path, figures: Figures) -> Figures:
    """Resume the crawl of a filled data directory and play its pages."""
    settings = Settings.model_validate(
        {
            "crawl": {"seeds": [url_of(0, 0)], "data_dir": data_dir},
            "scope": {"follow": "any"},
            "politeness": {"delay": 1.0, "delay_per_ip": 0.0},
        }
    )
    figures.empty_rss_mb = _rss_mb()
    cpu, wall = time.process_time(), time.monotonic()
    async with CrawlStore.open(data_dir, compression_level=1) as store:
        run = await store.start_run("frontier", "{}", fresh=False, now=time.time())
        async with Crawl(settings, settings.crawl.seeds)._open_parts(store, run) as parts:
            figures.load_cpu_s, figures.load_wall_s = time.process_time() - cpu, time.monotonic() - wall
            figures.loaded_rss_mb = _rss_mb()
            await Play(parts, figures).run()
            figures.final_rss_mb, figures.peak_rss_mb = _rss_mb(), _peak_rss_mb()
            figures.hosts_in_ram = len(parts.frontier.hosts)
            await parts.recorder.commit()
    return figures


def _measured(data_dir: Path, figures: Figures) -> Figures:
    keep_freed_memory()
    with collecting_seldom():  # as `linkmill crawl` does
        return asyncio.run(measure(data_dir, figures))


def main() -> None:
    """Print the figures as a table, then as one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench.frontier", description="Measure the frontier at size.")
    parser.add_argument("--urls", type=int, default=URLS)
    parser.add_argument("--hosts", type=int, default=HOSTS)
    parser.add_argument("--hot", type=int, default=0, help="further URLs on one of the hosts")
    parser.add_argument("--pages", type=int, default=PAGES)
    parser.add_argument("--data", type=Path, help="folder to fill, or filled before; kept")
    options = parser.parse_args()
    figures = Figures(options.urls, options.hosts, options.hot, options.pages)
    with tempfile.TemporaryDirectory(prefix="linkmill-frontier-") as name:
        data_dir = options.data or Path(name, "data")
        if not data_dir.exists():
            asyncio.run(make(data_dir, options.urls, options.hosts, options.hot))
        with ProcessPoolExecutor(1, get_context("spawn")) as fresh:  # so that filling leaves no trace in its memory
            figures = fresh.submit(_measured, data_dir, figures).result()
    for key, value in asdict(figures).items():
        print(f"{key:16}{value:>16,.1f}" if isinstance(value, float) else f"{key:16}{value:>16,}")
    print(json.dumps(asdict(figures)))


if __name__ == "__main__":
    main()
