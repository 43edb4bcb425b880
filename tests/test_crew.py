"""Crawls by several worker processes: as complete and as polite as by one, also when some of them are killed."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from bench.torture.doomed import HOLDING, READING, Doom, Plan
from bench.torture.victim import DOOMED, PLAN
from bench.vweb.expected import Expected
from bench.vweb.log import by_address, by_host, most_open, read_log, shortest_gaps
from bench.vweb.process import ROOT, Running, serve
from bench.vweb.reach import Reach, reachable
from bench.vweb.site import Web
from bench.vweb.spec import NO_FAULTS, WebSpec
from config import Settings
from crawler import crew as module
from crawler.board import Board
from crawler.crew import Crew, Post, crawl_of, usable_cores, workers_for
from crawler.dispatch import State
from crawler.errors import WorkerDies
from crawler.supervisor import Report
from crawler.url import fingerprint
from storage.directory import DataDirectory, is_held
from storage.errors import DataCorrupt
from storage.leases import ALL
from storage.status import read_status
from tests.compiled import interpreted
from tests.crawling import Sections, Stored, page, serving, settings_at

SPEC: Final = WebSpec(hosts=24, pages_per_host=12, profile=4, faults=replace(NO_FAULTS, redirect=0.1, missing=0.05))
ADDRESSES: Final = tuple(f"127.0.0.{number}" for number in range(1, 9))
DELAY_S: Final = 0.02
DELAY_PER_IP_S: Final = 0.005
TOLERANCE_S: Final = 0.001
IN_FLIGHT: Final = 16
COMMIT_LINKS: Final = 400
PATIENCE_S: Final = 90.0


class Sea:
    """A virtual web on several addresses, with what a perfect crawl of it meets."""

    def __init__(self, web: Running, folder: Path) -> None:
        self.web = web
        self.folder = folder
        self.data = folder / "data"
        self.reach: Reach = reachable(Expected(Web(SPEC)), web.seeds)

    def settings(self, **sections: Sections) -> Settings:
        given: dict[str, Sections] = {
            "network": {"hosts": self.web.hosts},
            "scope": {"follow": "any", "include": ["*.test/*"]},
            "politeness": {"delay": DELAY_S, "delay_per_ip": DELAY_PER_IP_S, "connections_per_ip": 1},
            "fetch": {"concurrency": IN_FLIGHT},
            "storage": {"commit_interval": 0.3, "commit_links": COMMIT_LINKS, "compression_level": 1},
            **sections,
        }
        given["crawl"] = {"seeds": self.web.seeds, **sections.get("crawl", {})}
        return settings_at(None, self.data, **given)

    def crew(self, workers: int, **sections: Sections) -> Crew:
        return Crew(self.settings(**sections), self.web.seeds, workers)

    async def crawl(self, workers: int, **sections: Sections) -> Report:
        return await asyncio.wait_for(self.crew(workers, **sections).run(), PATIENCE_S)


@pytest.fixture
async def sea(tmp_path: Path) -> AsyncIterator[Sea]:
    async with serve(SPEC, ADDRESSES, log=tmp_path / "log") as web:
        yield Sea(web, tmp_path)


async def until(what: Callable[[], object]) -> None:
    """Wait until something is so, looking again and again."""
    async with asyncio.timeout(PATIENCE_S):
        while not what():  # noqa: ASYNC110  # it is another process's doing
            await asyncio.sleep(0.002)


async def had(crew: Crew, pages: int) -> None:
    """Wait until more than so many pages have come."""
    await until(lambda: (found := crew.snapshot()) is not None and found.attempts > pages)


def assert_complete(sea: Sea) -> None:
    """Every URL is on record once, with its links, and the states add up."""
    totals, stored = read_status(sea.data).totals, Stored(sea.data)
    urls = {*sea.reach.fetched, *sea.reach.disallowed}
    assert totals.conserved
    assert (totals.discovered, totals.queued) == (len(urls), 0)
    assert sorted(stored.pages) == sorted(urls)
    assert {len(rows) for rows in stored.pages.values()} == {1}
    wrong = [url for url, facts in sea.reach.fetched.items() if stored.links_of(url) != facts.rows]
    assert wrong == []


def pages_in(log: Path) -> Counter[str]:
    return Counter(f"http://{row.host}{row.path}" for row in read_log(log) if row.path != "/robots.txt")


def assert_polite(log: Path) -> None:
    served = list(read_log(log))
    for key, pause in ((by_host, DELAY_S), (by_address, DELAY_PER_IP_S)):
        assert max(most_open(served, key).values()) == 1
        assert min(shortest_gaps(served, key).values()) >= pause - TOLERANCE_S


async def test_crawl_of_several_workers_is_complete_and_polite(tmp_path: Path) -> None:
    async with serve(SPEC, ADDRESSES, log=tmp_path / "log") as web:
        sea = Sea(web, tmp_path)
        report = await sea.crawl(4)
        assert (await sea.crawl(4)).reason == "already finished"
    assert (report.reason, report.run, report.resumed) == ("exhausted", 1, False)
    assert_complete(sea)
    assert pages_in(tmp_path / "log") == Counter(dict.fromkeys(sea.reach.fetched, 1))
    assert_polite(tmp_path / "log")
    assert report.snapshot is not None
    counters = report.snapshot.counters
    assert (report.snapshot.queued, counters["attempts"]) == (0, len(sea.reach.fetched))
    repeated = counters.get("offers.repeated", 0)
    assert counters["offers.made"] == counters["offers.taken"] + repeated > 0
    left = sum(number for name, number in counters.items() if name.startswith("left."))
    assert counters["links"] == read_status(sea.data).totals.discovered - len(web.seeds) + left + repeated


@interpreted  # the doom replaces what happens on entering the table's lock
async def test_worker_that_dies_or_hangs_is_replaced_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SILENCE_S", 3.0)
    monkeypatch.setattr(module, "WORKER", DOOMED)
    monkeypatch.setenv(PLAN, str(tmp_path / "plan"))
    plan = Plan(tmp_path / "plan")
    plan.write([Doom(HOLDING, 200, signal.SIGSTOP)])  # so that the other stands still with it
    async with serve(SPEC, ADDRESSES, log=tmp_path / "log") as web:
        sea = Sea(web, tmp_path)
        crew = sea.crew(2)
        running = asyncio.create_task(crew.run())
        await until(plan.met)
        await had(crew, 120)
        process = crew._posts[0].process
        assert process is not None
        process.kill()
        report = await asyncio.wait_for(running, PATIENCE_S)
    assert report.reason == "exhausted"
    assert_complete(sea)
    assert_polite(tmp_path / "log")
    asked = pages_in(tmp_path / "log")
    assert set(asked) == set(sea.reach.fetched)
    repeated = [url for url, times in asked.items() if times > 1]
    links = sorted((len(sea.reach.fetched[url].rows) for url in repeated), reverse=True)
    died = read_status(sea.data).counters["workers.died"]
    assert died >= 2  # a worker that a busy machine leaves no time for three seconds is replaced, too
    assert sum(links[died * IN_FLIGHT // 2 :]) <= died * COMMIT_LINKS


async def test_workers_end_with_their_supervisor_and_another_number_of_them_goes_on(tmp_path: Path) -> None:
    code = """
import asyncio, sys
from config import Settings
from crawler.crew import Crew
async def main():
    crew = Crew(Settings.model_validate_json(sys.argv[1]), sys.argv[2:], 3)
    running = asyncio.ensure_future(crew.run())
    while (found := crew.snapshot()) is None or found.attempts < 40:
        await asyncio.sleep(0.01)
    print(*(post.process.pid for post in crew._posts), flush=True)
    await running
asyncio.run(main())
"""
    async with serve(SPEC, ADDRESSES, log=tmp_path / "log") as web:
        sea = Sea(web, tmp_path)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, sea.settings().model_dump_json(), *web.seeds,
            cwd=ROOT, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        pids = [int(pid) for pid in (await asyncio.wait_for(process.stdout.readline(), PATIENCE_S)).split()]
        process.kill()
        await process.wait()
        await until(lambda: not is_held(DataDirectory(sea.data)))
        assert not any(map(runs, pids)), "a worker had let go of the directory before it ended"
        status = read_status(sea.data)
        assert (status.stop_reason, status.totals.conserved, status.totals.queued > 0) == (None, True, True)
        assert (await sea.crawl(2)).reason == "exhausted"
    assert_complete(sea)
    assert_polite(tmp_path / "log")
    assert pages_in(tmp_path / "log") == Counter(dict.fromkeys(sea.reach.fetched, 1)), "they had ended cleanly"


def runs(pid: int) -> bool:
    """Whether the process can still execute anything. The kernel takes its memory before its files, and with these its
    locks, and only then makes it a zombie: between the two it is there for `kill`, but has ended."""
    try:
        return Path(f"/proc/{pid}/statm").read_text().split()[0] != "0"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def test_limit_holds_for_all_workers_and_one_goes_on_alone(sea: Sea) -> None:
    reasons: list[str] = []
    for workers, limit in ((2, 100), (1, 150), (1, 0)):
        settings = sea.settings(crawl={"max_pages": limit, "workers": workers})
        report = await asyncio.wait_for(crawl_of(settings, sea.web.seeds).run(), PATIENCE_S)
        reasons.append(report.reason)
        assert report.snapshot is not None
        assert not limit or report.snapshot.attempts == limit
        assert read_status(sea.data).totals.conserved
    assert reasons == ["page limit"] * 2 + ["exhausted"]
    assert_complete(sea)


@pytest.mark.parametrize(
    "doom",
    [
        pytest.param(Doom(HOLDING, 20), id="long before the limit"),
        pytest.param(Doom("before insert_batch", 1), id="before its last commit"),
        pytest.param(Doom("after commit", 2), id="after its last commit"),  # the first takes the lease
    ],
)
async def test_limit_leaves_out_what_a_dead_worker_had_not_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, doom: Doom
) -> None:
    monkeypatch.setattr(module, "WORKER", DOOMED)
    monkeypatch.setenv(PLAN, str(tmp_path / "plan"))
    Plan(tmp_path / "plan").write([doom])
    async with serve(SPEC, ADDRESSES) as web:
        sea = Sea(web, tmp_path)
        report = await sea.crawl(
            2, crawl={"max_pages": 150}, storage={"commit_interval": PATIENCE_S, "commit_links": 10**6}
        )
    status = read_status(sea.data)
    assert (report.reason, status.counters["attempts"], status.counters["workers.died"]) == ("page limit", 150, 1)
    assert status.totals.conserved


async def test_lost_seen_urls_are_told_by_the_worker_whose_they_are(sea: Sea) -> None:
    assert (await sea.crawl(2, crawl={"max_pages": 60})).reason == "page limit"
    with closing(sqlite3.connect(sea.data / "crawl.db")) as database:
        database.execute("DELETE FROM seen_chunks WHERE id = 2")
        database.commit()
    with pytest.raises(DataCorrupt, match=r"\d+ URLs were discovered, \d+ are seen"):
        await sea.crawl(2)


async def test_time_limit_stops_all_workers(sea: Sea) -> None:
    report = await sea.crawl(2, crawl={"max_time": 2.0}, politeness={"delay": 60.0})
    assert report.reason == "time limit"


async def test_page_that_ends_its_worker_twice_is_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WORKER", DOOMED)
    monkeypatch.setenv(PLAN, str(tmp_path / "plan"))
    deadly = "http://a.test/deadly"
    answers = {
        "http://a.test/": page("/deadly", "/next", "http://b.test/"),
        deadly: page("/next"),
        "http://a.test/next": page(),
        "http://b.test/": page(),
    }
    Plan(tmp_path / "plan").write([Doom(READING.format(fingerprint(deadly)), 1)] * 3)  # once in each of its lives
    async with serving(answers) as (web, served):
        settings = settings_at(served.at, tmp_path / "data", fetch={"concurrency": 2})
        report = await asyncio.wait_for(Crew(settings, ["http://a.test/"], 2).run(), PATIENCE_S)
    stored = Stored(tmp_path / "data")
    assert report.reason == "exhausted"
    assert report.snapshot is not None
    assert (report.snapshot.counters["workers.died"], web.times(deadly)) == (2, 2)
    assert sorted(stored.pages) == sorted(answers)
    assert (stored.only(deadly).status, report.snapshot.counters["denied.unsafe_html"]) == (None, 1)
    assert read_status(tmp_path / "data").totals.conserved


@pytest.mark.parametrize(
    ("halted_s", "code"),
    [
        pytest.param(module.HALTED_S, -signal.SIGKILL, id="a worker hangs"),
        pytest.param(0.0, None, id="the supervisor itself stood still"),
    ],
)
async def test_silence_ends_a_worker_but_not_where_nobody_listened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, halted_s: float, code: int | None
) -> None:
    monkeypatch.setattr(module, "HALTED_S", halted_s)
    monkeypatch.setattr(module, "LOOK_S", 0.01)
    crew, board = Crew(settings_at(None, tmp_path), [], 2), Board.make(2)
    process = await asyncio.create_subprocess_exec("sleep", "60")
    post = Post(0, ALL, process, State(0.0, idle=False, activity=0), heard_at=-1000.0)
    crew._posts = [post]
    watching = asyncio.create_task(crew._watch_silence(board))
    await until(lambda: process.returncode is not None or post.heard_at > 0.0)
    assert process.returncode == code
    watching.cancel()
    board.close()
    if code is None:
        process.kill()
    await process.wait()


@pytest.mark.parametrize(
    ("holder_heard_s", "looks_s", "killed"),
    [
        pytest.param(1.0, [0.0], [], id="halted with the lock"),
        pytest.param(1.0, [0.0, 2.0], [1], id="and silent as long as the others"),
        pytest.param(30.0, [0.0, 2.0], [0, 2], id="at work"),
    ],
)
async def test_workers_that_wait_for_a_halted_one_live_on_though_they_were_heard_before_it(
    sea: Sea, holder_heard_s: float, looks_s: list[float], killed: list[int]
) -> None:
    crew, board, now = sea.crew(3), Board.make(3), 1_000.0
    heard_at = [now - module.SILENCE_S + later_s for later_s in (-3.0, holder_heard_s, -2.0)]
    processes = [await asyncio.create_subprocess_exec("sleep", "60") for _ in heard_at]
    state = State(at=now, idle=False, activity=0)
    crew._posts = [Post(at, ALL, process, state, heard_at[at]) for at, process in enumerate(processes)]
    with Board(board.handle, 3, 1).addresses.locked:
        for look_s in looks_s:
            crew._kill_hanging(board, now + look_s)
    for process in processes:
        with suppress(ProcessLookupError):  # of those killed; `terminate` would take their exit code away
            os.kill(process.pid, signal.SIGTERM)
    codes = [await asyncio.wait_for(process.wait(), PATIENCE_S) for process in processes]
    # Not SIGKILL's own code: whoever kills one twice may find it dead and take its code away, which is then unknown.
    assert [number for number, code in enumerate(codes) if code != -signal.SIGTERM] == killed
    board.close()


async def test_stop_waits_for_a_halted_worker_only_as_long_as_it_may_be_silent(
    sea: Sea, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SILENCE_S", 2.0)
    crew = sea.crew(2)
    running = asyncio.create_task(crew.run())
    await had(crew, 20)
    process = crew._posts[0].process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    crew.stop("interrupted")
    report = await asyncio.wait_for(running, PATIENCE_S)
    assert (report.reason, read_status(sea.data).totals.conserved) == ("interrupted", True)


async def test_workers_that_never_come_to_anything_end_the_crawl(sea: Sea) -> None:
    crew = sea.crew(2)

    async def kill_all() -> None:
        while True:
            await asyncio.sleep(0.005)
            for post in crew._posts:
                if post.process is not None and post.process.returncode is None:
                    post.process.kill()

    killing = asyncio.create_task(kill_all())
    with pytest.raises(WorkerDies):
        await asyncio.wait_for(crew.run(), PATIENCE_S)
    killing.cancel()
    assert read_status(sea.data).totals.conserved


async def test_fault_of_one_worker_ends_all_with_its_line(sea: Sea) -> None:
    crew = sea.crew(2)
    running = asyncio.create_task(crew.run())
    await had(crew, 40)
    (sea.data / "crawl.db").rename(sea.data / "away.db")
    with pytest.raises(Exception, match=r"went away while they were in use"):
        await asyncio.wait_for(running, PATIENCE_S)


@pytest.mark.parametrize(
    ("follow", "seeds", "workers", "expected"),
    [
        pytest.param("any", ["http://a.test/"], 3, 3, id="as set"),
        pytest.param("any", ["http://a.test/"], 0, usable_cores(), id="one for each core"),
        pytest.param("domain", ["http://a.test/", "http://x.a.test/"], 3, 1, id="one domain"),
        pytest.param("host", ["http://a.test/", "http://b.test/"], 3, 2, id="two domains"),
        pytest.param("host", [], 3, 1, id="no seeds"),
    ],
)
def test_no_more_workers_than_have_something_to_do(
    tmp_path: Path, follow: str, seeds: list[str], workers: int, expected: int
) -> None:
    crawl: dict[str, Any] = {"seeds": seeds, "workers": workers}
    settings = settings_at(None, tmp_path, crawl=crawl, scope={"follow": follow})
    assert workers_for(settings, seeds) == expected
    assert isinstance(crawl_of(settings, seeds), Crew) == (expected > 1)
