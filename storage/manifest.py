"""The manifest for readers: which segments exist, and which generation of the index is published.

Rule: a reader trusts only these rows. Synchronous, because the index build and the queries are processes of their own;
they may run beside a crawl, whose commits they see whole or not at all.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from storage import ledger, statements
from storage.directory import DataDirectory, check_schema, refuse_lost_database
from storage.errors import DataCorrupt, DataMissing
from storage.faults import translated
from storage.segments import SegmentKind

SQL: Final = statements.load("storage.sql", "manifest")

BUSY_TIMEOUT_S: Final = 30.0
"""A crawl's commit takes well under a second; who waits longer meets a process that hangs."""


class Segment(NamedTuple):
    """A segment that exists."""

    id: int
    """Grows in the order of commits."""
    batch: int
    run: int
    kind: SegmentKind
    path: str
    """Relative to the data directory."""
    rows: int
    size_bytes: int
    min_fetch: int
    max_fetch: int
    checksum: bytes
    repaired: int
    committed_at: float
    """UTC, seconds since the epoch."""


class Generation(NamedTuple):
    """One build of the index."""

    id: int
    path: str
    """Relative to the data directory."""
    started_at: float
    built_at: float | None
    """None until it was published."""
    last_segment: int | None
    """It covers the segments up to this id."""


@contextmanager
def connected(data_dir: Path, write: bool = False) -> Iterator[tuple[DataDirectory, sqlite3.Connection]]:
    """Open the database of an existing data directory, read-only unless `write`; closed at the end."""
    directory = DataDirectory(data_dir)
    with translated(data_dir):
        if data_dir.exists() and not data_dir.is_dir():
            raise DataMissing(data_dir, "it is no directory")
        if not directory.database.is_file():
            refuse_lost_database(directory)
            raise DataMissing(data_dir)
    address = f"{directory.database.absolute().as_uri()}?mode={'rw' if write else 'ro'}"
    with (
        translated(directory.database),
        closing(sqlite3.connect(address, BUSY_TIMEOUT_S, isolation_level=None, uri=True)) as database,
    ):
        ledger.add_row_sum(database)
        if write:
            database.executescript(statements.text_of("storage.sql", "connect"))
        check_schema(database, directory)
        yield directory, database


class Manifest:
    """The segments and generations of one data directory."""

    def __init__(self, directory: DataDirectory, database: sqlite3.Connection) -> None:
        self.directory = directory
        self._database = database

    @classmethod
    @contextmanager
    def open(cls, data_dir: Path, write: bool = False) -> Iterator[Manifest]:
        """Open the manifest; `write` is for who builds and publishes generations."""
        with connected(data_dir, write) as (directory, database):
            yield cls(directory, database)

    def segments(self, kind: SegmentKind, after: int = 0) -> list[Segment]:
        """Return the segments of a kind with an id above `after`, in order of commit.

        Raises DataCorrupt when the list is not whole or not as it was written.
        """
        ledger.check(self._database, self.directory.database)
        rows = self._database.execute(SQL["segments"], {"kind": kind, "after": after})
        return [Segment._make(row) for row in rows]

    def last_segment(self) -> int:
        """Return the highest id of a segment, 0 when there is none."""
        (last,) = self._database.execute(SQL["last_segment"]).fetchone()
        return int(last)

    def begin_generation(self, now: float) -> Generation:
        """Reserve the next generation and its path; its files are the caller's, and no reader looks at them yet."""
        with self._transaction():
            (number,) = self._database.execute(SQL["insert_generation"], ("", now)).fetchone()
            path = (self.directory.index / f"generation={number:06}").relative_to(self.directory.root).as_posix()
            self._database.execute(SQL["name_generation"], (path, number))
            self._database.execute(SQL["sum_generation"], (number,))
        return Generation(number, path, now, None, None)

    def publish(self, generation: int, last_segment: int, now: float) -> None:
        """Make a built generation, which covers the segments up to `last_segment`, the one that readers use."""
        with self._transaction():
            self._database.execute(SQL["finish_generation"], (now, last_segment, generation))
            self._database.execute(SQL["sum_generation"], (generation,))
            self._database.execute(SQL["publish"], (generation,))

    def current(self) -> Generation | None:
        """Return the published generation, None before the first one; DataCorrupt when it is not as it was written."""
        row = self._database.execute(SQL["current"]).fetchone()
        if row is None:
            return None
        *values, as_written = row
        if not as_written:
            raise DataCorrupt(self.directory.database, "which generation is published has changed")
        return Generation._make(values)

    def generations(self) -> list[Generation]:
        """Return all generations that have not been forgotten, also unfinished ones."""
        return [Generation._make(row) for row in self._database.execute(SQL["generations"])]

    def forget(self, generation: int) -> None:
        """Drop a generation's row after its files are gone; the published one is refused (IntegrityError)."""
        self._database.execute(SQL["forget"], (generation,))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute(SQL["begin"])
        try:
            yield
        except BaseException:
            self._database.rollback()
            raise
        self._database.commit()
