"""A crawl killed at any point ends like one that was left alone: a few kills of `bench.torture.crash`."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from bench.torture.crash import (
    COMMIT_LINKS,
    FAULTS,
    Kill,
    Killed,
    Repeats,
    crawl_killed,
    links_lost,
    repeats,
)
from bench.torture.stored import Stored, differences
from bench.vweb.process import serve
from bench.vweb.spec import WebSpec

SPEC: Final = WebSpec(hosts=10, pages_per_host=30, profile=4, faults=FAULTS, latency_s=0.1)
"""So slow that no kill comes too late, on any machine."""
KILLS: Final = (
    Kill("after rename", 3),
    Kill("before unlink", 1),
    Kill("before commit", 3),
    Kill("before end_run", 1, stopping=True),
    Kill(after_s=0.4),
)


@dataclass(frozen=True, slots=True)
class Crawls:
    """Two crawls of one web: one left alone, one killed."""

    whole: Stored
    killed: Killed
    repeated: Repeats


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def crawls(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Crawls]:
    folder = tmp_path_factory.mktemp("crash")
    for name in ("whole", "killed"):
        (folder / name).mkdir()
    async with serve(SPEC, log=folder / "log") as web:
        whole = await crawl_killed(web, folder / "whole", [])
        since = time.monotonic()
        killed = await crawl_killed(web, folder / "killed", KILLS)
    log: Path = folder / "log"
    yield Crawls(Stored(whole.data_dir), killed, repeats(log, [at for _, at in killed.kills], since))


def test_every_kill_comes_where_it_should_and_the_crawl_goes_on(crawls: Crawls) -> None:
    assert [kill for kill, _ in crawls.killed.kills] == list(KILLS)
    assert crawls.killed.wrong_ends == []


def test_files_are_whole_after_each_kill(crawls: Crawls) -> None:
    assert crawls.killed.damages == []


def test_killed_crawl_stores_what_an_uninterrupted_one_does(crawls: Crawls) -> None:
    stored = Stored(crawls.killed.data_dir)
    assert differences(crawls.whole.attempts(), stored.attempts()) == []
    assert crawls.whole.faults() == stored.faults() == []


def test_kill_repeats_no_more_than_the_open_pages_and_one_batch(crawls: Crawls) -> None:
    assert crawls.repeated.without_kill == []
    assert max(links_lost(urls, crawls.whole) for urls in crawls.repeated.by_kill) <= COMMIT_LINKS
    assert max(map(len, crawls.repeated.by_kill)) > 0
