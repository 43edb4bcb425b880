"""The frontier on a simulated clock: what is asked, in which order, and how far apart."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config import PolitenessSettings
from crawler.front import FRONT_START
from crawler.hostqueue import Standing
from crawler.jobs import Job, Resolve, RobotsFetch
from crawler.outcome import Failed, Outcome, Request
from crawler.politeness import PARK_AFTER_FAILURES
from crawler.robots_policy import RobotsAnswer, after_answer
from crawler.url import origin_of
from storage.records import Failure
from tests.simulation import UTC_OFFSET, Simulation, answered, gaps, pages, small_front, well


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
