"""Which fault of the system or of SQLite becomes which `StorageError`.

Rule: one table per source; what is in neither table is a bug or unheard of and propagates unchanged.
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from storage import errors

OF_SYSTEM: Final[dict[int, type[errors.StorageError]]] = {
    errno.ENOSPC: errors.DiskFull,
    errno.EDQUOT: errors.DiskFull,
    errno.EFBIG: errors.DiskFull,  # as `ulimit -f` has it
    errno.EROFS: errors.NotWritable,
    errno.EACCES: errors.NotWritable,
    errno.EPERM: errors.NotWritable,
    errno.EIO: errors.DiskFault,
    errno.ENOENT: errors.DataGone,
    errno.ENOTDIR: errors.FolderExpected,
    errno.EEXIST: errors.FolderExpected,
}

OF_SQLITE: Final[dict[int, type[errors.StorageError]]] = {
    sqlite3.SQLITE_FULL: errors.DiskFull,
    sqlite3.SQLITE_READONLY: errors.NotWritable,
    sqlite3.SQLITE_PERM: errors.NotWritable,
    sqlite3.SQLITE_IOERR: errors.DiskFault,
    sqlite3.SQLITE_CANTOPEN: errors.NotWritable,
    sqlite3.SQLITE_BUSY: errors.DatabaseBusy,
    sqlite3.SQLITE_LOCKED: errors.DatabaseBusy,
    sqlite3.SQLITE_CORRUPT: errors.DataCorrupt,
    sqlite3.SQLITE_NOTADB: errors.DataCorrupt,
}

PRIMARY_CODE: Final = 0xFF
"""SQLite's extended codes keep the primary one in their low byte (sqlite.org/rescode.html)."""


NOT_TEXT: Final = ("Could not decode to UTF-8", "user-defined function raised exception")
"""How Python's sqlite3, not SQLite, says that a text is none; such an error has no code of its own. The function is
`row_sum`, which fails on nothing else."""


@contextmanager
def translated(where: Path) -> Iterator[None]:
    """Run the body; raise the operator's error in place of a known fault of the system or of SQLite at `where`."""
    try:
        yield
    except sqlite3.Error as error:
        kind = OF_SQLITE.get(getattr(error, "sqlite_errorcode", -1) & PRIMARY_CODE)
        if str(error).startswith(NOT_TEXT):
            kind = errors.DataCorrupt
        if kind is None:
            raise
        raise kind(where, str(error)) from error
    except UnicodeDecodeError as error:  # in a message of SQLite's that quotes what is no text any more
        raise errors.DataCorrupt(where, str(error)) from error
    except OSError as error:
        kind = OF_SYSTEM.get(error.errno or 0)
        if kind is None:
            raise
        raise kind(error.filename or where, error.strerror or str(error)) from error
