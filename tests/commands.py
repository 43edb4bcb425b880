"""The real commands for tests: in this process for their answers, in one of their own for signals and terminals."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Final, NamedTuple

import pytest

from bench.vweb.process import ROOT, Running, serve
from bench.vweb.spec import NO_FAULTS, WebSpec
from crawler.cli import main

SMALL: Final = WebSpec(hosts=4, pages_per_host=8, profile=4, faults=NO_FAULTS)
WAIT_S: Final = 30.0


class Answered(NamedTuple):
    """What a command came to."""

    code: int
    out: str
    err: str


Run = Callable[..., Answered]


def runner(folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs a command in this process, with `folder` as the current one."""
    monkeypatch.chdir(folder)

    def run(*arguments: str) -> Answered:
        monkeypatch.setattr(sys, "argv", ["linkmill", *arguments])
        capfd.readouterr()
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        return Answered(code, *capfd.readouterr())

    return run


def start(folder: Path, *arguments: str, out: int | IO[str] = subprocess.PIPE, err: int = subprocess.PIPE) -> Started:
    """Start a command as a process of its own, with `folder` as the current one."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "100"}
    command = [sys.executable, "-m", "crawler", *arguments]
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=out, stderr=err, text=True)


Started = subprocess.Popen[str]


@asynccontextmanager
async def small_web() -> AsyncIterator[Running]:
    """Serve a small web without faults."""
    async with serve(SMALL) as web:
        yield web


def write_config(
    web: Running, folder: Path, name: str = "web.toml", more: str = "", delay: str = "10ms", workers: int = 1
) -> str:
    """Write a config file that crawls all of `web`; return its name. `more` is further TOML."""
    seeds = ", ".join(f'"{seed}"' for seed in web.seeds)
    (folder / name).write_text(f"""
[scope]
follow = "any"
include = ["*.test/*"]
[politeness]
delay = "{delay}"
delay_per_ip = 0
connections_per_ip = 64
[network]
hosts = {{ "*.test" = "127.0.0.1:{web.port}" }}
allow_addresses = ["127.0.0.0/8"]
[storage]
commit_interval = "500ms"
[crawl]
seeds = [{seeds}]
data_dir = "data"
workers = {workers}
{more}
""")
    return name
