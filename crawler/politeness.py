"""How often one host, or one address, may be asked: delays, open requests, penalties.

Rule: a `Gate` opens only when fewer than `limit` requests are open and the delay has passed since the last start and
the last end. What a server says (Crawl-delay, Retry-After) and how it fares (errors) only ever lengthen the delay.
Times are seconds of one monotonic clock, given by the caller; who waits at a closed gate, the frontier knows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from crawler.headers import retry_after
from crawler.outcome import Failed, Fetched, Outcome, Redirected
from storage.records import Failure

if TYPE_CHECKING:
    from config import PolitenessSettings

PENALTY_START_S: Final = 0.1
"""First penalty where the delay is smaller than this; otherwise the delay itself is doubled."""
PENALTY_MAX_S: Final = 600.0
"""A host in trouble is asked at least every ten minutes, as long as it is not parked."""
PENALTY_GONE_S: Final = 0.05
PARK_AFTER_FAILURES: Final = 8
"""Failures in a row after which a host is set aside; a crawl that meets a dead host spends 8 requests on it."""

# Which failures say that the host is in trouble (and not only this page), so that it is asked less often.
SLOWS_HOST: Final = frozenset(
    {
        Failure.DNS,  # its name server is
        Failure.CONNECT,
        Failure.TLS,
        Failure.TIMEOUT,
        Failure.RESET,
        Failure.SERVER_ERROR,
        Failure.THROTTLED,  # it says so itself
    }
)


@dataclass(frozen=True, slots=True)
class Pace:
    """The politeness in force for one host before it has said anything itself."""

    delay_s: float
    connections: int


class PaceTable:
    """Find the pace of a host: the first override whose pattern matches, else the general one."""

    def __init__(self, settings: PolitenessSettings) -> None:
        self._general = Pace(settings.delay, settings.connections_per_host)
        self._overrides = [
            (
                re.compile(_expression(rule.match)),
                Pace(
                    self._general.delay_s if rule.delay is None else rule.delay,
                    self._general.connections if rule.connections is None else rule.connections,
                ),
            )
            for rule in settings.overrides
        ]

    def pace_of(self, host: str) -> Pace:
        for pattern, pace in self._overrides:
            if pattern.fullmatch(host):
                return pace
        return self._general


def _expression(pattern: str) -> str:
    """Return the expression of a pattern of hosts, in which the star alone is special."""
    return ".*".join(re.escape(part) for part in pattern.split("*"))


@dataclass(frozen=True, slots=True)
class Manners:
    """The politeness settings that are not a host's pace."""

    delay_per_ip_s: float
    connections_per_ip: int
    max_crawl_delay_s: float
    max_retry_after_s: float
    robots: bool

    @classmethod
    def of(cls, settings: PolitenessSettings) -> Manners:
        return cls(
            settings.delay_per_ip,
            settings.connections_per_ip,
            settings.max_crawl_delay,
            settings.max_retry_after,
            settings.robots,
        )


def asked_pause_s(outcome: Outcome, utc: float, longest_s: float) -> float:
    """Return how long the server asked at `utc` to be left alone (Retry-After), at most `longest_s`."""
    if not isinstance(outcome, Failed) or outcome.answer is None:
        return 0.0
    value = outcome.answer.header("retry-after")
    pause = retry_after(value, utc) if value is not None else None
    return min(pause or 0.0, longest_s)


class Gate:
    """Admit at most `limit` open requests, spaced by `delay_s` from every start and every end."""

    __slots__ = ("delay_s", "limit", "next_at", "open")

    def __init__(self, delay_s: float, limit: int, next_at: float = 0.0) -> None:
        self.delay_s = delay_s
        self.limit = limit
        self.next_at = next_at
        self.open = 0

    def start(self, now: float) -> None:
        assert self.open < self.limit and now >= self.next_at, "request sent through a closed gate"
        self.open += 1
        self.next_at = now + self.delay_s

    def end(self, now: float) -> None:
        assert self.open > 0, "end of a request that was not started"
        self.open -= 1
        self.hold(now + self.delay_s)

    def hold(self, until: float) -> None:
        """Send nothing before `until`; never shortens an earlier hold."""
        self.next_at = max(self.next_at, until)


class Courtesy:
    """The delay one host has earned: the pace set for it, its Crawl-delay, and a penalty that doubles and decays."""

    __slots__ = ("_pace_s", "crawl_delay_s", "failures", "penalty_s")

    def __init__(self, pace: Pace, penalty_s: float = 0.0, failures: int = 0) -> None:
        self._pace_s = pace.delay_s
        self.crawl_delay_s: float | None = None
        self.penalty_s = penalty_s
        self.failures = failures

    @property
    def delay_s(self) -> float:
        return max(self._pace_s, self.crawl_delay_s or 0.0) + self.penalty_s

    @property
    def exhausted(self) -> bool:
        return self.failures >= PARK_AFTER_FAILURES

    def went_well(self) -> None:
        self.failures = 0
        self.penalty_s /= 2
        if self.penalty_s < PENALTY_GONE_S:
            self.penalty_s = 0.0

    def went_badly(self) -> None:
        self.failures += 1
        self.penalty_s = min(PENALTY_MAX_S, max(PENALTY_START_S, self._pace_s, self.penalty_s * 2))

    def learn(self, outcome: Outcome, failed_before: bool = False) -> None:
        """Lengthen or shorten the delay by how a request ended. A fault of one page alone changes nothing.

        A page that `failed_before` and is answered with an error of the server's again is taken for such a fault:
        the last pages of a run are mostly such, and would look like a host in trouble.
        """
        match outcome:
            case Fetched() | Redirected():
                self.went_well()
            case Failed(Failure.SERVER_ERROR) if failed_before:
                pass
            case Failed(failure, outage=False) if failure in SLOWS_HOST:
                self.went_badly()
            case Failed():
                pass
