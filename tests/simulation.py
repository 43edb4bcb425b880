"""A frontier on a simulated clock, with a disk and a web: a crawl of hours runs here in milliseconds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise

import pytest

from config import PolitenessSettings
from crawler.addresses import Endpoint
from crawler.front import FRONT_START, LONG_S, RESTING_MAX, Arrival
from crawler.frontier import Frontier
from crawler.jobs import Denied, Discovery, Job, Resolve, RobotsFetch
from crawler.outcome import Answer, Failed, Fetched, Outcome, Request
from crawler.politeness import Manners, PaceTable
from crawler.robots_policy import RobotsAnswer, RobotsState, after_answer, after_failure, restore, to_row
from crawler.roster import Known
from crawler.url import host_of
from storage.records import Failure, HostRow, QueueRow, Via

UTC_OFFSET = 1_000_000.0
SEED = Discovery(0, Via.SEED, 0, None)


def answered(status: int = 200, headers: list[tuple[str, str]] | None = None) -> Answer:
    return Answer(status, headers or [], "192.0.2.1", "1.1", 0.0, 0.0, 0.0)


def well() -> Fetched:
    return Fetched(answered(), b"")


@dataclass
class Simulation:
    """A frontier with a clock, a disk and a web in which every request takes `latency_s`."""

    politeness: PolitenessSettings = field(default_factory=lambda: PolitenessSettings(delay=1.0, delay_per_ip=0.0))
    addresses: dict[str, str] = field(default_factory=dict)
    robots: dict[str, bytes] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    latency_s: float = 0.1
    now: float = 100.0

    def __post_init__(self) -> None:
        self.frontier = Frontier(PaceTable(self.politeness), Manners.of(self.politeness), UTC_OFFSET)
        self.disk: dict[int, list[QueueRow]] = defaultdict(list)
        self.stored: dict[int, HostRow] = {}
        self.stored_robots: dict[int, list[tuple[str, Callable[[], RobotsState]]]] = {}
        self.sent: list[tuple[float, float, str, str]] = []
        self.denied: list[Denied] = []
        self.under_way: list[tuple[float, Request | RobotsFetch]] = []

    def add(self, *urls: str) -> None:
        for url in urls:
            row = self.frontier.discover(url, host_of(url), SEED, self.now)
            self.disk[row.host_id].append(row)

    def run(self, until: float = 1e9) -> None:
        """Serve jobs until nothing is left or the clock shows `until`."""
        while self.now < until:
            job = self.frontier.take(self.now)
            if job is not None:
                self.serve(job)
            elif not self.pass_time(until):
                return

    def pass_time(self, until: float) -> bool:
        if self.frontier.refills.wishing:
            for host in self.frontier.refills.hand_out():
                rows = [row for row in self.disk[host.record.host_id] if row.seq > host.loaded_seq][:64]
                self.frontier.refilled(host, rows, self.now)
            for host_id in self.frontier.refills.hand_out_called():
                self.frontier.arrived(host_id, self.arrival(host_id), self.now)
            return True
        next_at = self.frontier.next_at()
        moments = [at for at, _ in self.under_way] + ([next_at] if next_at is not None else [])
        if not moments or min(moments) > until:
            return False
        self.now = max(self.now, min(moments))
        for ended in [entry for entry in self.under_way if entry[0] <= self.now]:
            self.under_way.remove(ended)
            self.end(ended[1])
        self.commit()
        return True

    def commit(self) -> None:
        """Store what there is to be known of hosts, as a batch does."""
        front = self.frontier.front
        self.stored |= {record.host_id: replace(record) for record in front.newcomers}
        front.newcomers.clear()
        self.stored |= {host_id: host.snapshot(UTC_OFFSET) for host_id, host in front.hosts.items()}
        self.frontier.committed((), self.now)

    def arrival(self, host_id: int) -> Arrival | None:
        record = self.stored.get(host_id)
        if record is None:
            return None
        after = self.frontier.front.seq_before(host_id)
        rows = [row for row in self.disk[host_id] if row.seq > after][:64]
        return Arrival(record, rows, self.stored_robots.get(host_id, []), self.now + UTC_OFFSET)

    def resume(self, record: HostRow, queued: int) -> None:
        """Let the frontier learn of a host from the store."""
        self.stored[record.host_id] = record
        known = Known(record.host_id, record.host, record.discovered, queued, record.delay_s)
        self.frontier.know([known], self.now)

    def serve(self, job: Job) -> None:
        match job:
            case Resolve(host, host_id):
                ip = self.addresses.get(host, f"192.0.2.{host_id % 250}")
                if ip == "none":
                    waiting = self.frontier.unresolved(host_id, Failed(Failure.DNS, "no answer"), self.now)
                    assert isinstance(waiting, Request)
                    self.ended(waiting)
                elif ip == "inside":
                    self.frontier.refused(host_id, Failure.BLOCKED_ADDRESS, self.now + 600.0, self.now)
                else:
                    self.frontier.resolved(host_id, (Endpoint(ip),), self.now + 3600.0, self.now)
            case Denied(request):
                self.denied.append(job)
                self.ended(request)
            case Request() | RobotsFetch():
                ip = self.frontier.endpoint_of(job).ip
                self.sent.append((self.now, self.now + self.latency_s, job.url, ip))
                self.under_way.append((self.now + self.latency_s, job))
            case _:
                pytest.fail(f"unexpected job {job}")

    def end(self, job: Request | RobotsFetch) -> None:
        if isinstance(job, Request):
            self.frontier.release(job, self.outcomes.get(job.url, well()), self.now)
            self.ended(job)
            return
        body = self.robots.get(job.origin)
        utc = self.now + UTC_OFFSET
        if body == b"broken":
            self.frontier.release(job, Failed(Failure.SERVER_ERROR, "500", answered(500)), self.now)
            state = after_failure(self.frontier.robots.get(job.origin), "HTTP 500", utc)
        else:
            self.frontier.release(job, well(), self.now)
            answer = RobotsAnswer(404) if body is None else RobotsAnswer(200, body)
            state = after_answer(None, answer, "Linkmill", utc)
        host = self.frontier.robots_answered(job.origin, state, self.now)
        held = [entry for entry in self.stored_robots.get(host.record.host_id, []) if entry[0] != job.origin]
        self.stored_robots[host.record.host_id] = [*held, (job.origin, partial(self.robots_row, state))]

    def robots_row(self, state: RobotsState) -> RobotsState:
        """Return a state as it comes back from the store."""
        return restore(to_row(state, "", 0), "Linkmill", self.now + UTC_OFFSET)

    def rest(self, seconds: float = 60.0) -> None:
        """Let all delays pass, so that hosts without work leave the front."""
        self.now += seconds
        self.commit()

    def ended(self, request: Request) -> None:
        rows = self.disk[request.host_id]
        rows[:] = [row for row in rows if row.seq != request.seq]

    @property
    def pages(self) -> list[str]:
        return [url for _, _, url, _ in self.sent if not url.endswith("/robots.txt")]


@contextmanager
def small_front(hosts: int = 1) -> Iterator[None]:
    """Let so few hosts be in RAM; those without work leave it at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("crawler.front.FRONT_START", hosts)
        patch.setattr("crawler.front.RESTING_MAX", 0 if hosts < FRONT_START else RESTING_MAX)
        patch.setattr("crawler.front.LONG_S", 2.0 if hosts < FRONT_START else LONG_S)
        yield


def gaps(sent: list[tuple[float, float, str, str]]) -> list[float]:
    """Return the pauses between the end of each request and the start of the next."""
    return [start - end for (_, end, _, _), (start, _, _, _) in pairwise(sent)]


def pages(host: str, count: int) -> list[str]:
    return [f"http://{host}/{number}" for number in range(count)]
