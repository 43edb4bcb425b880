"""What a crawl has come to, read beside it: one snapshot of its database.

Rule: read-only, so that it is safe while the crawl runs; all numbers are of the same commit.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from storage import ledger, statements
from storage.directory import is_held
from storage.errors import DataMissing
from storage.manifest import connected
from storage.runs import Totals

SQL: Final = statements.load("storage.sql", "status")


class Stored(NamedTuple):
    """The segments of one kind."""

    segments: int
    rows: int
    size_bytes: int
    repaired: int
    """Texts whose lone surrogates were replaced."""


NOTHING: Final = Stored(0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Status:
    """One run as of its last commit. Moments are UTC seconds since the epoch."""

    run: int
    name: str
    started_at: float
    """Of its first start."""
    ended_at: float | None
    """None while it runs, and after a crash."""
    stop_reason: str | None
    held: bool
    """A crawl holds the data directory; without it and without a stop reason the run ended without a last word."""
    starts: int
    last_commit_at: float | None
    totals: Totals
    counters: Mapping[str, int]
    hosts: int
    hosts_visited: int
    parked: Mapping[str, int]
    """Reason to the number of hosts set aside for it until the next start, the largest first."""
    pages: Stored
    links: Stored


def read_status(data_dir: Path, run: int | None = None) -> Status:
    """Return the state of a run (the last one by default); DataMissing when there is none.

    Raises DataCorrupt when what it would tell is not as it was written.
    """
    with connected(data_dir) as (directory, database):
        held = is_held(directory)  # looked at first: a crawl that ends meanwhile has left its stop reason
        database.execute(SQL["begin"])  # one snapshot; reading only, it ends with the connection
        ledger.check(database, directory.database)
        head = database.execute(SQL["run"], (run,)).fetchone()
        if head is None:
            raise DataMissing(data_dir, "no run" if run is None else f"no run {run}")
        return _status(database, head, held)


def _status(
    database: sqlite3.Connection, head: tuple[int, str, float, float | None, str | None, int], held: bool
) -> Status:
    run, name, started_at, ended_at, stop_reason, starts = head
    stored = {kind: Stored(*numbers) for kind, *numbers in database.execute(SQL["stored"], (run,))}
    hosts, visited = database.execute(SQL["hosts"], (run,)).fetchone()
    (last_commit_at,) = database.execute(SQL["last_commit"], (run,)).fetchone()
    return Status(
        run=run,
        name=name,
        started_at=started_at,
        ended_at=ended_at,
        stop_reason=stop_reason,
        held=held,
        starts=starts,
        last_commit_at=last_commit_at,
        totals=Totals._make(database.execute(SQL["totals"], {"run": run}).fetchone()),
        counters=dict(database.execute(SQL["counters"], (run,))),
        hosts=hosts,
        hosts_visited=visited,
        parked=dict(database.execute(SQL["parked"], (run,))),
        pages=stored.get("pages", NOTHING),
        links=stored.get("links", NOTHING),
    )
