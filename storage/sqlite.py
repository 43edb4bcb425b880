"""The crawl's store: queue, hosts, seen, robots, runs and the manifest in one SQLite file, through aiosqlite.

Rule: a batch becomes visible in one transaction, after its segments are on disk, and is durable once `commit` returns.
What is begun is finished: cancelling a caller never cuts a transaction. Faults of the disk and of SQLite come out as
`StorageError`s. What is to be stored is the frontier's and the worker's choice; nothing is judged here.
"""

from __future__ import annotations

import asyncio
import json
import math
import sqlite3
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, fields
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, Self, TypeVar, cast

import aiosqlite

from storage import ledger, statements
from storage.directory import DataDirectory, locked, prepare_database, remove_orphans
from storage.errors import DatabaseBusy, DataCorrupt, DataGone
from storage.faults import translated
from storage.leases import ALL, Lease
from storage.patience import despite_disk_faults, while_locked
from storage.records import Batch, HostRow, QueueRow, RobotsRow
from storage.rowsum import row_sum, summed_of_host, with_host_sum, with_sum
from storage.runs import EXHAUSTED, REPLACED, RunInfo, Totals
from storage.seenchunks import Chunk, Fingerprints, joined
from storage.segments import SegmentFile, SegmentWriter, is_intact

SQL: Final = statements.load("storage.sql", "crawl")
STATUS_SQL: Final = statements.load("storage.sql", "status")

BUSY_TIMEOUT_S: Final = 1.0
"""How long SQLite itself waits for another writer (a generation being published takes milliseconds)."""

Row = tuple[Any, ...]
HOST_VALUES: Final[Callable[[HostRow], Row]] = attrgetter(*(f.name for f in fields(HostRow)))
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A batch whose segments are on disk and whose transaction may or may not have been applied."""

    batch: Batch
    number: int
    files: list[SegmentFile]


class CrawlStore:
    """The memory of one data directory's crawl. Make it with `open`; then `start_run` before the first `commit`."""

    def __init__(self, directory: DataDirectory, database: aiosqlite.Connection, writer: SegmentWriter) -> None:
        self.directory = directory
        self.orphans = 0
        """Segment files without a row in the manifest, removed when the store was opened."""
        self.closing = False
        self.locked = False
        """Another process holds the database, and the crawl waits for it."""
        self.patient_until = math.inf
        """On the monotonic clock: when to give up on a database that another process holds; a stop brings it near."""
        self.lease = Lease()
        """What of the crawl is read here; all of it while nobody shares it."""
        self.lock = -1
        """The open file that holds the directory's lock; a process that inherits it holds it too."""
        self._database = database
        self._file = _identity(directory.database)
        self._writer = writer
        self._run = 0
        self._last_batch = 0
        self._unsettled: Prepared | None = None
        self._commit_turn = asyncio.Lock()
        # Reads take turns with transactions: on one connection they would see rows that may yet be rolled back.
        self._database_turn = asyncio.Lock()
        self._begun: set[asyncio.Task[Any]] = set()

    @classmethod
    @asynccontextmanager
    async def open(cls, data_dir: Path, *, compression_level: int) -> AsyncIterator[Self]:
        """Lock, create or check the data directory, remove orphans, and open its store; closed at the end."""
        directory = DataDirectory(data_dir)
        with locked(directory) as lock:
            await asyncio.to_thread(prepare_database, directory)
            database = await connect(directory)
            store = cls(directory, database, SegmentWriter(directory, compression_level))
            store.lock = lock
            try:
                await store._recover()
                yield store
            finally:
                await store._close()

    async def start_run(self, name: str, config_json: str, fresh: bool, now: float) -> RunInfo:
        """Go on with the last run unless it is finished, or begin a new one if `fresh` or there is none.

        A new run starts with an empty queue, nothing seen and counts at zero; older segments stay, and so does what
        politeness has learnt of each host.
        """
        info = await self._unbroken(self._start_run(name, config_json, fresh, now))
        self._run = info.run
        return info

    async def _start_run(self, name: str, config_json: str, fresh: bool, now: float) -> RunInfo:
        async with self._transaction():
            last = await self._rows("last_run")
            run, reason = last[0] if last else (0, None)
            goes_on = bool(last) and not fresh
            if goes_on and reason == EXHAUSTED:
                return RunInfo(run, await self._number("incarnation"), resumed=False, finished=True)
            incarnation = await self._number("next_incarnation")
            if goes_on:
                await self._database.execute(SQL["resume_run"], (name, config_json, run))
            else:
                await self._replace(run, now)
                await self._database.execute(SQL["insert_run"], (run + 1, name, config_json, now))
                await self._database.execute(SQL["carry_hosts"], {"run": run + 1, "previous": run})
            await self._database.execute(SQL["sum_run"], (run if goes_on else run + 1,))
        crashed = bool(last) and reason is None
        return RunInfo(run if goes_on else run + 1, incarnation, resumed=goes_on, finished=False, crashed=crashed)

    async def _replace(self, run: int, now: float) -> None:
        await self._database.execute(SQL["replace_run"], {"run": run, "reason": REPLACED, "now": now})
        await self._database.execute(SQL["sum_run"], (run,))
        for name in ("clear_queue", "clear_seen", "clear_robots", "clear_offers"):
            await self._database.execute(SQL[name])

    async def end_run(self, run: int, reason: str, now: float) -> None:
        """Write down why a run stopped; only `exhausted` keeps it from going on at the next start."""
        await self._unbroken(self._end_run(run, reason, now))

    async def _end_run(self, run: int, reason: str, now: float) -> None:
        async with self._transaction():
            await self._database.execute(SQL["end_run"], (reason, now, run))
            await self._database.execute(SQL["sum_run"], (run,))

    @property
    def next_batch(self) -> int:
        """The number that the next commit has, or the one under way; one that has nothing to say uses none up."""
        return self._last_batch + 1

    async def commit(self, batch: Batch, now: float) -> None:
        """Make a batch visible and durable: its segments first, then one transaction.

        Do not change a batch once handed over. After an error, commit the same object again: it is applied at most
        once, also when the failed commit had in truth succeeded.
        """
        if any(getattr(batch, part.name) for part in fields(batch)):
            await self._unbroken(self._commit(batch, now))

    async def _commit(self, batch: Batch, now: float) -> None:
        assert self._run, "start_run comes before commit"
        async with self._commit_turn:
            self._unsettled = await self._prepare(batch)
            await self._settle(self._unsettled, now)
            self._last_batch = self._unsettled.number
            self._unsettled = None

    async def _prepare(self, batch: Batch) -> Prepared:
        if self._unsettled is not None:
            assert self._unsettled.batch is batch, "the batch whose commit failed comes first"
            return self._unsettled
        number = self.next_batch
        with translated(self.directory.segments):
            if _identity(self.directory.database) != self._file:  # SQLite would go on writing to what nobody will find
                raise DataGone(self.directory.database)
            files = await asyncio.to_thread(self._writer.write, self._run, number, batch.pages, batch.links)
        return Prepared(batch, number, files)

    @despite_disk_faults
    async def _settle(self, prepared: Prepared, now: float) -> None:
        try:
            async with self._transaction():
                if not await self._number("batch_applied", prepared.number):
                    await self._apply(prepared, now)
                    await self._keep_books(prepared)
        except sqlite3.IntegrityError as error:  # a bug, unless the database is damaged
            for (damage,) in await self._read("integrity"):
                if damage != "ok":
                    raise DataCorrupt(self.directory.database, damage) from error
            raise

    async def _apply(self, prepared: Prepared, now: float) -> None:
        batch, number, run = prepared.batch, prepared.number, self._run
        await self._database.execute(SQL["insert_batch"], (number, run, now))
        await self._move_queue(batch)
        await self._many("upsert_host", [(run, *with_host_sum(HOST_VALUES(host))) for host in batch.hosts.values()])
        await self._many("set_discovered", [(count, run, host_id) for host_id, count in batch.discovered.items()])
        await self._many("upsert_robots", batch.robots.values(), with_sum)
        await self._many("add_counter", [(run, reason, count) for reason, count in batch.counters.items()])
        await self._list_segments(prepared, now)
        if batch.seen:
            await self._database.execute(SQL["insert_seen"], Chunk.of(batch.seen, batch.seen_shards))

    async def _list_segments(self, prepared: Prepared, now: float) -> None:
        """Add segments to the manifest, numbered on from the last one, whoever wrote that."""
        first = 1 + await self._number("last_segment") if prepared.files else 0
        files = enumerate(prepared.files, first)
        rows = [_segment_row(at, file, prepared.number, self._run, now) for at, file in files]
        await self._many("insert_segment", rows)

    async def _keep_books(self, prepared: Prepared) -> None:
        """Write down in the run's row how much there is of what the batch added to: the last step of a commit."""
        last_seq = max((row.seq for row in prepared.batch.added), default=0)
        await self._database.execute(SQL["end_batch"], (self._run, last_seq, len(prepared.files)))
        await self._database.execute(SQL["sum_run"], (self._run,))

    async def _move_queue(self, batch: Batch) -> None:
        gone = set(batch.finished)
        added: list[QueueRow] = batch.added
        if gone and added:  # found and finished between two commits: never written
            added = [row for row in added if row[:2] not in gone]
        await self._many("insert_queue", added, with_sum)
        await self._many("delete_queue", batch.finished)

    async def refill(self, host_id: int, after_seq: int, limit: int) -> list[QueueRow]:
        """Return up to `limit` queued URLs of a host that come after `after_seq`, in order of seq.

        Rows whose `not_before` lies ahead are among them: left out, they would be lost behind the next `after_seq`.
        Raises DataCorrupt when one has changed since it was written.
        """
        return [QueueRow._make(row) for row in self._as_written(await self._read("refill", host_id, after_seq, limit))]

    async def refill_hosts(self, wishes: Sequence[tuple[int, int]], limit: int) -> dict[int, list[QueueRow]]:
        """Return what `refill` would for each (host_id, after_seq), by host_id."""
        found: dict[int, list[QueueRow]] = {host_id: [] for host_id, _ in wishes}
        for row in self._as_written(await self._read("refill_hosts", json.dumps(wishes), limit)):
            found[row[0]].append(QueueRow._make(row))
        return found

    async def hosts_of(self, host_ids: Sequence[int]) -> list[HostRow]:
        """Return those of the hosts that are stored; DataCorrupt when one has changed since it was written."""
        rows = await self._read("hosts_of", self._run, json.dumps(host_ids))
        return [HostRow(*row) for row in self._as_written(rows, summed_of_host)]

    async def robots_of(self, hosts: Sequence[str]) -> list[tuple[str, RobotsRow]]:
        """Return the stored robots.txt answers of all origins of some hosts, each with the host's name."""
        rows = await self._read("robots_of", json.dumps(hosts))
        answers = self._as_written(row[1:] for row in rows)
        return [(row[0], RobotsRow._make(answer)) for row, answer in zip(rows, answers, strict=True)]

    async def known_hosts(self, limit: int) -> AsyncIterator[list[tuple[int, str, int, int, float]]]:
        """Yield the run's hosts in the lease's shards by id, `limit` at a time, as `crawler.roster.Known` has them.

        Raises DataCorrupt when the states of a host's URLs do not add up, or URLs are queued for unknown hosts.
        """
        after, in_queue = -1, 0
        while rows := await self._read("known_hosts", self._run, *self.lease.shards, after, limit):
            for _, host, discovered, queued, delay_s, ended in rows:
                in_queue += queued
                whole = isinstance(host, str) and isinstance(delay_s, float) and isinstance(ended, int)
                if not whole or discovered != queued + ended:  # the rest of a host is held against its sum when read
                    raise DataCorrupt(self.directory.database, f"the states of the URLs of {host} do not add up")
            yield [row[:5] for row in rows]
            after = rows[-1][0]
        if self.lease.shards == ALL and in_queue != (await self._read("queued"))[0][0]:
            strays = [host_id for (host_id,) in await self._read("stray_hosts", self._run)]
            raise DataCorrupt(self.directory.database, f"URLs are queued for hosts it does not know: {strays[:3]}")

    async def load_hosts(self) -> list[HostRow]:
        """Return all hosts of the run, by id; DataCorrupt when one has changed since it was written."""
        return [HostRow(*row) for row in self._as_written(await self._read("hosts", self._run), summed_of_host)]

    async def queued_counts(self) -> dict[int, int]:
        """Return the number of queued URLs by host_id; hosts without any are left out."""
        return dict(await self._read("queued_counts"))

    async def load_seen(self) -> Fingerprints:
        """Return the fingerprints of the URLs discovered in the lease's shards; DataCorrupt for a changed chunk."""
        chunks = [Chunk._make(row) for row in await self._read("seen")]
        if not all(chunk.is_intact for chunk in chunks):
            raise DataCorrupt(self.directory.database, "a chunk of seen URLs has changed")
        return joined(chunks, self.lease.shards)

    async def load_robots(self) -> list[RobotsRow]:
        """Return the stored robots.txt answers, by origin; DataCorrupt when one has changed since it was written."""
        return [RobotsRow._make(row) for row in self._as_written(await self._read("robots"))]

    async def load_counters(self, run: int) -> dict[str, int]:
        """Return the counts of a run by reason."""
        return dict(await self._read("counters", run, source=STATUS_SQL))

    async def max_seq(self) -> int:
        """Return the highest seq the run has ever queued, 0 before the first."""
        return int((await self._read("last_seq", self._run))[0][0])

    async def totals(self, run: int) -> Totals:
        """Return a run's URLs by state."""
        return Totals._make((await self._read("totals", run, source=STATUS_SQL))[0])

    async def check(self) -> list[str]:
        """Return one line for each damage found: in the database, a missing or changed segment, a stray queue row."""
        damages = [f"crawl.db: {line}" for (line,) in await self._read("integrity") if line != "ok"]
        damages += [f"queue: host {host} is unknown" for (host,) in await self._read("stray_hosts", self._run)]
        for path, size_bytes, checksum in await self._read("segment_files"):
            if not await asyncio.to_thread(is_intact, self.directory.root / path, size_bytes, checksum):
                damages.append(f"{path}: missing or changed")
        return damages

    def _as_written(self, rows: Iterable[Row], summed: Callable[[Row], Row] = tuple) -> Iterator[Row]:
        """Yield rows without the sum that ends them; DataCorrupt for one that is not as it was written."""
        for *values, written in rows:
            if written is not None and written != row_sum(summed(tuple(values))):
                raise DataCorrupt(self.directory.database, f"a row has changed: {values!r:.200}")
            yield tuple(values)

    async def _recover(self) -> None:
        listed = {path for path, _, _ in await self._read("segment_files")}
        with translated(self.directory.segments):
            self.orphans = await asyncio.to_thread(remove_orphans, self.directory, listed)
        self._last_batch = int((await self._read("last_batch"))[0][0])

    async def _close(self) -> None:
        """Finish what was begun, empty the write-ahead log into the database, and close."""
        self.closing = True
        try:
            await asyncio.gather(*self._begun)
            with suppress(DatabaseBusy):  # everything is durable already; the next one to close the file does it
                await self._read("checkpoint")
        finally:
            await self._database.close()

    async def _unbroken(self, work: Coroutine[Any, Any, T]) -> T:
        task = asyncio.create_task(work)
        self._begun.add(task)
        task.add_done_callback(self._begun.discard)
        return await asyncio.shield(task)

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[None]:
        await self._begin()
        try:
            with translated(self.directory.database):
                async with self._rolled_back():
                    yield
                    await self._database.commit()
        finally:
            self._database_turn.release()

    @while_locked
    async def _begin(self) -> None:
        """Take the database's turn and begin; while another process holds the database, reads have their turn."""
        await self._database_turn.acquire()
        try:
            with self._noting_locks():
                async with self._rolled_back():
                    await self._database.execute(SQL["begin"])
        except BaseException:
            self._database_turn.release()
            raise

    @asynccontextmanager
    async def _rolled_back(self) -> AsyncIterator[None]:
        """Undo what the block began when it fails."""
        try:
            yield
        except BaseException:
            await self._database.rollback()
            raise

    @contextmanager
    def _noting_locks(self) -> Iterator[None]:
        try:
            with translated(self.directory.database):
                yield
        except DatabaseBusy:
            self.locked = True
            raise
        self.locked = False

    async def _many(
        self, name: str, rows: Collection[Row], values_of: Callable[[Row], Row] = tuple, source: Mapping[str, str] = SQL
    ) -> None:
        # Thousands of rows a call: awaiting them one by one costs 25 times as much. As plain tuples, because sqlite3
        # binds those without asking for each value: 2.1 us a queue row against 2.9 for named tuples.
        if rows:
            await self._database.executemany(source[name], map(values_of, rows))

    async def _rows(self, name: str, *values: object, source: Mapping[str, str] = SQL) -> list[Row]:
        return cast("list[Row]", await self._database.execute_fetchall(source[name], values))

    async def _number(self, name: str, *values: object) -> int:
        return int((await self._rows(name, *values))[0][0])

    @while_locked
    async def _read(self, name: str, *values: object, source: Mapping[str, str] = SQL) -> list[Row]:
        async with self._database_turn:
            with self._noting_locks():
                return await self._rows(name, *values, source=source)


async def connect(directory: DataDirectory) -> aiosqlite.Connection:
    with translated(directory.database):
        database = await aiosqlite.connect(directory.database, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        try:
            await database.create_function(*ledger.FUNCTION, ledger.sum_of, deterministic=True)
            await database.executescript(statements.text_of("storage.sql", "connect"))
        except BaseException:
            await database.close()  # its thread would keep the process alive
            raise
    return database


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _segment_row(number: int, file: SegmentFile, batch: int, run: int, now: float) -> Row:
    content = (file.min_fetch, file.max_fetch, file.checksum, file.repaired)
    return (number, batch, run, file.kind, file.path, file.rows, file.size_bytes, *content, now)
