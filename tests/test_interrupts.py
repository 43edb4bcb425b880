"""Ctrl-C ends a command with one line and 130, whatever the libraries on its way make of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from bench.vweb.process import ROOT
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


LOADING = """
import os, signal, sys
from importlib.abc import MetaPathFinder
from crawler.cli import main

awaited = sys.argv.pop(1)

class Interrupting(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == awaited:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs start with it ignored
sys.meta_path.insert(0, Interrupting())
main()
"""


@pytest.mark.parametrize("module", ["crawler.cli.streams", "typer", "pyarrow", "numpy._core._multiarray_umath"])
def test_interrupt_while_commands_are_loaded_shows_no_traceback(tmp_path: Path, module: str) -> None:
    command = [sys.executable, "-c", LOADING, module, "backlinks", "a.test"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, cwd=tmp_path, env=environment, check=False, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", TOLD)


def test_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interrupts():
            os.kill(os.getpid(), signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
