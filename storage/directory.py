"""The data directory: where its files lie, who holds it, and which schema its database has.

Layout: `crawl.db` (SQLite, WAL), `segments/run=000001/`, `index/` (generations), `lock`.
Rule: one crawl at a time holds the lock; readers need none, they trust the manifest in the database.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from storage import ledger, statements
from storage.errors import DatabaseMissing, DataCorrupt, DataDirectoryBusy, ForeignDatabase, SchemaMismatch
from storage.faults import translated
from storage.records import SCHEMA_VERSION

SQL: Final = statements.load("storage.sql", "directory")

APPLICATION_ID: Final = int.from_bytes(b"LMLM")
"""SQLite's mark of whose file it is, so that a foreign database is never written to."""

UNFINISHED: Final = ".tmp"
"""Suffix of a segment that is still being written."""


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """The paths of one data directory."""

    root: Path

    @property
    def database(self) -> Path:
        """The queue, the hosts, the runs and the manifest."""
        return self.root / "crawl.db"

    @property
    def segments(self) -> Path:
        """The Parquet segments, one folder a run."""
        return self.root / "segments"

    @property
    def index(self) -> Path:
        """The generations of the index."""
        return self.root / "index"

    @property
    def lock_file(self) -> Path:
        """Locked while a crawl runs; names its process."""
        return self.root / "lock"

    def run_folder(self, run: int) -> Path:
        """Return the folder of a run's segments."""
        return self.segments / f"run={run:06}"


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(folder: Path) -> None:
    """Create `folder` and its parents where they are missing, durably."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in reversed(missing):
        sync_folder(path.parent)


def check_place(directory: DataDirectory) -> None:
    """Raise what would keep a crawl from making its directory or the files in it; nothing is created."""
    wanted = directory.lock_file
    with translated(directory.root):
        for place in (directory.root, *directory.root.parents):
            try:
                place.stat()
            except FileNotFoundError:
                wanted = place
            else:
                break
        if not os.access(place, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(wanted))


def free_bytes(directory: DataDirectory) -> int:
    """Return how much its disk still takes from this user; DataGone when the directory is no longer there."""
    with translated(directory.root):
        disk = os.statvfs(directory.root)
    return disk.f_bavail * disk.f_frsize


@contextmanager
def locked(directory: DataDirectory) -> Iterator[int]:
    """Create the directory where it is missing and hold its lock; raise DataDirectoryBusy when another crawl does.

    The lock goes with the open file that is yielded, so with the last process that has it: nothing has to be cleaned up
    after `kill -9`.
    """
    with translated(directory.root):
        make_folder(directory.root)
        handle = os.open(directory.lock_file, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        with translated(directory.lock_file):
            _take(handle, directory)
        yield handle
    finally:
        os.close(handle)


def _take(handle: int, directory: DataDirectory) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.read(handle, 32).decode("ascii", "replace").strip()
        raise DataDirectoryBusy(directory.root, f"process {holder or 'unknown'}") from error
    os.ftruncate(handle, 0)
    os.write(handle, f"{os.getpid()}\n".encode())


def is_held(directory: DataDirectory) -> bool:
    """Tell whether a crawl holds the lock; nothing is created, and read permission is enough."""
    with translated(directory.root):
        try:
            handle = os.open(directory.lock_file, os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(handle)
    return False


def prepare_database(directory: DataDirectory) -> None:
    """Create the database where it is missing, else check that it is one of this version and its books are in order."""
    if not directory.database.exists():
        refuse_lost_database(directory)  # before SQLite makes the file
    with translated(directory.database), closing(sqlite3.connect(directory.database, isolation_level=None)) as database:
        ledger.add_row_sum(database)
        if _is_blank(database):
            refuse_lost_database(directory)
            _create(database)
            sync_folder(directory.root)
        check_schema(database, directory)
        if _tables_of(database) != _tables():
            raise DataCorrupt(directory.database, "its tables are not those of its version")
        ledger.check(database, directory.database)


def check_schema(database: sqlite3.Connection, directory: DataDirectory) -> None:
    """Raise ForeignDatabase or SchemaMismatch unless `database` is a crawl's of this version."""
    if _number(database, "application_id") != APPLICATION_ID:
        raise ForeignDatabase(directory.database)
    version = _number(database, "schema_version")
    if version != SCHEMA_VERSION:
        raise SchemaMismatch(directory.root, f"its schema version is {version}, this Linkmill's is {SCHEMA_VERSION}")


def _is_blank(database: sqlite3.Connection) -> bool:
    return _number(database, "application_id") == 0 and _number(database, "tables") == 0


def _create(database: sqlite3.Connection) -> None:
    # The script's transaction is left open on purpose: tables and version appear together or not at all.
    database.executescript(statements.text_of("storage.sql", "connect"))
    database.executescript(statements.text_of("storage.sql", "schema"))
    database.execute(SQL["describe"], (SCHEMA_VERSION,))
    database.execute(SQL["sum_meta"])
    database.commit()


@cache
def _tables() -> list[str]:
    """Return the tables of this version as SQLite keeps their definitions."""
    with closing(sqlite3.connect(":memory:")) as database:
        database.executescript(statements.text_of("storage.sql", "schema"))
        return _tables_of(database)


def _tables_of(database: sqlite3.Connection) -> list[str]:
    return [sql for (sql,) in database.execute(SQL["table_definitions"])]


def refuse_lost_database(directory: DataDirectory) -> None:
    """Raise DatabaseMissing when there are segments, of which only a database can tell what they are."""
    # Every segment would count as an orphan of the new database and be deleted.
    if any(directory.segments.rglob("*.parquet")):
        raise DatabaseMissing(directory.root)


def _number(database: sqlite3.Connection, name: str) -> int:
    row = database.execute(SQL[name]).fetchone()
    return int(row[0]) if row else 0


def remove_orphans(directory: DataDirectory, listed: set[str]) -> int:
    """Delete the segment files that are not `listed` (paths relative to the root), and return how many there were.

    Nothing is deleted, and DataCorrupt raised, when a listed one is missing: a damaged list makes good files orphans.
    They are what a crash between a segment's rename and its commit leaves; only the lock's holder may call this.
    """
    found = [path for path in directory.segments.rglob("*") if path.suffix in (".parquet", UNFINISHED)]
    orphans = [path for path in found if path.relative_to(directory.root).as_posix() not in listed]
    missing = listed.difference(path.relative_to(directory.root).as_posix() for path in found)
    if missing:
        raise DataCorrupt(directory.root, f"{min(missing)} is missing")
    for path in orphans:
        path.unlink()
    for folder in {path.parent for path in orphans}:
        sync_folder(folder)
    return len(orphans)
