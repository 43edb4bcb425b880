"""Hosts and rows that are in the store alone, and how their turn comes."""

from __future__ import annotations

import pytest

from config import PolitenessSettings
from crawler.jobs import RobotsFetch
from crawler.outcome import Failed
from crawler.politeness import PARK_AFTER_FAILURES
from storage.records import Failure
from tests.simulation import Simulation, answered, pages, small_front, well


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
