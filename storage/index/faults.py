"""What DuckDB's errors stand for: an interrupt, a full disk, damaged files; any other is a bug.

Rule: DuckDB tells these apart in its messages only, and its classes vary with the place where they were met. So the
one reading of them is here; who builds or asks decides which `StorageError` follows.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import duckdb
import pyarrow as pa

INTERRUPTED: Final = "Query interrupted"
NO_ROOM: Final = (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT))
WRITE_FAILED: Final = "Could not write file"
FILE_GONE: Final = (os.strerror(errno.ENOENT), "No files found that match")
"""Of a file that is missed while it is read, and of one that a statement names."""
NOT_UTF_8: Final = "conversion error"
"""Of DuckDB's binding, which raises RuntimeError where a message quotes damaged bytes."""
DAMAGE: Final = (
    duckdb.InvalidInputException,
    duckdb.DataError,
    duckdb.InternalError,
    duckdb.IOException,
    duckdb.BinderException,  # the name of a column is damaged
    UnicodeDecodeError,  # a text in the footer
    pa.ArrowException,
    OSError,
)
"""Raised for Parquet files whose bytes make no sense; the statements themselves are ours and give none of these."""


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt where DuckDB, which takes the signal while it works, raises an error of its own."""
    try:
        yield
    except RuntimeError as error:
        if INTERRUPTED not in str(error):
            raise
        raise KeyboardInterrupt from error


def is_full_disk(error: duckdb.Error) -> bool:
    """Tell whether there was no room for a file."""
    return any(text in str(error) for text in NO_ROOM)


def is_gone(error: Exception) -> bool:
    """Tell whether a file is no longer there."""
    return isinstance(error, duckdb.IOException | OSError) and any(text in str(error) for text in FILE_GONE)


def is_unwritable(error: duckdb.Error) -> bool:
    """Tell whether a file could not be read or written."""
    return isinstance(error, duckdb.IOException) or WRITE_FAILED in str(error)


def is_damage(error: Exception) -> bool:
    """Tell whether a file is not what was written; some decoders raise the base class itself."""
    return type(error) is duckdb.Error or isinstance(error, DAMAGE) or NOT_UTF_8 in str(error)


def first_line(error: Exception) -> str:
    """Return the message without DuckDB's context."""
    return str(error).partition("\n")[0]
