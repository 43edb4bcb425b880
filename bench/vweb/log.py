"""The server's log, one line per request, and what politeness checks read from it.

Rule: times are `time.monotonic`, which all processes of a Linux machine share. A request starts when its last byte
was read and ends when the last part of its answer is about to be handed to the kernel (or the connection was lost): so
a pause can look longer here than it was for the client by the server's own delay, and never shorter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple, TextIO

BUFFER_BYTES: Final = 1 << 16


class Served(NamedTuple):
    """One request as the server saw it."""

    started_s: float
    ended_s: float
    address: str
    """The server's own address that was asked."""
    host: str
    path: str
    status: int


class RequestLog:
    """Append requests to a file, buffered; complete after `close`."""

    def __init__(self, file: TextIO) -> None:
        self._write = file.write
        self._file = file

    @classmethod
    def open(cls, path: Path) -> RequestLog:
        """Start a new log."""
        return cls(path.open("w", encoding="utf-8", buffering=BUFFER_BYTES))

    def add(self, served: Served) -> None:
        """Append one request."""
        started_s, ended_s, *rest = served
        self._write(f"{started_s:.6f}\t{ended_s:.6f}\t" + "\t".join(map(str, rest)) + "\n")

    def close(self) -> None:
        """Write what is buffered."""
        self._file.close()


def read_log(path: Path) -> Iterator[Served]:
    """Yield the requests of a log in the order they ended."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            started_s, ended_s, address, host, asked, status = line.rstrip("\n").split("\t")
            yield Served(float(started_s), float(ended_s), address, host, asked, int(status))


Key = Callable[[Served], str]
"""What requests are grouped by: `by_host`, `by_address`."""


def by_host(served: Served) -> str:
    """Group by the name in the Host header."""
    return served.host


def by_address(served: Served) -> str:
    """Group by the server's address."""
    return served.address


def most_open(requests: Iterable[Served], key: Key) -> dict[str, int]:
    """Return the highest number of requests open at the same time, per group."""
    edges: dict[str, list[tuple[float, int]]] = {}
    for served in requests:
        edges.setdefault(key(served), []).extend(((served.started_s, 1), (served.ended_s, -1)))
    return {group: _highest(sorted(changes)) for group, changes in edges.items()}


def _highest(changes: list[tuple[float, int]]) -> int:
    """Return the peak of a running sum; at equal times, ends count before starts."""
    now_open = peak = 0
    for _, change in changes:
        now_open += change
        peak = max(peak, now_open)
    return peak


def shortest_gaps(requests: Iterable[Served], key: Key) -> dict[str, float]:
    """Return the shortest time in seconds from the end of any request to the next start, per group.

    Negative where requests overlapped; groups with one request are left out.
    """
    groups: dict[str, list[Served]] = {}
    for served in requests:
        groups.setdefault(key(served), []).append(served)
    return {group: _shortest_gap(sorted(rows)) for group, rows in groups.items() if len(rows) > 1}


def _shortest_gap(rows: list[Served]) -> float:
    shortest, ended_s = float("inf"), rows[0].ended_s
    for served in rows[1:]:
        shortest = min(shortest, served.started_s - ended_s)
        ended_s = max(ended_s, served.ended_s)
    return shortest
