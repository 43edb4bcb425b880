"""Every call that a crawl makes to its disk and its database, with a hook before and after each.

Rule: the product knows nothing of this. `hooked` replaces what the standard library offers to `storage` (connections of
sqlite3, fsync, and the steps of a file's life below one folder) by the same with a hook around it, in this process.
A call is named by what it does: the name of its statement in `storage/sql`, `commit`, or `fsync file` and the like.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

from storage import directory, ledger, manifest, sharing, sqlite

Moment = Literal["before", "after"]
Around = Callable[[str], AbstractContextManager[None]]
Hook = Callable[[str, Moment], None]
"""Told of a call by name; may raise in the call's place, or end the process."""

NAMES: Final = {
    text: name
    for source in (directory.SQL, ledger.SQL, manifest.SQL, sharing.SQL, sqlite.STATUS_SQL, sqlite.SQL)
    for name, text in source.items()
}
DATABASE: Final = frozenset({*NAMES.values(), "connect", "commit", "rollback", "script", "close"})
"""Calls that SQLite answers; the others are the file system's."""


@contextmanager
def hooked(hook: Hook, root: Path) -> Iterator[None]:
    """Call `hook` around every storage call in the block; files count below `root` (absolute)."""
    originals = {(owner, name): getattr(owner, name) for owner, name in _REPLACED}
    for (owner, name), replacement in _replacements(hook, root).items():
        setattr(owner, name, replacement)
    try:
        yield
    finally:
        for (owner, name), original in originals.items():
            setattr(owner, name, original)


_PATH_CALLS: Final = ("rename", "unlink", "mkdir", "open")
_REPLACED: Final[list[tuple[Any, str]]] = [(sqlite3, "connect"), (os, "fsync"), *((Path, name) for name in _PATH_CALLS)]


def _replacements(hook: Hook, root: Path) -> dict[tuple[Any, str], Callable[..., object]]:
    around = _around(hook)
    connect, fsync = sqlite3.connect, os.fsync

    def hooked_connect(*arguments: object, **options: object) -> object:
        with around("connect"):
            return partial(connect, factory=_connection(around))(*arguments, **options)

    def hooked_fsync(handle: int) -> None:
        with around("fsync folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "fsync file"):
            fsync(handle)

    calls = {(Path, name): _below(root, around, name) for name in _PATH_CALLS}
    return {(sqlite3, "connect"): hooked_connect, (os, "fsync"): hooked_fsync, **calls}


def _around(hook: Hook) -> Around:
    @contextmanager
    def around(call: str) -> Iterator[None]:
        hook(call, "before")
        yield
        hook(call, "after")

    return around


def _below(root: Path, around: Around, name: str) -> Callable[..., object]:
    original = getattr(Path, name)

    def call(path: Path, *arguments: object, **options: object) -> object:
        if root not in path.absolute().parents:
            return original(path, *arguments, **options)
        with around(name):
            return original(path, *arguments, **options)

    return call


def _connection(around: Around) -> type[sqlite3.Connection]:
    class Hooked(sqlite3.Connection):
        """A connection whose calls are told."""

        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:  # noqa: ANN401  # as its stub has it
            with around(NAMES.get(sql, "statement")):
                return super().execute(sql, *values)

        def executemany(self, sql: str, rows: Iterable[Any], /) -> sqlite3.Cursor:
            with around(NAMES.get(sql, "statement")):
                return super().executemany(sql, rows)

        def executescript(self, script: str, /) -> sqlite3.Cursor:
            with around("script"):
                return super().executescript(script)

        def commit(self) -> None:
            with around("commit"):
                super().commit()

        def rollback(self) -> None:
            with around("rollback"):
                super().rollback()

        def close(self) -> None:
            with around("close"):
                super().close()

    return Hooked
