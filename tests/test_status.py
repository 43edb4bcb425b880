"""The state of a run can be read while it runs, after a crash and after the next run has begun."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.errors import DataMissing
from storage.records import Batch
from storage.runs import EXHAUSTED, REPLACED, Totals
from storage.sqlite import CrawlStore
from storage.status import read_status
from tests.store_rows import NOW, fetched, host, page, queued


async def test_status_is_read_beside_the_crawl(tmp_path: Path) -> None:
    async with CrawlStore.open(tmp_path, compression_level=3) as store:
        await store.start_run("nightly", "{}", fresh=False, now=NOW)
        batch = fetched(1, 3)
        batch.pages.append(page(2, server="\udce9"))
        batch.added, batch.counters = [queued(1, 1)], {"scope": 4}
        batch.hosts = {1: host(1, discovered=3, done=1, failed=1, last_visit=NOW), 2: host(2, parked="dns")}
        await store.commit(batch, NOW + 5)
        status = read_status(tmp_path)
        assert status.totals == await store.totals(1)
    assert (status.held, read_status(tmp_path).held) == (True, False)
    assert (status.run, status.name, status.starts, status.started_at) == (1, "nightly", 1, NOW)
    assert (status.ended_at, status.stop_reason, status.last_commit_at) == (None, None, NOW + 5)
    assert status.totals == Totals(discovered=3, done=1, failed=1, excluded=0, queued=1)
    assert status.totals.conserved
    assert (status.hosts, status.hosts_visited, status.parked) == (2, 1, {"dns": 1})
    assert status.counters == {"scope": 4}
    assert (status.pages.segments, status.pages.rows, status.pages.repaired) == (1, 2, 1)
    assert (status.links.rows, status.links.size_bytes > 0) == (3, True)


async def test_earlier_run_is_still_told(tmp_path: Path) -> None:
    async with CrawlStore.open(tmp_path, compression_level=3) as store:
        await store.start_run("first", "{}", fresh=False, now=NOW)
        await store.commit(Batch(added=[queued(1, 1)], hosts={1: host(1, discovered=1)}), NOW)
        await store.start_run("second", "{}", fresh=True, now=NOW + 9)
        await store.end_run(2, EXHAUSTED, NOW + 10)
    first, second = read_status(tmp_path, 1), read_status(tmp_path)
    assert (first.name, first.stop_reason, first.ended_at, first.totals.queued) == ("first", REPLACED, NOW + 9, 1)
    assert (second.name, second.stop_reason, second.totals.discovered) == ("second", EXHAUSTED, 0)


async def test_missing_run_is_named(tmp_path: Path) -> None:
    async with CrawlStore.open(tmp_path, compression_level=3):
        with pytest.raises(DataMissing, match="no run"):
            read_status(tmp_path)
        with pytest.raises(DataMissing, match="no run 7"):
            read_status(tmp_path, 7)
