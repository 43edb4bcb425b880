"""What the supervisor and its worker processes say to one another, a line of JSON each.

Rule: the supervisor's first line is the `Order`, every later one a stop; the end of its lines is a stop too. A worker
tells its `State` all the time, a `Snapshot` now and then, and at last either `Ended` or `Fault`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final, cast

import orjson

from crawler.stats import Snapshot
from storage import errors
from storage.errors import StorageError

LINE_BYTES_MAX: Final = 1 << 26
"""An order holds all seeds; a million of them take 50 MB."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a worker process needs to know."""

    number: int
    workers: int
    board: int
    """The open file of the board, which the process inherits."""
    lock: int
    """The open file that holds the data directory's lock: free again when no process has it any more."""
    shards: tuple[int, int]
    run: int
    crashed: bool
    """The start before this one ended without a last word."""
    poisoned: list[int]
    """Fingerprints of pages that ended a worker more than once."""
    settings: str
    """JSON."""
    seeds: list[str]


@dataclass(frozen=True, slots=True)
class State:
    """What a worker was doing at a moment (monotonic seconds)."""

    at: float
    idle: bool
    activity: int


@dataclass(frozen=True, slots=True)
class Ended:
    """A worker has committed everything and given its shards back."""

    reason: str
    heeds_crash: bool
    """A host still waits because of an earlier crash."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A worker met what the operator must fix."""

    kind: str
    where: str
    detail: str

    @classmethod
    def of(cls, error: StorageError) -> Fault:
        return cls(type(error).__name__, error.where, error.detail)

    def as_error(self) -> StorageError:
        kind: type[StorageError] = getattr(errors, self.kind, StorageError)
        return kind(self.where, self.detail)


def first_of(faults: BaseExceptionGroup[StorageError]) -> StorageError:
    """Return the first of the faults that several tasks met."""
    first: BaseException = faults
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return cast("StorageError", first)


Report = State | Snapshot | Ended | Fault
_KINDS: Final[dict[str, type[Report]]] = {kind.__name__: kind for kind in (State, Snapshot, Ended, Fault)}


def line_of(message: Order | Report) -> bytes:
    """Return a message as it is sent."""
    # Not left to orjson: it reads a compiled class's memory as if it were an ordinary one's.
    columns = {column.name: getattr(message, column.name) for column in fields(message)}
    return orjson.dumps([type(message).__name__, columns]) + b"\n"


def report_in(line: bytes) -> Report:
    """Return a worker's message."""
    kind, columns = orjson.loads(line)
    return _KINDS[kind](**columns)


def order_in(line: bytes) -> Order:
    """Return the supervisor's first message."""
    _, columns = orjson.loads(line)
    return Order(**columns)


def stop_line(reason: str) -> bytes:
    """Return the message that ends a worker cleanly."""
    return orjson.dumps(["stop", reason]) + b"\n"


def stop_in(line: bytes) -> str:
    """Return the reason of a stop."""
    _, reason = orjson.loads(line)
    return str(reason)
