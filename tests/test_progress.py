"""What a running crawl shows, from snapshots."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from rich.console import Console
from rich.table import Table

from config import LogSettings
from crawler.cli import progress as display
from crawler.cli.progress import (
    RATE_WINDOW,
    STANDINGS,
    Progress,
    Rates,
    by_class,
    duration,
    eta_s,
    line_fields,
    live_table,
    progress_of,
    size,
)
from crawler.front import BACKING_OFF
from crawler.hostqueue import Standing
from crawler.stats import Snapshot
from crawler.supervisor import Crawl, Report
from tests.crawling import settings_at

START: Final = Snapshot(
    elapsed_s=0.0, attempts=0, pages=0, links=0, wire_bytes=0, queued=0, open=0, hosts={}, counters={}, max_pages=0,
    max_time_s=0.0, max_bytes=0,
)  # fmt: skip
LATER: Final = replace(
    START, elapsed_s=4.0, attempts=2005, pages=2000, links=120_000, wire_bytes=8 << 20, queued=500, open=12,
    hosts={"due": 3, "backing_off": 2, "parked": 1, "idle": 0},
    counters={"status.200": 1990, "status.404": 10, "failed.dns": 2, "failed.timeout": 5, "denied.robots": 1},
)  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0s"), (59.9, "59s"), (60.0, "1m00s"), (185.0, "3m05s"), (3600.0, "1h00m"), (90_061.0, "25h01m")],
)
def test_duration_is_told_as_people_read_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (3.4 * 2**20, "3.4 MiB"),
        (2**30, "1.0 GiB"),
        (5 * 2**40, "5.0 TiB"),
    ],
)
def test_size_is_told_as_people_read_it(number: float, text: str) -> None:
    assert size(number) == text


def test_rates_are_taken_over_the_window() -> None:
    rates = Rates(2)
    assert rates.add(START) == (0.0, 0.0, 0.0)
    assert rates.add(LATER) == (500.0, 30_000.0, float(2 << 20))
    assert rates.add(replace(LATER, elapsed_s=5.0)) == (0.0, 0.0, 0.0), "the first snapshot has left the window"


def test_rate_of_no_time_is_nothing() -> None:
    rates = Rates(2)
    rates.add(LATER)
    assert rates.add(replace(LATER, pages=9999)) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("changes", "pages_per_s", "bytes_per_s", "left_s"),
    [
        pytest.param({}, 0.0, 0.0, None, id="nothing known"),
        pytest.param({}, 64.0, 0.0, 8.0, id="the queue at this rate"),
        pytest.param({"max_pages": 2015}, 2.0, 0.0, 5.0, id="page limit"),
        pytest.param({"max_time_s": 10.0}, 0.0, 0.0, 6.0, id="time limit"),
        pytest.param({"max_bytes": 9 << 20}, 0.0, 1 << 19, 2.0, id="byte limit"),
        pytest.param({"max_time_s": 10.0, "max_pages": 2015}, 10.0, 0.0, 1.0, id="the first of several"),
        pytest.param({"max_time_s": 1.0}, 0.0, 0.0, 0.0, id="past its limit"),
    ],
)
def test_time_left_is_that_of_the_first_limit(
    changes: dict[str, Any], pages_per_s: float, bytes_per_s: float, left_s: float | None
) -> None:
    assert eta_s(replace(LATER, **changes), pages_per_s, bytes_per_s) == left_s


@pytest.mark.parametrize(
    ("prefixes", "text"),
    [
        pytest.param(("failed.",), "timeout 1,005, dns 2", id="the largest first"),
        pytest.param(("denied.", "cut."), "robots 3, body 1", id="several prefixes"),
        pytest.param(("left.",), "already known 4", id="a name that would say too little"),
        pytest.param(("robots.",), "none", id="nothing counted"),
    ],
)
def test_counters_are_told_by_class(prefixes: tuple[str, ...], text: str) -> None:
    counters = {
        "failed.dns": 2,
        "failed.timeout": 1005,
        "failed.tls": 0,
        "denied.robots": 3,
        "cut.body": 1,
        "pages": 9,
        "left.seen": 4,
    }
    assert by_class(counters, *prefixes) == text


def test_every_standing_of_a_host_has_words() -> None:
    assert set(STANDINGS) == {standing.value for standing in Standing} | {BACKING_OFF}


def test_live_table_shows_rates_hosts_failures_and_what_is_left() -> None:
    rates = Rates(RATE_WINDOW)
    rates.add(START)
    console = Console(width=120, color_system=None)
    with console.capture() as captured:
        console.print(live_table(LATER, rates))
    lines = {line.split()[0]: " ".join(line.split()[1:]) for line in captured.get().splitlines()}
    assert lines == {
        "pages": "2,000 500.0 a second",
        "answers": "200: 1,990, 404: 10",
        "links": "120,000 30,000 a second",
        "bytes": "8.0 MiB 2.0 MiB a second",
        "queued": "500 12 open",
        "hosts": "3 waiting for their delay, 2 backing off, 1 parked",
        "failed": "timeout 5, dns 2",
        "denied": "robots 1",
        "elapsed": "4s about 1s left",
    }


def test_log_line_holds_the_same_as_fields() -> None:
    rates = Rates(2)
    rates.add(START)
    assert line_fields(LATER, rates) == {
        "pages": 2000, "pages_per_s": 500.0, "attempts": 2005, "answers": {"200": 1990, "404": 10},
        "links": 120_000, "links_per_s": 30_000, "queued": 500, "open": 12,
        "hosts": LATER.hosts, "failed": {"dns": 2, "timeout": 5}, "denied": {"robots": 1},
        "bytes": 8 << 20, "elapsed_s": 4.0, "eta_s": 1,
    }  # fmt: skip


class Lines(logging.Handler):
    """Keeps log records and says when one comes."""

    def __init__(self) -> None:
        super().__init__()
        self.records: asyncio.Queue[logging.LogRecord] = asyncio.Queue()

    def emit(self, record: logging.LogRecord) -> None:
        self.records.put_nowait(record)


@pytest.fixture
def lines() -> Iterator[tuple[logging.Logger, Lines]]:
    log, handler = logging.getLogger("tests.progress"), Lines()
    log.setLevel("INFO")
    log.propagate = False
    log.addHandler(handler)
    yield log, handler
    log.removeHandler(handler)


def crawl_at(tmp_path: Path, snapshots: list[Snapshot | None], monkeypatch: pytest.MonkeyPatch) -> Crawl:
    """Return a crawl that shows these snapshots in turn, the last one again and again."""
    crawl = Crawl(settings_at(None, tmp_path), [])
    monkeypatch.setattr(crawl, "snapshot", lambda: snapshots.pop(0) if len(snapshots) > 1 else snapshots[0])
    return crawl


async def test_away_from_a_terminal_a_line_is_logged_every_period_until_the_end(
    tmp_path: Path, lines: tuple[logging.Logger, Lines], monkeypatch: pytest.MonkeyPatch
) -> None:
    log, handler = lines
    crawl = crawl_at(tmp_path, [None, START, LATER], monkeypatch)
    async with Progress(log, 0.001, live=False).showing(crawl):
        first = await asyncio.wait_for(handler.records.get(), 10.0)
        second = await asyncio.wait_for(handler.records.get(), 10.0)
    for record, rate in ((first, 500.0), (second, 0.0)):
        fields = record.__dict__["fields"]
        assert (record.getMessage(), fields["pages"], fields["pages_per_s"]) == ("progress", 2000, rate)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_on_a_terminal_the_display_is_live_and_gone_at_the_end(
    tmp_path: Path, lines: tuple[logging.Logger, Lines], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: asyncio.Queue[Snapshot] = asyncio.Queue()
    table = live_table

    def note(snapshot: Snapshot, rates: Rates, stopping: bool) -> Table:
        shown.put_nowait(snapshot)
        return table(snapshot, rates, stopping)

    monkeypatch.setattr(display, "REFRESH_S", 0.001)
    monkeypatch.setattr(display, "live_table", note)
    log, handler = lines
    async with Progress(log, 3600.0, live=True).showing(crawl_at(tmp_path, [LATER], monkeypatch)):
        assert await asyncio.wait_for(shown.get(), 10.0) is LATER
    assert handler.records.empty()


async def test_end_and_the_wish_to_stop_are_logged(
    tmp_path: Path, lines: tuple[logging.Logger, Lines], monkeypatch: pytest.MonkeyPatch
) -> None:
    log, handler = lines
    for live in (True, False):
        progress = Progress(log, 3600.0, live)
        progress.tell_stopping(crawl_at(tmp_path, [LATER], monkeypatch))
        progress.tell_end(Report(3, True, "interrupted", LATER))
    stopping, ended = handler.records.get_nowait(), handler.records.get_nowait()
    assert handler.records.empty(), "the live display shows it by itself"
    assert (stopping.getMessage(), stopping.__dict__["fields"]) == ("stopping", {"open": 12})
    fields = ended.__dict__["fields"]
    assert (ended.getMessage(), fields["run"], fields["reason"], fields["pages"]) == ("ended", 3, "interrupted", 2000)


def test_live_table_says_that_the_crawl_is_stopping() -> None:
    console = Console(width=120, color_system=None)
    with console.capture() as captured:
        console.print(live_table(LATER, Rates(1), stopping=True))
    assert captured.get().splitlines()[-1].split()[:3] == ["stopping", "12", "requests"]


def test_pause_is_told_with_its_reason() -> None:
    console, paused = Console(width=120, color_system=None), replace(LATER, paused="the disk is nearly full")
    with console.capture() as captured:
        console.print(live_table(paused, Rates(1)))
    assert captured.get().rstrip().splitlines()[-1].split(maxsplit=1) == ["paused", "the disk is nearly full"]
    assert line_fields(paused, Rates(1))["paused"] == "the disk is nearly full"


async def test_pause_is_logged_when_it_begins_and_when_it_ends(
    tmp_path: Path, lines: tuple[logging.Logger, Lines], monkeypatch: pytest.MonkeyPatch
) -> None:
    log, handler = lines
    monkeypatch.setattr(display, "REFRESH_S", 0.001)
    crawl = crawl_at(tmp_path, [START], monkeypatch)
    async with Progress(log, 3600.0, live=False).showing(crawl):
        with monkeypatch.context() as pause:
            pause.setattr(Crawl, "paused", "the disk is nearly full")
            paused = await asyncio.wait_for(handler.records.get(), 10.0)
        gone_on = await asyncio.wait_for(handler.records.get(), 10.0)
    assert (paused.getMessage(), paused.__dict__["fields"]) == ("paused", {"reason": "the disk is nearly full"})
    assert gone_on.getMessage() == "going on"
    assert handler.records.empty()


async def test_error_of_the_crawl_passes_through_the_display(
    tmp_path: Path, lines: tuple[logging.Logger, Lines], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ZeroDivisionError):
        async with Progress(lines[0], 3600.0, live=False).showing(crawl_at(tmp_path, [START], monkeypatch)):
            raise ZeroDivisionError


@pytest.mark.parametrize(
    ("tty", "settings", "quiet", "live"),
    [
        pytest.param(True, {}, False, True, id="terminal"),
        pytest.param(False, {}, False, False, id="pipe"),
        pytest.param(True, {}, True, False, id="quiet"),
        pytest.param(True, {"format": "json"}, False, False, id="JSON asked for"),
        pytest.param(True, {"file": Path("x.log")}, False, False, id="into a file"),
    ],
)
def test_display_is_live_only_where_somebody_looks(
    monkeypatch: pytest.MonkeyPatch, tty: bool, settings: dict[str, Any], quiet: bool, live: bool
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: tty)
    found = progress_of(LogSettings(**settings), logging.getLogger("tests.progress"), quiet)
    assert found._live is live
