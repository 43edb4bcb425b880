"""The quick forms of what `make torture` tries in full."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import uvloop

from bench.torture import clock, damage, neighbours, politeness, soak, storage


@pytest.mark.parametrize("workers", [1, 2])
def test_servers_see_every_delay_kept_over_two_restarts(workers: int) -> None:
    assert [figure for figure in politeness.seen(workers, 0.12) if not figure.holds] == []


def test_damaged_files_give_no_wrong_answer_and_copies_of_a_running_crawl_are_whole() -> None:
    assert [figure for figure in damage.run(0.01) if not figure.holds] == []


def test_full_disk_is_told_in_one_line_and_costs_nothing() -> None:
    scenes = [act for act in storage.SCENES if act.play is storage.full_while_crawling]
    assert [figure for figure in asyncio.run(storage.torture(0.1, scenes)) if not figure.holds] == []


def test_halted_crawler_sends_no_burst_loses_no_time_and_blames_no_server(tmp_path: Path) -> None:
    assert [figure for figure in asyncio.run(clock.halted(tmp_path, 0.05)) if not figure.holds] == []


def test_healthy_hosts_keep_their_pace_beside_hostile_ones() -> None:
    alone = uvloop.run(neighbours.crawl(8, 0))
    beside = uvloop.run(neighbours.crawl(8, neighbours.HOSTILE, alone.pages))
    assert beside.pages >= alone.pages
    assert beside.failed > 0
    # In full it has to be 95 %; this short it is mostly the start, on a machine that runs other tests.
    assert beside.rate > 0.6 * alone.rate


def test_endless_crawl_keeps_its_files_and_tasks(tmp_path: Path) -> None:
    soaked = uvloop.run(soak.soak(4.5, tmp_path))
    growth, _, *flat = soak.figures(soaked)
    assert len(soaked.samples) > 1, growth
    assert [figure for figure in flat[:2] if not figure.holds] == []
