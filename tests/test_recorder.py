"""Batches on their way into a real store: when they are committed, and what waits for it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from config import PolitenessSettings, StorageSettings
from crawler.frontier import Frontier
from crawler.hostqueue import HostQueue
from crawler.outcome import Request
from crawler.politeness import Manners, Pace, PaceTable
from crawler.recorder import Recorder
from crawler.roster import Known
from crawler.stats import Stats
from storage.errors import DiskFull
from storage.records import Batch, Via
from storage.sqlite import CrawlStore
from storage.status import read_status
from tests.crawling import Stored
from tests.store_rows import host, link, page, queued, robots

NEVER_S: Final = 3600.0
LINKS: Final = 10


class Desk:
    """A recorder on a store, with the moments of its commits."""

    def __init__(self, store: CrawlStore, commit_interval: float) -> None:
        politeness = PolitenessSettings()
        frontier = Frontier(PaceTable(politeness), Manners.of(politeness), utc_offset=1000.0)
        frontier.know([Known(1, "a.example", 2, 0, 0.0)], now=0.0)
        settings = StorageSettings(commit_interval=commit_interval, commit_links=LINKS)
        self.store = store
        self.stats = Stats()
        self.recorder = Recorder(store, settings, self.stats, frontier)
        self.commits: asyncio.Queue[None] = asyncio.Queue()
        self.recorder.on_commit = lambda: self.commits.put_nowait(None)

    def put(self, fetch: int, links: int) -> None:
        self.recorder.page(page(fetch, links, url=f"http://a.example/{fetch}"), [link(at) for at in range(links)])

    async def committed(self) -> None:
        await asyncio.wait_for(self.commits.get(), 10.0)


@asynccontextmanager
async def open_desk(data_dir: Path, commit_interval: float = NEVER_S) -> AsyncIterator[Desk]:
    async with CrawlStore.open(data_dir, compression_level=1) as store:
        await store.start_run("test", "{}", fresh=False, now=time.time())
        yield Desk(store, commit_interval)


@asynccontextmanager
async def running(data_dir: Path, commit_interval: float = NEVER_S) -> AsyncIterator[Desk]:
    """Run the recorder until the block ends."""
    async with open_desk(data_dir, commit_interval) as desk, asyncio.TaskGroup() as tasks:
        tasks.create_task(desk.recorder.run())
        yield desk
        desk.recorder.stop()


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as opened:
        yield opened


def stored(data_dir: Path) -> list[int]:
    return sorted(rows[0].fetch for rows in Stored(data_dir).pages.values())


async def test_interval_brings_a_commit(tmp_path: Path) -> None:
    async with running(tmp_path, commit_interval=0.01) as desk:
        desk.put(1, 1)
        await desk.committed()
        assert stored(tmp_path) == [1]


async def test_half_of_what_a_crash_may_cost_is_committed_before_the_interval_is_over(tmp_path: Path) -> None:
    async with running(tmp_path) as desk:
        desk.put(1, LINKS // 2)
        await desk.committed()
        assert stored(tmp_path) == [1]


async def test_hurry_brings_a_commit_now(tmp_path: Path) -> None:
    async with running(tmp_path) as desk:
        desk.put(1, 1)
        desk.recorder.hurry()
        await desk.committed()
        assert stored(tmp_path) == [1]


async def test_stop_commits_the_rest(tmp_path: Path) -> None:
    async with running(tmp_path) as desk:
        desk.put(1, 1)
    assert stored(tmp_path) == [1]


async def test_what_came_during_the_commit_that_stop_met_is_committed_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path) as desk:
        commit = desk.store.commit

        async def commit_while_a_page_ends(batch: Batch, now: float) -> None:
            if batch.pages and batch.pages[0].fetch == 1:
                desk.put(2, 0)
                desk.recorder.stop()
            await commit(batch, now)

        monkeypatch.setattr(desk.store, "commit", commit_while_a_page_ends)
        desk.put(1, 1)
        desk.recorder.hurry()
        await desk.committed()
    assert stored(tmp_path) == [1, 2]


async def test_slots_wait_for_room_while_a_crash_would_cost_too_much(desk: Desk, tmp_path: Path) -> None:
    desk.put(1, LINKS - 1)
    await desk.recorder.room()
    desk.put(2, 1)
    waiting = asyncio.ensure_future(desk.recorder.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    await desk.recorder.commit()
    await asyncio.wait_for(waiting, 10.0)
    assert stored(tmp_path) == [1, 2]


async def test_batch_under_way_counts_as_what_a_crash_would_cost(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    commit, waiting = desk.store.commit, []

    async def commit_while_pages_end(batch: Batch, now: float) -> None:
        desk.put(2, LINKS // 2)
        waiting.append(asyncio.ensure_future(desk.recorder.room()))
        await asyncio.sleep(0)
        assert not waiting[0].done()
        await commit(batch, now)

    monkeypatch.setattr(desk.store, "commit", commit_while_pages_end)
    desk.put(1, LINKS - LINKS // 2)
    await desk.recorder.commit()
    await asyncio.wait_for(waiting[0], 10.0)


async def test_batch_holds_everything_since_the_last_commit(desk: Desk, tmp_path: Path) -> None:
    found = HostQueue(host(1, discovered=2, done=1), Pace(1.0, 1))
    request = Request("http://h1.example/", "h1.example", 1, 4, 0, Via.SEED, None, 0.0, 0, 0)
    desk.recorder.queue(queued(1, 4), fingerprint=44)
    desk.recorder.queue(queued(1, 5))
    desk.recorder.touch(found)
    desk.recorder.robots(robots(1))
    desk.stats.counters["left.kind"] = 3
    desk.put(1, 2)
    await desk.recorder.commit()
    desk.recorder.finish(request)
    await desk.recorder.commit()
    assert [row.seq for row in await desk.store.refill(1, -1, 10)] == [5]
    assert list(await desk.store.load_seen()) == [44], "a retry is not a new URL"
    assert [row.discovered for row in await desk.store.load_hosts()] == [2]
    assert [row.origin for row in await desk.store.load_robots()] == [robots(1).origin]
    assert read_status(tmp_path).counters == {"left.kind": 3}
    assert len(Stored(tmp_path).links[1]) == 2


async def test_host_is_saved_as_it_stands_at_the_commit(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawler.recorder.utc_offset", lambda: 1000.0)
    found = HostQueue(host(1), Pace(1.0, 1))
    desk.recorder.touch(found)
    found.record.done = 7
    found.courtesy.went_badly()
    found.gate.hold(50.0)
    await desk.recorder.commit()
    found.record.done = 8
    await desk.recorder.commit()
    (row,) = await desk.store.load_hosts()
    assert (row.done, row.failures, row.delay_s, row.next_at) == (7, 1, 2.0, 1050.0)


async def test_commit_with_nothing_to_say_writes_nothing(desk: Desk, tmp_path: Path) -> None:
    await desk.recorder.commit()
    assert desk.commits.qsize() == 1
    assert read_status(tmp_path).last_commit_at is None


async def test_fault_of_the_store_ends_the_recorder(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: Any) -> None:
        raise DiskFull("here")

    monkeypatch.setattr(desk.store, "commit", full)
    desk.put(1, LINKS)
    with pytest.raises(DiskFull):
        await asyncio.wait_for(desk.recorder.run(), 10.0)
    assert desk.commits.empty()


async def test_pages_put_while_commits_run_are_each_stored_once(tmp_path: Path) -> None:
    async with running(tmp_path, commit_interval=0.001) as desk:
        for fetch in range(1, 201):
            await desk.recorder.room()
            desk.put(fetch, fetch % 4)
            await asyncio.sleep(0)
    found = Stored(tmp_path)
    assert Counter(row.fetch for rows in found.pages.values() for row in rows) == Counter(range(1, 201))
    assert {fetch: len(links) for fetch, links in found.links.items()} == {n: n % 4 for n in range(1, 201) if n % 4}


@pytest.mark.parametrize("steps", range(5))
async def test_cancelling_ends_the_recorder_though_a_commit_falls_due(desk: Desk, steps: int) -> None:
    running = asyncio.create_task(desk.recorder.run())
    await asyncio.sleep(0)
    desk.recorder.hurry()
    for _ in range(steps):
        await asyncio.sleep(0)
    running.cancel()
    done, _ = await asyncio.wait([running], timeout=10.0)
    assert [task.cancelled() for task in done] == [True]
