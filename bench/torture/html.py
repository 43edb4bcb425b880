"""What pages made to hurt an HTML parser cost: `python -m bench.torture.html [--scale 0.1]`.

Rule: each page meets the crawler's own code (guard, sandbox, record) in a process of its own, whose CPU time, peak
memory and loop lag (at work or blocked, not waiting for a processor) are taken with those of the process it starts.
The start of either, which many pages share, is not counted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import uvloop

from bench.torture.figures import Figure, table
from bench.vweb.process import ROOT
from crawler.extract import ExtractSettings
from crawler.memory import keep_freed_memory
from crawler.outcome import Answer, Fetched, Request
from crawler.pages import Attempt, record
from crawler.sandbox import Sandbox
from storage.records import Failure, Via

COMMAND: Final = "python -m bench.torture.html"
CPU_S: Final = 2.0
PEAK_MB: Final = 256.0
LAG_MS: Final = 200.0
TICK_S: Final = 0.002
SCHEDSTAT: Final = Path("/proc/thread-self/schedstat")

DOUBTFUL: Final = b"<p>x" * 6_000
"""A harmless page that starts the process before the measurement."""

BODY_MAX: Final = 16 << 20
"""Default of fetch.max_body_bytes: what follows is cut before anybody parses it."""


def _numbered(pattern: str, n: int) -> str:
    return "".join(pattern % number for number in range(n))


def _names(n: int) -> str:
    """Return the shortest distinct names there are."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    names = [a + b + c for a in ["", *letters] for b in letters for c in letters]
    return " ".join(names[:n])


BOMBS: Final[dict[str, tuple[Callable[[int], str], int]]] = {
    "deep div": (lambda n: "<div>" * n, 100_000),
    "deep div closed": (lambda n: "<div>" * n + "</div>" * n, 20_000),
    "paragraphs in deep div": (lambda n: "<div>" * n + "<p>x</p>" * n, 20_000),
    "end tags without start in deep span": (lambda n: "<span>" * n + "</x>" * n, 50_000),
    "deep svg groups, wrong end tags": (lambda n: "<svg>" + "<g>" * n + "</x>" * n, 50_000),
    "lists": (lambda n: "<ul><li>" * n, 64_000),
    "list items that take turns": (lambda n: "<li><dd>" * n, 50_000),
    "attributes of one tag": (lambda n: f"<a {_names(n)}>", 17_000),
    "attributes of one tag, quoted": (lambda n: "<a " + _numbered("a%d='\">' ", n) + ">", 50_000),
    "attributes of many bodies": (lambda n: _numbered("<body a%d=1>", n), 50_000),
    "attribute names, all different": (lambda n: _numbered("<p x%d=1></p>", n), 400_000),
    "element names, all different": (lambda n: _numbered("<x%d>", n), 400_000),
    "reopened formatting": (lambda n: _numbered("<b %d>", n) + _numbered("<i %d>", n) + "x</b>" * n, 4_000),
    "font and paragraphs": (lambda n: _numbered("<font a=%d><p>", n), 4_000),
    "one long attribute reopened": (lambda n: f"<p><b title='{'x' * 20_000}'>" + "<p>x" * n, 100_000),
    "many attributes reopened": (lambda n: f"<p><b {_names(5_000)}>" + "<p>x" * n, 100_000),
    "anchors in objects": (lambda n: "<a href=x><object>y" * n, 20_000),
    "anchors in table cells": (lambda n: "<a href=x><table><tr><td>y" * n, 20_000),
    "foster parents": (lambda n: "<table>" + "<div>" * n, 50_000),
    "templates": (lambda n: "<template>" * n, 100_000),
    "selects with options": (lambda n: "<select>" + "<optgroup><option>" * n, 100_000),
    "math in svg": (lambda n: "<svg><math><mi><foreignObject>" * n, 50_000),
    "a million links": (lambda n: "<a href=/p>x</a>" * n, 1_000_000),
    "a million different links": (lambda n: _numbered("<a href=%d>x</a>", n), 850_000),
    "a million siblings": (lambda n: "<p>x</p>" * n, 1_000_000),
    "lists, just below the guard": (lambda n: "<ul><li>" * n, 1_490),
    "wrong end tags, just below the guard": (lambda n: "<span>" * n + "</x>" * n, 1_490),
    "attributes, just below the guard": (lambda n: f"<a {_names(n)}>", 6_500),
    "formatting, just below the guard": (lambda n: "<p>" + _numbered("<b %d>", 60) + "<p>x" * n, 1_200),
    "anchors in objects, just below the guard": (lambda n: "<a href=x><object>y" * n, 1_490),
    "anchors in cells, just below the guard": (lambda n: "<a href=x><table><tr><td>y" * n, 745),
    "attributes of a link reopened": (lambda n: f"<p><a {_names(n)}>" + "<p>x" * 990, 6_000),
    "quoted attributes of a link reopened": (
        lambda n: "<p><a " + _numbered("a%d='\">' ", n) + ">" + "<p>x" * 990,
        3_000,
    ),
    "16 MiB of <b>": (lambda n: "<b>" * n, BODY_MAX // 3),
    "16 MiB of <": (lambda n: "<" * n, BODY_MAX),
    "16 MiB of text": (lambda n: "text " * n, BODY_MAX // 5),
    "16 MiB of &": (lambda n: "&" * n, BODY_MAX),
    "16 MiB of a comment": (lambda n: "<!--" + "- " * n, BODY_MAX // 2),
    "16 MiB of one attribute": (lambda n: "<a href='" + "x" * n, BODY_MAX),
}
"""What to generate from n, and the n of the full form."""


class Cost(NamedTuple):
    """What one page took."""

    ending: str
    cpu_s: float
    peak_mb: float
    lag_ms: float


def body_of(name: str, scale: float) -> bytes:
    """Return the page of a bomb, as far as the crawler reads it."""
    generate, n = BOMBS[name]
    return generate(max(1, int(n * scale))).encode()[:BODY_MAX]


async def _lag(stop: asyncio.Event) -> float:
    """Return the longest time for which the loop did nothing else, in ms; without what other processes took of it."""
    longest = 0.0
    while not stop.is_set():
        began = time.perf_counter() - _waited_s()
        await asyncio.sleep(TICK_S)
        longest = max(longest, time.perf_counter() - _waited_s() - began - TICK_S)
    return longest * 1000.0


def _waited_s() -> float:
    """Return how long this thread could have run and had no processor, where the kernel tells (proc(5): schedstat)."""
    return int(SCHEDSTAT.read_text().split()[1]) / 1e9 if SCHEDSTAT.exists() else 0.0


def _request() -> Request:
    return Request("http://a.test/", "a.test", 1, 1, 0, Via.SEED, None, 0.0, 0, 0)


def _fetched(body: bytes) -> Fetched:
    return Fetched(Answer(200, [("content-type", "text/html; charset=utf-8")], None, "1.1", 0.0, 0.0, 0.0), body)


async def _measure(body: bytes) -> Cost:
    """Read one page as a worker does."""
    request, settings = _request(), ExtractSettings()
    async with Sandbox(settings, Counter()) as sandbox:
        await sandbox.read(request, _fetched(DOUBTFUL))
        before_mb, started_s = _resident_mb(), _cpu_s(sandbox.pid)
        stop = asyncio.Event()
        lag = asyncio.ensure_future(_lag(stop))
        await asyncio.sleep(0.05)
        cpu_s = time.process_time()
        outcome = _fetched(body)
        reading = await sandbox.read(request, outcome)
        row = record(Attempt(1, 1, request, 0.0), outcome, settings, reading).row
        cpu_s = time.process_time() - cpu_s
        await asyncio.sleep(0.01)
        stop.set()
        lag_ms = await lag
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    own_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before_mb
    ending = Failure(row.failure).name.lower() if row.failure else "read apart" if reading else "read here"
    cpu_s += children.ru_utime + children.ru_stime - started_s
    return Cost(ending, cpu_s, max(own_mb, children.ru_maxrss / 1024), lag_ms)


def _cpu_s(pid: int | None) -> float:
    """Return the CPU time a process has taken (proc(5): fields 14 and 15 of stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def cost_of(name: str, scale: float) -> Cost:
    """Measure one bomb in a process of its own."""
    words = [sys.executable, "-m", "bench.torture.html", "--one", name, "--scale", str(scale)]
    output = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60).stdout
    return Cost(*json.loads(output))


def run(scale: float) -> list[Figure]:
    """Measure every bomb, n scaled."""
    return [_figure(name, cost_of(name, scale)) for name in BOMBS]


def _figure(name: str, cost: Cost) -> Figure:
    value = f"{cost.ending}: {cost.cpu_s:.2f} s CPU, {cost.peak_mb:.0f} MB, lag {cost.lag_ms:.0f} ms"
    bound = f"{CPU_S:.0f} s, {PEAK_MB:.0f} MB, {LAG_MS:.0f} ms"
    holds = cost.cpu_s <= CPU_S and cost.peak_mb <= PEAK_MB and cost.lag_ms < LAG_MS
    return Figure(f"html: {name}", value, bound, holds, COMMAND)


def main() -> None:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="size of everything against the full form")
    parser.add_argument("--one", choices=BOMBS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one is None:
        print(table(run(options.scale)))
        return
    keep_freed_memory()
    print(json.dumps(uvloop.run(_measure(body_of(options.one, options.scale)))))


if __name__ == "__main__":
    main()
