"""The frontier on a simulated clock: a crawl of hours runs here in milliseconds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config import PolitenessSettings
from crawler.addresses import Endpoint
from crawler.front import FRONT_START, LONG_S, RESTING_MAX, Arrival
from crawler.frontier import Frontier
from crawler.hostqueue import RETRY_WAIT_MAX_S, Standing
from crawler.jobs import Denied, Discovery, Job, Resolve, RobotsFetch
from crawler.outcome import Answer, Failed, Fetched, Outcome, Request
from crawler.politeness import PARK_AFTER_FAILURES, Manners, PaceTable
from crawler.robots_policy import RobotsAnswer, RobotsState, after_answer, after_failure, restore, to_row
from crawler.roster import Known
from crawler.url import host_of, origin_of
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


def test_robots_txt_is_fetched_once_before_the_pages_of_an_origin() -> None:
    web = Simulation()
    web.add(*pages("a.example", 100))
    web.run()
    assert [url for _, _, url, _ in web.sent if "robots" in url] == ["http://a.example/robots.txt"]
    assert web.sent[0][2] == "http://a.example/robots.txt"
    assert web.pages == pages("a.example", 100)


def test_pause_between_requests_to_a_host_is_never_below_the_delay() -> None:
    web = Simulation()
    web.add(*pages("a.example", 20))
    web.run()
    assert min(gaps(web.sent)) == pytest.approx(1.0)


def test_hosts_are_served_side_by_side() -> None:
    web = Simulation()
    for number in range(50):
        web.add(*pages(f"h{number}.example", 3))
    web.run()
    assert len(web.pages) == 150
    assert web.now < 110.0


def test_hosts_of_one_address_share_its_delay_and_its_connections() -> None:
    politeness = PolitenessSettings(delay=1.0, delay_per_ip=0.5, connections_per_ip=1)
    web = Simulation(politeness, addresses={f"h{n}.example": "192.0.2.9" for n in range(10)})
    for number in range(10):
        web.add(*pages(f"h{number}.example", 2))
    web.run()
    assert len(web.pages) == 20
    assert min(gaps(web.sent)) >= 0.5 - 1e-9


def test_crawl_delay_lengthens_the_pause_up_to_its_cap() -> None:
    politeness = PolitenessSettings(delay=1.0, delay_per_ip=0.0, max_crawl_delay=10.0)
    web = Simulation(politeness, robots={
        "http://slow.example": b"User-agent: *\nCrawl-delay: 5\n",
        "http://never.example": b"User-agent: *\nCrawl-delay: 86400\n",
        "http://eager.example": b"User-agent: *\nCrawl-delay: 0.1\n",
    })  # fmt: skip
    for host, pause in (("slow.example", 5.0), ("never.example", 10.0), ("eager.example", 1.0)):
        web.sent.clear()
        web.add(*pages(host, 3))
        web.run()
        assert gaps(web.sent) == pytest.approx([pause] * 3)


def test_longest_crawl_delay_of_a_hosts_origins_holds_until_its_file_changes() -> None:
    web = Simulation(PolitenessSettings(delay=1.0, delay_per_ip=0.0), robots={
        "http://a.example": b"User-agent: *\nCrawl-delay: 9\n",
        "https://a.example": b"User-agent: *\nCrawl-delay: 4\n",
    })  # fmt: skip
    host = web.frontier.host("a.example")
    web.add("http://a.example/", "https://a.example/")
    web.run()
    assert host.courtesy.delay_s == 9.0
    for origin, delay_s in (("http://a.example", 4.0), ("https://a.example", 1.0)):
        web.robots[origin] = b"User-agent: *\nDisallow: /x\n"
        web.now += 30 * 3600.0  # past the expiry of the copies
        web.add(f"{origin}/{delay_s}")
        web.run()
        assert host.courtesy.delay_s == delay_s


RETRY_LATER = Failed(Failure.THROTTLED, "HTTP 429", answered(429, [("retry-after", "30")]))
PENALISED = Failed(Failure.SERVER_ERROR, "HTTP 500", answered(500))


@pytest.mark.parametrize(
    ("outcome", "standing"),
    [
        pytest.param(well(), "due", id="its_delay"),
        pytest.param(PENALISED, "backing_off", id="penalty"),
        pytest.param(RETRY_LATER, "backing_off", id="retry_after"),
    ],
)
def test_host_that_backs_off_is_told_from_one_that_waits_its_delay(outcome: Outcome, standing: str) -> None:
    web = Simulation(
        PolitenessSettings(delay=1.0, delay_per_ip=0.0, robots=False), outcomes={"http://a.test/": outcome}
    )
    web.add("http://a.test/", "http://a.test/2")
    web.run(until=web.now + 0.2)
    assert web.frontier.standings(web.now) == {standing: 1}


def test_address_that_throttles_is_asked_less_often_until_it_answers_well() -> None:
    hosts = [f"h{number}.example" for number in range(12)]
    throttled = Failed(Failure.THROTTLED, "HTTP 429", answered(429))
    web = Simulation(
        PolitenessSettings(delay=0.0, delay_per_ip=1.0, connections_per_ip=1, robots=False),
        addresses=dict.fromkeys(hosts, "192.0.2.9"),
        outcomes={f"http://{host}/": throttled for host in hosts[:3]},
    )
    web.add(*(f"http://{host}/" for host in hosts))
    web.run()
    pauses = gaps(web.sent)
    assert pauses[:3] == pytest.approx([2.0, 3.0, 5.0])
    assert pauses[2:] == sorted(pauses[2:], reverse=True)
    assert pauses[-1] == pytest.approx(1.0)


def test_stored_robots_txt_is_read_when_its_host_is_first_served_and_holds_from_then_on() -> None:
    web, read = Simulation(), list[str]()

    def reading(origin: str, body: bytes) -> Callable[[], RobotsState]:
        def parse() -> RobotsState:
            read.append(origin)
            return after_answer(None, RobotsAnswer(200, body), "Linkmill", web.now + UTC_OFFSET)

        return parse

    for host_id, name in enumerate(("a.example", "b.example"), 1):
        body = b"User-agent: *\nDisallow: /1\nCrawl-delay: 7\n"
        web.stored_robots[host_id] = [(f"http://{name}", reading(name, body))]
        web.resume(HostRow(host_id, name, name, name, 1), 0)
    web.add(*pages("a.example", 3))
    web.run()
    assert read == ["a.example"]
    assert web.pages == ["http://a.example/0", "http://a.example/2"]
    assert [denied.request.url for denied in web.denied] == ["http://a.example/1"]
    assert gaps(web.sent) == [pytest.approx(7.0)]


def test_restart_after_a_crash_keeps_the_delays_of_requests_that_left_no_record() -> None:
    politeness = PolitenessSettings(delay=5.0, delay_per_ip=2.0)
    before = Simulation(politeness)
    before.add(*pages("a.example", 1))
    before.run()
    record = before.frontier.host("a.example").snapshot(UTC_OFFSET)
    for crashed, wait_s in ((False, 2.0), (True, 5.0)):
        after = Simulation(politeness, now=before.now + 1000.0)
        if crashed:
            after.frontier.after_crash(after.now)
        after.resume(replace(record), 0)
        started = after.now
        after.add("http://a.example/next")
        after.run()
        assert after.sent[0][0] - started == pytest.approx(wait_s)


def test_crawl_delay_outlives_a_start_that_never_asked_the_host() -> None:
    first = Simulation(robots={"http://a.example": b"User-agent: *\nCrawl-delay: 7"})
    first.add("http://a.example/")
    first.run()
    second = Simulation(now=first.now)
    second.resume(first.frontier.host("a.example").snapshot(UTC_OFFSET), 0)
    second.add("http://a.example/later")
    assert second.frontier.take(second.now) is None
    second.pass_time(second.now)
    record = second.frontier.host("a.example").snapshot(UTC_OFFSET)
    assert (record.crawl_delay_s, record.delay_s) == (7.0, 7.0)
    third = Simulation(now=second.now + 1000.0)
    third.frontier.after_crash(third.now)
    third.resume(record, 0)
    started = third.now
    third.add("http://a.example/next")
    third.run()
    assert third.sent[0][0] - started == pytest.approx(7.0)


def test_hosts_and_addresses_that_a_crash_left_unknown_wait_for_their_delay_too() -> None:
    web = Simulation(PolitenessSettings(delay=5.0, delay_per_ip=2.0))
    web.frontier.after_crash(web.now)
    started = web.now
    web.add("http://a.example/")
    web.run()
    assert web.sent[0][0] - started == pytest.approx(5.0)
    hurried = Simulation(PolitenessSettings(delay=0.0, delay_per_ip=2.0))
    hurried.frontier.after_crash(hurried.now)
    hurried.add("http://a.example/")
    hurried.run()
    assert hurried.sent[0][0] - started == pytest.approx(2.0)


def test_crash_is_heeded_until_the_longest_delay_has_passed() -> None:
    web = Simulation(PolitenessSettings(delay=5.0, delay_per_ip=2.0))
    assert not web.frontier.heeds_crash(web.now)
    web.frontier.after_crash(web.now)
    web.add("http://a.example/")
    assert web.frontier.heeds_crash(web.now + 4.9)
    assert not web.frontier.heeds_crash(web.now + 5.0)


def test_disallowed_url_is_denied_at_take() -> None:
    web = Simulation(robots={"http://a.example": b"User-agent: *\nDisallow: /private\n"})
    web.add("http://a.example/private/1", "http://a.example/open")
    web.run()
    assert [job.request.url for job in web.denied] == ["http://a.example/private/1"]
    assert web.pages == ["http://a.example/open"]


def test_unreachable_robots_txt_closes_the_host_and_parks_it_after_three_tries() -> None:
    web = Simulation(robots={"http://a.example": b"broken"})
    web.add(*pages("a.example", 5))
    web.run()
    assert web.pages == []
    assert len(web.sent) == 3
    assert web.frontier.host("a.example").record.parked == "robots.txt unreachable"
    assert web.frontier.queued == 5
    assert web.frontier.finished


@pytest.mark.parametrize("late", [False, True], ids=["queued before", "found when the host has nothing else"])
def test_origin_without_a_robots_txt_does_not_stop_the_hosts_others(late: bool) -> None:
    web = Simulation(robots={"https://a.example": b"broken"})
    web.add("https://a.example/1", "https://a.example/2")
    if late:
        web.run()
        assert web.frontier.host("a.example").standing is Standing.PARKED
    web.add("http://a.example/3", "https://a.example/4", "http://a.example/5")
    web.run()
    assert web.pages == ["http://a.example/3", "http://a.example/5"]
    assert [url for _, _, url, _ in web.sent].count("https://a.example/robots.txt") == 3
    assert web.frontier.queued == web.frontier.host("a.example").queued == 3
    assert web.frontier.finished
    assert web.frontier.host("a.example").record.parked == "robots.txt unreachable"


def test_rows_set_aside_do_not_come_back_from_disk_before_the_next_start() -> None:
    web = Simulation(robots={"https://a.example": b"broken"})
    web.add(*(url for number in range(200) for url in (f"https://a.example/{number}", f"http://a.example/{number}")))
    web.run()
    assert sorted(web.pages) == sorted(pages("a.example", 200))
    assert web.frontier.queued == web.frontier.host("a.example").queued == 200


def test_pages_of_a_blocked_address_are_denied_without_a_request() -> None:
    web = Simulation(addresses={"in.example": "inside"})
    web.add(*pages("in.example", 3))
    web.run()
    assert [job.failure for job in web.denied] == [Failure.BLOCKED_ADDRESS] * 3
    assert web.sent == []


def test_host_without_an_address_is_parked_after_failures_in_a_row() -> None:
    web = Simulation(addresses={"gone.example": "none"})
    web.add(*pages("gone.example", 20))
    web.run()
    assert web.frontier.queued == 20 - PARK_AFTER_FAILURES
    assert web.frontier.host("gone.example").record.parked is not None


@pytest.mark.parametrize(
    ("value", "started"),
    [
        pytest.param("30", 130.1, id="in seconds"),
        pytest.param("Mon, 12 Jan 1970 13:49:00 GMT", 140.0, id="as a date"),  # 1,000,140 s after the epoch
        pytest.param("999999999", 3700.1, id="cut at the limit"),
    ],
)
def test_retry_after_keeps_the_host_waiting(value: str, started: float) -> None:
    web = Simulation(politeness=PolitenessSettings(delay=1.0, delay_per_ip=0.0, robots=False))
    web.add("http://a.example/busy", "http://a.example/next")
    web.outcomes["http://a.example/busy"] = Failed(Failure.THROTTLED, "429", answered(429, [("retry-after", value)]))
    web.run()
    assert web.sent[1][0] == pytest.approx(started)


def test_throttling_slows_a_host_and_success_speeds_it_up_again() -> None:
    web = Simulation(politeness=PolitenessSettings(delay=1.0, delay_per_ip=0.0, robots=False))
    web.add(*pages("a.example", 12))
    for number in range(3):
        web.outcomes[f"http://a.example/{number}"] = Failed(Failure.SERVER_ERROR, "503", answered(503))
    web.run()
    assert gaps(web.sent)[:3] == pytest.approx([2.0, 3.0, 5.0])
    assert gaps(web.sent)[3:] == sorted(gaps(web.sent)[3:], reverse=True)
    assert gaps(web.sent)[-1] < 1.1


def test_rows_beyond_the_head_come_back_from_disk_in_order() -> None:
    web = Simulation(politeness=PolitenessSettings(delay=0.0, delay_per_ip=0.0, robots=False))
    web.add(*pages("a.example", 1000))
    assert web.frontier.host("a.example").tail > 800
    web.run()
    assert web.pages == pages("a.example", 1000)
    assert web.frontier.queued == 0


def test_refill_that_finds_nothing_is_asked_again_after_the_commit() -> None:
    web = Simulation(politeness=PolitenessSettings(delay=0.0, delay_per_ip=0.0, robots=False))
    web.add(*pages("a.example", 200))
    unwritten = web.disk.copy()
    web.disk.clear()
    web.run()
    assert len(web.pages) == 128
    assert web.frontier.refills.starving
    assert not web.frontier.finished
    web.disk = unwritten
    web.frontier.refills.committed()
    web.run()
    assert len(web.pages) == 200


def test_retry_waits_for_its_time_and_keeps_its_history() -> None:
    web = Simulation(politeness=PolitenessSettings(delay=1.0, delay_per_ip=0.0, robots=False))
    web.add("http://a.example/x")
    web.serve(web.frontier.take(web.now))  # type: ignore[arg-type]
    request = web.frontier.take(web.now)
    assert isinstance(request, Request)
    web.frontier.release(request, Failed(Failure.RESET, ""), web.now)
    row = web.frontier.retry(request, web.now + 30.0, web.now)
    assert (row.tries, row.not_before) == (1, web.now + 30.0 + UTC_OFFSET)
    assert web.frontier.take(web.now + 29.9) is None
    again = web.frontier.take(web.now + 30.0)
    assert isinstance(again, Request)
    assert (again.url, again.tries, again.seq) == (request.url, 1, row.seq)


def test_restored_host_waits_for_the_rest_of_its_delay() -> None:
    web = Simulation(politeness=PolitenessSettings(delay=10.0, delay_per_ip=0.0, robots=False))
    web.add(*pages("a.example", 2))
    web.run(until=105.0)
    host = web.frontier.host("a.example")
    resumed = Simulation(politeness=web.politeness, now=105.0)
    resumed.disk[host.record.host_id] = [row for row in web.disk[host.record.host_id] if row.url.endswith("/1")]
    resumed.resume(host.snapshot(UTC_OFFSET), 1)
    resumed.run()
    assert resumed.sent[0][0] == pytest.approx(web.sent[0][1] + 10.0)


def test_job_that_is_cut_off_leaves_its_row_queued_and_its_host_alone_for_the_delay() -> None:
    web = Simulation(politeness=PolitenessSettings(delay=10.0, delay_per_ip=0.0, robots=False))
    web.add(*pages("a.example", 2))
    while not web.under_way:
        waiting = web.frontier.take(web.now)
        assert waiting is not None
        web.serve(waiting)
    host = web.frontier.abandon(web.under_way.pop()[1], 107.0)
    assert (web.frontier.queued, web.frontier.open, host.gate.next_at) == (2, 0, 117.0)


def test_delay_is_waited_for_once_when_the_clock_was_set_back() -> None:
    web = Simulation(politeness=PolitenessSettings(delay=10.0, delay_per_ip=0.0, robots=False))
    web.add(*pages("a.example", 2))
    web.run(until=105.0)
    record = web.frontier.host("a.example").snapshot(UTC_OFFSET + 1800.0)
    record.last_visit = web.sent[0][1] + UTC_OFFSET + 1800.0
    resumed = Simulation(politeness=web.politeness, now=105.0)
    resumed.disk[record.host_id] = [row for row in web.disk[record.host_id] if row.url.endswith("/1")]
    resumed.resume(record, 1)
    resumed.run()
    assert resumed.sent[0][0] == pytest.approx(105.0 + 10.0)


def test_no_retry_waits_longer_than_retries_do_when_the_clock_was_set_back() -> None:
    before = Simulation(politeness=PolitenessSettings(delay=0.0, delay_per_ip=0.0, robots=False))
    before.add(*pages("a.example", 1))
    host = before.frontier.host("a.example")
    row = before.disk[host.record.host_id][0]._replace(tries=1, not_before=UTC_OFFSET + 1e6)
    after = Simulation(before.politeness)
    after.disk[host.record.host_id] = [row]
    after.resume(host.snapshot(UTC_OFFSET), 1)
    after.run()
    assert after.sent[0][0] == pytest.approx(100.0 + RETRY_WAIT_MAX_S)


def test_robots_redirect_waits_for_the_delay_of_the_host_it_leads_to() -> None:
    web = Simulation()
    web.add("http://a.example/1", "http://b.example/1")
    taken: list[Job] = []
    while (job := web.frontier.take(web.now)) is not None:
        if isinstance(job, Resolve):
            web.serve(job)
        else:
            taken.append(job)
    fetches = {job.origin: job for job in taken if isinstance(job, RobotsFetch)}
    first, second = fetches["http://a.example"], fetches["http://b.example"]
    web.frontier.release(first, well(), web.now)
    assert web.frontier.robots_hop(first, "http://b.example/r.txt", "b.example", web.now)
    assert web.frontier.take(web.now + 5.0) is None, "b.example has a request open"
    web.frontier.release(second, well(), web.now + 5.0)
    assert web.frontier.take(web.now + 5.9) is None
    hop = web.frontier.take(web.now + 6.0)
    assert isinstance(hop, RobotsFetch)
    assert (hop.origin, hop.url, hop.hops) == ("http://a.example", "http://b.example/r.txt", 1)


def test_robots_files_that_lead_to_each_other_do_not_block() -> None:
    web = Simulation()
    web.add("http://a.example/1", "http://b.example/1")
    hopped = 0

    def end(job: Request | RobotsFetch) -> None:
        nonlocal hopped
        web.frontier.release(job, well(), web.now)
        if isinstance(job, RobotsFetch) and job.hops < 5:
            hopped += 1
            other = "b.example" if job.host == "a.example" else "a.example"
            assert web.frontier.robots_hop(job, f"http://{other}/robots.txt", other, web.now)
        elif isinstance(job, RobotsFetch):
            state = after_answer(None, RobotsAnswer(302), "Linkmill", web.now + UTC_OFFSET)
            web.frontier.robots_answered(job.origin, state, web.now)

    web.end = end  # type: ignore[method-assign]
    web.run()
    assert hopped == 10
    assert sorted(web.pages) == ["http://a.example/1", "http://b.example/1"]


@settings(max_examples=60, deadline=None)
@given(
    hosts=st.integers(1, 6),
    addresses=st.integers(1, 3),
    connections=st.integers(1, 3),
    per_ip=st.integers(1, 3),
    delay=st.sampled_from([0.0, 0.5, 2.0]),
    ip_delay=st.sampled_from([0.0, 0.3]),
    counts=st.lists(st.integers(0, 150), min_size=6, max_size=6),
    latency=st.sampled_from([0.01, 1.5]),
    front=st.sampled_from([1, 2, FRONT_START]),
)
def test_no_schedule_breaks_the_politeness_or_loses_a_url(
    hosts: int, addresses: int, connections: int, per_ip: int, delay: float, ip_delay: float, counts: list[int],
    latency: float, front: int,
) -> None:  # fmt: skip
    with small_front(front):
        play(hosts, addresses, connections, per_ip, delay, ip_delay, counts, latency)


def play(
    hosts: int, addresses: int, connections: int, per_ip: int, delay: float, ip_delay: float, counts: list[int],
    latency: float,
) -> None:  # fmt: skip
    politeness = PolitenessSettings(
        delay=delay, delay_per_ip=ip_delay, connections_per_host=connections, connections_per_ip=per_ip
    )
    names = [f"h{n}.example" for n in range(hosts)]
    web = Simulation(politeness, {name: f"192.0.2.{n % addresses}" for n, name in enumerate(names)}, latency_s=latency)
    wanted = [url for name, count in zip(names, counts, strict=False) for url in pages(name, count)]
    web.add(*wanted)
    web.run()
    assert sorted(web.pages) == sorted(wanted)
    assert web.frontier.finished
    assert web.frontier.open == web.frontier.queued == 0
    for key, limit, pause in ((2, connections, delay), (3, per_ip, ip_delay)):
        groups = defaultdict(list)
        for entry in web.sent:
            groups[origin_of(entry[2]) if key == 2 else entry[3]].append(entry)
        for entries in groups.values():
            check_spacing(entries, limit, pause)


def check_spacing(entries: list[tuple[float, float, str, str]], limit: int, pause: float) -> None:
    for number, (start, _, _, _) in enumerate(entries):
        before = entries[:number]
        assert sum(1 for earlier in before if earlier[1] > start) < limit
        assert all(start - earlier[0] >= pause - 1e-9 for earlier in before)
        assert all(start - earlier[1] >= pause - 1e-9 for earlier in before if earlier[1] <= start)


def test_hosts_that_are_not_at_the_front_are_crawled_in_their_turn() -> None:
    with small_front(2):
        web = Simulation()
        wanted = [url for number in range(40) for url in pages(f"h{number}.example", 3)]
        web.add(*wanted)
        assert len(web.frontier.hosts) == 2
        assert web.frontier.standings(web.now) == {"due": 2, "in_line": 38}
        web.run()
        web.rest()
    assert sorted(web.pages) == sorted(wanted)
    assert (web.frontier.hosts, web.frontier.robots) == ({}, {})
    assert web.frontier.standings(web.now) == {"idle": 40}


def test_front_grows_only_while_fetchers_wait() -> None:
    with small_front(2):
        web = Simulation(PolitenessSettings(delay=60.0, delay_per_ip=0.0, robots=False))
        web.add(*(url for number in range(64) for url in pages(f"h{number}.example", 2)))
        job = web.frontier.take(web.now)
        assert job is not None
        web.serve(job)
        assert not web.frontier.refills.wishing
        web.run(until=web.now + 30.0)
        assert len({url.split("/")[2] for url in web.pages}) == 64


def test_host_that_comes_back_keeps_its_delay_its_rules_and_its_failures() -> None:
    web = Simulation(robots={"http://a.example": b"User-agent: *\nDisallow: /1\nCrawl-delay: 7\n"})
    web.outcomes["http://a.example/0"] = Failed(Failure.SERVER_ERROR, "500", answered(500))
    with small_front():
        web.add("http://a.example/0")
        web.run()
        web.rest()
        assert web.frontier.hosts == {}
        web.add("http://a.example/1", "http://a.example/2")
        web.run()
    host = web.frontier.host("a.example") if web.frontier.hosts else None
    assert [url for _, _, url, _ in web.sent].count("http://a.example/robots.txt") == 1
    assert [denied.request.url for denied in web.denied] == ["http://a.example/1"]
    assert web.stored[1].failures == 0
    assert web.stored[1].crawl_delay_s == 7.0
    assert host is None or host.courtesy.crawl_delay_s == 7.0


def test_host_that_has_to_wait_for_long_leaves_the_front_until_then() -> None:
    web = Simulation(PolitenessSettings(delay=1.0, delay_per_ip=0.0, robots=False))
    web.outcomes["http://a.example/0"] = Failed(Failure.THROTTLED, "429", answered(429, [("retry-after", "600")]))
    with small_front():
        web.add("http://a.example/0", "http://a.example/1", *pages("b.example", 3))
        web.run(until=web.now + 60.0)
        web.rest(10.0)
        assert web.pages == ["http://a.example/0", *pages("b.example", 3)]
        assert web.frontier.hosts == {}
        assert web.frontier.standings(web.now) == {"backing_off": 1, "idle": 1}
        assert not web.frontier.finished
        web.run()
    assert web.sent[-1][0] == pytest.approx(700.1)
    assert web.pages[-1] == "http://a.example/1"


def test_parked_host_that_left_the_front_stays_parked_and_counts_what_is_found() -> None:
    web = Simulation(addresses={"gone.example": "none"})
    with small_front():
        web.add(*pages("gone.example", 20))
        web.run()
        web.rest(600.0)
        assert web.frontier.hosts == {}
        web.add("http://gone.example/late")
        web.run()
        assert web.frontier.standings(web.now) == {"parked": 1}
    assert web.frontier.finished
    assert web.frontier.queued == 21 - PARK_AFTER_FAILURES
    assert web.frontier.front.roster.queued[1] == 21 - PARK_AFTER_FAILURES


def test_other_origin_of_a_host_that_left_the_front_is_still_fetched() -> None:
    web = Simulation(robots={"https://a.example": b"broken"})
    with small_front():
        web.add("https://a.example/1", "https://a.example/2")
        web.run()
        web.rest()
        assert web.frontier.hosts == {}
        web.add("http://a.example/3", "https://a.example/4")
        web.run()
    assert web.pages == ["http://a.example/3"]
    assert [url for _, _, url, _ in web.sent].count("https://a.example/robots.txt") == 3
    assert web.frontier.queued == 3
    assert web.frontier.finished


def test_robots_redirect_calls_a_host_that_is_in_the_store_alone() -> None:
    web = Simulation()
    with small_front():
        web.add("http://b.example/1")
        web.run()
        web.rest()
        assert web.frontier.hosts == {}
        web.add("http://a.example/1")
        while not isinstance(job := web.frontier.take(web.now), RobotsFetch):
            if job is None:
                web.pass_time(1e9)
            else:
                web.serve(job)
        web.frontier.release(job, well(), web.now)
        assert web.frontier.robots_hop(job, "http://b.example/r.txt", "b.example", web.now)
        assert not web.frontier.finished
        web.run()
    assert web.pages == ["http://b.example/1", "http://b.example/r.txt", "http://a.example/1"]
