"""Log lines are one line each, whatever is logged, and end where the settings say."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from config import ConfigError, LogSettings
from crawler.cli.logs import LOGGER, open_log, request_log, told
from crawler.jobs import RobotsFetch
from crawler.outcome import Failed, Fetched, Outcome, Redirected
from storage.records import Failure, RedirectKind
from tests.crawling import answered

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ")


def logged(folder: Path, event: str, fields: dict[str, Any] | None = None, **settings: Any) -> list[str]:
    """Return the lines of a log file after one event."""
    file = folder / "crawl.log"
    with open_log(LogSettings(file=file, **settings)) as log:
        log.warning(event, extra={"fields": fields} if fields is not None else None)
    return file.read_text("utf-8").split("\n")


def test_text_line_has_moment_level_event_and_fields(tmp_path: Path) -> None:
    line, end = logged(tmp_path, "progress", {"pages": 3, "host": "a.example"})
    assert MOMENT.match(line)
    assert line[21:] == "warning progress pages=3 host=a.example"
    assert end == ""


def test_text_line_without_fields_ends_with_its_event(tmp_path: Path) -> None:
    assert logged(tmp_path, "started")[0].endswith("warning started")


def test_json_line_is_an_object_with_the_fields_in_it(tmp_path: Path) -> None:
    line, end = logged(tmp_path, "progress", {"pages": 3, "hosts": {"due": 1}, "at_path": Path("/x")}, format="json")
    found = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", found.pop("at"))
    assert found == {"level": "warning", "event": "progress", "pages": 3, "hosts": {"due": 1}, "at_path": "/x"}
    assert end == ""


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("web", ["x\nwarning forged", "\x1b[2J", "x\r\n"], ids=["line", "terminal", "line break"])
def test_what_comes_from_the_web_forges_no_line(tmp_path: Path, form: str, web: str) -> None:
    lines = logged(tmp_path, f"title {web}", {"title": web}, format=form)
    assert len(lines) == 2
    assert not set(lines[0]) & set("\x1b\r")


@pytest.mark.parametrize(
    ("level", "written"),
    [("debug", ["debug", "info", "warning", "error"]), ("info", ["info", "warning", "error"]), ("error", ["error"])],
)
def test_events_below_the_level_are_not_written(tmp_path: Path, level: str, written: list[str]) -> None:
    file = tmp_path / "crawl.log"
    with open_log(LogSettings.model_validate({"file": file, "level": level})) as log:
        for event in ("debug", "info", "warning", "error"):
            getattr(log, event)("event")
    assert [line.split()[1] for line in file.read_text().splitlines()] == written


def test_log_without_a_file_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with open_log(LogSettings()) as log:
        log.info("here")
    captured = capsys.readouterr()
    assert captured.err.endswith(" info here\n")
    assert captured.out == ""


def test_log_is_appended_to_and_closed_at_the_end(tmp_path: Path) -> None:
    before = list(LOGGER.handlers)
    for event in ("first", "second"):
        logged(tmp_path, event)
    assert LOGGER.handlers == before
    LOGGER.warning("after the end")
    assert [line.split()[-1] for line in (tmp_path / "crawl.log").read_text().splitlines()] == ["first", "second"]


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        pytest.param({"eta_s": None}, "eta_s=-", id="nothing"),
        pytest.param({"failed": {"dns": 2, "tls": 1}}, "failed=dns:2,tls:1", id="counts"),
        pytest.param({"failed": {}}, "failed=-", id="no counts"),
        pytest.param({"reason": "page limit"}, 'reason="page limit"', id="words"),
        pytest.param({"reason": 'a"b=c'}, r'reason="a\"b=c"', id="quotes"),
    ],
)
def test_values_of_a_text_line_cannot_be_taken_for_fields(tmp_path: Path, fields: dict[str, Any], shown: str) -> None:
    assert logged(tmp_path, "event", fields)[0].endswith(f"warning event {shown}")


def test_log_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"log\.file cannot be written"), open_log(LogSettings(file=tmp_path)):
        pytest.fail("the log was opened")


OUTCOMES = [
    pytest.param(Fetched(answered(404), b"x" * 1477), "HTTP 404, 1,477 bytes", id="answer"),
    pytest.param(Redirected(answered(301), "/x", RedirectKind.MOVED_301), "HTTP 301 to /x", id="redirect"),
    pytest.param(Failed(Failure.TIMEOUT, "no answer in time"), "timeout: no answer in time", id="failure"),
]


@pytest.mark.parametrize(("outcome", "text"), OUTCOMES)
@pytest.mark.parametrize("level", ["debug", "info"])
def test_every_request_is_a_line_at_level_debug_only(tmp_path: Path, level: str, outcome: Outcome, text: str) -> None:
    file = tmp_path / "crawl.log"
    with open_log(LogSettings.model_validate({"file": file, "level": level})) as log:
        for watch in request_log(log):
            watch(RobotsFetch("http://a.test", "http://a.test/robots.txt", "a.test", 1, 0), outcome)
    assert told(outcome) == text
    expected = [f'debug request url=http://a.test/robots.txt outcome="{text}"'] if level == "debug" else []
    assert [line[21:] for line in file.read_text().splitlines()] == expected
