"""What is about to be committed: pages, links, queue changes and host states of the last seconds, as one batch.

Rule: everything one page changed is put into the same batch before anything else runs (no await in between), so that
a commit shows all of it or none. Filled by the worker's slots, emptied by `run`, which is the only one to commit.
What a crash may cost is bounded: a commit is due at half of `commit_links`, and with all of them pending or under way
the slots wait in `room` until the commit has ended.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from crawler.hostqueue import HostQueue
from crawler.outcome import Request
from crawler.share import Share
from crawler.stats import Stats
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

    def __init__(self, store: CrawlStore, settings: StorageSettings, stats: Stats) -> None:
        self._store = store
        self._settings = settings
        self._stats = stats
        self._batch = Batch()
        self._touched: dict[int, HostQueue] = {}
        self._seen_at: list[int] = []
        """The host of each fingerprint of the batch."""
        self._counted = stats.counters.copy()
        """What the store knows of the counters."""
        self._due = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._committing_links = 0
        self._committing = False
        self._judging = False
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
        """Add a row to the queue; with its fingerprint when the URL is new, its host being touched too."""
        self._batch.added.append(row)
        if fingerprint is not None:
            self._batch.seen.append(fingerprint)
            self._seen_at.append(row.host_id)

    def finish(self, request: Request) -> None:
        """Take a request's row out of the queue."""
        self._batch.finished.append((request.host_id, request.seq))

    def touch(self, host: HostQueue) -> None:
        """Save the state of a host with the next commit."""
        self._touched[host.record.host_id] = host

    def robots(self, row: RobotsRow) -> None:
        self._batch.robots[row.origin] = row

    def judged(self, offer: OfferRow) -> None:
        """Take an offer of another worker out of the store: it is queued with this batch, or was left."""
        self._batch.taken.append((offer.shard, offer.url))
        self._judging = True

    @property
    def judging(self) -> bool:
        """Whether offers were judged that are still in the store."""
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
        self._committing_links = len(batch.links)
        self._committing = True
        await self._store.commit(batch, time.time())
        self._committing = False
        self._committing_links = 0
        self._judging = bool(self._batch.taken)
        self._mind_room()
        self.on_commit()

    def _mind_room(self) -> None:
        if self._committing_links + len(self._batch.links) >= self._settings.commit_links:
            self._room.clear()
        else:
            self._room.set()

    def _swap(self) -> Batch:
        batch, self._batch = self._batch, Batch()
        offset = utc_offset()
        batch.hosts = {host_id: host.snapshot(offset) for host_id, host in self._touched.items()}
        batch.seen_shards = [batch.hosts[host_id].shard for host_id in self._seen_at]
        self._touched.clear()
        self._seen_at.clear()
        batch.counters = self._newly_counted()
        batch.offers = self.share.hand_over()
        batch.errands, batch.errands_ended = self.share.errands.hand_over()
        return batch

    def _newly_counted(self) -> dict[str, int]:
        before, counters = self._counted, self._stats.counters
        self._counted = counters.copy()
        return {reason: count - before[reason] for reason, count in counters.items() if count != before[reason]}
