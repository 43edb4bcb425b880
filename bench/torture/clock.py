"""A crawler that is halted, and one whose wall clock is set: what the servers see of it, and what it loses.

Run with `python -m bench.torture.clock [--scale 0.1]`. The crawler is the real command. It is stopped by SIGSTOP for a
minute; and in another crawl its wall clock is an hour ahead, then a day behind, while it runs and between two starts
(`python -m bench.torture.clock victim ...` runs a command with such a clock). Expected in the server's log: no pause
below the delay, never more than one request open at a host, and no host left waiting when things are as they were.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import replace
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Final

from bench.torture.commands import CONFIG, end_of, started, until, write_config
from bench.torture.figures import Figure, play
from bench.vweb.log import Served, by_host, most_open, read_log, shortest_gaps
from bench.vweb.process import serve
from bench.vweb.spec import NO_FAULTS, WebSpec
from storage.status import read_status

COMMAND: Final = "python -m bench.torture.clock"
DELAY_S: Final = 0.25
TOLERANCE_S: Final = 0.001
SLACK_S: Final = 0.75
"""Beside the delay: the answer of the server, and what the crawler does for other hosts."""
HALT_S: Final = 60.0
TIMEOUT_S: Final = 2.0
"""Shorter than any halt, so that a halt which counts as waiting is seen; a long one leaves room for a busy machine."""
RETRY_WAIT_S: Final = 1.0
"""A request that fails fails the figure, not the patience of who waits for it."""
TICK_S: Final = 0.01
CRAWL_S: Final = 60.0
"""Within which a crawl that takes ten seconds has to make its first commit, and to end."""
SPEC: Final = WebSpec(hosts=20, pages_per_host=24, profile=4, faults=NO_FAULTS, latency_s=0.05, latency_spread=0.5)
FETCH: Final = {"concurrency": 64, "retry_wait": RETRY_WAIT_S}
JUMPS: Final = ((1.5, 3600.0), (3.0, -86_400.0))
"""Seconds after its start at which the wall clock is set, and by how much it is wrong from then on."""


def run(scale: float = 1.0) -> list[Figure]:
    """Halt one crawl for a minute and set the clock of another; scale 1 takes about a minute and a half."""
    return asyncio.run(_run(scale))


async def _run(scale: float) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="linkmill-clock-") as name:
        return [*await halted(Path(name), scale), *await set_clock(Path(name))]


class Lateness:
    """By how much this process is late when it wants to run: what a busy machine adds to every wait of the crawler.

    Use as `async with`.
    """

    def __init__(self) -> None:
        self.longest_s = 0.0

    async def __aenter__(self) -> Lateness:
        self._ticking = asyncio.create_task(self._tick())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ticking.cancel()

    async def _tick(self) -> None:
        while True:
            due = time.monotonic() + TICK_S
            await asyncio.sleep(TICK_S)
            self.longest_s = max(self.longest_s, time.monotonic() - due)


async def halted(folder: Path, scale: float) -> list[Figure]:
    """Halt a crawl in its midst, for a minute at scale 1, for three seconds at least."""
    halt_s, spec = max(3.0, HALT_S * scale), replace(SPEC, pages_per_host=max(10, round(SPEC.pages_per_host * scale)))
    log, data = folder / "halted.log", folder / "halted"
    async with serve(spec, log=log) as web, Lateness() as late:
        politeness = {"delay": DELAY_S, "connections_per_host": 1}
        fetch = dict.fromkeys(("connect_timeout", "read_timeout", "total_timeout"), max(TIMEOUT_S, halt_s / 6))
        write_config(folder, web, data, politeness=politeness, fetch=fetch | FETCH)
        async with started(folder, "crawl", "--quiet", CONFIG) as process:
            await until(lambda: process.returncode is not None or any(data.rglob("*.parquet")), CRAWL_S)
            process.send_signal(signal.SIGSTOP)
            await asyncio.sleep(halt_s)
            process.send_signal(signal.SIGCONT)
            gone_on_at = time.monotonic()
            ended = await end_of(process, CRAWL_S)
    served, counters = sorted(read_log(log)), dict(read_status(data).counters)
    before = [row for row in served if row.started_s < gone_on_at - halt_s]
    assert 0 < len(before) < len(served), "not halted in its midst"
    waited_s = max(_first_waits(served, gone_on_at), default=0.0)
    failed = sum(number for name, number in counters.items() if name.startswith("failed."))
    what = f"halted for {halt_s:.0f} s"
    return [
        *_politeness(what, served),
        _at_most(f"{what}: longest wait of a host after it", waited_s, DELAY_S + SLACK_S + late.longest_s),
        _none(f"{what}: requests that failed", failed),
        _none(f"{what}: pages asked for twice", len(served) - len({(row.host, row.path) for row in served})),
        _none(f"{what}: URLs left over", ended.code or read_status(data).totals.queued),
    ]


async def set_clock(folder: Path) -> list[Figure]:
    """Set the wall clock of a crawl twice while it runs, and once more between two starts."""
    log, data = folder / "set.log", folder / "set"
    async with serve(replace(SPEC, seed=8), log=log) as web, Lateness() as late:
        write_config(folder, web, data, politeness={"delay": DELAY_S, "connections_per_host": 1}, fetch=FETCH)
        async with started(folder, "victim", "0", "crawl", "--quiet", CONFIG, module="bench.torture.clock") as process:
            await until(lambda: process.returncode is not None or any(data.rglob("*.parquet")), CRAWL_S)
            await asyncio.sleep(JUMPS[-1][0])
            process.terminate()
            first = await end_of(process, CRAWL_S)
        again_at = time.monotonic()
        skew = str(-30 * 86_400.0)
        async with started(folder, "victim", skew, "crawl", "--quiet", CONFIG, module="bench.torture.clock") as process:
            last = await end_of(process, CRAWL_S)
    served = sorted(read_log(log))
    assert any(row.started_s > again_at for row in served), "nothing was left for the second start"
    what = "wall clock set forward and back"
    one_start = [[row for row in served if (row.started_s > again_at) is again] for again in (False, True)]
    longest_s = max(_pauses(one_start[0]) + _pauses(one_start[1]))
    return [
        *_politeness(what, served),
        _at_most(f"{what}: longest pause of a host within a start", longest_s, DELAY_S + SLACK_S + late.longest_s),
        _none(f"{what}: URLs left over", first.code or last.code or read_status(data).totals.queued),
    ]


def _politeness(what: str, served: list[Served]) -> list[Figure]:
    most, shortest_s = max(most_open(served, by_host).values()), min(shortest_gaps(served, by_host).values())
    bound = f"{DELAY_S * 1000:.0f} ms - {TOLERANCE_S * 1000:.0f}"
    holds = shortest_s >= DELAY_S - TOLERANCE_S
    return [
        Figure(f"{what}: most requests open at one host", str(most), "1", most == 1, COMMAND),
        Figure(f"{what}: shortest pause at one host", f"{shortest_s * 1000:.1f} ms", bound, holds, COMMAND),
    ]


def _first_waits(served: list[Served], since: float) -> list[float]:
    """Return how long after a moment each host that is asked at all is first asked."""
    first: dict[str, float] = {}
    for row in served:
        if row.started_s >= since:
            first.setdefault(row.host, row.started_s - since)
    return list(first.values())


def _pauses(served: Iterable[Served]) -> list[float]:
    by_name: dict[str, list[Served]] = {}
    for row in served:
        by_name.setdefault(row.host, []).append(row)
    return [then.started_s - row.ended_s for rows in by_name.values() for row, then in pairwise(rows)]


def _at_most(name: str, value_s: float, bound_s: float) -> Figure:
    return Figure(name, f"{value_s:.2f} s", f"{bound_s:.2f} s", value_s <= bound_s, COMMAND)


def _none(name: str, number: int) -> Figure:
    return Figure(name, str(number), "0", number == 0, COMMAND)


def _victim(skew_s: float, arguments: list[str]) -> None:
    """Run a `linkmill` command whose wall clock is wrong by `skew_s`, and then jumps as `JUMPS` say."""
    right, began_at = time.time, time.monotonic()

    def wrong() -> float:
        running_s = time.monotonic() - began_at
        return right() + skew_s + sum(by for at, by in JUMPS if running_s >= at)

    time.time = wrong  # before anything takes it by its name
    linkmill = import_module("crawler.cli").main

    sys.argv = ["linkmill", *arguments]
    linkmill()


def main() -> None:
    """Run what the command line asks for; the crawlers of this part are started by it too."""
    if sys.argv[1:2] == ["victim"]:
        _victim(float(sys.argv[2]), sys.argv[3:])
        return
    play(run, COMMAND, __doc__)


if __name__ == "__main__":
    main()
