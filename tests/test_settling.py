"""What becomes of a URL, and of what its page revealed: on a real store, with the clock in the test's hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from crawler.hostqueue import RETRY_WAIT_MAX_S
from crawler.outcome import Failed, Fetched, Outcome, Redirected, Request
from crawler.parts import Parts
from crawler.settling import RETRIED, SEQUENCE_BITS, PageSettling
from storage.records import Failure, QueueRow, RedirectKind, Via
from storage.runs import Totals
from tests.crawling import HTML, Sections, Stored, answered, open_parts, seed, take_request

NOW = 100.0
URL = "http://a.test/"
PATIENT = {"retries": 3, "retry_wait": 30.0, "max_redirects": 2}


class Bench:
    """A settling on its parts, with what the store holds after a commit."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.settling = PageSettling(parts)

    def request(self, now: float = NOW) -> Request:
        return take_request(self.parts, now)

    def settle(self, request: Request, outcome: Outcome, now: float = NOW) -> None:
        self.parts.frontier.release(request, outcome, now)
        self.settling.settle(request, outcome, request.discovered_at + 2.0, now)

    async def queued(self, host: str = "a.test") -> list[QueueRow]:
        """Commit, check that the states add up, and return the rows of a host's queue on disk."""
        await self.parts.recorder.commit()
        assert (await self.totals()).conserved
        return await self.parts.store.refill(self.parts.frontier.host(host).record.host_id, -1, 100)

    async def totals(self) -> Totals:
        return await self.parts.store.totals(self.parts.run)


async def open_bench(data_dir: Path, **sections: Sections) -> AsyncIterator[Bench]:
    given: dict[str, Sections] = {"politeness": {"robots": False}, "fetch": PATIENT, **sections}
    async with open_parts(data_dir, **given) as parts:
        seed(parts, URL, "a.test", NOW)
        yield Bench(parts)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async for one in open_bench(tmp_path):
        yield one


def html(text: str, *fields: tuple[str, str]) -> Fetched:
    return Fetched(answered(200, ("content-type", HTML), *fields), text.encode())


def moved(location: str) -> Redirected:
    return Redirected(answered(302), location, RedirectKind.FOUND_302)


async def test_links_of_a_page_are_queued_a_step_deeper(bench: Bench, tmp_path: Path) -> None:
    bench.settle(bench.request(), html("<a href=/x>1</a><a href=http://b.test/>2</a><a href=/x>3</a><img src=/i>"))
    (here,), (there,) = await bench.queued(), await bench.queued("b.test")
    fetch = Stored(tmp_path).only(URL).fetch
    for row, url in ((here, "http://a.test/x"), (there, "http://b.test/")):
        assert (row.url, row.depth, row.via, row.discovered_from, row.hops) == (url, 1, Via.LINK, fetch, 0)
    assert await bench.totals() == Totals(discovered=3, done=1, failed=0, excluded=0, queued=2)
    counters = bench.parts.stats.counters
    assert (counters["links"], counters["left.seen"], counters["left.kind"]) == (4, 1, 1)


async def test_fetches_are_numbered_from_the_incarnation_on(bench: Bench, tmp_path: Path) -> None:
    bench.settle(bench.request(), html("<a href=/x>x</a>"))
    bench.settle(bench.request(NOW + 1), html(""), NOW + 1)
    await bench.queued()
    first = bench.parts.incarnation << SEQUENCE_BITS
    assert [Stored(tmp_path).only(url).fetch for url in (URL, "http://a.test/x")] == [first, first + 1]


async def test_wait_before_a_retry_doubles_until_retries_are_used_up(bench: Bench) -> None:
    now, waits = NOW, []
    for tries in range(4):
        request = bench.request(now)
        assert request.tries == tries
        bench.settle(request, Failed(Failure.TIMEOUT, ""), now)
        for row in await bench.queued():
            assert (row.url, row.tries, row.seq > request.seq) == (URL, tries + 1, True)
            due_at = row.not_before - bench.parts.frontier.utc_offset
            waits.append(due_at - now)
            assert bench.parts.frontier.take(due_at - 0.01) is None
            now = due_at + 1e-6
    assert waits == pytest.approx([30.0, 60.0, 120.0], abs=1e-3)
    assert await bench.totals() == Totals(discovered=1, done=0, failed=1, excluded=0, queued=0)
    assert (bench.parts.stats.counters["retries"], bench.parts.stats.counters["failed.timeout"]) == (3, 4)


async def test_wait_before_a_retry_is_an_hour_at_most(tmp_path: Path) -> None:
    async for bench in open_bench(tmp_path, fetch={"retries": 1, "retry_wait": 90_000.0}):
        bench.settle(bench.request(), Failed(Failure.RESET, ""))
        (row,) = await bench.queued()
        due_at = row.not_before - bench.parts.frontier.utc_offset
        assert due_at - NOW == pytest.approx(RETRY_WAIT_MAX_S, abs=1e-3)


@pytest.mark.parametrize("failure", [pytest.param(one, id=one.name.lower()) for one in Failure if one])
async def test_only_failures_that_may_pass_are_tried_again(bench: Bench, failure: Failure) -> None:
    passing = {"DNS", "CONNECT", "TIMEOUT", "RESET", "PROTOCOL", "SERVER_ERROR", "THROTTLED"}
    assert {one.name for one in RETRIED} == passing
    bench.settle(bench.request(), Failed(failure, ""))
    assert len(await bench.queued()) == (failure.name in passing)
    totals = await bench.totals()
    final = {"failed": 0, "excluded": 1} if failure is Failure.BLOCKED_ADDRESS else {"failed": 1, "excluded": 0}
    if failure.name not in passing:
        assert {"failed": totals.failed, "excluded": totals.excluded} == final


async def test_retry_waits_for_retry_after_when_that_is_longer(bench: Bench) -> None:
    bench.settle(bench.request(), Failed(Failure.THROTTLED, "", answered(429, ("retry-after", "600"))))
    assert len(await bench.queued()) == 1
    assert bench.parts.frontier.take(NOW + 599.0) is None
    assert bench.request(NOW + 601.0).tries == 1


async def test_redirect_is_queued_at_the_depth_of_its_source(bench: Bench) -> None:
    bench.settle(bench.request(), moved("/x"))
    (row,) = await bench.queued()
    assert (row.url, row.depth, row.via, row.hops) == ("http://a.test/x", 0, Via.REDIRECT, 1)


async def test_chain_of_redirects_ends_at_its_limit(bench: Bench, tmp_path: Path) -> None:
    for hop in range(3):
        bench.settle(bench.request(NOW + hop), moved(f"/{hop}"), NOW + hop)
    assert await bench.queued() == []
    assert bench.parts.stats.counters["left.redirect_limit"] == 1
    stored = Stored(tmp_path)
    assert sorted(stored.pages) == [URL, "http://a.test/0", "http://a.test/1"]
    assert [link.target for link in stored.links_of("http://a.test/1")] == ["http://a.test/2"], "recorded all the same"
    assert [stored.only(url).failure for url in (URL, "http://a.test/1")] == [None, Failure.REDIRECT_LOOP]
    assert await bench.totals() == Totals(discovered=3, done=2, failed=1, excluded=0, queued=0)


async def test_page_at_the_end_of_redirects_starts_to_count_anew(bench: Bench) -> None:
    outcomes: list[Outcome] = [moved("/0"), moved("/1"), html("<a href=/x>x</a>")]
    for hop, outcome in enumerate(outcomes):
        bench.settle(bench.request(NOW + hop), outcome, NOW + hop)
    (row,) = await bench.queued()
    assert (row.url, row.depth, row.hops) == ("http://a.test/x", 1, 0)


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        pytest.param("<meta name=robots content=nofollow><a href=/x>x</a>", [], id="meta"),
        pytest.param("<a href=/x>x</a>", [("x-robots-tag", "nofollow")], id="header"),
        pytest.param("<a href=/x rel='me ugc'>x</a>", [], id="link"),
    ],
)
@pytest.mark.parametrize("nofollow", ["skip", "follow"])
async def test_nofollow_is_recorded_and_followed_only_when_asked(
    tmp_path: Path, text: str, fields: list[tuple[str, str]], nofollow: str
) -> None:
    async for bench in open_bench(tmp_path, scope={"nofollow": nofollow}):
        bench.settle(bench.request(), html(text, *fields))
        followed = nofollow == "follow"
        assert len(await bench.queued()) == followed
        assert bench.parts.stats.counters["left.nofollow"] == (not followed)
        assert [link.target for link in Stored(tmp_path).links_of(URL)] == ["http://a.test/x"]


@pytest.mark.parametrize(
    ("failure", "totals", "counter"),
    [
        pytest.param(Failure.ROBOTS, Totals(1, 0, 0, 1, 0), "denied.robots", id="robots.txt"),
        pytest.param(Failure.BLOCKED_ADDRESS, Totals(1, 0, 0, 1, 0), "denied.blocked_address", id="address"),
        pytest.param(Failure.DNS, Totals(1, 0, 1, 0, 0), "failed.dns", id="no such host"),
    ],
)
async def test_page_for_which_nothing_is_sent_is_recorded(
    bench: Bench, tmp_path: Path, failure: Failure, totals: Totals, counter: str
) -> None:
    bench.settling.deny(bench.request(), failure)
    assert await bench.queued() == []
    assert await bench.totals() == totals
    row = Stored(tmp_path).only(URL)
    assert (row.failure, row.status, row.wire_bytes, row.links) == (failure, None, 0, 0)
    assert bench.parts.stats.counters == {counter: 1}


async def test_host_keeps_count_of_its_visits(bench: Bench) -> None:
    bench.settle(bench.request(), Fetched(answered(200, wire_bytes=70), b""))
    await bench.queued()
    (host,) = await bench.parts.store.load_hosts()
    assert (host.pages_ok, host.pages_failed, host.pages_denied, host.bytes) == (1, 0, 0, 70)
    assert host.first_visit is not None
    assert host.last_visit is not None
    assert host.first_visit <= host.last_visit


async def test_wait_in_the_queue_is_recorded(bench: Bench, tmp_path: Path) -> None:
    bench.settle(bench.request(), html(""))
    await bench.queued()
    assert Stored(tmp_path).only(URL).queue_ms == pytest.approx(2000.0, abs=0.01)


async def test_what_a_page_changed_is_shown_whole_or_not_at_all(bench: Bench, tmp_path: Path) -> None:
    await bench.queued()
    bench.settle(bench.request(), html("<a href=/x>x</a>"))
    assert Stored(tmp_path).pages == {}
    assert await bench.totals() == Totals(discovered=1, done=0, failed=0, excluded=0, queued=1)
    assert [row.url for row in await bench.queued()] == ["http://a.test/x"]
    assert await bench.totals() == Totals(discovered=2, done=1, failed=0, excluded=0, queued=1)
    assert len(Stored(tmp_path).links_of(URL)) == 1
