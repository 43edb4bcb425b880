"""Politeness as the servers see it: 200 hosts on 50 addresses, random latencies, every fault, two restarts.

The crawl is the real command in a process of its own, with one worker, with two and with four. It is stopped once by
SIGINT and once by SIGKILL, and goes on each time; of several workers one is killed besides. The server's log, one clock
for all processes, then shows every gap. `python -m bench.torture.politeness`.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Final

from bench.torture.commands import children, until
from bench.torture.figures import Figure, play
from bench.vweb.log import Served, by_address, by_host, most_open, read_log, shortest_gaps
from bench.vweb.process import ROOT, Running, serve
from bench.vweb.site import RobotsKind, Web
from bench.vweb.spec import Faults, WebSpec
from storage.directory import DataDirectory, is_held

COMMAND: Final = "python -m bench.torture.politeness"
ADDRESSES: Final = tuple(f"127.0.0.{number}" for number in range(1, 51))
DELAY_S: Final = 0.05
DELAY_PER_IP_S: Final = 0.02
CRAWL_DELAY_CAP_S: Final = 0.15
"""Less than the 0.2 s that the web's robots.txt files ask for."""
TOLERANCE_S: Final = 0.001
PAGES: Final = 60
"""Pages of each host at scale 1."""
WORKERS: Final = (1, 2, 4)
STOP_AFTER_S: Final = 8.0
LONGEST_S: Final = 600.0
WEB: Final = WebSpec(
    hosts=200, pages_per_host=PAGES, profile=4, faults=Faults(slow_s=0.2), latency_s=0.01, latency_spread=0.9
)

CONFIG: Final = """
[crawl]
seeds = {seeds}
data_dir = "data"
workers = {workers}
[scope]
follow = "any"
include = ["*.test/*"]
[politeness]
delay = {delay}
delay_per_ip = {delay_per_ip}
connections_per_ip = 1
max_crawl_delay = {crawl_delay_cap}
[fetch]
concurrency = 128
retries = 1
retry_wait = 0.2
[network]
allow_addresses = ["127.0.0.0/8"]
[storage]
commit_interval = "1s"
[network.hosts]
{hosts}
"""


def run(scale: float = 1.0) -> list[Figure]:
    """Return what the server saw of one worker, of two and of four. Scale 1 takes about five minutes."""
    return [figure for workers in WORKERS for figure in seen(workers, scale)]


def seen(workers: int, scale: float = 1.0) -> list[Figure]:
    """Crawl, stop, go on, kill, go on; return what the server saw."""
    spec = WebSpec.from_json(json.dumps(json.loads(WEB.to_json()) | {"pages_per_host": max(5, int(PAGES * scale))}))
    with tempfile.TemporaryDirectory(prefix="linkmill-politeness-") as folder:
        starts = asyncio.run(_crawl(spec, Path(folder), max(1.5, STOP_AFTER_S * scale), workers))
        served = list(read_log(Path(folder) / "log"))
    figures = _figures(spec, served, starts)
    return [replace(figure, name=f"{figure.name}, {workers} workers") for figure in figures] if workers > 1 else figures


async def _crawl(spec: WebSpec, folder: Path, stop_after_s: float, workers: int) -> int:
    """Serve the web and crawl it to the end; return how often a process was started that fetches the same hosts."""
    async with serve(spec, ADDRESSES, folder / "log", max_s=LONGEST_S) as web:
        (folder / "crawl.toml").write_text(_config(web, workers))
        for ending in (signal.SIGINT, signal.SIGKILL):
            process = await _start(folder)
            try:
                await asyncio.wait_for(process.wait(), stop_after_s)
            except TimeoutError:
                process.send_signal(ending)
            await asyncio.wait_for(process.wait(), LONGEST_S)
            await until(lambda: not is_held(DataDirectory(folder / "data")))  # by workers that outlive their supervisor
        process = await _start(folder)
        if workers > 1:
            await until(lambda: process.returncode is not None or len(children(process.pid)) == workers)
            await asyncio.sleep(stop_after_s / 2)
            for pid in children(process.pid)[:1]:  # none where little was left to do
                os.kill(pid, signal.SIGKILL)
        if await asyncio.wait_for(process.wait(), LONGEST_S):
            raise SystemExit(f"{COMMAND}: the last start ended with {process.returncode}")
    return 3 if workers == 1 else 4


def _config(web: Running, workers: int) -> str:
    return CONFIG.format(
        seeds=json.dumps(web.seeds),
        workers=workers,
        delay=DELAY_S,
        delay_per_ip=DELAY_PER_IP_S,
        crawl_delay_cap=CRAWL_DELAY_CAP_S,
        hosts="\n".join(f"{json.dumps(name)} = {json.dumps(at)}" for name, at in web.hosts.items()),
    )


async def _start(folder: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "crawler", "crawl", "--quiet", "crawl.toml"),
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=asyncio.subprocess.DEVNULL,
    )


def _figures(spec: WebSpec, served: list[Served], starts: int) -> list[Figure]:
    sites = [Web(spec).site(number) for number in range(spec.hosts)]
    slow = {site.name for site in sites if site.robots is RobotsKind.DELAY}
    broken = {site.name for site in sites if site.robots is RobotsKind.BROKEN}
    asked = Counter(row.host for row in served if row.path == "/robots.txt" and row.host not in broken)
    return [
        _figure("requests seen by 200 hosts on 50 addresses", str(len(served)), "over 1,000", len(served) > 1000),
        _most("open at one host", most_open(served, by_host)),
        _most("open at one address", most_open(served, by_address)),
        _least("pause at one host", shortest_gaps(served, by_host).values(), DELAY_S),
        _least("pause at one address", shortest_gaps(served, by_address).values(), DELAY_PER_IP_S),
        _least(
            "pause after a page of a host with Crawl-delay, up to its cap",
            shortest_gaps([row for row in served if row.host in slow and row.path != "/robots.txt"], by_host).values(),
            CRAWL_DELAY_CAP_S,
        ),
        _least("pause after a Retry-After of 1 s", _after_throttling(served), float(spec.faults.retry_after_s)),
        _figure(
            f"robots.txt fetches of one host in {starts} starts",
            f"{max(asked.values())}, on average {asked.total() / len(asked):.2f}",
            f"{starts}: once, and once more for each kill that lost it; on average below 1.2",
            max(asked.values()) <= starts and asked.total() < 1.2 * len(asked),
        ),
    ]


def _figure(name: str, value: str, bound: str, holds: bool) -> Figure:
    return Figure(name, value, bound, holds, COMMAND)


def _most(name: str, most: dict[str, int]) -> Figure:
    return _figure(f"most requests {name}", str(max(most.values())), "1", max(most.values()) == 1)


def _least(name: str, pauses: Iterable[float], bound_s: float) -> Figure:
    shortest_s = min(pauses)
    bound = f"{bound_s * 1000:.0f} ms - {TOLERANCE_S * 1000:.0f}"
    return _figure(f"shortest {name}", f"{shortest_s * 1000:.1f} ms", bound, shortest_s >= bound_s - TOLERANCE_S)


def _after_throttling(served: list[Served]) -> list[float]:
    """Return the pauses of hosts after each 429."""
    by_name: dict[str, list[Served]] = {}
    for row in sorted(served):
        by_name.setdefault(row.host, []).append(row)
    return [
        then.started_s - row.ended_s for rows in by_name.values() for row, then in pairwise(rows) if row.status == 429
    ]


if __name__ == "__main__":
    play(run, COMMAND, __doc__)
