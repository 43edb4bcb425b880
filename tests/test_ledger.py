"""Changed and vanished rows of the database's books are told by whoever would go by them, before anything is lost."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from storage.errors import DataCorrupt
from storage.manifest import Manifest
from storage.records import Batch, OfferRow, Via
from storage.runs import EXHAUSTED
from storage.sharing import SharedStore
from storage.sqlite import CrawlStore
from storage.status import read_status
from tests.store_rows import NOW, fetched, found, queued

DAMAGES = [
    pytest.param(
        "UPDATE meta SET value = 0 WHERE key = 'incarnation'", "its incarnation has changed", id="incarnation"
    ),
    pytest.param("UPDATE meta SET value = value - 1 WHERE key = 'created_at'", "created_at has changed", id="created"),
    pytest.param("UPDATE runs SET starts = 9 WHERE run = 1", "run 1 has changed", id="starts"),
    pytest.param("UPDATE runs SET stop_reason = 'byte limit' WHERE run = 2", "run 2 has changed", id="stop reason"),
    pytest.param("UPDATE runs SET last_seq = 1 WHERE run = 2", "run 2 has changed", id="last seq"),
    pytest.param("UPDATE runs SET name = CAST(x'68ff' AS TEXT)", "raised exception", id="name that is no text"),
    pytest.param("UPDATE runs SET row_sum = NULL WHERE run = 2", "run 2 has changed", id="sum"),
    pytest.param("UPDATE batches SET committed_at = 1.0 WHERE batch = 2", "batch 2 has changed", id="commit's time"),
    pytest.param("UPDATE segments SET kind = 'links' WHERE id = 1", "segment 1 has changed", id="segment's kind"),
    pytest.param("UPDATE segments SET path = 'x' WHERE id = 3", "segment 3 has changed", id="segment's path"),
    pytest.param("UPDATE segments SET id = 9 WHERE id = 3", "segment 9 has changed", id="segment's number"),
    pytest.param("UPDATE counters SET count = 7 WHERE run = 2", "counter pages of run 2 has changed", id="count"),
    pytest.param("UPDATE generations SET last_segment = 1", "generation 1 has changed", id="generation"),
    pytest.param("UPDATE published SET row_sum = 1", "generation is published has changed", id="published"),
    pytest.param("DELETE FROM runs WHERE run = 2", "of 2 runs 1 are left", id="run lost"),
    pytest.param("DELETE FROM batches WHERE batch = 3", "of 3 batches 2 are left", id="batch lost"),
    pytest.param("DELETE FROM segments WHERE id = 3", "of 4 segments 3 are left", id="segment lost"),
    pytest.param("DELETE FROM segments WHERE id = 4", "of 4 segments 3 are left", id="last segment lost"),
    pytest.param("DELETE FROM counters WHERE run = 2", "of 1 counters of run 2 0 are left", id="counter lost"),
]


def segment_files(data_dir: Path) -> list[Path]:
    return sorted(data_dir.rglob("*.parquet"))


async def opened(data_dir: Path) -> None:
    async with CrawlStore.open(data_dir, compression_level=3):
        pass


async def stored(data_dir: Path) -> None:
    """Store two runs, two segments each, and a generation of the index."""
    async with CrawlStore.open(data_dir, compression_level=3) as store:
        for number, fresh in enumerate((False, True)):
            run = await store.start_run("test", "{}", fresh=fresh, now=NOW)
            await store.commit(fetched(number, 1), NOW + number)
            if fresh:
                await store.commit(Batch(added=[queued(1, 5)], counters={"pages": 4}), NOW)
            await store.end_run(run.run, "interrupted", NOW + number)
    with Manifest.open(data_dir, write=True) as manifest:
        manifest.publish(manifest.begin_generation(NOW).id, 4, NOW)


def listed(data_dir: Path) -> None:
    with Manifest.open(data_dir) as manifest:
        manifest.segments("pages")


@pytest.mark.parametrize(("change", "told"), DAMAGES)
async def test_damage_is_told_by_crawl_status_and_index(tmp_path: Path, change: str, told: str) -> None:
    await stored(tmp_path)
    await opened(tmp_path)
    files = segment_files(tmp_path)
    with closing(sqlite3.connect(tmp_path / "crawl.db")) as database:
        database.execute(change)
        database.commit()
    with pytest.raises(DataCorrupt, match=told):
        await opened(tmp_path)
    reading: list[Callable[[Path], object]] = [read_status, listed]
    for read in reading:
        with pytest.raises(DataCorrupt, match=told):
            read(tmp_path)
    assert segment_files(tmp_path) == files


@pytest.mark.parametrize("change", ["UPDATE generations SET path = 'x'", "UPDATE published SET row_sum = 1"])
async def test_changed_generation_is_told_to_whoever_asks_the_index(tmp_path: Path, change: str) -> None:
    await stored(tmp_path)
    with Manifest.open(tmp_path, write=True) as manifest:
        assert manifest.current() is not None
        manifest._database.execute(change)
        with pytest.raises(DataCorrupt, match="which generation is published has changed"):
            manifest.current()


async def test_changed_count_that_is_added_to_is_still_told(tmp_path: Path) -> None:
    async with CrawlStore.open(tmp_path, compression_level=3) as store:
        await store.start_run("test", "{}", fresh=False, now=NOW)
        await store.commit(Batch(counters={"pages": 4}), NOW)
        await store._database.execute("UPDATE counters SET count = 7")
        await store.commit(Batch(counters={"pages": 1}), NOW)
        with pytest.raises(DataCorrupt, match="counter pages of run 1 has changed"):
            read_status(tmp_path)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        pytest.param("UPDATE offers SET url = 'http://x/' WHERE shard = 1", "offer of http://x/ has changed", id="url"),
        pytest.param("UPDATE offers SET shard = 9999 WHERE shard = 1", "offer of http://b/1 has changed", id="shard"),
        pytest.param("DELETE FROM offers WHERE shard = 1", "of 2 offers 1 are left", id="lost"),
        pytest.param("INSERT INTO offers SELECT 3, url, host, depth, via, hops, discovered_from, row_sum FROM offers"
                     " WHERE shard = 1", "offer of http://b/1 has changed", id="another"),
    ],
)  # fmt: skip
async def test_changed_or_lost_offer_between_workers_is_told(tmp_path: Path, change: str, told: str) -> None:
    offers = [OfferRow(shard, f"http://b/{shard}", "b", 2, Via.LINK, 0, None) for shard in (0, 1, 2)]
    async with SharedStore.open(tmp_path, compression_level=3) as store:
        await store.start_run("test", "{}", fresh=False, now=NOW)
        await store.commit(Batch(offers=offers[:2], counters={"offers.made": 2}), NOW)
        await store.commit(Batch(offers=offers, counters={"offers.made": 3}), NOW)
        await store.commit(Batch(taken=[(0, "http://b/0")], counters={"offers.taken": 1}), NOW)
        read_status(tmp_path)
        await store._database.execute(change)
        with pytest.raises(DataCorrupt, match=told):
            read_status(tmp_path)


async def test_books_are_in_order_after_every_change_of_a_run(tmp_path: Path) -> None:
    async with CrawlStore.open(tmp_path, compression_level=3) as store:
        for reason, fresh in (("interrupted", False), (EXHAUSTED, False), ("page limit", True), (None, True)):
            run = await store.start_run("test", "{}", fresh=fresh, now=NOW)
            read_status(tmp_path)
            await store.commit(found(queued(1, run.incarnation)), NOW)
            if reason is not None:
                await store.end_run(run.run, reason, NOW)
            read_status(tmp_path)
    await opened(tmp_path)
    assert [read_status(tmp_path, run).stop_reason for run in (1, 2, 3)] == [EXHAUSTED, "page limit", None]
