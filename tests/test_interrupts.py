"""Ctrl-C ends a command with one line and 130, whatever the libraries on its way make of it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from crawler.cli.interrupts import Interrupts
from storage.errors import DataCorrupt
from tests.commands import Run, runner

TOLD = "linkmill: interrupted; what was stored before is as it was\n"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Return a function that runs a command in an empty folder, with Ctrl-C as a terminal leaves it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield runner(tmp_path, monkeypatch, capfd)
    assert signal.signal(signal.SIGINT, before) is signal.default_int_handler


@pytest.mark.parametrize(
    "made_of_it",
    [
        None,
        pa.ArrowInvalid("The zoneinfo module or pytz package must be installed."),
        DataCorrupt(Path("data"), "no Parquet file"),
        RuntimeError("Query interrupted"),
    ],
    ids=["as it is", "pyarrow", "taken for damage", "duckdb"],
)
def test_error_after_an_interrupt_is_the_interrupt(
    run: Run, monkeypatch: pytest.MonkeyPatch, made_of_it: Exception | None
) -> None:
    def interrupted(*_: object) -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            if made_of_it is None:
                raise
            raise made_of_it from None

    monkeypatch.setattr("storage.status.read_status", interrupted)
    assert run("status", "--data", "data") == (130, "", TOLD)


def test_error_without_an_interrupt_stays_what_it_is() -> None:
    with pytest.raises(pa.ArrowInvalid, match="else"), Interrupts() as interrupts, interrupts.kept():
        raise pa.ArrowInvalid("something else")


def test_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interrupts():
            os.kill(os.getpid(), signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
