"""What every store for several workers must do, as tests: a store's own test file gives `sharing` and imports these.

`sharing` opens one store after the other beneath the same crawl, as processes of one supervisor would.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, Final

import pytest

from storage.errors import LeaseHeld, LeaseLost
from storage.leases import ALL, Shards, portions
from storage.records import Batch, OfferRow, Via
from storage.store import WorkerStore
from tests.store_rows import NOW, host, queued, robots

Join = Callable[[], Awaitable[WorkerStore]]
HALVES: Final = portions(2)
LOW, HIGH = HALVES
LENGTH_S: Final = 30.0


class Sharing:
    """A crawl divided in two halves."""

    def __init__(
        self,
        join: Join,
        revoke: Callable[[Shards], Awaitable[None]],
        counters: Callable[[], Awaitable[dict[str, int]]],
    ) -> None:
        self.join = join
        self.revoke = revoke
        self.counters = counters

    async def worker(self, shards: Shards, owner: str = "first", now: float = NOW) -> WorkerStore:
        store = await self.join()
        await store.acquire(shards, owner, LENGTH_S, now)
        return store


def offer(url: str, shard: int = 3000, **columns: Any) -> OfferRow:
    return OfferRow(shard, url, "there.example", 2, Via.LINK, 0, 77)._replace(**columns)


def at(shard: int, host_id: int) -> Batch:
    """Return a batch with a host in a shard, a queued URL, its fingerprint and its robots.txt."""
    row = host(host_id, discovered=1)
    row.shard = shard
    answer = robots(host_id)
    return Batch(
        added=[queued(host_id, host_id)],
        hosts={host_id: row},
        robots={answer.origin: answer},
        seen=[host_id],
        seen_shards=[shard],
    )


async def known(store: WorkerStore) -> list[tuple[int, int]]:
    """Return the id and the number of queued URLs of every host that a worker is given."""
    return [(row[0], row[3]) async for rows in store.known_hosts(2) for row in rows]


def test_portions_cover_every_shard_once() -> None:
    for workers in (1, 2, 3, 7, 4096):
        owned = [shard for part in portions(workers) for shard in range(part.first, part.last + 1)]
        assert owned == list(range(ALL.first, ALL.last + 1))


async def test_leases_have_incarnations_and_host_numbers_of_their_own(sharing: Sharing) -> None:
    one, two = await sharing.worker(LOW, "one"), await sharing.worker(HIGH, "two")
    assert one.lease.incarnation != two.lease.incarnation
    numbers = [{lease.first_host_id + n * lease.host_id_step for n in range(50)} for lease in (one.lease, two.lease)]
    assert not numbers[0] & numbers[1]


async def test_lease_that_is_held_is_refused_until_it_ends(sharing: Sharing) -> None:
    await sharing.worker(LOW, "first")
    second = await sharing.join()
    with pytest.raises(LeaseHeld, match=r"first for 0\.5 s more"):
        await second.acquire(LOW, "second", LENGTH_S, NOW + LENGTH_S - 0.5)
    lease = await second.acquire(LOW, "second", LENGTH_S, NOW + LENGTH_S)
    assert (lease.unclean, lease.epoch) == (True, 2)


async def test_released_lease_is_free_at_once(sharing: Sharing) -> None:
    first = await sharing.worker(LOW)
    await first.release()
    assert first.lease.ends_at <= monotonic()
    second = await sharing.worker(LOW, "second")
    assert not second.lease.unclean


async def test_revoked_lease_is_free_at_once_and_known_to_have_ended_badly(sharing: Sharing) -> None:
    first = await sharing.worker(LOW)
    await sharing.revoke(LOW)
    with pytest.raises(LeaseLost):
        await first.commit(at(1, 1), NOW)
    second = await sharing.worker(LOW, "second")
    assert second.lease.unclean


async def test_renewal_moves_the_end_on_from_before_it_was_sent(sharing: Sharing) -> None:
    store = await sharing.worker(LOW)
    before = monotonic()
    await store.renew(NOW + 20)
    after = monotonic()
    assert before + LENGTH_S <= store.lease.ends_at <= after + LENGTH_S
    second = await sharing.join()
    with pytest.raises(LeaseHeld):
        await second.acquire(LOW, "second", LENGTH_S, NOW + 20 + LENGTH_S - 1)


async def test_commit_renews_the_lease(sharing: Sharing) -> None:
    store = await sharing.worker(LOW)
    ended = store.lease.ends_at
    await store.commit(at(1, 1), NOW + 20)
    assert store.lease.ends_at > ended
    second = await sharing.join()
    with pytest.raises(LeaseHeld):
        await second.acquire(LOW, "second", LENGTH_S, NOW + 20 + LENGTH_S - 1)


async def test_owner_that_was_replaced_changes_nothing_any_more(sharing: Sharing) -> None:
    first = await sharing.worker(LOW)
    await first.commit(at(1, 1), NOW)
    second = await sharing.worker(LOW, "first", NOW + LENGTH_S)  # the same name is another owner too
    for late in (first.commit(at(2, 3), NOW), first.renew(NOW), first.release()):
        with pytest.raises(LeaseLost):
            await late
    assert await known(second) == [(1, 1)]
    assert await second.refill(3, 0, 10) == []
    await second.commit(at(2, 3), NOW + LENGTH_S)
    assert await known(second) == [(1, 1), (3, 1)]


async def test_worker_sees_its_own_shards_alone(sharing: Sharing) -> None:
    one, two = await sharing.worker(LOW, "one"), await sharing.worker(HIGH, "two")
    await one.commit(at(LOW.last, 1), NOW)
    await two.commit(at(HIGH.first, 2), NOW)
    for store, host_id in ((one, 1), (two, 2)):
        assert await known(store) == [(host_id, 1)]
        assert (await store.load_seen()).tolist() == [host_id]
        assert await store.max_seq() == 2


async def test_batches_of_two_workers_are_both_stored(sharing: Sharing) -> None:
    one, two = await sharing.worker(LOW, "one"), await sharing.worker(HIGH, "two")
    for host_id in range(1, 9):
        store, shard = (one, LOW.first) if host_id % 2 else (two, HIGH.first)
        await store.commit(at(shard, host_id), NOW)
    assert len(await known(one)) == len(await known(two)) == 4


async def test_offer_reaches_the_owner_of_its_shard_once(sharing: Sharing) -> None:
    one, two = await sharing.worker(LOW, "one"), await sharing.worker(HIGH, "two")
    row = offer("http://there.example/a")
    await one.commit(Batch(offers=[offer("http://there.example/b"), row]), NOW)
    await one.commit(Batch(offers=[row._replace(depth=9)]), NOW)
    other = offer("http://there.example/b")
    assert await two.offers(10) == [row, other]
    assert await two.offers(1) == [row]
    assert await two.offers(1, row[:2]) == [other]
    assert await two.offers(1, other[:2]) == []
    assert await one.offers(10) == []
    assert await sharing.counters() == {"offers.repeated": 1}


async def test_offer_stays_until_its_judgement_is_committed(sharing: Sharing) -> None:
    one, two = await sharing.worker(LOW, "one"), await sharing.worker(HIGH, "two")
    row = offer("http://there.example/a")
    await one.commit(Batch(offers=[row]), NOW)
    batch = at(3000, 2)
    batch.taken = [row[:2]]
    assert await two.offers(10) == [row]
    await two.commit(batch, NOW)
    assert await two.offers(10) == []
    assert await known(two) == [(2, 1)]


async def test_offer_outlives_the_worker_that_was_judging_it(sharing: Sharing) -> None:
    one, two = await sharing.worker(LOW, "one"), await sharing.worker(HIGH, "two")
    row = offer("http://there.example/a")
    await one.commit(Batch(offers=[row]), NOW)
    assert await two.offers(10) == [row]
    await sharing.revoke(HIGH)
    with pytest.raises(LeaseLost):
        await two.commit(Batch(taken=[row[:2]]), NOW)
    assert await (await sharing.worker(HIGH, "three")).offers(10) == [row]


async def test_counts_of_all_workers_add_up(sharing: Sharing) -> None:
    one, two = await sharing.worker(LOW, "one"), await sharing.worker(HIGH, "two")
    for store, number in ((one, 1), (two, 2), (one, 3)):
        await store.commit(Batch(counters={"pages": number}), NOW)
    assert await sharing.counters() == {"pages": 6}
