"""What is about to be committed: pages, links, queue changes and host states of the last seconds, as one batch.

Rule: everything one page changed is put into the same batch before anything else runs (no await in between), so that
a commit shows all of it or none. Filled by the worker's slots, emptied by `run`, which is the only one to commit.
What a crash may cost is bounded: a commit is due at half of `commit_links`, and with all of them pending or under way
the slots wait in `room` until the commit has ended.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Set
from contextlib import suppress
from typing import TYPE_CHECKING

from crawler.board import Saved
from crawler.frontier import Frontier
from crawler.hostqueue import HostQueue
from crawler.outcome import Request
from crawler.share import Share
from crawler.stats import Stats
from crawler.url import domains_of, host_of, shard_of
from storage.leases import Lease
from storage.records import Batch, LinkRow, OfferRow, PageRow, QueueRow, RobotsRow

if TYPE_CHECKING:
    from config import StorageSettings
    from storage.sqlite import CrawlStore


def utc_offset() -> float:
    """Return what turns monotonic seconds into UTC as of now: the wall clock may be set while a crawl runs."""
    return time.time() - time.monotonic()


class Recorder:
    """Collect one batch after the other and commit each as a whole."""

    def __init__(self, store: CrawlStore, settings: StorageSettings, stats: Stats, frontier: Frontier) -> None:
        self._store = store
        self._settings = settings
        self._stats = stats
        self._frontier = frontier
        self._batch = Batch()
        self._touched: dict[int, HostQueue] = {}
        self._counted = stats.counters.copy()
        """What the store knows of the counters."""
        self._found: set[int] = set()
        """Ids of hosts that have new URLs."""
        self._due = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._committing_links = 0
        self._committing = False
        self._judging = 0
        self.share = Share(Lease())
        """Brings its offers to other workers along with every batch."""
        self._stopping = False
        self.on_commit: Callable[[], None] = lambda: None

    def page(self, row: PageRow, links: list[LinkRow]) -> None:
        self._batch.pages.append(row)
        self._batch.links.extend(links)
        if 2 * len(self._batch.links) >= self._settings.commit_links:
            self._due.set()
        self._mind_room()

    def queue(self, row: QueueRow, fingerprint: int | None = None) -> None:
        """Add a row to the queue; with its fingerprint when the URL is new."""
        self._batch.added.append(row)
        if fingerprint is not None:
            self._batch.seen.append(fingerprint)
            self._batch.seen_shards.append(shard_of(domains_of(host_of(row.url)).domain))
            self._found.add(row.host_id)

    def finish(self, request: Request) -> None:
        """Take a request's row out of the queue."""
        self._batch.finished.append((request.host_id, request.seq))

    def touch(self, host: HostQueue) -> None:
        """Save the state of a host with the next commit."""
        self._touched[host.record.host_id] = host

    @property
    def pending(self) -> Set[int]:
        """The ids of hosts that have changed since what was committed last."""
        return self._touched.keys() | self._found

    def robots(self, row: RobotsRow) -> None:
        self._batch.robots[row.origin] = row

    def judged(self, offer: OfferRow) -> None:
        """Take an offer of another worker out of the store: it is queued with this batch, or was left."""
        self._batch.taken.append((offer.shard, offer.url))
        self._judging += 1

    @property
    def judging(self) -> int:
        """How many offers were judged that are still in the store."""
        return self._judging

    @property
    def is_empty(self) -> bool:
        """Whether all that happened is committed."""
        batch = self._batch
        pending = batch.pages or batch.added or batch.finished or batch.robots or batch.taken
        return not (self._committing or pending or self._touched or self.share.offering or self.share.errands.waiting)

    def hurry(self) -> None:
        """Ask for a commit now: somebody waits for rows that only it will put on disk."""
        self._due.set()

    @property
    def is_full(self) -> bool:
        """Whether `room` would wait."""
        return not self._room.is_set()

    async def room(self) -> None:
        """Wait while more would be lost by a crash than the settings allow."""
        await self._room.wait()

    def stop(self) -> None:
        """Make `run` commit what is pending and return."""
        self._stopping = True
        self._due.set()

    async def run(self) -> None:
        """Commit at every interval, at every full batch, and a last time after `stop`.

        Raises StorageError when the store gives up.
        """
        while not self._stopping:
            # Not `wait_for`: before Python 3.12 it loses a cancellation that comes together with the event.
            with suppress(TimeoutError):  # the interval is over: commit what there is
                async with asyncio.timeout(self._settings.commit_interval):
                    await self._due.wait()
            await self.commit()
        await self.commit()

    async def commit(self) -> None:
        self._due.clear()
        batch = self._swap()
        if self.share.board is not None:
            had = self._counted
            self.share.board.saving(Saved(self._store.next_batch, had["attempts"], had["bytes.wire"]))
        self._committing_links = len(batch.links)
        self._committing = True
        await self._store.commit(batch, time.time())
        self._committing = False
        self._committing_links = 0
        self._judging = len(self._batch.taken)
        self._mind_room()
        self.on_commit()

    def _mind_room(self) -> None:
        if self._committing_links + len(self._batch.links) >= self._settings.commit_links:
            self._room.clear()
        else:
            self._room.set()

    def _swap(self) -> Batch:
        batch, self._batch = self._batch, Batch()
        self._note_found(batch)
        offset = utc_offset()
        batch.hosts |= {host_id: host.snapshot(offset) for host_id, host in self._touched.items()}
        self._touched.clear()
        batch.counters = self._newly_counted()
        batch.offers = self.share.hand_over()
        batch.errands, batch.errands_ended = self.share.errands.hand_over()
        return batch

    def _newly_counted(self) -> dict[str, int]:
        before, counters = self._counted, self._stats.counters
        self._counted = counters.copy()
        return {reason: count - before[reason] for reason, count in counters.items() if count != before[reason]}

    def _note_found(self, batch: Batch) -> None:
        """Note the hosts that were met or have new URLs: those at the front as they are, of others what is known."""
        front = self._frontier.front
        for record in front.newcomers:
            batch.hosts[record.host_id] = record
        front.newcomers.clear()
        for host_id in self._found | batch.hosts.keys():
            host = front.hosts.get(host_id)
            if host is not None:
                self._touched[host_id] = host
            else:
                batch.discovered[host_id] = front.roster.discovered[host_id]
        self._found.clear()
