"""Microseconds per row of a commit: segments (links with their pages) and the transaction (queue rows).

Run with `python -m bench.store`. Batches are those of a crawl with a commit every 100,000 links: 1,700 pages of 60
links on 100 hosts, a third of them in the site's menu. CPU time of the process with its threads, best of a few;
waiting for the disk shows in the wall time only.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Final

from storage.directory import DataDirectory
from storage.records import Batch, HostRow, LinkRow, PageRow, QueueRow
from storage.segments import SegmentWriter
from storage.sqlite import CrawlStore

HOSTS: Final = 100
PAGES: Final = 1700
MENU: Final = 20
OWN: Final = 40
ADDED: Final = 20_000
ROUNDS: Final = 5
NOW: Final = 1_760_000_000.0


class Web:
    """A seeded web whose pages have a menu and a text with links within and beyond the site."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._words = ["".join(self._random.choices("abcdefghijklmnopqrstuvwxyz", k=2 + at % 9)) for at in range(4000)]
        self.hosts = [f"www.{self._word()}{at}.example" for at in range(HOSTS)]
        self._menus = {
            host: [f"https://{host}/{self._word()}/{self._word()}" for _ in range(MENU)] for host in self.hosts
        }

    def pages(self, first_fetch: int) -> tuple[list[PageRow], list[LinkRow]]:
        """Return the pages of one batch and their links."""
        pages, links = [], []
        for fetch in range(first_fetch, first_fetch + PAGES):
            host = self._random.choice(self.hosts)
            own = self._links(host)
            pages.append(self._page(fetch, host, len(own)))
            links += own
        return pages, links

    def _word(self) -> str:
        return self._random.choice(self._words)

    def _page(self, fetch: int, host: str, links: int) -> PageRow:
        url = f"https://{host}/{self._word()}/{self._word()}"
        row = PageRow(1, fetch, url, host, host, host, 7, 3, fetch - 1, 1, int(NOW * 1e6) + fetch % PAGES)
        row.status, row.links, row.title, row.ip, row.server = (
            200,
            links,
            f"{self._word()} {self._word()}",
            "127.0.0.1",
            "n",
        )
        row.content_type, row.charset, row.body_hash = "text/html", "utf-8", self._random.randbytes(16)
        return row

    def _links(self, host: str) -> list[LinkRow]:
        menu = [(host, target, target.rpartition("/")[2], 2) for target in self._menus[host]]
        text = [(*self._target(host), " ".join(self._random.choices(self._words, k=4)), 3) for _ in range(OWN)]
        return [
            LinkRow(target, name, None, 0, 0, anchor, 1, False, False, place, at, 0, None, None, None)
            for at, (name, target, anchor, place) in enumerate(menu + text)
        ]

    def _target(self, host: str) -> tuple[str, str]:
        name = host if self._random.random() < 0.7 else self._random.choice(self.hosts)
        if self._random.random() < 0.4:
            return name, self._random.choice(self._menus[name])
        return name, f"https://{name}/{self._word()}/{self._word()}-{self._word()}-{self._random.randrange(20_000)}"


def spent(work: Callable[[], object]) -> tuple[float, float]:
    """Run `work` and return its CPU and wall seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall


def measure_segments(root: Path, level: int) -> None:
    """Print the cost and size of a link in a segment."""
    pages, links = Web(1).pages(1 << 40)
    writer = SegmentWriter(DataDirectory(root), level)
    batches = count(1)
    cpu, wall = min(spent(lambda: writer.write(1, next(batches), pages, links)) for _ in range(ROUNDS))
    file = writer.write(1, next(batches), pages, links)[1]
    print(
        f"segments, level {level}: {cpu / len(links) * 1e6:.2f} us CPU, {wall / len(links) * 1e6:.2f} us wall a link, "
        f"{file.size_bytes / len(links):.1f} bytes a link"
    )


def queue_rows(first_seq: int) -> list[QueueRow]:
    """Return the URLs that one batch adds, spread over the hosts."""
    return [
        QueueRow(seq % HOSTS, seq, f"https://www.h{seq % HOSTS}.example/some/path-{seq}", 2, 1, 1 << 40, NOW, 0, 0, 0.0)
        for seq in range(first_seq, first_seq + ADDED)
    ]


async def measure_queue(store: CrawlStore) -> None:
    """Print the cost of a queue row added, of one finished, and of one refilled."""
    hosts = {at: HostRow(at, f"www.h{at}.example", "d", "d", 1) for at in range(HOSTS)}
    adds, ends = [], []
    for turn in range(ROUNDS):
        rows = queue_rows(turn * ADDED)
        adds.append(
            await _commit(
                store, Batch(added=rows, hosts=hosts, seen=[row.seq for row in rows], seen_shards=[0] * len(rows))
            )
        )
    for turn in range(ROUNDS - 1):
        gone = [(row.host_id, row.seq) for row in queue_rows(turn * ADDED)]
        ends.append(await _commit(store, Batch(finished=gone, hosts=hosts)))
    print(_line("added", adds))
    print(_line("finished", ends))
    begun = time.process_time()
    found = sum([len(await store.refill(host_id, 0, 1000)) for host_id in range(HOSTS)])
    print(f"queue row refilled: {(time.process_time() - begun) / found * 1e6:.2f} us CPU")


async def _commit(store: CrawlStore, batch: Batch) -> tuple[float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    await store.commit(batch, NOW)
    return time.process_time() - cpu, time.perf_counter() - wall


def _line(what: str, costs: list[tuple[float, float]]) -> str:
    cpu, wall = min(costs)
    mean = sum(cost for cost, _ in costs) / len(costs)
    best = f"{cpu / ADDED * 1e6:.2f} us CPU (mean {mean / ADDED * 1e6:.2f})"
    return f"queue row {what}: {best}, {wall / ADDED * 1e6:.2f} us wall"


async def measure_commit(store: CrawlStore) -> None:
    """Print the cost of whole commits as a crawl makes them, by link."""
    web, costs = Web(2), []
    for turn in range(3):
        pages, links = web.pages((1 << 40) + turn * PAGES)
        batch = Batch(pages, links, added=queue_rows((ROUNDS + turn) * ADDED))
        costs.append(await _commit(store, batch))
    cpu, wall = min(costs)
    size = f"{len(links):,} links, {ADDED:,} URLs"
    print(f"whole commit, {size}: {cpu:.3f} s CPU, {wall:.3f} s wall, {cpu / len(links) * 1e6:.2f} us a link")


async def main() -> None:
    """Run all measurements in a directory of their own."""
    with tempfile.TemporaryDirectory() as folder:
        for level in (1, 3):
            measure_segments(Path(folder) / f"level{level}", level)
        async with CrawlStore.open(Path(folder) / "store", compression_level=3) as store:
            await store.start_run("bench", "{}", fresh=False, now=NOW)
            await measure_queue(store)
            await measure_commit(store)


if __name__ == "__main__":
    asyncio.run(main())
