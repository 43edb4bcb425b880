"""The SQLite store shared by several workers keeps the contract of stores, and its own numbers apart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from storage import sharing as module
from storage.errors import LeaseHeld
from storage.leases import Shards
from storage.manifest import Manifest
from storage.records import Batch
from storage.segments import SegmentKind
from storage.sharing import SQL, SharedStore
from storage.store import WorkerStore
from tests.store_contract import *  # noqa: F403  # the contract's tests are run here
from tests.store_contract import HALVES, LENGTH_S, LOW, Sharing, at, offer
from tests.store_rows import NOW, fetched

KINDS: Final[tuple[SegmentKind, ...]] = ("pages", "links")


@pytest.fixture
async def supervisor(tmp_path: Path) -> AsyncIterator[SharedStore]:
    async with SharedStore.open(tmp_path, compression_level=1) as opened:
        assert isinstance(opened, SharedStore)
        await opened.start_run("test", "{}", fresh=False, now=NOW)
        assert await opened.divide(2) == HALVES
        yield opened


@pytest.fixture
async def sharing(tmp_path: Path, supervisor: SharedStore) -> AsyncIterator[Sharing]:
    async with AsyncExitStack() as stack:

        async def join() -> WorkerStore:
            return await stack.enter_async_context(SharedStore.join(tmp_path, 1, compression_level=1))

        yield Sharing(join, supervisor.revoke, partial(supervisor.load_counters, 1))


async def test_pages_of_two_workers_lie_in_segments_of_their_own(tmp_path: Path, sharing: Sharing) -> None:
    stores = [await sharing.worker(shards, str(shards.first)) for shards in HALVES]
    for number in range(4):
        await stores[number % 2].commit(fetched(number, 1), NOW)
    with Manifest.open(tmp_path) as manifest:
        assert len({segment.path for segment in manifest.segments("pages")}) == 4


async def test_books_are_in_order_whoever_commits(tmp_path: Path, sharing: Sharing, supervisor: SharedStore) -> None:
    low, high = [await sharing.worker(shards, str(shards.first)) for shards in HALVES]
    for number, store in enumerate((low, high, high, supervisor, low)):
        offered: dict[str, Any] = {"offers": [offer("http://there.example/")], "counters": {"offers.made": 1}}
        await store.commit(replace(fetched(number, number % 2), **offered), NOW)
        with Manifest.open(tmp_path) as manifest:
            listed = [segment.id for kind in KINDS for segment in manifest.segments(kind)]
        assert sorted(listed) == list(range(1, len(listed) + 1))
    assert (await sharing.counters())["offers.repeated"] == 4


async def test_hosts_are_numbered_above_those_of_earlier_divisions(sharing: Sharing, supervisor: SharedStore) -> None:
    store = await sharing.worker(LOW)
    await store.commit(at(1, 9), NOW)
    await store.release()
    thirds = await supervisor.divide(3)
    firsts = [(await sharing.worker(shards)).lease.first_host_id for shards in thirds]
    assert sorted(firsts) == [10, 11, 12]


async def test_shards_divided_otherwise_are_refused(sharing: Sharing) -> None:
    store = await sharing.join()
    with pytest.raises(LeaseHeld, match="divided otherwise"):
        await store.acquire(Shards(0, 5), "first", LENGTH_S, NOW)


async def test_pending_offers_are_counted_and_a_fresh_run_forgets_them(
    sharing: Sharing, supervisor: SharedStore
) -> None:
    await (await sharing.worker(LOW)).commit(Batch(offers=[offer("http://there.example/")]), NOW)
    assert await supervisor.pending() == 1
    await supervisor.start_run("test", "{}", fresh=True, now=NOW)
    assert await supervisor.pending() == 0


def test_every_statement_is_used() -> None:
    source = Path(module.__file__).read_text(encoding="utf-8")
    assert [name for name in SQL if f'"{name}"' not in source] == []
