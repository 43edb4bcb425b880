"""The store as several workers share it: leases of shards, fenced commits, URLs offered from one worker to another.

Rule: a commit and the check that the lease still stands are one transaction, so a worker that lost its shards changes
nothing any more; an offer leaves the store in the very transaction that makes its judgement durable.
The supervisor holds the directory's lock (`open`) and divides the shards; workers open the store beneath it (`join`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Final, Self

from storage import statements
from storage.directory import DataDirectory
from storage.errors import LeaseHeld, LeaseLost
from storage.leases import BEFORE_ALL, Lease, Shards, portions
from storage.records import Batch, ErrandRow, OfferRow, RobotsRow
from storage.rowsum import with_sum
from storage.segments import SegmentWriter
from storage.sqlite import CrawlStore, Prepared, connect

SQL: Final = statements.load("storage.sql", "sharing")

BATCH_BITS: Final = 32
"""Batches of a worker are numbered from incarnation << 32 on, so that no other has the same number."""


class SharedStore(CrawlStore):
    """The memory of one data directory's crawl, for its supervisor and for each of its workers."""

    @classmethod
    @asynccontextmanager
    async def join(cls, data_dir: Path, run: int, *, compression_level: int) -> AsyncIterator[Self]:
        """Open the store of a run beneath the lock that the supervisor holds; `acquire` comes before anything else."""
        directory = DataDirectory(data_dir)
        store = cls(directory, await connect(directory), SegmentWriter(directory, compression_level))
        store._run = run
        try:
            yield store
        finally:
            await store._leave()

    async def _leave(self) -> None:
        """Finish what was begun and close; emptying the write-ahead log is left to the last one, the supervisor."""
        self.closing = True
        try:
            await asyncio.gather(*self._begun)
        finally:
            await self._database.close()

    # The supervisor's part. It knows which workers are alive, for they are its own processes.

    async def divide(self, workers: int) -> list[Shards]:
        """Divide all shards among so many workers, none of which has started; return the portion of each."""
        return await self._unbroken(self._divide(portions(workers)))

    async def _divide(self, shards: list[Shards]) -> list[Shards]:
        async with self._transaction():
            first_host_id = int((await self._rows("highest_host_id", self._run, source=SQL))[0][0]) + 1
            for name in ("forget_leases", "forget_errands"):
                await self._database.execute(SQL[name])
            rows = [(*part, first_host_id + number, len(shards)) for number, part in enumerate(shards)]
            await self._database.executemany(SQL["insert_lease"], rows)
        return shards

    async def revoke(self, shards: Shards) -> None:
        """Free the shards of a worker whose process is known to have ended without a last word."""
        await self._unbroken(self._revoke(shards))

    async def _revoke(self, shards: Shards) -> None:
        async with self._transaction():
            await self._database.execute(SQL["revoke_lease"], (shards.first,))

    async def has_batch(self, number: int) -> bool:
        """Tell whether a worker's commit of this number was made."""
        return bool((await self._read("batch_applied", number))[0][0])

    async def pending(self) -> int:
        """Return how many offers and errands no worker is done with."""
        return int((await self._read("pending", source=SQL))[0][0])

    # A worker's part.

    async def acquire(self, shards: Shards, owner: str, length_s: float, now: float) -> Lease:
        """Take shards for `length_s` from now (UTC) on, and a new incarnation; what is read is theirs from here on.

        Raises LeaseHeld while they are another's.
        """
        started = monotonic()
        self.lease = await self._unbroken(self._acquire(shards, owner, length_s, now))
        self.lease.ends_at = started + length_s
        self._last_batch = self.lease.incarnation << BATCH_BITS
        return self.lease

    async def _acquire(self, shards: Shards, owner: str, length_s: float, now: float) -> Lease:
        async with self._transaction():
            found = await self._rows("lease", *shards, source=SQL)
            if not found:
                raise LeaseHeld(self.directory.root, f"shards {shards.first} to {shards.last} are divided otherwise")
            holder, expires_at, epoch, unclean, first_host_id, step = found[0]
            if holder is not None and expires_at > now:
                raise LeaseHeld(self.directory.root, f"{holder} for {expires_at - now:.1f} s more")
            incarnation = await self._number("next_incarnation")
            await self._database.execute(SQL["take_lease"], (owner, now + length_s, shards.first))
        unclean = bool(unclean) or holder is not None
        return Lease(shards, owner, epoch + 1, incarnation, first_host_id, step, unclean, length_s)

    async def renew(self, now: float) -> None:
        """Hold the lease for its length from now (UTC) on. Raises LeaseLost when it has another owner."""
        await self._unbroken(self._renew(now))

    async def _renew(self, now: float) -> None:
        started = monotonic()
        async with self._transaction():
            await self._hold(now)
        self.lease.ends_at = started + self.lease.length_s

    async def release(self) -> None:
        """Give the lease back: the next owner need not wait. Raises LeaseLost when it has another owner."""
        await self._unbroken(self._release())

    async def _release(self) -> None:
        lease = self.lease
        lease.ends_at = 0.0
        async with self._transaction():
            await self._owning("release_lease", lease.shards.first, lease.owner, lease.epoch)

    async def offers(self, limit: int, after: tuple[int, str] = BEFORE_ALL) -> list[OfferRow]:
        """Return up to `limit` offers to the lease's shards that come after a (shard, url), in order of both.

        Those being judged come again until they are committed.
        """
        first, last = self.lease.shards
        rows = await self._read("offers", *max(after, (first, "")), last, limit, source=SQL)
        return [OfferRow._make(row) for row in self._as_written(rows)]

    async def errands(self, limit: int) -> list[ErrandRow]:
        """Return up to `limit` errands for the lease's shards; those under way are among them."""
        rows = await self._read("errands", *self.lease.shards, limit, source=SQL)
        return [ErrandRow._make(row) for row in self._as_written(rows)]

    async def answer_for(self, origin: str) -> RobotsRow | None:
        """Return the stored robots.txt answer of an origin, whoever fetched it."""
        rows = await self._read("robots_of_origin", origin, source=SQL)
        return next((RobotsRow._make(row) for row in self._as_written(rows)), None)

    # What a commit does beyond the store of one worker.

    async def _commit(self, batch: Batch, now: float) -> None:
        started = monotonic()
        await super()._commit(batch, now)
        if self.lease.epoch:
            self.lease.ends_at = started + self.lease.length_s

    async def _apply(self, prepared: Prepared, now: float) -> None:
        if self.lease.epoch:
            await self._hold(now)
        await super()._apply(prepared, now)
        await self._offer(prepared.batch.offers)
        await self._many("delete_offer", prepared.batch.taken, source=SQL)
        await self._many("insert_errand", prepared.batch.errands, with_sum, SQL)
        await self._many("delete_errand", prepared.batch.errands_ended, source=SQL)

    async def _offer(self, offers: list[OfferRow]) -> None:
        """Add offers, and count those that wait already: another worker, or this one a while ago, has made them too."""
        before = self._database.total_changes
        await self._many("insert_offer", offers, with_sum, SQL)
        repeated = len(offers) - (self._database.total_changes - before)
        if repeated:
            await self._many("add_counter", [(self._run, "offers.repeated", repeated)])

    async def _hold(self, now: float) -> None:
        lease = self.lease
        await self._owning("renew_lease", now + lease.length_s, lease.shards.first, lease.owner, lease.epoch)

    async def _owning(self, name: str, *values: object) -> None:
        """Change the lease's row, which is this worker's only as long as the epoch is the same."""
        if (await self._database.execute(SQL[name], values)).rowcount != 1:
            shards = self.lease.shards
            raise LeaseLost(self.directory.root, f"shards {shards.first} to {shards.last}")
