"""The store loses nothing it has acknowledged and applies every batch once, through crashes and faults of the disk."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import aiosqlite
import pytest

from storage.directory import prepare_database
from storage.errors import (
    DatabaseBusy,
    DataCorrupt,
    DataGone,
    DiskFault,
    DiskFull,
)
from storage.leases import ALL
from storage.manifest import Manifest
from storage.records import Batch
from storage.runs import Totals
from storage.segments import SegmentWriter
from storage.sqlite import CrawlStore
from tests.store_rows import NOW, fetched, found, host, queued, robots


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[CrawlStore]:
    async with CrawlStore.open(tmp_path, compression_level=3) as opened:
        await opened.start_run("test", "{}", fresh=False, now=NOW)
        yield opened


class Crash(Exception):
    """The process ends here."""


def files(root: Path) -> list[str]:
    return sorted(path.name for path in root.rglob("*.parquet*"))


def fault(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("made by the test")
    error.sqlite_errorcode = code
    return error


async def test_crash_between_segments_and_transaction_leaves_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(*_: Any) -> None:
        raise Crash

    async with CrawlStore.open(tmp_path, compression_level=3) as store:
        await store.start_run("test", "{}", fresh=False, now=NOW)
        await store.commit(fetched(1, 1), NOW)
        with monkeypatch.context() as patch:
            patch.setattr(store, "_settle", crash)
            with pytest.raises(Crash):
                await store.commit(fetched(2, 1), NOW)
    assert len(files(tmp_path)) == 4
    with Manifest.open(tmp_path) as manifest:
        assert [segment.rows for segment in manifest.segments("pages")] == [1]
    async with CrawlStore.open(tmp_path, compression_level=3) as store:
        assert store.orphans == 2
        assert files(tmp_path) == ["links-000000001.parquet", "pages-000000001.parquet"]
        await store.start_run("test", "{}", fresh=False, now=NOW)
        await store.commit(fetched(2, 1), NOW)
        assert await store.check() == []


async def test_crash_within_the_transaction_shows_nothing_of_the_batch(
    store: CrawlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(*_: Any) -> None:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(store, "_move_queue", crash)
        with pytest.raises(Crash):
            await store.commit(found(queued(1, 1)), NOW)
    assert await store.queued_counts() == {}
    assert await store.load_hosts() == []


KILLED = """
import asyncio, sys
from pathlib import Path
from storage.records import Batch
from storage.sqlite import CrawlStore
from tests.store_rows import NOW, host, link, page, queued

async def main():
    async with CrawlStore.open(Path(sys.argv[1]), compression_level=1) as store:
        await store.start_run("killed", "{}", fresh=False, now=NOW)
        for n in range(1, 1000):
            gone = [(1, n - 1)] if n > 1 else []
            row = host(1, discovered=n, done=n - 1)
            await store.commit(Batch([page(n, 1)], [link()], [queued(1, n)], gone, {1: row}), NOW)
            print(n, flush=True)

asyncio.run(main())
"""


def acknowledged_by_a_killed_crawl(root: Path) -> int:
    with subprocess.Popen([sys.executable, "-c", KILLED, str(root)], stdout=subprocess.PIPE) as crawl:
        assert crawl.stdout is not None
        for _ in range(12):
            acknowledged = int(crawl.stdout.readline())
        crawl.send_signal(signal.SIGKILL)
    return acknowledged


async def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    acknowledged = acknowledged_by_a_killed_crawl(tmp_path)
    async with CrawlStore.open(tmp_path, compression_level=3) as store:
        info = await store.start_run("killed", "{}", fresh=False, now=NOW)
        totals = await store.totals(info.run)
        assert info.resumed
        assert totals.discovered >= acknowledged
        assert totals.conserved
        assert await store.check() == []
    with Manifest.open(tmp_path) as manifest:
        assert len(manifest.segments("pages")) == len(manifest.segments("links")) == totals.discovered


@pytest.mark.parametrize("applied", [True, False], ids=["after it was applied", "before it was applied"])
async def test_batch_of_unknown_outcome_is_applied_once(
    store: CrawlStore, monkeypatch: pytest.MonkeyPatch, applied: bool
) -> None:
    commit = store._database.commit
    faults = [fault(sqlite3.SQLITE_IOERR_FSYNC)]

    async def fail_once() -> None:
        if applied or not faults:
            await commit()
        if faults:
            raise faults.pop()

    monkeypatch.setattr(store._database, "commit", fail_once)
    await store.commit(found(queued(1, 1)), NOW)
    assert await store.totals(1) == Totals(discovered=1, done=0, failed=0, excluded=0, queued=1)


async def test_failed_commit_can_be_tried_again_by_the_caller(
    store: CrawlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full() -> None:
        raise fault(sqlite3.SQLITE_FULL)

    batch = fetched(1, 1)
    with monkeypatch.context() as patch:
        patch.setattr(store._database, "commit", full)
        with pytest.raises(DiskFull, match=r"crawl\.db: The disk is full; .* \(made by the test\)"):
            await store.commit(batch, NOW)
    with pytest.raises(AssertionError, match="comes first"):
        await store.commit(fetched(2, 1), NOW)
    await store.commit(batch, NOW)
    assert await store.check() == []
    assert len(files(store.directory.root)) == 2


@contextmanager
def held(data_dir: Path) -> Iterator[None]:
    """Hold the database as another process would that writes to it for long."""
    with closing(sqlite3.connect(data_dir / "crawl.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let SQLite itself give up at once on a database that another process holds."""
    monkeypatch.setattr("storage.sqlite.BUSY_TIMEOUT_S", 0.0)


async def until_locked(store: CrawlStore) -> None:
    async with asyncio.timeout(10.0):
        while not store.locked:
            await asyncio.to_thread(lambda: None)


async def test_held_database_is_waited_for_until_it_is_free(impatient: None, store: CrawlStore) -> None:
    with held(store.directory.root):
        commit = asyncio.create_task(store.commit(found(queued(1, 1)), NOW))
        await until_locked(store)
        assert await store.queued_counts() == {}, "reading goes on"
        assert not commit.done()
    await commit
    assert (await store.queued_counts(), store.locked) == ({1: 1}, False)


async def test_database_held_for_too_long_is_named(
    impatient: None, store: CrawlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.patience.LOCKED_MAX_S", 0.0)
    batch = found(queued(1, 1))
    with held(store.directory.root), pytest.raises(DatabaseBusy, match="Another process holds"):
        await store.commit(batch, NOW)
    await store.commit(batch, NOW)
    assert await store.queued_counts() == {1: 1}


async def cancelled_while_locked(data_dir: Path, cleanup: ExitStack) -> None:
    """Leave a store whose commit waits for another process."""
    async with CrawlStore.open(data_dir, compression_level=3) as store:
        await store.start_run("test", "{}", fresh=False, now=NOW)
        cleanup.enter_context(held(data_dir))
        commit = asyncio.create_task(store.commit(found(queued(1, 1)), NOW))
        await until_locked(store)
        commit.cancel()


async def test_closing_does_not_wait_for_a_held_database(tmp_path: Path, impatient: None) -> None:
    with ExitStack() as cleanup, pytest.raises(DatabaseBusy):
        await cancelled_while_locked(tmp_path, cleanup)


async def test_store_that_could_not_be_opened_leaves_no_thread_to_wait_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> None:
        raise fault(sqlite3.SQLITE_IOERR)

    before = set(threading.enumerate())
    monkeypatch.setattr(aiosqlite.Connection, "executescript", broken)
    with pytest.raises(DiskFault):
        async with CrawlStore.open(tmp_path, compression_level=3):
            pytest.fail("opened")
    left = [thread for thread in set(threading.enumerate()) - before if not thread.name.startswith("asyncio")]
    for thread in left:
        await asyncio.to_thread(thread.join, 10.0)
        assert not thread.is_alive()


async def test_database_that_was_taken_away_is_named(store: CrawlStore) -> None:
    store.directory.database.rename(store.directory.root / "elsewhere.db")
    with pytest.raises(DataGone, match="went away"):
        await store.commit(fetched(1, 1), NOW)
    prepare_database(store.directory)
    with pytest.raises(DataGone, match="went away"):
        await store.commit(fetched(1, 1), NOW)


async def test_full_disk_while_a_segment_is_written_is_named(
    store: CrawlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(SegmentWriter, "write", full)
    with pytest.raises(DiskFull, match="free some space"):
        await store.commit(fetched(1, 1), NOW)
    monkeypatch.undo()
    await store.commit(fetched(2, 1), NOW)
    assert await store.check() == []


async def test_cut_chunk_of_seen_urls_is_damage(tmp_path: Path, store: CrawlStore) -> None:
    await store.commit(Batch(seen=[1, 2], seen_shards=[0, 0]), NOW)
    with closing(sqlite3.connect(tmp_path / "crawl.db")) as database:
        database.execute("UPDATE seen_chunks SET fingerprints = x'00'")
        database.commit()
    with pytest.raises(DataCorrupt, match="seen URLs has changed"):
        await store.load_seen()


async def read(store: CrawlStore) -> None:
    """Read the one row of each kind with which a crawl goes on."""
    assert len(await store.refill(1, 0, 9)) == len(await store.load_hosts()) == len(await store.load_robots()) == 1


@pytest.mark.parametrize(
    "change",
    [
        pytest.param("UPDATE queue SET url = 'http://a.example/b'", id="a queued URL"),
        pytest.param("UPDATE queue SET depth = depth + 1", id="a depth"),
        pytest.param("UPDATE queue SET seq = seq + 1", id="a place in the queue"),
        pytest.param("UPDATE queue SET url = CAST(x'68ff' AS TEXT)", id="a URL that is no text"),
        pytest.param("UPDATE hosts SET penalty_s = 0.5", id="a host"),
        pytest.param("UPDATE robots SET body = x'00'", id="a robots.txt"),
    ],
)
async def test_changed_row_is_damage(tmp_path: Path, store: CrawlStore, change: str) -> None:
    await store.commit(Batch(added=[queued(1, 1)], hosts={1: host(1)}, robots={"r": robots(1)}), NOW)
    await read(store)
    with closing(sqlite3.connect(tmp_path / "crawl.db")) as database:
        database.execute(change)
        database.commit()
    with pytest.raises(DataCorrupt, match=r"crawl\.db: Stored data is damaged"):
        await read(store)


@pytest.mark.parametrize("column", ["host", "discovered", "delay_s", "done"])
async def test_host_whose_number_has_become_nothing_is_damage(tmp_path: Path, store: CrawlStore, column: str) -> None:
    await store.commit(Batch(hosts={1: host(1)}), NOW)
    rows = [tuple(row) for row in await store._read("known_hosts", 1, *ALL, -1, 9)]
    at = {"host": 1, "discovered": 2, "delay_s": 4, "done": 5}[column]

    async def changed(*_: object) -> list[tuple[object, ...]]:
        return [(*row[:at], None, *row[at + 1 :]) for row in rows]

    store._read = changed  # type: ignore[assignment]
    with pytest.raises(DataCorrupt, match="do not add up"):
        await anext(aiter(store.known_hosts(9)))


async def test_check_names_lost_segments_and_unknown_hosts(tmp_path: Path, store: CrawlStore) -> None:
    await store.commit(fetched(1, 0), NOW)
    await store.commit(Batch(added=[queued(77, 1)]), NOW)
    (tmp_path / "segments/run=000001/pages-000000001.parquet").unlink()
    assert await store.check() == [
        "queue: host 77 is unknown",
        "segments/run=000001/pages-000000001.parquet: missing or changed",
    ]
