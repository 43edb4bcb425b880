"""From the outcome of a robots.txt fetch to the rules in force, on a real store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from crawler.addresses import Endpoint
from crawler.jobs import Resolve, RobotsFetch
from crawler.outcome import Failed, Fetched, Outcome, Redirected, Request
from crawler.parts import Parts
from crawler.robots_book import ROBOTS_TRIES
from crawler.robots_policy import FETCH_BYTES, LONGEST_S, MAX_HOPS, SHORTEST_S
from crawler.robots_settling import RobotsSettling
from storage.records import Failure, RedirectKind, Truncated
from tests.crawling import answered, open_parts, seed

NOW: Final = 1000.0
"""Where the simulated clock starts, in monotonic seconds."""
ORIGIN = "http://a.test"
RULES = b"User-agent: *\nDisallow: /private\n"


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Parts]:
    async with open_parts(tmp_path, fetch={"retry_wait": 30.0}) as opened:
        seed(opened, "http://a.test/private", "a.test", NOW)
        seed(opened, "http://a.test/open", "a.test", NOW)
        yield opened


def take_robots(parts: Parts, now: float = NOW) -> RobotsFetch:
    job = parts.frontier.take(now)
    if isinstance(job, Resolve):
        parts.frontier.resolved(job.host_id, (Endpoint("127.0.0.2"),), now + 1e6, now)
        job = parts.frontier.take(now)
    assert isinstance(job, RobotsFetch), job
    return job


def settle(parts: Parts, fetch: RobotsFetch, outcome: Outcome, now: float = NOW) -> None:
    parts.frontier.release(fetch, outcome, now)
    RobotsSettling(parts).settle(fetch, outcome, now)


def file(body: bytes = RULES, *fields: tuple[str, str]) -> Fetched:
    return Fetched(answered(200, *fields), body)


def moved(location: str) -> Redirected:
    return Redirected(answered(301), location, RedirectKind.MOVED_301)


def failed(failure: Failure, status: int | None = None, *fields: tuple[str, str]) -> Failed:
    return Failed(failure, "", answered(status, *fields) if status else None)


@pytest.mark.parametrize(
    ("outcome", "verdict", "status", "denies"),
    [
        pytest.param(file(), "rules", 200, True, id="file"),
        pytest.param(file(b""), "rules", 200, False, id="empty file"),
        pytest.param(Fetched(answered(404), RULES), "allow_all", 404, False, id="404, whatever its body says"),
        pytest.param(Fetched(answered(403), b""), "allow_all", 403, False, id="403"),
        pytest.param(Fetched(answered(301), b""), "allow_all", 301, False, id="a redirect without a location"),
        pytest.param(failed(Failure.SERVER_ERROR, 503), "disallow_all", 503, True, id="503"),
        pytest.param(failed(Failure.THROTTLED, 429), "disallow_all", 429, True, id="429"),
        pytest.param(failed(Failure.TIMEOUT), "disallow_all", None, True, id="no answer"),
        pytest.param(failed(Failure.PROTOCOL, 200), "disallow_all", None, True, id="an answer cut short"),
        pytest.param(failed(Failure.DECODE, 404), "allow_all", 404, False, id="404 with a broken body"),
        pytest.param(
            Fetched(answered(200), RULES.ljust(FETCH_BYTES, b"#"), Truncated.BODY), "rules", 200, True,
            id="cut by our own cap",
        ),
    ],
)  # fmt: skip
async def test_outcome_puts_a_verdict_in_force(
    parts: Parts, outcome: Outcome, verdict: str, status: int | None, denies: bool
) -> None:
    settle(parts, take_robots(parts), outcome)
    state = parts.frontier.robots[ORIGIN]
    assert (state.verdict, state.status, not state.rules.allowed("/private")) == (verdict, status, denies)
    assert (parts.stats.counters["robots.fetches"], parts.stats.counters[f"robots.{verdict}"]) == (1, 1)
    await parts.recorder.commit()
    (row,) = await parts.store.load_robots()
    assert (row.origin, row.verdict, row.status, row.body) == (ORIGIN, verdict, status, state.body)
    (host,) = await parts.store.load_hosts()
    assert host.robots_status == verdict


@pytest.mark.parametrize(
    ("fields", "lifetime_s"),
    [
        pytest.param([], LONGEST_S, id="unsaid"),
        pytest.param(
            [("cache-control", "public"), ("cache-control", "max-age=7200")], 7200.0, id="in the second field"
        ),
        pytest.param([("cache-control", "no-cache")], SHORTEST_S, id="not at all"),
    ],
)
async def test_file_lives_as_long_as_its_cache_control_says(
    parts: Parts, fields: list[tuple[str, str]], lifetime_s: float
) -> None:
    settle(parts, take_robots(parts), file(RULES, *fields))
    state = parts.frontier.robots[ORIGIN]
    assert state.expires_at - state.fetched_at == lifetime_s


async def test_crawl_delay_of_the_file_holds_for_its_host(parts: Parts) -> None:
    settle(parts, take_robots(parts), file(b"User-agent: *\nCrawl-delay: 7\n"))
    assert parts.frontier.take(NOW + 6.9) is None
    assert isinstance(parts.frontier.take(NOW + 7.0), Request)


async def test_redirect_is_asked_for_at_the_host_it_leads_to(parts: Parts) -> None:
    settle(parts, take_robots(parts), moved("http://b.test/rules.txt"))
    hop = take_robots(parts)
    assert (hop.origin, hop.url, hop.host, hop.hops) == (ORIGIN, "http://b.test/rules.txt", "b.test", 1)
    settle(parts, hop, file())
    assert not parts.frontier.robots[ORIGIN].rules.allowed("/private")
    assert "http://b.test" not in parts.frontier.robots
    assert parts.stats.counters["robots.fetches"] == 2


@pytest.mark.parametrize(
    ("location", "hops"),
    [pytest.param("/next{}.txt", MAX_HOPS, id="too many in a row"), pytest.param("https://[broken", 0, id="a bad one")],
)
async def test_redirect_that_is_not_followed_counts_as_no_file(parts: Parts, location: str, hops: int) -> None:
    fetch = take_robots(parts)
    for hop in range(hops):
        settle(parts, fetch, moved(location.format(hop)))
        fetch = take_robots(parts)
        assert fetch.hops == hop + 1
    settle(parts, fetch, moved(location))
    assert parts.frontier.robots[ORIGIN].verdict == "allow_all"
    assert isinstance(parts.frontier.take(NOW), Request)


async def test_redirect_to_a_parked_host_counts_as_unreachable(parts: Parts) -> None:
    parts.frontier.park(parts.frontier.host("b.test"), "out of order")
    settle(parts, take_robots(parts), moved("http://b.test/robots.txt"))
    assert parts.frontier.robots[ORIGIN].unreachable


async def test_origin_that_stays_unreachable_is_asked_later_each_time_and_then_parked(parts: Parts) -> None:
    now, waits = NOW, []
    for _ in range(ROBOTS_TRIES):
        settle(parts, take_robots(parts, now), failed(Failure.SERVER_ERROR, 500), now)
        again_at = parts.frontier.robots[ORIGIN].expires_at - parts.frontier.utc_offset
        waits.append(again_at - now)
        assert not isinstance(parts.frontier.take(now + 20.0), Request)
        now = again_at + 1.0
    assert parts.frontier.host("a.test").record.parked == "robots.txt unreachable"
    assert waits == pytest.approx([30.0, 60.0, 120.0])


async def test_retry_after_of_the_file_is_kept(parts: Parts) -> None:
    settle(parts, take_robots(parts), failed(Failure.THROTTLED, 429, ("retry-after", "600")))
    state = parts.frontier.robots[ORIGIN]
    assert state.expires_at - state.fetched_at == pytest.approx(600.0, abs=0.1)


async def test_old_copy_serves_while_the_file_cannot_be_had(parts: Parts) -> None:
    settle(parts, take_robots(parts), file(RULES))
    later = NOW + LONGEST_S + 10.0
    settle(parts, take_robots(parts, later), failed(Failure.TIMEOUT), later)
    state = parts.frontier.robots[ORIGIN]
    assert state.stale
    assert not state.rules.allowed("/private")
    assert state.rules.allowed("/open")
