"""What a worker needs of a store, whichever database is behind it.

Rule: `tests/store_contract.py` is the meaning of these calls; a store is one when it passes.
What the supervisor alone does (opening, runs, dividing shards) is each store's own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from storage.leases import BEFORE_ALL, Lease, Shards
from storage.records import Batch, ErrandRow, HostRow, OfferRow, QueueRow, RobotsRow
from storage.seenchunks import Fingerprints


class WorkerStore(Protocol):
    """The memory of a crawl, as one of its workers sees it: only its own shards, by lease."""

    lease: Lease

    async def acquire(self, shards: Shards, owner: str, length_s: float, now: float) -> Lease:
        """Take shards that nobody holds for `length_s`, and a new incarnation. Raises LeaseHeld."""

    async def renew(self, now: float) -> None:
        """Hold the lease for its length from now on. Raises LeaseLost."""

    async def release(self) -> None:
        """Give the lease back, so that its next owner need not wait."""

    async def commit(self, batch: Batch, now: float) -> None:
        """Make a batch visible and durable as a whole, and renew the lease. Raises LeaseLost, and nothing is stored."""

    async def offers(self, limit: int, after: tuple[int, str] = BEFORE_ALL) -> list[OfferRow]:
        """Return up to `limit` offers that no committed batch of this worker has taken, those after a (shard, url)."""

    async def errands(self, limit: int) -> list[ErrandRow]:
        """Return up to `limit` errands that no committed batch of this worker has ended."""

    async def answer_for(self, origin: str) -> RobotsRow | None:
        """Return the robots.txt answer of an origin, whichever worker committed it."""

    async def refill(self, host_id: int, after_seq: int, limit: int) -> list[QueueRow]:
        """Return up to `limit` queued URLs of a host that come after `after_seq`, in order of seq."""

    async def refill_hosts(self, wishes: Sequence[tuple[int, int]], limit: int) -> dict[int, list[QueueRow]]:
        """Return what `refill` would for each (host_id, after_seq), by host_id."""

    async def hosts_of(self, host_ids: Sequence[int]) -> list[HostRow]:
        """Return those of the hosts that are stored."""

    async def robots_of(self, hosts: Sequence[str]) -> list[tuple[str, RobotsRow]]:
        """Return the robots.txt answers of all origins of some hosts, each with the host's name."""

    def known_hosts(self, limit: int) -> AsyncIterator[list[tuple[int, str, int, int, float]]]:
        """Yield the hosts of the lease's shards by id: id, name, URLs discovered and queued, delay in force."""

    async def load_seen(self) -> Fingerprints:
        """Return the fingerprints of all URLs discovered in the lease's shards."""

    async def max_seq(self) -> int:
        """Return the highest seq any worker has queued."""
