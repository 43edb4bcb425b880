"""Whole small crawls by a worker: in which order things are asked, what failures do, how it ends."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bench.torture.names import Zone, name_server
from crawler.stats import Snapshot
from crawler.supervisor import Crawl, Report
from storage.errors import DatabaseBusy, DiskFull
from storage.records import Failure
from storage.sqlite import CrawlStore
from storage.status import read_status
from tests.compiled import interpreted
from tests.crawling import HTML, Stored, crawl, moved, page, serving, settings_at
from tests.servers import Exchange, response, serve

A = "http://a.test/"
MANY = [f"/{number}" for number in range(40)]
BROKEN = response("500 Internal Server Error")
BUSY = response("429 Too Many Requests", Retry_After="0")
SITE = {A: page(*MANY), **{f"{A}{number}": page("/") for number in range(40)}}


async def test_robots_txt_is_asked_once_before_all_pages(tmp_path: Path) -> None:
    robots = response(body=b"User-agent: *\nDisallow: /1\n")
    found = await crawl(
        {**SITE, f"{A}robots.txt": robots}, tmp_path, politeness={"connections_per_host": 8, "connections_per_ip": 8}
    )
    assert found.web.asked[0] == f"{A}robots.txt"
    assert found.web.times(f"{A}robots.txt") == 1
    denied = {f"/{number}" for number in (1, *range(10, 20))}
    assert sorted(found.web.pages_asked) == sorted([A, *(f"{A}{path[1:]}" for path in MANY if path not in denied)])
    stored = Stored(tmp_path)
    assert {url for url, (row,) in stored.pages.items() if row.failure} == {f"{A}{path[1:]}" for path in denied}
    assert found.counters["denied.robots"] == len(denied)


async def test_no_more_requests_are_open_than_slots(tmp_path: Path) -> None:
    wide = {"connections_per_host": 32, "connections_per_ip": 32}
    found = await crawl(SITE, tmp_path, politeness=wide, fetch={"concurrency": 3})
    assert 1 <= found.web.most_open <= 3
    assert len(Stored(tmp_path).pages) == 41


@pytest.mark.parametrize(
    ("answers", "asked", "failure"),
    [
        pytest.param([BROKEN, page()], 2, None, id="broken once"),
        pytest.param([BUSY, BUSY, page()], 3, None, id="throttled twice"),
        pytest.param([BROKEN], 3, Failure.SERVER_ERROR, id="broken for good"),
        pytest.param([response("404 Not Found")], 1, None, id="not found is an answer"),
        pytest.param(
            [response(body=b"x", Content_Type=HTML, Content_Encoding="gzip")], 1, Failure.DECODE, id="undecodable"
        ),
    ],
)
async def test_failure_that_may_pass_is_asked_again_up_to_the_retries(
    tmp_path: Path, answers: list[bytes], asked: int, failure: Failure | None
) -> None:
    found = await crawl({A: page("/x"), f"{A}x": answers}, tmp_path, fetch={"retries": 2})
    assert found.web.times(f"{A}x") == asked
    rows = Stored(tmp_path).pages[f"{A}x"]
    assert (len(rows), rows[-1].failure) == (asked, failure)
    assert found.counters.get("retries", 0) == asked - 1
    totals = read_status(tmp_path).totals
    assert totals.conserved
    assert (totals.discovered, totals.done, totals.failed) == (2, 1 + (failure is None), failure is not None)


async def test_redirects_are_followed_up_to_the_limit(tmp_path: Path) -> None:
    answers = {A: moved("/0"), **{f"{A}{number}": moved(f"/{number + 1}") for number in range(9)}}
    found = await crawl(answers, tmp_path, fetch={"max_redirects": 3})
    assert found.web.pages_asked == [A, f"{A}0", f"{A}1", f"{A}2"]
    assert found.counters["left.redirect_limit"] == 1


async def test_redirect_in_a_circle_ends(tmp_path: Path) -> None:
    found = await crawl({A: moved("/x"), f"{A}x": moved("/")}, tmp_path)
    assert found.web.pages_asked == [A, f"{A}x"]
    assert (found.report.reason, found.counters["left.seen"]) == ("exhausted", 1)


async def test_link_to_an_origin_that_does_not_answer_takes_nothing_from_its_host(tmp_path: Path) -> None:
    wanted = [f"http://b.test/{number}" for number in range(3)]
    answers = {A: page("https://b.test/x", *wanted), **dict.fromkeys(wanted, page())}
    found = await crawl(answers, tmp_path, fetch={"connect_timeout": 0.2})
    assert found.web.pages_asked == [A, *wanted]
    assert read_status(tmp_path).totals.queued == 1


async def test_crawl_ends_while_a_host_that_is_down_waits_parked(tmp_path: Path) -> None:
    answers = {A: page("http://b.test/"), "http://b.test/robots.txt": BROKEN, "http://b.test/": page()}
    found = await crawl(answers, tmp_path)
    assert found.report.reason == "only parked hosts remain"
    assert found.web.times("http://b.test/robots.txt") == 3
    assert found.web.times("http://b.test/") == 0
    status = read_status(tmp_path)
    assert (status.totals.queued, sum(status.parked.values()), status.totals.conserved) == (1, 1, True)


async def test_address_that_is_not_permitted_is_never_asked(tmp_path: Path) -> None:
    answers = {A: page("http://inside.test/x", "http://10.0.0.1/")}
    async with serving(answers) as (web, served):
        hosts = {"a.test": f"{served.at.ip}:{served.at.port}", "inside.test": "192.168.0.1:80"}
        settings = settings_at(served.at, tmp_path, network={"hosts": hosts})
        await Crawl(settings, [A]).run()
    assert web.pages_asked == [A]
    stored = Stored(tmp_path)
    for url in ("http://inside.test/x", "http://10.0.0.1/"):
        assert (stored.only(url).failure, stored.only(url).status) == (Failure.BLOCKED_ADDRESS, None)
    assert read_status(tmp_path).totals.excluded == 2


@pytest.mark.parametrize(
    ("code", "tries", "reason"),
    [
        pytest.param(3, 1, "exhausted", id="a name that does not exist fails at once"),
        pytest.param(2, 3, "exhausted", id="a name server's failure is asked again"),
    ],
)
async def test_host_without_an_address_is_a_failure_of_its_pages(
    tmp_path: Path, code: int, tries: int, reason: str
) -> None:
    async with name_server(Zone(code=code)) as server:
        settings = settings_at(
            None, tmp_path, crawl={"seeds": ["http://gone.example/"]}, network={"nameservers": [server]},
            fetch={"retries": 2},
        )  # fmt: skip
        report = await Crawl(settings, settings.crawl.seeds).run()
    assert report.reason == reason
    assert [row.failure for row in Stored(tmp_path).pages["http://gone.example/"]] == [Failure.DNS] * tries
    assert read_status(tmp_path).totals.failed == 1


async def test_names_that_are_looked_up_together_keep_the_limit_on_pages(tmp_path: Path) -> None:
    seeds = [f"http://gone{number}.example/" for number in range(9)]
    async with name_server(Zone(code=2)) as server:
        settings = settings_at(
            None, tmp_path, crawl={"seeds": seeds, "max_pages": 4}, network={"nameservers": [server]}
        )
        report = await Crawl(settings, settings.crawl.seeds).run()
    assert report.snapshot is not None
    assert (report.reason, report.snapshot.attempts, report.snapshot.queued) == ("page limit", 4, 5)
    totals = read_status(tmp_path).totals
    assert (totals.failed, totals.queued, totals.conserved) == (4, 5, True)


async def run_stopping(tmp_path: Path, when: str, act: Callable[[Crawl], None]) -> tuple[Report, list[str]]:
    """Crawl the site and call `act` when the answer of `when` has come."""
    async with serving(SITE) as (web, served):
        settings = settings_at(served.at, tmp_path)
        crawling = Crawl(settings, [A], lambda job, outcome: act(crawling) if job.url == when else None)
        return await crawling.run(), web.pages_asked


async def test_stop_finishes_what_is_under_way_and_commits_it(tmp_path: Path) -> None:
    report, asked = await run_stopping(tmp_path, f"{A}5", lambda crawling: crawling.stop("enough"))
    assert report.reason == "enough"
    assert f"{A}5" in asked
    assert len(asked) < 41
    assert sorted(Stored(tmp_path).pages) == sorted(asked)
    status = read_status(tmp_path)
    assert (status.stop_reason, status.totals.conserved, status.totals.queued) == ("enough", True, 41 - len(asked))


async def until(crawling: Crawl, holds: Callable[[Snapshot], bool]) -> Snapshot:
    """Return the first snapshot of a running crawl of which something holds."""
    async with asyncio.timeout(30.0):
        while (snapshot := crawling.snapshot()) is None or not holds(snapshot):
            await asyncio.to_thread(lambda: None)
    return snapshot


async def test_stop_cuts_off_what_takes_too_long_and_keeps_it_queued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crawler.worker.STOP_GRACE_S", 0.05)
    asked = asyncio.Event()

    async def silent(exchange: Exchange) -> None:
        await exchange.ask()
        asked.set()
        await exchange.gone()

    async with serve(silent) as served:
        settings = settings_at(served.at, tmp_path, politeness={"delay": 2.0, "robots": False})
        crawling = Crawl(settings, [A])
        running = asyncio.create_task(crawling.run())
        await asked.wait()
        crawling.stop("interrupted")
        async with asyncio.timeout(30.0):
            report = await running
    assert report.snapshot is not None
    assert (report.reason, report.snapshot.queued, report.snapshot.open) == ("interrupted", 1, 0)
    status = read_status(tmp_path)
    assert (status.stop_reason, status.totals.queued, status.totals.conserved) == ("interrupted", 1, True)
    started_at = time.monotonic()
    await crawl(SITE, tmp_path, crawl={"max_pages": 1}, politeness={"delay": 2.0, "robots": False})
    assert time.monotonic() - started_at >= 1.0, "the delay runs from when the request was cut off"


async def test_crawl_pauses_while_the_disk_is_nearly_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = 10
    monkeypatch.setattr("crawler.worker.SPACE_LOOK_S", 0.01)
    monkeypatch.setattr("crawler.worker.free_bytes", lambda directory: free)
    async with serving(SITE) as (web, served):
        crawling = Crawl(settings_at(served.at, tmp_path, storage={"min_free": 11}), [A])
        running = asyncio.create_task(crawling.run())
        paused = await until(crawling, lambda snapshot: snapshot.paused is not None)
        assert "less free space than storage.min_free" in (paused.paused or "")
        assert web.asked == []
        free = 11
        report = await running
    assert report.reason == "exhausted"
    assert report.snapshot is not None
    assert (report.snapshot.paused, report.snapshot.counters["pauses.disk_space"]) == (None, 1)
    assert len(Stored(tmp_path).pages) == 41


async def test_paused_crawl_can_be_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawler.worker.free_bytes", lambda directory: 0)
    async with serving(SITE) as (web, served):
        crawling = Crawl(settings_at(served.at, tmp_path), [A])
        running = asyncio.create_task(crawling.run())
        await until(crawling, lambda snapshot: snapshot.paused is not None)
        crawling.stop("interrupted")
        assert (await running).reason == "interrupted"
    assert web.asked == []


async def test_stop_does_not_wait_long_for_a_database_that_another_process_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.sqlite.BUSY_TIMEOUT_S", 0.0)
    monkeypatch.setattr("crawler.worker.STOP_PATIENCE_S", 0.2)
    async with serving(SITE) as (_, served):
        crawling = Crawl(settings_at(served.at, tmp_path), [A])
        running = asyncio.create_task(crawling.run())
        await until(crawling, lambda snapshot: snapshot.pages > 0)
        with closing(sqlite3.connect(tmp_path / "crawl.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            crawling.stop("interrupted")
            with pytest.raises(DatabaseBusy):
                await asyncio.wait_for(running, 30.0)
            other.execute("ROLLBACK")
        assert (await Crawl(settings_at(served.at, tmp_path), [A]).run()).reason == "exhausted"
    assert len(Stored(tmp_path).pages) == 41


async def test_first_reason_to_stop_counts(tmp_path: Path) -> None:
    def twice(crawling: Crawl) -> None:
        assert crawling._worker is not None
        crawling._worker.stop("first")
        crawling._worker.stop("second")

    report, _ = await run_stopping(tmp_path, A, twice)
    assert report.reason == "first"


@interpreted
async def test_page_that_breaks_the_crawler_is_not_swallowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(*_: Any) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("crawler.settling.record", break_down)
    with pytest.raises(BaseExceptionGroup) as caught:
        await crawl(SITE, tmp_path)
    assert caught.group_contains(ZeroDivisionError, match="a bug")


@pytest.mark.parametrize("failing", ["commit", "refill_hosts"])
async def test_fault_of_the_store_ends_the_crawl_with_its_own_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    async def fail(*_: Any) -> None:
        raise DiskFull("crawl.db")

    if failing == "refill_hosts":
        await crawl(SITE, tmp_path, crawl={"max_pages": 1})
    monkeypatch.setattr(CrawlStore, failing, fail)
    with pytest.raises(DiskFull, match="free some space"):
        await asyncio.wait_for(crawl(SITE, tmp_path), 20.0)
    monkeypatch.undo()
    again = await crawl(SITE, tmp_path)
    assert (again.report.reason, len(Stored(tmp_path).pages)) == ("exhausted", 41)


async def test_disk_that_is_full_at_one_commit_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        error = sqlite3.OperationalError("made by the test")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    monkeypatch.setattr(CrawlStore, "_apply", fail)
    with pytest.raises(DiskFull, match="made by the test"):
        await crawl(SITE, tmp_path)
    assert read_status(tmp_path).totals.conserved


async def test_rows_beyond_memory_come_back_from_disk(tmp_path: Path) -> None:
    paths = [f"/{number}" for number in range(400)]
    answers = {A: page(*paths), **{f"http://a.test{path}": page() for path in paths}}
    found = await crawl(answers, tmp_path, storage={"commit_interval": 3600.0})
    assert sorted(found.web.pages_asked) == sorted(answers)
    assert read_status(tmp_path).totals.done == 401
