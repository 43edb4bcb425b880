"""Crawls from start to stop reason, interrupted in every way and gone on with."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from bench.vweb.expected import Expected
from bench.vweb.log import read_log
from bench.vweb.process import Running, serve
from bench.vweb.reach import reachable
from bench.vweb.site import Web as Site
from bench.vweb.spec import NO_FAULTS, WebSpec
from config import Settings
from crawler.outcome import Outcome, Request
from crawler.supervisor import BadSeed, Crawl, Report, resolve_seeds
from storage.errors import DataDirectoryBusy
from storage.records import Failure
from storage.sqlite import CrawlStore
from storage.status import read_status
from tests.crawling import Crawled, Sections, Stored, crawl, page, serving, settings_at
from tests.servers import response

A: Final = "http://a.test/"
SPEC: Final = WebSpec(hosts=8, pages_per_host=20, profile=4, faults=replace(NO_FAULTS, redirect=0.1, missing=0.05))
HALF: Final = 70


class Sea:
    """A virtual web that is served, with what a perfect crawl of it meets."""

    def __init__(self, web: Running, folder: Path) -> None:
        self.web = web
        self.log = folder / "log"
        reach = reachable(Expected(Site(SPEC)), web.seeds)
        self.pages = sorted(reach.fetched)
        self.urls = sorted({*reach.fetched, *reach.disallowed})

    def settings(self, data_dir: Path, **sections: Sections) -> Settings:
        given: dict[str, Sections] = {
            "network": {"hosts": self.web.hosts},
            "scope": {"include": ["*.test/*"]},
            **sections,
        }
        given["crawl"] = {"seeds": self.web.seeds, **sections.get("crawl", {})}
        return settings_at(None, data_dir, **given)

    async def crawl(self, data_dir: Path, fresh: bool = False, **sections: Sections) -> Report:
        return await Crawl(self.settings(data_dir, **sections), self.web.seeds).run(fresh=fresh)

    async def crawl_pages(self, data_dir: Path, number: int) -> Report:
        """Crawl until so many pages have come, then stop cleanly."""

        def stop() -> None:
            crawling.stop("interrupted")

        crawling = Crawl(self.settings(data_dir), self.web.seeds, at_page(number, stop))
        return await crawling.run()


@pytest.fixture
async def sea(tmp_path: Path) -> AsyncIterator[Sea]:
    async with serve(SPEC, log=tmp_path / "log") as web:
        yield Sea(web, tmp_path)


def at_page(number: int, act: Callable[[], object]) -> Callable[[Any, Outcome], None]:
    """Return a watch that acts when so many pages have come."""
    had = 0

    def watch(job: object, outcome: Outcome) -> None:
        nonlocal had
        had += isinstance(job, Request)
        if had == number and isinstance(job, Request):
            act()

    return watch


def pages_in(log: Path) -> list[str]:
    return sorted(f"http://{row.host}{row.path}" for row in read_log(log) if row.path != "/robots.txt")


def stopped_halfway(data_dir: Path) -> bool:
    """Whether the states of the stopped crawl add up, with something left and all that was had on record."""
    totals, stored = read_status(data_dir).totals, Stored(data_dir)
    assert totals.conserved
    assert totals.done + totals.failed + totals.excluded == len(stored.pages)
    return totals.queued > 0


def assert_complete(sea: Sea, data_dir: Path) -> None:
    totals, stored = read_status(data_dir).totals, Stored(data_dir)
    assert totals.conserved
    assert (totals.discovered, totals.queued) == (len(sea.urls), 0)
    assert sorted(stored.pages) == sea.urls
    assert {len(rows) for rows in stored.pages.values()} == {1}


async def test_crawl_stopped_by_its_page_limit_goes_on_where_it_was(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with serve(SPEC, log=tmp_path / "log") as web:
        sea = Sea(web, tmp_path)
        first = await sea.crawl(data, crawl={"max_pages": HALF})
        assert (first.reason, stopped_halfway(data)) == ("page limit", True)
        second = await sea.crawl(data)
    assert (second.reason, second.run, second.resumed) == ("exhausted", first.run, True)
    assert_complete(sea, data)
    assert pages_in(sea.log) == sea.pages


async def test_crawl_stopped_again_and_again_fetches_every_page_once(tmp_path: Path) -> None:
    data, reasons = tmp_path / "data", []
    async with serve(SPEC, log=tmp_path / "log") as web:
        sea = Sea(web, tmp_path)
        while "exhausted" not in reasons:
            reasons.append((await sea.crawl_pages(data, 40)).reason)
            assert len(reasons) < 9
            assert stopped_halfway(data) == (reasons[-1] == "interrupted")
    assert reasons.count("interrupted") >= 2
    assert_complete(sea, data)
    assert pages_in(sea.log) == sea.pages


@pytest.mark.parametrize("commit_links", [100, 100_000], ids=["between commits", "before the first commit"])
async def test_crawl_that_was_killed_ends_like_one_that_was_not(sea: Sea, tmp_path: Path, commit_links: int) -> None:
    data = tmp_path / "data"
    settings = sea.settings(data, storage={"commit_interval": 3600.0, "commit_links": commit_links})

    def kill() -> None:
        running.cancel()

    running = asyncio.create_task(Crawl(settings, sea.web.seeds, at_page(HALF, kill)).run())
    with pytest.raises(asyncio.CancelledError):
        await running
    status = read_status(data)
    assert (status.stop_reason, status.totals.conserved) == (None, True)
    assert (status.totals.done > 0) == (commit_links == 100)
    assert (await sea.crawl(data)).reason == "exhausted"
    assert_complete(sea, data)
    assert (await sea.crawl(tmp_path / "whole")).reason == "exhausted"
    assert Stored(data).edges() == Stored(tmp_path / "whole").edges()


async def test_stop_right_after_a_crash_does_not_end_the_wait_for_it(tmp_path: Path) -> None:
    async with serving({A: page()}) as (_, served):
        settings = settings_at(served.at, tmp_path, politeness={"delay": 60.0})
        async with CrawlStore.open(tmp_path, compression_level=1) as store:
            await store.start_run("test", "{}", fresh=False, now=0.0)
        for _ in range(2):
            crawl = Crawl(settings, [A])
            crawl.stop("interrupted")
            assert (await crawl.run()).reason == "interrupted"
            assert read_status(tmp_path).stop_reason is None
        assert served.connections == 0


async def test_every_link_is_queued_or_left_for_one_reason(sea: Sea, tmp_path: Path) -> None:
    report = await sea.crawl(
        tmp_path / "data", scope={"include": ["*.test/*"], "max_depth": 1, "max_pages_per_host": 6}
    )
    assert report.snapshot is not None
    counters = report.snapshot.counters
    left = {name: n for name, n in counters.items() if name.startswith("left.")}
    revealed = read_status(tmp_path / "data").totals.discovered - len(sea.web.seeds)
    assert counters["links"] == revealed + sum(left.values())
    assert {"left.kind", "left.nofollow", "left.seen", "left.too_deep", "left.host_budget"} <= set(left)
    found = Counter(rows[0].host for rows in Stored(tmp_path / "data").pages.values())
    assert max(found.values()) == 6


@pytest.mark.parametrize("max_pages", [1, 7, 64])
async def test_page_limit_is_met_exactly(sea: Sea, tmp_path: Path, max_pages: int) -> None:
    report = await sea.crawl(tmp_path / "data", crawl={"max_pages": max_pages}, fetch={"concurrency": 64})
    assert report.snapshot is not None
    attempts = [row for rows in Stored(tmp_path / "data").pages.values() for row in rows if row.status]
    assert (report.reason, report.snapshot.attempts, len(attempts)) == ("page limit", max_pages, max_pages)


async def test_byte_limit_stops_the_crawl(tmp_path: Path) -> None:
    big = page("/1", "/2", "/3", head="x" * 5000)
    answers = {A: big, **{f"{A}{number}": big for number in range(1, 4)}}
    found = await crawl(answers, tmp_path, crawl={"max_bytes": 10_000}, fetch={"concurrency": 1})
    assert (found.report.reason, found.counters["pages"]) == ("byte limit", 2)
    assert 10_000 <= found.counters["bytes.wire"] < 15_000


async def test_time_limit_stops_the_crawl(tmp_path: Path) -> None:
    answers = {A: page("/1"), f"{A}1": response("503 Service Unavailable", Retry_After="3000")}
    found = await asyncio.wait_for(
        crawl(answers, tmp_path, crawl={"max_time": 0.3}, fetch={"retries": 1}), timeout=10.0
    )
    assert found.report.reason == "time limit"
    assert read_status(tmp_path).totals.queued == 1


async def test_stop_before_the_start_fetches_nothing_and_keeps_the_seeds(tmp_path: Path) -> None:
    async with serving({A: page()}) as (web, served):
        settings = settings_at(served.at, tmp_path)
        crawling = Crawl(settings, [A])
        assert (crawling.stopping, crawling.snapshot()) == (False, None)
        crawling.stop("interrupted")
        report = await crawling.run()
        assert (crawling.stopping, report.reason, web.asked) == (True, "interrupted", [])
        assert read_status(tmp_path).totals.queued == 1
        assert (await Crawl(settings, [A]).run()).reason == "exhausted"
    assert web.pages_asked == [A]


async def test_finished_run_is_not_begun_again_unless_fresh(tmp_path: Path) -> None:
    answers = {A: page("/x")}
    await crawl(answers, tmp_path)
    again = await crawl(answers, tmp_path)
    assert (again.report, again.web.asked) == (Report(1, False, "already finished", None), [])
    fresh = await crawl(answers, tmp_path, fresh=True)
    assert (fresh.report.run, fresh.report.resumed, fresh.report.reason) == (2, False, "exhausted")
    assert fresh.web.asked == [f"{A}robots.txt", A, f"{A}x"]
    assert [row.run for row in Stored(tmp_path).pages[A]] == [1, 2]
    assert read_status(tmp_path).totals.discovered == 2


async def test_fresh_run_replaces_an_unfinished_one(tmp_path: Path) -> None:
    answers = {A: page("/x", "/y")}
    await crawl(answers, tmp_path, crawl={"max_pages": 1})
    fresh = await crawl(answers, tmp_path, fresh=True)
    assert (fresh.report.run, sorted(fresh.web.pages_asked)) == (2, [A, f"{A}x", f"{A}y"])
    assert read_status(tmp_path, 1).totals.conserved
    assert read_status(tmp_path).totals.conserved


async def test_new_seeds_join_a_crawl_that_goes_on(tmp_path: Path) -> None:
    answers = {A: page("/x"), f"{A}x": page(), "http://b.test/": page()}
    await crawl(answers, tmp_path, crawl={"max_pages": 1})
    found = await crawl(answers, tmp_path, crawl={"seeds": [A, "http://b.test/"]})
    assert sorted(found.web.pages_asked) == [f"{A}x", "http://b.test/"]
    assert read_status(tmp_path).totals.discovered == 3


async def test_finished_run_goes_on_with_seeds_it_does_not_know(tmp_path: Path) -> None:
    answers = {A: page("/b"), "http://a.test/b": page(), "http://new.test/": page("/c"), "http://new.test/c": page()}

    async def with_seeds(*seeds: str) -> Crawled:
        return await crawl(answers, tmp_path, crawl={"seeds": list(seeds)}, scope={"exclude": ["left.test/*"]})

    assert (await with_seeds(A)).report.reason == "exhausted"
    assert (await with_seeds(A, "http://a.test/b")).report.reason == "already finished"
    again = await with_seeds(A, "http://new.test/")
    assert (again.report.run, again.report.resumed, again.report.reason) == (1, True, "exhausted")
    assert again.web.pages_asked == ["http://new.test/", "http://new.test/c"]
    assert (await with_seeds(A, "http://new.test/")).report.reason == "already finished"
    assert (await with_seeds(A, "http://left.test/")).report.reason == "already finished", "there is no work for it"
    assert read_status(tmp_path).starts == 2


async def test_host_budget_holds_across_starts(tmp_path: Path) -> None:
    paths = [f"/{number}" for number in range(6)]
    answers = {A: page(*paths[:3]), f"{A}0": page(*paths)}
    scope = {"max_pages_per_host": 5}
    await crawl(answers, tmp_path, crawl={"max_pages": 1}, scope=scope)
    found = await crawl(answers, tmp_path, scope=scope)
    assert read_status(tmp_path).totals.discovered == 5
    assert found.counters["left.host_budget"] == 2


async def test_delay_holds_across_a_restart(tmp_path: Path) -> None:
    answers = {A: page("/x")}
    slow = {"delay": 0.4, "robots": False}
    first = await crawl(answers, tmp_path, crawl={"max_pages": 1}, politeness=slow)
    assert first.report.snapshot is not None
    ended_at = Stored(tmp_path).only(A).fetched_at / 1e6
    await crawl(answers, tmp_path, politeness=slow)
    row = Stored(tmp_path).only(f"{A}x")
    assert row.fetched_at / 1e6 - row.fetch_ms / 1e3 - ended_at >= 0.4 - 0.005


async def test_second_crawl_on_a_data_directory_is_refused(tmp_path: Path) -> None:
    async with serving({A: page("/x")}) as (web, served):
        settings = settings_at(served.at, tmp_path)
        refused: list[asyncio.Task[Report]] = []
        first = Crawl(
            settings, [A], at_page(1, lambda: refused.append(asyncio.ensure_future(Crawl(settings, [A]).run())))
        )
        assert (await first.run()).reason == "exhausted"
        with pytest.raises(DataDirectoryBusy):
            await refused[0]
    assert web.pages_asked == [A, f"{A}x"]


@pytest.mark.parametrize(
    ("contact", "failures"),
    [
        pytest.param("", {"http://far.test/": Failure.BLOCKED_ADDRESS}, id="loopback only without one"),
        pytest.param("ops@example.org", {"http://far.test/": Failure.CONNECT}, id="beyond with one"),
    ],
)
async def test_crawl_without_a_contact_stays_on_loopback(
    tmp_path: Path, contact: str, failures: dict[str, Failure]
) -> None:
    async with serving({A: page("http://far.test/")}) as (_, served):
        network = {
            # Reserved (RFC 1112): connecting fails in the kernel, nothing leaves the machine.
            "hosts": {"a.test": f"127.0.0.1:{served.at.port}", "far.test": "255.255.255.255"},
            "allow_addresses": ["127.0.0.0/8", "255.255.255.255/32"],
        }
        fetch = {"contact": contact, "connect_timeout": 1.0}
        settings = settings_at(None, tmp_path, network=network, fetch=fetch, politeness={"robots": False})
        assert (await Crawl(settings, [A]).run()).reason == "exhausted"
    stored = Stored(tmp_path)
    assert stored.only(A).status == 200
    assert {url: stored.only(url).failure for url in failures} == failures


@pytest.mark.parametrize(
    ("texts", "urls"),
    [
        pytest.param(["http://A.test", "http://a.test/#x"], [A], id="equal ones once"),
        pytest.param(["http://b.test/", A], ["http://b.test/", A], id="in order"),
        pytest.param(["http://user:pw@a.test/x/../y"], [f"{A}y"], id="in normal form"),
        pytest.param([], [], id="none"),
    ],
)
def test_seeds_are_brought_into_normal_form(texts: list[str], urls: list[str]) -> None:
    assert resolve_seeds(texts) == urls


@pytest.mark.parametrize("text", ["ftp://a.test/", "a.test", "https://[x"])
def test_seed_that_is_no_url_is_named(text: str) -> None:
    with pytest.raises(BadSeed) as caught:
        resolve_seeds([A, text])
    assert repr(text) in str(caught.value)


async def test_snapshot_tells_the_state_of_the_crawl(tmp_path: Path) -> None:
    found = await crawl({A: page("/x", "/y")}, tmp_path, crawl={"max_pages": 2, "max_time": 60.0, "max_bytes": 10**6})
    snapshot = found.report.snapshot
    assert snapshot is not None
    assert (snapshot.pages, snapshot.links, snapshot.queued, snapshot.open) == (2, 2, 1, 0)
    assert (snapshot.max_pages, snapshot.max_time_s, snapshot.max_bytes) == (2, 60.0, 10**6)
    assert sum(snapshot.hosts.values()) == 1
    assert snapshot.elapsed_s > 0
    assert snapshot.wire_bytes == snapshot.counters["bytes.wire"] > 0
