"""The few rows by which a database keeps its books, and whether all are there as they were written.

Rule: runs, batches, segments, counters, generations and what `meta` says carry sums, and a run knows how many of the
others there are: a changed row, or one that its page no longer shows, is told before anybody goes by it. So are offers
between workers, whose number follows from the counters; leases and errands are made anew at each start. SQLite
computes the sums itself, by a function that whoever writes or checks has to `add_row_sum` to the connection.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from storage import statements
from storage.errors import DataCorrupt
from storage.rowsum import Value, row_sum

SQL: Final = statements.load("storage.sql", "ledger")

FUNCTION: Final = ("row_sum", -1)
"""Its name in SQL, and that it takes any number of values."""


def sum_of(*values: Value) -> int:
    """Return the sum of a row whose values come one by one, as SQLite hands them to a function."""
    return row_sum(values)


def add_row_sum(database: sqlite3.Connection) -> None:
    """Let statements of a connection compute sums of rows."""
    database.create_function(*FUNCTION, sum_of, deterministic=True)


def check(database: sqlite3.Connection, where: Path) -> None:
    """Raise DataCorrupt for the first row that has changed since it was written or is missing (4 us a row)."""
    damage = database.execute(SQL["damages"]).fetchone()
    if damage is not None:
        raise DataCorrupt(where, damage[0])
