"""What supervisor and workers say to one another comes through as it was said."""

from __future__ import annotations

from pathlib import Path

import pytest

from config import Settings
from crawler.dispatch import Ended, Fault, Order, Report, State, line_of, order_in, report_in, stop_in, stop_line
from crawler.stats import Snapshot
from storage.errors import DiskFull, StorageError
from tests.crawling import settings_at

SNAPSHOT = Snapshot(1.5, 2, 1, 3, 4, 5, 6, {"due": 1}, {"pages": 1}, 0, 0.0, 0, "paused")


@pytest.mark.parametrize(
    "report",
    [State(1.25, True, 7), SNAPSHOT, Ended("exhausted", False), Fault("DiskFull", "/data", "x")],
    ids=lambda report: type(report).__name__,
)
def test_report_comes_through(report: Report) -> None:
    line = line_of(report)
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert report_in(line) == report


def test_order_comes_through_with_all_settings(tmp_path: Path) -> None:
    settings = settings_at(
        None,
        tmp_path,
        network={"proxy": "http://user:pw@proxy.test:3128", "hosts": {"*.test": "127.0.0.1:1"}},
        politeness={"overrides": [{"match": "*.a.test", "delay": 3.0}]},
        fetch={"headers": {"Accept-Language": "en"}, "contact": "ops@example.org"},
        log={"file": tmp_path / "log"},
    )
    order = Order(1, 2, 5, 6, (0, 2047), 3, True, [2**64 - 1], settings.model_dump_json(), ["http://a.test/ü"])
    told = order_in(line_of(order))
    assert (told.seeds, told.poisoned, tuple(told.shards)) == (order.seeds, order.poisoned, order.shards)
    assert Settings.model_validate_json(told.settings) == settings


def test_stop_comes_through_with_its_reason() -> None:
    assert stop_in(stop_line("page limit")) == "page limit"


def test_fault_is_raised_again_as_what_it_was() -> None:
    again = Fault.of(DiskFull("/data", "no space")).as_error()
    assert (type(again), str(again)) == (DiskFull, str(DiskFull("/data", "no space")))
    assert type(Fault("Unknown", "here", "").as_error()) is StorageError
