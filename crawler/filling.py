"""Read what the frontier wishes for from the store: rows for hosts at the front, and hosts that were called to it.

Rule: hosts are read in lots, for a call of the store costs as much as twenty of its rows; what is read is handed over
lot by lot, so that the loop is never held up for long.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from crawler import robots_policy
from crawler.front import Arrival, Front

if TYPE_CHECKING:
    from crawler.frontier import Frontier
    from storage.sqlite import CrawlStore

LOT: Final = 64

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Filling:
    """What is needed to read: the store, who reads robots.txt, and the clocks of the frontier and of the store."""

    store: CrawlStore
    product: str
    monotonic: Callable[[], float]
    utc: Callable[[], float]

    async def fulfil(self, frontier: Frontier) -> AsyncIterator[None]:
        """Fulfil all wishes of this moment, and yield after each lot. Raises StorageError."""
        for hosts in _lots(frontier.refills.hand_out()):
            wishes = [(host.record.host_id, host.loaded_seq) for host in hosts]
            rows = await self.store.refill_hosts(wishes, frontier.front.head_rows)
            now = self.monotonic()
            for host in hosts:
                frontier.refilled(host, rows[host.record.host_id], now)
            yield
        for host_ids in _lots(frontier.refills.hand_out_called()):
            arrivals = await self._read(host_ids, frontier.front)
            now = self.monotonic()
            for host_id in host_ids:
                frontier.arrived(host_id, arrivals.get(host_id), now)
            yield

    async def _read(self, host_ids: Sequence[int], front: Front) -> dict[int, Arrival]:
        """Return those of the hosts that are in the store."""
        records = await self.store.hosts_of(host_ids)
        wishes = [(record.host_id, front.seq_before(record.host_id)) for record in records]
        rows = await self.store.refill_hosts(wishes, front.head_rows)
        utc = self.utc()
        arrivals = {record.host_id: Arrival(record, rows[record.host_id], [], utc) for record in records}
        by_name = {record.host: arrivals[record.host_id] for record in records}
        for name, row in await self.store.robots_of(list(by_name)):
            read = partial(robots_policy.restore, row, self.product, utc)
            by_name[name].robots.append((row.origin, read))
        return arrivals


def _lots(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), LOT):
        yield items[start : start + LOT]
