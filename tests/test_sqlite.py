"""The store gives back what was committed, resumes a run as it was, and shows readers nothing by halves."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from storage import sqlite
from storage.errors import (
    DataDirectoryBusy,
    SchemaMismatch,
)
from storage.manifest import Manifest
from storage.records import Batch, HostRow
from storage.runs import EXHAUSTED, RunInfo, Totals
from storage.segments import read_links, read_pages
from storage.sqlite import SQL, CrawlStore
from tests.store_rows import NOW, fetched, found, host, link, page, queued, robots


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[CrawlStore]:
    async with CrawlStore.open(tmp_path, compression_level=3) as opened:
        await opened.start_run("test", "{}", fresh=False, now=NOW)
        yield opened


def files(root: Path) -> list[str]:
    return sorted(path.name for path in root.rglob("*.parquet*"))


def names(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir())


# Commits


async def test_batch_comes_back_as_it_was_committed(tmp_path: Path, store: CrawlStore) -> None:
    full = HostRow(
        2, "b.example", "b", "bp", 3, 1, 2, 3, 4, 5, 6, 7, 8, "::1", "ok", 1.5, 2.5, 3.5, 4.5, 9, 5.5, "dns", 6.5, 7.5
    )
    batch = Batch(
        pages=[page(1, 2), page(2, 1)],
        links=[link(0), link(1), link(0)],
        added=[queued(2, 5, not_before=NOW + 60, tries=2, hops=1), queued(1, 6, discovered_from=None)],
        hosts={1: host(1), 2: full},
        robots={"x": robots(2, status=None, body=b"\0\xff")},
        seen=[0, 2**64 - 1, 7],
        seen_shards=[0, 4095, 1],
        counters={"scope": 3, "robots": 1},
    )
    await store.commit(batch, NOW)
    assert await store.refill(2, 0, 10) == batch.added[:1]
    assert await store.refill(1, 0, 10) == batch.added[1:]
    assert await store.load_hosts() == [batch.hosts[1], full]
    assert await store.load_robots() == [batch.robots["x"]]
    assert (await store.load_seen()).tolist() == batch.seen
    assert await store.load_counters(1) == batch.counters
    assert await store.queued_counts() == {1: 1, 2: 1}
    assert await store.max_seq() == 6
    with Manifest.open(tmp_path) as manifest:
        (pages,), (links,) = manifest.segments("pages"), manifest.segments("links")
    assert read_pages(tmp_path / pages.path) == batch.pages
    assert [row for _, row in read_links(tmp_path / links.path)] == batch.links
    assert await store.check() == []


async def test_every_column_of_a_host_changes_on_the_next_commit(store: CrawlStore) -> None:
    before = host(4)
    after = HostRow(
        4, before.host, "d", "p", 9, 1, 2, 3, 4, 5, 6, 7, 8, "ip", "s", 1.0, 2.0, 3.0, 4.0, 5, 6.0, "why", 7.0, 8.0
    )
    same = {f.name for f in fields(HostRow) if getattr(before, f.name) == getattr(after, f.name)}
    assert same == {"host_id", "host"}
    await store.commit(Batch(hosts={4: before}), NOW)
    await store.commit(Batch(hosts={4: after}), NOW)
    assert await store.load_hosts() == [after]


async def test_two_ids_for_one_host_are_a_bug_and_change_nothing(store: CrawlStore) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        await store.commit(Batch(hosts={1: host(1), 2: HostRow(2, host(1).host, "", "", 0)}), NOW)
    assert await store.load_hosts() == []


async def test_url_found_and_finished_in_one_batch_is_never_queued(store: CrawlStore) -> None:
    await store.commit(found(queued(1, 1)), NOW)
    before = store._database.total_changes
    await store.commit(Batch(added=[queued(1, 2), queued(1, 3)], finished=[(1, 1), (1, 2)]), NOW)
    changed = store._database.total_changes - before
    assert changed == len(["batch", "insert 3", "delete 1", "run", "its sum"])
    assert await store.refill(1, 0, 10) == [queued(1, 3)]
    assert await store.max_seq() == 3


async def test_seq_is_not_used_again_after_its_url_has_left(store: CrawlStore) -> None:
    await store.commit(found(queued(1, 8)), NOW)
    await store.commit(Batch(finished=[(1, 8)]), NOW)
    await store.commit(Batch(added=[queued(1, 3)]), NOW)
    assert await store.max_seq() == 8


async def test_empty_batch_writes_nothing(tmp_path: Path, store: CrawlStore) -> None:
    await store.commit(Batch(), NOW)
    with closing(sqlite3.connect(tmp_path / "crawl.db")) as database:
        assert database.execute("SELECT count(*) FROM batches").fetchone() == (0,)


async def test_refill_goes_through_a_queue_in_order_and_pieces(store: CrawlStore) -> None:
    rows = [queued(1, seq, not_before=NOW + 900 if seq % 2 else 0.0) for seq in range(1, 8)]
    await store.commit(found(*reversed(rows), queued(2, 99)), NOW)
    pieces, last = [], 0
    while piece := await store.refill(1, last, 3):
        pieces.append(piece)
        last = piece[-1].seq
    assert pieces == [rows[:3], rows[3:6], rows[6:]]


async def test_commits_wait_for_one_another(store: CrawlStore) -> None:
    await asyncio.gather(*(store.commit(fetched(at, 2), NOW) for at in range(8)))
    assert await store.check() == []
    assert len(files(store.directory.root)) == 16


async def test_commit_is_finished_though_its_caller_was_cancelled(tmp_path: Path) -> None:
    async with CrawlStore.open(tmp_path, compression_level=3) as store:
        await store.start_run("test", "{}", fresh=False, now=NOW)
        caller = asyncio.create_task(store.commit(found(queued(1, 1)), NOW))
        await asyncio.sleep(0)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
    async with CrawlStore.open(tmp_path, compression_level=3) as store:
        assert await store.queued_counts() == {1: 1}


# Opening


async def test_second_open_is_refused(tmp_path: Path, store: CrawlStore) -> None:
    with pytest.raises(DataDirectoryBusy):
        async with CrawlStore.open(tmp_path, compression_level=3):
            pass


async def test_other_schema_version_is_refused(tmp_path: Path) -> None:
    async with CrawlStore.open(tmp_path, compression_level=3):
        pass
    with closing(sqlite3.connect(tmp_path / "crawl.db")) as database:
        database.execute("UPDATE meta SET value = 0 WHERE key = 'schema_version'")
        database.commit()
    with pytest.raises(SchemaMismatch, match="version is 0"):
        async with CrawlStore.open(tmp_path, compression_level=3):
            pass


async def test_commits_are_synced(store: CrawlStore) -> None:
    rows = [
        tuple(*await store._database.execute_fetchall(f"PRAGMA {name}")) for name in ("journal_mode", "synchronous")
    ]
    assert rows == [("wal",), (2,)]


async def test_log_is_empty_after_a_clean_end(tmp_path: Path) -> None:
    async with CrawlStore.open(tmp_path, compression_level=3) as store:
        await store.start_run("test", "{}", fresh=False, now=NOW)
        await store.commit(found(queued(1, 1)), NOW)
    assert names(tmp_path) == ["crawl.db", "lock"]


# Runs


async def test_unfinished_run_goes_on_with_the_same_queue(tmp_path: Path) -> None:
    rows = [queued(host_id, seq) for seq in range(1, 30) for host_id in (3, 1, 2) if seq % 3 + 1 == host_id]
    async with CrawlStore.open(tmp_path, compression_level=3) as store:
        assert await store.start_run("a", "{}", fresh=False, now=NOW) == RunInfo(1, 1, resumed=False, finished=False)
        await store.commit(found(*rows), NOW)
        before = [await store.refill(host_id, 0, 99) for host_id in (1, 2, 3)]
        await store.end_run(1, "interrupted", NOW)
    async with CrawlStore.open(tmp_path, compression_level=3) as store:
        assert await store.start_run("a", "{}", fresh=False, now=NOW) == RunInfo(1, 2, resumed=True, finished=False)
        assert [await store.refill(host_id, 0, 99) for host_id in (1, 2, 3)] == before
        assert [row for queue in before for row in queue] == sorted(rows)


async def test_finished_run_is_not_started_again(store: CrawlStore) -> None:
    await store.end_run(1, EXHAUSTED, NOW)
    assert await store.start_run("test", "{}", fresh=False, now=NOW) == RunInfo(1, 1, resumed=False, finished=True)


async def test_fresh_run_forgets_urls_but_not_manners_or_segments(tmp_path: Path, store: CrawlStore) -> None:
    learnt = {"ip": "127.0.0.1", "crawl_delay_s": 4.0, "delay_s": 4.0, "penalty_s": 8.0, "next_at": NOW + 30}
    visits = {"first_visit": NOW, "last_visit": NOW}
    batch = fetched(1, 1)
    batch.added, batch.seen, batch.seen_shards, batch.counters = [queued(1, 1)], [5], [1], {"scope": 1}
    batch.robots = {"x": robots(1)}
    batch.hosts = {1: host(1, discovered=2, done=1, failures=3, parked="dns", bytes=9, **learnt, **visits)}
    await store.commit(batch, NOW)
    assert await store.start_run("test", "{}", fresh=True, now=NOW) == RunInfo(
        2, 2, resumed=False, finished=False, crashed=True
    )
    assert await store.load_hosts() == [host(1, **learnt, **visits)]
    assert await store.queued_counts() == {}
    assert (await store.load_seen()).size == 0
    assert await store.load_robots() == []
    assert await store.load_counters(2) == {}
    assert await store.max_seq() == 0
    assert await store.totals(2) == Totals(0, 0, 0, 0, 0)
    assert await store.totals(1) == Totals(discovered=2, done=1, failed=0, excluded=0, queued=1)
    await store.commit(fetched(2, 0), NOW)
    with Manifest.open(tmp_path) as manifest:
        assert [segment.run for segment in manifest.segments("pages")] == [1, 2]


async def test_incarnations_are_never_used_again(tmp_path: Path) -> None:
    seen = []
    for fresh in (False, False, True, False):
        async with CrawlStore.open(tmp_path, compression_level=3) as store:
            seen.append((await store.start_run("test", "{}", fresh=fresh, now=NOW))[:2])
    assert seen == [(1, 1), (1, 2), (2, 3), (2, 4)]


# Readers beside the crawl


async def test_reader_sees_whole_commits_only(
    tmp_path: Path, store: CrawlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    views: list[tuple[int, int]] = []
    many = store._many

    def look() -> None:
        with closing(sqlite3.connect(f"file:{tmp_path}/crawl.db?mode=ro", uri=True)) as reader:
            views.append(
                (
                    reader.execute("SELECT count(*) FROM queue").fetchone()[0],
                    reader.execute("SELECT count(*) FROM segments").fetchone()[0],
                )
            )

    async def watched(name: str, rows: list[Any], *values_of: Any) -> None:
        await many(name, rows, *values_of)
        look()

    monkeypatch.setattr(store, "_many", watched)
    batch = fetched(1, 1)
    batch.added = [queued(1, 1)]
    await store.commit(batch, NOW)
    look()
    assert set(views[:-1]) == {(0, 0)}
    assert views[-1] == (1, 2)


def test_every_statement_is_used() -> None:
    source = Path(sqlite.__file__).read_text(encoding="utf-8")
    assert [name for name in SQL if f'"{name}"' not in source] == []
