"""What a running crawl shows: a live display on a terminal, one log line a period elsewhere.

Rule: only reads `Crawl.snapshot`; a crawl runs the same whether it is watched or not.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.live import Live
from rich.table import Table

from crawler.cli.wording import many
from crawler.stats import Snapshot

if TYPE_CHECKING:
    from config import LogSettings
    from crawler.supervisor import Crawl, Report

REFRESH_S: Final = 0.5
OPENING_S: Final = 0.05
"""Between two looks whether the crawl has opened its data directory."""
RATE_WINDOW: Final = 20
"""Snapshots over which rates are taken: ten seconds of the live display."""
OF_THE_MOMENT: Final = frozenset({"paused", "pages_per_s", "links_per_s", "open", "hosts", "eta_s"})
"""Fields that say nothing once a crawl has ended."""
SPOKEN: Final = {"left.seen": "already known"}
"""Counters whose name says too little."""
STANDINGS: Final = {
    "due": "waiting for their delay",
    "backing_off": "backing off",
    "held": "waiting for their address",
    "full": "being fetched",
    "loading": "loading from disk",
    "in_line": "in line",
    "resolving": "resolving",
    "robots": "waiting for robots.txt",
    "parked": "parked",
    "idle": "idle",
}


class Rates:
    """Pages, links and bytes a second over the last snapshots."""

    def __init__(self, window: int) -> None:
        self._snapshots: deque[Snapshot] = deque(maxlen=window)

    def add(self, snapshot: Snapshot) -> tuple[float, float, float]:
        """Return (pages, links, bytes) a second up to `snapshot`."""
        self._snapshots.append(snapshot)
        first = self._snapshots[0]
        elapsed_s = snapshot.elapsed_s - first.elapsed_s
        if elapsed_s <= 0:
            return (0.0, 0.0, 0.0)
        return (
            (snapshot.pages - first.pages) / elapsed_s,
            (snapshot.links - first.links) / elapsed_s,
            (snapshot.wire_bytes - first.wire_bytes) / elapsed_s,
        )


def duration(seconds: float) -> str:
    """Return a duration as people read it: 42s, 3m05s, 2h07m."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def size(number: float) -> str:
    """Return a number of bytes as people read it: 812 B, 3.4 MiB."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"


def eta_s(snapshot: Snapshot, pages_per_s: float, bytes_per_s: float) -> float | None:
    """Return the seconds until the first limit is reached, or until the queue is empty at this rate."""
    waits: list[float] = []
    if snapshot.max_time_s:
        waits.append(snapshot.max_time_s - snapshot.elapsed_s)
    if snapshot.max_pages and pages_per_s:
        waits.append((snapshot.max_pages - snapshot.attempts) / pages_per_s)
    if snapshot.max_bytes and bytes_per_s:
        waits.append((snapshot.max_bytes - snapshot.wire_bytes) / bytes_per_s)
    if pages_per_s:
        waits.append((snapshot.queued + snapshot.open) / pages_per_s)
    return max(0.0, min(waits)) if waits else None


def by_class(counters: dict[str, int], *prefixes: str, most: int | None = None, between: str = " ") -> str:
    """Return the counters under some prefixes as `name n, name n`, the largest first and at most so many."""
    counted = [(n, name) for name, n in counters.items() if name.startswith(prefixes) and n]
    found = [(n, SPOKEN.get(name, name.partition(".")[2])) for n, name in counted]
    return ", ".join(f"{name}{between}{n:,}" for n, name in sorted(found, reverse=True)[:most]) or "none"


def answers_of(counters: dict[str, int]) -> str:
    """Return the answers to requests for pages by HTTP status, the most frequent first."""
    return by_class(counters, "status.", between=": ")


def waited_for_space(counters: Mapping[str, int]) -> bool:
    """Tell whether a run ever paused for the free space of its disk."""
    return counters.get("pauses.disk_space", 0) > 0


def live_table(snapshot: Snapshot, rates: Rates, stopping: bool = False) -> Table:
    """Return the live display of a snapshot."""
    pages_s, links_s, bytes_s = rates.add(snapshot)
    left_s = eta_s(snapshot, pages_s, bytes_s)
    hosts = ", ".join(f"{snapshot.hosts[key]:,} {text}" for key, text in STANDINGS.items() if snapshot.hosts.get(key))
    table = Table.grid(padding=(0, 2))
    for name, value in (
        ("pages", f"{snapshot.pages:,}   {pages_s:,.1f} a second"),
        ("answers", answers_of(snapshot.counters)),
        ("links", f"{snapshot.links:,}   {links_s:,.0f} a second"),
        ("bytes", f"{size(snapshot.wire_bytes)}   {size(bytes_s)} a second"),
        ("queued", f"{snapshot.queued:,}   {snapshot.open:,} open"),
        ("hosts", hosts or "none"),
        ("failed", by_class(snapshot.counters, "failed.")),
        ("denied", by_class(snapshot.counters, "denied.")),
        ("elapsed", duration(snapshot.elapsed_s) + (f"   about {duration(left_s)} left" if left_s is not None else "")),
    ):
        table.add_row(name, value)
    if snapshot.paused is not None:
        table.add_row("paused", snapshot.paused)
    if stopping:
        table.add_row(
            "stopping", f"{many(snapshot.open, 'request')} may finish within seconds; Ctrl-C again ends at once"
        )
    return table


def line_fields(snapshot: Snapshot, rates: Rates) -> dict[str, object]:
    """Return the fields of one log line."""
    pages_s, links_s, bytes_s = rates.add(snapshot)
    left_s = eta_s(snapshot, pages_s, bytes_s)
    statuses, failed, denied = (
        {name.partition(".")[2]: n for name, n in snapshot.counters.items() if name.startswith(f"{kind}.")}
        for kind in ("status", "failed", "denied")
    )
    paused = {} if snapshot.paused is None else {"paused": snapshot.paused}
    waited = {"waited_for_space": True} if waited_for_space(snapshot.counters) else {}
    return {
        **paused,
        **waited,
        "pages": snapshot.pages,
        "pages_per_s": round(pages_s, 1),
        "attempts": snapshot.attempts,
        "answers": statuses,
        "links": snapshot.links,
        "links_per_s": round(links_s),
        "queued": snapshot.queued,
        "open": snapshot.open,
        "hosts": snapshot.hosts,
        "failed": failed,
        "denied": denied,
        "bytes": snapshot.wire_bytes,
        "elapsed_s": round(snapshot.elapsed_s, 1),
        "eta_s": None if left_s is None else round(left_s),
    }


class Progress:
    """Show a crawl while it runs."""

    def __init__(self, log: logging.Logger, period_s: float, live: bool) -> None:
        self._log = log
        self._period_s = period_s
        self._live = live

    @asynccontextmanager
    async def showing(self, crawl: Crawl) -> AsyncIterator[None]:
        """Show `crawl` until the block ends."""
        if not self._live:
            async with _repeating(crawl, self._period_s, Rates(2), self._write), _ended_with(self._tell_pauses(crawl)):
                yield
            return
        with Live(console=Console(stderr=True), auto_refresh=False, transient=True) as live:

            def draw(snapshot: Snapshot, rates: Rates) -> None:
                live.update(live_table(snapshot, rates, crawl.stopping), refresh=True)

            async with _repeating(crawl, REFRESH_S, Rates(RATE_WINDOW), draw):
                yield

    def tell_stopping(self, crawl: Crawl) -> None:
        """Log that the crawl was asked to stop; the live display shows it by itself."""
        snapshot = crawl.snapshot()
        if not self._live:
            self._log.info("stopping", extra={"fields": {"open": snapshot.open if snapshot else 0}})

    def tell_end(self, report: Report) -> None:
        """Log how the crawl ended, with its last figures."""
        if not self._live:
            last = {} if report.snapshot is None else line_fields(report.snapshot, Rates(1))
            fields = {name: value for name, value in last.items() if name not in OF_THE_MOMENT}
            self._log.info("ended", extra={"fields": {"run": report.run, "reason": report.reason, **fields}})

    async def _tell_pauses(self, crawl: Crawl) -> None:
        """Log at once when a pause begins and when it ends, whenever the next progress line is due."""
        told = None
        while True:
            await asyncio.sleep(REFRESH_S)
            found = crawl.paused
            if found is not None and found != told:
                self._log.warning("paused", extra={"fields": {"reason": found}})
            elif found is None and told is not None:
                self._log.info("going on")
            told = found

    def _write(self, snapshot: Snapshot, rates: Rates) -> None:
        self._log.info("progress", extra={"fields": line_fields(snapshot, rates)})


@asynccontextmanager
async def _repeating(
    crawl: Crawl, period_s: float, rates: Rates, show: Callable[[Snapshot, Rates], None]
) -> AsyncIterator[None]:
    async def repeat() -> None:
        opening = True
        while True:
            await asyncio.sleep(OPENING_S if opening else period_s)
            snapshot = crawl.snapshot()
            if snapshot is None:
                continue
            if opening:
                rates.add(snapshot)  # so that what a resumed crawl brings along is no rate
                opening = False
            else:
                show(snapshot, rates)

    async with _ended_with(repeat()):
        yield


@asynccontextmanager
async def _ended_with(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Run `work` beside the block until that ends."""
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def progress_of(settings: LogSettings, log: logging.Logger, quiet: bool) -> Progress:
    """Return the display that fits where the output goes."""
    live = sys.stderr.isatty() and settings.format == "text" and settings.file is None and not quiet
    return Progress(log, settings.period, live)
