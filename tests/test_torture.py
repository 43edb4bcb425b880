"""The quick forms of what `make torture` tries in full."""

from __future__ import annotations

from bench.torture import damage, politeness


def test_servers_see_every_delay_kept_over_two_restarts() -> None:
    assert [figure for figure in politeness.run(0.12) if not figure.holds] == []


def test_damaged_files_give_no_wrong_answer_and_copies_of_a_running_crawl_are_whole() -> None:
    assert [figure for figure in damage.run(0.01) if not figure.holds] == []
