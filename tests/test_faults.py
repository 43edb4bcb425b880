"""Faults of the system and of SQLite become one line for the operator; bugs stay bugs."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

import pytest

from storage import errors
from storage.faults import OF_SQLITE, OF_SYSTEM, translated

HERE = Path("data")


@pytest.mark.parametrize(("code", "kind"), OF_SYSTEM.items(), ids=[errno.errorcode[code] for code in OF_SYSTEM])
def test_fault_of_the_system_is_named(code: int, kind: type[errors.StorageError]) -> None:
    with pytest.raises(kind) as caught, translated(HERE):
        raise OSError(code, "why", "data/x")
    assert str(caught.value) == f"data/x: {kind.__doc__} (why)"
    assert isinstance(caught.value.__cause__, OSError)


@pytest.mark.parametrize(("code", "kind"), OF_SQLITE.items(), ids=[kind.__name__ for kind in OF_SQLITE.values()])
@pytest.mark.parametrize("detail", [0, 7], ids=["primary", "extended"])
def test_fault_of_sqlite_is_named(code: int, kind: type[errors.StorageError], detail: int) -> None:
    error = sqlite3.OperationalError("why")
    error.sqlite_errorcode = code | detail << 8
    with pytest.raises(kind) as caught, translated(HERE):
        raise error
    assert str(caught.value) == f"data: {kind.__doc__} (why)"
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    "error",
    [
        sqlite3.OperationalError("Could not decode to UTF-8 column 'url' with text 'h\ufffd'"),
        UnicodeDecodeError("utf-8", b"\x8a", 0, 1, "invalid start byte"),
    ],
    ids=["a text", "a message"],
)
def test_text_that_is_none_is_damage(error: Exception) -> None:
    with pytest.raises(errors.DataCorrupt), translated(HERE):
        raise error


@pytest.mark.parametrize(
    "bug",
    [sqlite3.ProgrammingError("closed"), sqlite3.IntegrityError("UNIQUE"), OSError(errno.EBADF, "x"), ValueError("x")],
    ids=["closed", "constraint", "descriptor", "other"],
)
def test_bug_propagates(bug: Exception) -> None:
    with pytest.raises(type(bug)) as caught, translated(HERE):
        raise bug
    assert caught.value is bug


@pytest.mark.parametrize("kind", errors.StorageError.__subclasses__(), ids=lambda kind: kind.__name__)
def test_error_is_one_line(kind: type[errors.StorageError]) -> None:
    assert str(kind(HERE)) == f"data: {kind.__doc__}"
    assert "\n" not in str(kind(HERE, "detail"))
