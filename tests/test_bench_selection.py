"""What `make bench` runs fits its time and is there; a part that takes too long is ended with all it started."""

from __future__ import annotations

import os
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from bench.__main__ import LIMIT_S, PARTS, SELECTION, _run, main

STARTS_ANOTHER = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-IS", "-c", "import time; time.sleep(60)"])
open(sys.argv[1], "w").write(str(child.pid))
time.sleep(60)
"""


def test_selection_takes_less_than_its_limit_on_an_idle_machine() -> None:
    assert sum(part.usual_s for part in SELECTION) < LIMIT_S


@pytest.mark.parametrize("name", [*PARTS, *dict.fromkeys(part.command.split()[0] for part in SELECTION)])
def test_every_part_is_a_benchmark(name: str) -> None:
    assert find_spec(f"bench.{name}") is not None
    assert name in PARTS


def test_part_over_its_time_is_ended_with_all_it_started(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = tmp_path / "pid"
    _run([sys.executable, "-IS", "-c", STARTS_ANOTHER, str(told)], 3.0)
    assert "cut off" in capsys.readouterr().out
    ends_at = time.monotonic() + 10.0
    while _lives(int(told.read_text())) and time.monotonic() < ends_at:
        time.sleep(0.01)
    assert not _lives(int(told.read_text()))


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_part_that_fails_ends_the_run() -> None:
    with pytest.raises(SystemExit, match="ended with 3"):
        _run([sys.executable, "-c", "raise SystemExit(3)"], 20.0)


def test_unknown_part_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", "speed"])
    with pytest.raises(SystemExit, match="speed is none of crawl"):
        main()
