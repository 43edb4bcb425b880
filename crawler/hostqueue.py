"""One host as the frontier sees it: the head of its queue, its gate, its address, its robots.txt work.

Rule: every queued row with `seq <= loaded_seq` is here in RAM, every later one is on disk or in the batch that is about
to be committed; `tail` counts the latter. So a retry and a refill never meet the same row twice.
Whose turn it is, `crawler.frontier` decides.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from heapq import heappop, heappush
from math import inf
from typing import Final

from crawler.addresses import Endpoint
from crawler.jobs import RobotsFetch
from crawler.outcome import Request
from crawler.politeness import Courtesy, Gate, Pace
from crawler.robots_policy import RobotsState
from storage.records import Failure, HostRow, QueueRow

HEAD_ROWS: Final = 128
"""Rows of one host kept in RAM: two minutes of work at one request a second, 20 KB."""
RETRY_WAIT_MAX_S: Final = 3600.0
"""Longest wait before a failed URL is tried again."""
HEAD_LOW: Final = 16
"""Refill is asked for below this, so that it arrives before the head is empty."""


class Standing(Enum):
    """Where a host stands; it is in exactly one place at a time."""

    IDLE = "idle"
    DUE = "due"  # in the heap
    HELD = "held"  # waits for its address, which serves other hosts too
    FULL = "full"  # as many requests open as allowed
    LOADING = "loading"  # its next rows are on their way from disk
    RESOLVING = "resolving"
    ROBOTS = "robots"  # waits for a robots.txt
    PARKED = "parked"
    IN_LINE = "in_line"  # not in RAM: waits to be called to the front


def row_again(request: Request, seq: int, tries: int, not_before: float) -> QueueRow:
    """Return the row of a request that is to be made again; `not_before` in UTC."""
    return QueueRow(
        request.host_id,
        seq,
        request.url,
        request.depth,
        request.via,
        request.discovered_from,
        request.discovered_at,
        tries,
        request.hops,
        not_before,
    )


class HostQueue:
    """The head of one host's queue and what is needed to decide whether it may be served."""

    __slots__ = (
        "aside",
        "asking",
        "courtesy",
        "crawl_delays",
        "deferred",
        "endpoints",
        "gate",
        "head",
        "loaded_seq",
        "origins",
        "record",
        "refused",
        "resolved_until",
        "robots_hops",
        "standing",
        "tail",
        "unread_robots",
        "wished",
    )

    def __init__(self, record: HostRow, pace: Pace) -> None:
        self.record = record
        self.courtesy = Courtesy(pace, record.penalty_s)
        self.crawl_delays: dict[str, float] = {}
        """Seconds that each origin of the host asks for in its robots.txt."""
        self.gate = Gate(self.courtesy.delay_s, pace.connections)
        self.head: deque[QueueRow] = deque()
        self.deferred: list[tuple[float, int, QueueRow]] = []
        self.tail = 0
        self.aside = 0
        """Rows that stay on disk until the next start: the robots.txt of their origin cannot be had."""
        self.loaded_seq = -1
        self.wished = False
        self.standing = Standing.IDLE
        self.endpoints: tuple[Endpoint, ...] = ()
        self.resolved_until = 0.0
        self.refused: Failure | None = None
        self.robots_hops: deque[RobotsFetch] = deque()
        self.origins: list[str] = []
        """Origins whose robots.txt the frontier holds."""
        self.unread_robots: list[tuple[str, Callable[[], RobotsState]]] = []
        """Origins whose robots.txt is at hand as it was stored, each with what reads it."""
        self.asking = 0
        """Origins whose robots.txt was asked for and has not been answered."""

    @property
    def queued(self) -> int:
        return len(self.head) + len(self.deferred) + self.tail + self.aside

    def push(self, row: QueueRow, due_at: float, head_rows: int) -> None:
        """Queue a row that may be fetched from `due_at` on (0.0: at once), in RAM while there are fewer `head_rows`."""
        if self.tail or len(self.head) + len(self.deferred) >= head_rows:
            self.tail += 1
            return
        self.loaded_seq = row.seq
        self._keep(row, due_at)

    def refill(self, rows: list[QueueRow], utc_offset: float, now: float) -> None:
        """Take over rows read from disk, in order of `seq`.

        None waits longer than a retry may: the wall clock may have been set back since it was put there.
        """
        latest = now + RETRY_WAIT_MAX_S
        self.tail -= len(rows)
        assert self.tail >= 0, "more rows on disk than were counted"
        for row in rows:
            self._keep(row, min(row.not_before - utc_offset, latest) if row.not_before else 0.0)
        if rows:
            self.loaded_seq = rows[-1].seq

    def _keep(self, row: QueueRow, due_at: float) -> None:
        if due_at:
            heappush(self.deferred, (due_at, row.seq, row))
        else:
            self.head.append(row)

    def settle_deferred(self, now: float) -> None:
        """Put the retries whose time has come in front of the queue."""
        while self.deferred and self.deferred[0][0] <= now:
            self.head.appendleft(heappop(self.deferred)[2])

    @property
    def wants_refill(self) -> bool:
        return self.tail > 0 and not self.wished and len(self.head) < HEAD_LOW

    def dismissible(self, now: float = inf) -> bool:
        """Tell whether nothing is open or under way and its delay is over `now`, so that the store knows all of it."""
        gate_rests = not self.gate.open and self.gate.next_at <= now
        return gate_rests and not (self.wished or self.asking or self.robots_hops)

    def backs_off(self, now: float) -> bool:
        """Tell whether it waits for more than its ordinary delay: a penalty, a Retry-After, or a retry's time."""
        until = self.gate.next_at
        if self.deferred and not self.head and not self.robots_hops:
            until = max(until, self.deferred[0][0])
        ordinary_s = 0.0 if self.courtesy.penalty_s else self.courtesy.delay_s
        return self.standing is Standing.DUE and until > now + ordinary_s

    @property
    def due_at(self) -> float:
        """When it may be served next; it must have something to do."""
        if self.head or self.robots_hops:
            return self.gate.next_at
        return max(self.deferred[0][0], self.gate.next_at)

    def next_endpoint(self) -> None:
        """Move on to the host's next address after one that could not be reached."""
        self.endpoints = self.endpoints[1:] + self.endpoints[:1]

    def request_of(self, row: QueueRow) -> Request:
        """Return the request for one row of this host."""
        return Request(
            row.url,
            self.record.host,
            row.host_id,
            row.seq,
            row.depth,
            row.via,
            row.discovered_from,
            row.discovered_at,
            row.tries,
            row.hops,
        )

    def snapshot(self, utc_offset: float) -> HostRow:
        """Return the host's row as of now, for the store."""
        record = self.record
        record.ip = self.endpoints[0].ip if self.endpoints else record.ip
        record.crawl_delay_s = self.courtesy.crawl_delay_s
        record.delay_s = self.courtesy.delay_s
        record.penalty_s = self.courtesy.penalty_s
        record.failures = self.courtesy.failures
        record.next_at = self.gate.next_at + utc_offset if self.gate.next_at else 0.0
        return replace(record)
