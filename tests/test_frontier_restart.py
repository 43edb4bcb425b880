"""The frontier after a stop, a crash and a clock that was set back: no delay is forgotten, no row lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from config import PolitenessSettings
from crawler.hostqueue import RETRY_WAIT_MAX_S
from crawler.robots_policy import RobotsAnswer, RobotsState, after_answer
from storage.records import HostRow
from tests.simulation import UTC_OFFSET, Simulation, gaps, pages


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


def test_rows_set_aside_do_not_come_back_from_disk_before_the_next_start() -> None:
    web = Simulation(robots={"https://a.example": b"broken"})
    web.add(*(url for number in range(200) for url in (f"https://a.example/{number}", f"http://a.example/{number}")))
    web.run()
    assert sorted(web.pages) == sorted(pages("a.example", 200))
    assert web.frontier.queued == web.frontier.host("a.example").queued == 200


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
