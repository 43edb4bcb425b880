"""Random schedules of a crawl lose no URL and keep every delay; in full: `python -m bench.torture.machine`."""

from __future__ import annotations

import pytest

from bench.torture import machine

NUMBERS = range(100_000, 100_100)
"""Other schedules than the full run's."""


def test_no_schedule_loses_a_url_or_breaks_a_delay() -> None:
    assert [fault for number in NUMBERS if (fault := machine.play(number)) is not None] == []


def test_delay_that_is_not_kept_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawler.frontier.Frontier.after_crash", lambda frontier, now: None)
    assert any(machine.play(number) for number in range(12))


def test_url_that_is_lost_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawler.recorder.Recorder.finish", lambda recorder, request: None)
    assert any(machine.play(number) for number in range(3))
