"""The quick forms of what `make torture` tries in full."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bench.torture import clock, damage, politeness, storage


def test_servers_see_every_delay_kept_over_two_restarts() -> None:
    assert [figure for figure in politeness.run(0.12) if not figure.holds] == []


def test_damaged_files_give_no_wrong_answer_and_copies_of_a_running_crawl_are_whole() -> None:
    assert [figure for figure in damage.run(0.01) if not figure.holds] == []


def test_full_disk_is_told_in_one_line_and_costs_nothing() -> None:
    scenes = [act for act in storage.SCENES if act.play is storage.full_while_crawling]
    assert [figure for figure in asyncio.run(storage.torture(0.1, scenes)) if not figure.holds] == []


def test_halted_crawler_sends_no_burst_loses_no_time_and_blames_no_server(tmp_path: Path) -> None:
    assert [figure for figure in asyncio.run(clock.halted(tmp_path, 0.05)) if not figure.holds] == []
