"""What one worker does for its share of a crawl beside crawling: hold the lease, take the offers of the others.

Rule: offers that were taken are judged at once, in one go. They stay in the store until that is committed, so until
then only such are taken as come after them. Whether the crawl is over no worker can know: each tells when it is idle,
with a number that grows whenever it had something to do.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from crawler.url import host_of
from storage.leases import BEFORE_ALL
from storage.records import Failure

if TYPE_CHECKING:
    from crawler.parts import Parts
    from crawler.worker import Worker
    from storage.records import OfferRow
    from storage.store import WorkerStore

LEASE_S: Final = 30.0
"""Longer than any commit, and short enough for another machine to take over soon."""
RENEW_S: Final = 20.0
"""What is left of a lease when it is renewed though no commit did so."""
POLL_S: Final = 0.2
"""Between two looks for offers; each costs 0.1 ms when there are none."""
TAKEN_MAX: Final = 1000
"""Offers judged in one go, in 20 ms; there may be several goes to a commit, or offers would pile up in the store where
pages bring more of them than one each."""
JUDGED_MAX: Final = 20_000
"""Offers judged and not yet committed: what a store that takes no commit for a while leaves to memory."""
HURRY_S: Final = 0.5
"""Between two commits made only because some worker has nothing to do; twice as long after each, up to HURRY_MAX_S,
while some have not. A commit takes 8 ms of CPU, however small: four workers made 40 to 200 of them on 8,500 pages of
unevenly divided hosts, where 30 do."""
HURRY_MAX_S: Final = 4.0


class Exchange:
    """Keep one worker supplied, and its lease alive."""

    def __init__(self, parts: Parts, store: WorkerStore, worker: Worker) -> None:
        self._parts = parts
        self._store = store
        self._worker = worker
        self._taken_up_to = BEFORE_ALL
        self._hurried_at = 0.0
        self._hurry_s = HURRY_S
        self.looked_at = 0.0
        """Monotonic seconds of the last look, from its beginning."""
        self.idle = False
        """Whether nothing is under way, nothing uncommitted and nothing on offer, as of the last look."""
        self.activity = 0
        """Looks that found something to do."""

    async def run(self) -> None:
        """Go on until the worker has stopped. Raises StorageError, LeaseLost among others."""
        while self._worker.stop_reason is None:
            await self.look()
            await asyncio.sleep(POLL_S)

    async def look(self) -> None:
        """Renew the lease when it is due, take what is on offer, and see whether there is anything to do."""
        if self._store.lease.ends_at - time.monotonic() < RENEW_S:
            await self._store.renew(time.time())
        looked_at = time.monotonic()
        found = await self.take(TAKEN_MAX) + await self._run_errands()
        resting = self._parts.frontier.finished and not self._parts.share.errands
        self.looked_at = looked_at
        self.idle = resting and not found and self._parts.recorder.is_empty
        self.activity += not self.idle
        self._mind_the_hungry(resting)

    async def take(self, limit: int) -> int:
        """Judge up to so many offers of the others, beyond those judged already, and return how many there were."""
        judging = self._parts.recorder.judging
        after = self._taken_up_to if judging else BEFORE_ALL
        offers = await self._store.offers(min(limit, JUDGED_MAX - judging), after)
        judge(self._parts, offers)
        if offers:
            self._taken_up_to = offers[-1].shard, offers[-1].url
            self._worker.wake()
        return len(offers)

    async def _run_errands(self) -> int:
        """Take on what robots.txt files others want fetched, and put those in force that others have fetched."""
        errands, frontier = self._parts.share.errands, self._parts.frontier
        taken = 0
        for hop, errand in errands.take(await self._store.errands(TAKEN_MAX)):
            taken += 1
            if not frontier.robots_hop(hop, errand.url, host_of(errand.url), time.monotonic()):
                self._worker.robots.fail(hop, Failure.CONNECT, time.monotonic())
        for origin, asked_at in list(errands.awaited.items()):
            row = await self._store.answer_for(origin)
            if row is not None and row.fetched_at >= asked_at:
                del errands.awaited[origin]
                self._worker.robots.answered_elsewhere(row, time.monotonic())
                taken += 1
        if taken:
            self._worker.wake()
        return taken

    def _mind_the_hungry(self, resting: bool) -> None:
        """Commit early what a worker that has nothing to do waits for: offers, or room to judge more of them.

        Once nobody has anything to do, everything, so that all are idle soon.
        """
        recorder, now = self._parts.recorder, time.monotonic()
        board = self._parts.share.board
        assert board is not None
        board.hungry(hungry=resting)
        if board.all_hungry:
            if not recorder.is_empty:
                recorder.hurry()
        elif not (resting or board.hungry_others):
            self._hurry_s = HURRY_S
        elif now - self._hurried_at >= self._hurry_s and self._is_awaited(resting, board.hungry_others):
            self._hurried_at, self._hurry_s = now, min(2.0 * self._hurry_s, HURRY_MAX_S)
            recorder.hurry()

    def _is_awaited(self, resting: bool, hungry_others: int) -> bool:
        """Tell whether a commit may give work to somebody who has none."""
        return (resting and self._parts.recorder.judging > 0) or (hungry_others > 0 and self._parts.share.offering)


def judge(parts: Parts, offers: Sequence[OfferRow]) -> None:
    """Queue those of the offers that are new and within the rules, in the batch that takes them out of the store."""
    now = time.monotonic()
    for offer in offers:
        admitted = parts.admission.admit_offer(offer, parts.stats.counters, now)
        if admitted is not None:
            parts.recorder.queue(*admitted)
        parts.recorder.judged(offer)


async def take_all(parts: Parts, store: WorkerStore) -> None:
    """Judge what workers of an earlier start have left on offer; for a crawl with one worker, before it begins."""
    while offers := await store.offers(TAKEN_MAX):
        judge(parts, offers)
        await parts.recorder.commit()
