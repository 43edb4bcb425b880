"""What the frontier wishes for comes from a real store: hosts, their first rows, their robots.txt."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from config import PolitenessSettings
from crawler.filling import LOT, Filling
from crawler.frontier import Frontier
from crawler.jobs import Resolve
from crawler.politeness import Manners, PaceTable
from crawler.roster import Known
from storage.records import Batch, HostRow, QueueRow, RobotsRow
from storage.sqlite import CrawlStore

NOW: Final = 50.0
UTC: Final = 1_760_000_000.0
HOSTS: Final = LOT + 6
ORIGINS: Final = (
    "http://h1.test",
    "https://h1.test",
    "http://h1.test:8080",
    "https://h1.test:8443",
    "http://h1.tester",
)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[CrawlStore]:
    async with CrawlStore.open(tmp_path, compression_level=1) as store:
        await store.start_run("test", "{}", fresh=False, now=UTC)
        yield store


def batch() -> Batch:
    batch = Batch()
    for host_id in range(1, HOSTS + 1):
        name = f"h{host_id}.test"
        batch.hosts[host_id] = HostRow(host_id, name, name, name, 1, discovered=3)
        batch.added += [QueueRow(host_id, 3 * host_id + at, f"http://{name}/{at}", 0, 0, None, UTC, 0, 0, 0.0)
                        for at in range(3)]  # fmt: skip
    batch.robots = {origin: RobotsRow(origin, 1, "allow_all", 404, b"", UTC, UTC + 9e4) for origin in ORIGINS}
    return batch


def frontier() -> Frontier:
    politeness = PolitenessSettings(delay_per_ip=0.0)
    return Frontier(PaceTable(politeness), Manners.of(politeness), UTC - NOW)


async def fulfil(frontier: Frontier, store: CrawlStore) -> int:
    return len([None async for _ in Filling(store, "Linkmill", lambda: NOW, lambda: UTC).fulfil(frontier)])


async def test_called_hosts_arrive_with_their_rows_and_the_robots_txt_of_all_their_origins(store: CrawlStore) -> None:
    await store.commit(batch(), UTC)
    crawl = frontier()
    async for rows in store.known_hosts(10):
        crawl.know([Known._make(row) for row in rows], NOW)
    assert crawl.queued == 3 * HOSTS
    assert crawl.take(NOW) is None
    assert await fulfil(crawl, store) == 2, "lots"
    assert sorted(crawl.hosts) == list(range(1, HOSTS + 1))
    host = crawl.host("h1.test")
    assert [row.seq for row in host.head] == [3, 4, 5]
    assert (host.tail, host.record.discovered) == (0, 3)
    assert sorted(origin for origin, _ in host.unread_robots) == sorted(ORIGINS[:4])
    assert isinstance(crawl.take(NOW), Resolve)


async def test_host_that_is_not_committed_yet_comes_after_the_commit(
    store: CrawlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crawler.front.FRONT_START", 0)
    crawl = frontier()
    crawl.know([Known(1, "h1.test", 3, 3, 1.0)], NOW)
    assert crawl.take(NOW) is None
    await fulfil(crawl, store)
    assert crawl.hosts == {}
    assert not crawl.finished
    await store.commit(batch(), UTC)
    crawl.committed((), NOW)
    await fulfil(crawl, store)
    assert list(crawl.hosts) == [1]
