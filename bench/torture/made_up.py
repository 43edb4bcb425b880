"""The clock and the web that a simulated crawl sees, and what its servers see of it.

Rule: answers are drawn from the schedule's chance; delays are held against what servers saw, never against what the
crawler believes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Final
from unittest.mock import patch

from config import PolitenessSettings, Settings
from crawler.jobs import RobotsFetch
from crawler.outcome import Answer, Failed, Fetched, Outcome, Redirected, Request
from crawler.robots_policy import RobotsState
from storage.records import Failure, RedirectKind

HOSTS: Final = 4
PATHS: Final = 12
EARLY_S: Final = 1e-6
"""What sums of moments may be off."""
FAILURES: Final = (
    Failure.TIMEOUT,
    Failure.CONNECT,
    Failure.RESET,
    Failure.TLS,
    Failure.PROTOCOL,
    Failure.TOO_LARGE,
    Failure.DECODE,
)


@dataclass
class Clock:
    """The time that the crawler sees: one clock that a restart sets anew, and UTC, which goes on."""

    utc: float = 1_700_000_000.0
    since: float = 1_699_990_000.0
    """UTC when the monotonic clock showed nothing."""

    def time(self) -> float:
        return self.utc

    def monotonic(self) -> float:
        return self.utc - self.since

    def go(self, seconds: float) -> None:
        self.utc += seconds

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Let the crawler see this clock."""
        with (
            patch("crawler.supervisor.time", self),
            patch("crawler.recorder.time", self),
            patch("crawler.worker.time", self),
            patch("crawler.settling.time", self.time),
            patch("crawler.supervisor.open_network", _no_network),
        ):
            yield


@asynccontextmanager
async def _no_network(settings: Settings) -> AsyncIterator[tuple[None, None]]:
    """Open nothing: no request leaves, and what TLS has to read takes 70 ms each time."""
    yield None, None


@dataclass
class Visited:
    """What one host or one address has seen of the crawler."""

    open: int = 0
    started_at: float = 0.0
    ended_at: float = 0.0

    def start(self, at: float, limit: int, pause_s: float) -> None:
        assert self.open < limit, f"{self.open + 1} requests open, {limit} allowed"
        assert at - self.started_at >= pause_s - EARLY_S, f"{at - self.started_at} s from start to start"
        assert at - self.ended_at >= pause_s - EARLY_S, f"{at - self.ended_at} s from end to start, not {pause_s}"
        self.open += 1
        self.started_at = at

    def end(self, at: float) -> None:
        self.open -= 1
        self.ended_at = at


@dataclass
class Promises:
    """What servers asked for: kept through a restart as far as it was committed."""

    crawl_delays: dict[str, float] = field(default_factory=dict)
    """By origin."""
    quiet_until: dict[str, float] = field(default_factory=dict)
    """By host, UTC."""

    def copy(self) -> Promises:
        return Promises(dict(self.crawl_delays), dict(self.quiet_until))


class Witness:
    """What hosts and addresses see of the crawler over all its starts; asserts that it is polite (law 3)."""

    def __init__(self, clock: Clock, politeness: PolitenessSettings) -> None:
        self.clock = clock
        self.politeness = politeness
        self.hosts: dict[str, Visited] = {}
        self.addresses: dict[str, Visited] = {}
        self.promises, self.kept_promises = Promises(), Promises()
        self.under_way: list[tuple[Request | RobotsFetch, str]] = []

    def sent(self, job: Request | RobotsFetch, ip: str) -> None:
        now, politeness = self.clock.utc, self.politeness
        own = [s for origin, s in self.promises.crawl_delays.items() if origin.partition("://")[2] == job.host]
        pause = max(politeness.delay, *own, 0.0)
        assert now >= self.promises.quiet_until.get(job.host, 0.0) - EARLY_S, f"{job.host} asked for quiet"
        self.hosts.setdefault(job.host, Visited()).start(now, politeness.connections_per_host, pause)
        self.addresses.setdefault(ip, Visited()).start(now, politeness.connections_per_ip, politeness.delay_per_ip)
        self.under_way.append((job, ip))

    def answered(self, job: Request | RobotsFetch, ip: str) -> None:
        self.hosts[job.host].end(self.clock.utc)
        self.addresses[ip].end(self.clock.utc)

    def crashed(self) -> None:
        """End what is under way; what servers asked for since the last commit is forgotten."""
        for job, ip in self.under_way:
            self.answered(job, ip)
        self.under_way.clear()
        self.promises = self.kept_promises.copy()

    def committed(self) -> None:
        self.kept_promises = self.promises.copy()

    def paused(self, host: str, outcome: Outcome) -> None:
        """Note a Retry-After."""
        value = outcome.answer.header("retry-after") if isinstance(outcome, Failed) and outcome.answer else None
        if value is not None:
            until = self.clock.utc + min(float(value), self.politeness.max_retry_after)
            self.promises.quiet_until[host] = max(until, self.promises.quiet_until.get(host, 0.0))

    def told(self, origin: str, state: RobotsState | None) -> None:
        """Note the Crawl-delay of a robots.txt in force."""
        if state is not None:
            wanted = min(state.rules.crawl_delay_s or 0.0, self.politeness.max_crawl_delay)
            self.promises.crawl_delays[origin] = wanted


class MadeUpWeb:
    """Answers by chance, or only good ones when it is `well`."""

    def __init__(self, chance: Random, clock: Clock) -> None:
        self.chance = chance
        self.clock = clock
        self.well = False

    def outcome(self, job: Request | RobotsFetch) -> Outcome:
        if isinstance(job, RobotsFetch):
            return self._robots(job)
        drawn = 0 if self.well else self.chance.randrange(20)
        match drawn:
            case 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8:
                links = "" if self.well else "".join(f"<a href='{self._url()}'>x</a>" for _ in range(self._many()))
                return Fetched(self._answer(200), links.encode())
            case 9 | 10:
                return Redirected(self._answer(302), self._url(), RedirectKind.FOUND_302)
            case 11:
                return Fetched(self._answer(404), b"")
            case 12:
                return self._busy(Failure.THROTTLED, 429)
            case 13 | 14:
                return self._busy(Failure.SERVER_ERROR, 503)
            case _:
                return Failed(self.chance.choice(FAILURES), "made up")

    def _robots(self, job: RobotsFetch) -> Outcome:
        match 0 if self.well else self.chance.randrange(8):
            case 0 | 1 | 2:
                return Fetched(self._answer(404), b"")
            case 3 | 4:
                delay = self.chance.choice((0, 3, 500))
                return Fetched(self._answer(200), f"User-agent: *\nDisallow: /1\nCrawl-delay: {delay}".encode())
            case 5:
                return self._busy(Failure.SERVER_ERROR, 503)
            case 6:
                return Redirected(self._answer(301), self._url(), RedirectKind.MOVED_301)
            case _:
                return Failed(Failure.TIMEOUT, "made up")

    def _busy(self, failure: Failure, status: int) -> Failed:
        pause = self.chance.choice((None, 7, 100_000))
        return Failed(failure, "made up", self._answer(status, {} if pause is None else {"retry-after": str(pause)}))

    def _answer(self, status: int, fields: dict[str, str] | None = None) -> Answer:
        given = [("content-type", "text/html"), *(fields or {}).items()]
        return Answer(status, given, "192.0.2.1", "1.1", self.clock.utc, self.clock.utc, 0.1, 10)

    def _url(self) -> str:
        scheme = self.chance.choice(("http", "http", "https"))
        return f"{scheme}://h{self.chance.randrange(HOSTS)}.test/{self.chance.randrange(PATHS)}"

    def _many(self) -> int:
        return self.chance.choice((0, 1, 3, 10))
