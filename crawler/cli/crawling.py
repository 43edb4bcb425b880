"""`crawl` and `status`: running a crawl with its progress, and looking at one from beside."""

from __future__ import annotations

import asyncio
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from logging import Logger

    from config import Settings
    from crawler.cli.progress import Progress
    from crawler.supervisor import Crawl, Report
    from storage.status import Status

crawling = typer.Typer()

NEXT: Final = {
    "exhausted": "next: `linkmill index {path}`",
    "page limit": "next: `linkmill index {path}`, or raise crawl.max_pages and crawl on",
    "byte limit": "next: `linkmill index {path}`, or raise crawl.max_bytes and crawl on",
}
"""Stop reason to what the operator can do now; every other crawl goes on by itself when it is started again."""
GOES_ON: Final = "`linkmill crawl {path}` goes on; `linkmill index {path}` works on what is there"

TRAPS_SHOWN: Final = 5
"""Places of endless sites that `status` names."""
NO_SPACE: Final = "but paused while the disk has less free space than storage.min_free"
CUT_SHORT: Final = "ended without a last word; `linkmill crawl` goes on"


@crawling.command()
def crawl(
    path: Annotated[Path, typer.Argument(help="Config file (TOML).", metavar="CONFIG")],
    fresh: Annotated[bool, typer.Option("--fresh", help="Start a new run instead of resuming the last one.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No live display; log lines only.")] = False,
) -> None:
    """Crawl, or go on with an interrupted crawl.

    Ctrl-C stops cleanly: requests under way have a few seconds to finish and everything is stored. A second Ctrl-C ends
    at once.
    """
    import uvloop

    import config as settings_of
    from crawler.cli.logs import is_whole, open_log, request_log
    from crawler.cli.progress import progress_of
    from crawler.cli.streams import LOST, STANDARD_ERROR, written_to
    from crawler.crew import crawl_of
    from crawler.fetch import check_versions
    from crawler.memory import collecting_seldom, keep_freed_memory

    settings, seeds = settings_of.load_crawl(path)
    check_versions()
    keep_freed_memory()
    with open_log(settings.log) as log, collecting_seldom():
        _tell_left_seeds(settings, seeds, path, log)
        started = crawl_of(settings, seeds, *request_log(log))
        progress = progress_of(settings.log, log, quiet)
        try:
            report = uvloop.run(_crawl(started, fresh, progress))
        except asyncio.CancelledError:
            raise typer.Exit(130) from None
        progress.tell_end(report)
        whole = is_whole(log)
    if settings.log.format == "text" or settings.log.file is not None:
        with written_to(STANDARD_ERROR):
            _tell(report, path)
    if not whole:
        raise typer.Exit(LOST)  # told when it was met


def _tell_left_seeds(settings: Settings, seeds: Sequence[str], path: Path, log: Logger) -> None:
    """Say which seeds the scope leaves; the crawl goes on with the others, or with what is queued."""
    from crawler.cli.escapes import plain
    from crawler.cli.streams import tell
    from crawler.cli.wording import many
    from crawler.scope import Scope

    scope = Scope(settings.scope, seeds)
    reasons = {seed: left for seed in seeds if (left := scope.judge(seed, 0)) is not None}
    if not reasons:
        return
    first, reason = next(iter(reasons.items()))
    if settings.log.format == "json" or settings.log.file is not None:
        fields = {"number": len(reasons), "of": len(seeds), "first": first, "reason": reason}
        log.warning("seeds left by the scope", extra={"fields": fields})
    if settings.log.format == "text" or settings.log.file is not None:
        others = f"; `linkmill config check {path}` names all" if len(reasons) > 1 else ""
        number = f"{len(reasons):,} of {many(len(seeds), 'seed')}"
        tell(plain(f"{number} left by the scope, the first {first} ({reason}){others}"))


async def _crawl(crawl: Crawl, fresh: bool, progress: Progress) -> Report:
    """Run a crawl with its progress shown; the second signal ends it at once."""
    task = asyncio.ensure_future(crawl.run(fresh=fresh))
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        if crawl.stopping:
            task.cancel()
        else:
            crawl.stop("interrupted")
            progress.tell_stopping(crawl)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    async with progress.showing(crawl):
        return await task


def _tell(report: Report, path: Path) -> None:
    """Say on standard error how the crawl ended and what to do next."""
    from crawler.cli.progress import answers_of, by_class, duration, size, waited_for_space
    from crawler.cli.wording import many

    snapshot = report.snapshot
    if snapshot is None:
        typer.echo(f"run {report.run} is finished; `linkmill crawl --fresh {path}` starts another", err=True)
        return
    lines = [
        f"run {report.run}: {report.reason} after {duration(snapshot.elapsed_s)}: {many(snapshot.pages, 'page')} "
        f"in {many(snapshot.attempts, 'request')}, {many(snapshot.links, 'link')}, {size(snapshot.wire_bytes)}, "
        f"{snapshot.queued:,} still queued"
    ]
    lines.append(f"answers: {answers_of(snapshot.counters)}")
    faults = {name: by_class(snapshot.counters, f"{name}.") for name in ("failed", "denied")}
    lines += [f"{name}: {found}" for name, found in faults.items() if found != "none"]
    if waited_for_space(snapshot.counters):
        lines.append("paused: some of the time, or all, the disk had less free space than storage.min_free")
    lines.append(NEXT.get(report.reason, GOES_ON).format(path=path))
    for line in lines:
        typer.echo(line, err=True)


@crawling.command()
def status(
    path: Annotated[Path | None, typer.Argument(help="Config file (TOML).", metavar="CONFIG")] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Data directory, instead of a config file.", metavar="DIR")
    ] = None,
) -> None:
    """Show the state of a crawl as of its last commit.

    It may be running or not.
    """
    if (path is None) == (data is None):
        raise typer.BadParameter("name a config file or --data DIR, one of the two", param_hint="CONFIG")
    import config as settings_of
    from crawler.cli.escapes import plain
    from storage.directory import DataDirectory, free_bytes
    from storage.errors import DataCorrupt
    from storage.status import read_status

    settings = None if path is None else settings_of.load(path)
    data_dir = data if settings is None else settings.crawl.data_dir
    assert data_dir is not None
    found = read_status(data_dir)
    min_free = 0 if settings is None else settings.storage.min_free
    is_paused = found.held and free_bytes(DataDirectory(data_dir)) < min_free
    for name, value in _status_lines(found, is_paused):
        typer.echo(plain(f"{name:<14}{value}"))
    if not found.totals.conserved:
        raise DataCorrupt(data_dir, f"the states of the URLs do not add up: {found.totals}")


def _status_lines(found: Status, is_paused: bool) -> list[tuple[str, str]]:
    from crawler.cli.progress import answers_of, by_class, size
    from crawler.cli.wording import many

    totals, counters = found.totals, dict(found.counters)
    running = f"running, {NO_SPACE}" if is_paused else "running"
    state = found.stop_reason or (running if found.held else CUT_SHORT)
    stored_bytes = found.pages.size_bytes + found.links.size_bytes
    again = found.starts - 1
    resumed = f", resumed {many(again, 'time')}" if again else ""
    trouble = [("redirects", "redirects"), ("retries", "retries"), ("outages of the network", "outages")]
    return [
        ("run", f"{found.run} ({found.name}), started {_moment(found.started_at)}{resumed}"),
        ("state", state),
        ("last commit", _moment(found.last_commit_at)),
        ("discovered", many(totals.discovered, "URL")),
        ("", f"{totals.queued:,} queued, {totals.done:,} done, {totals.failed:,} failed, {totals.excluded:,} excluded"),
        ("hosts", f"{found.hosts:,}, {found.hosts_visited:,} visited, {sum(found.parked.values()):,} parked"),
        *(("", f"{n:,} parked after {reason}") for reason, n in found.parked.items()),
        (
            "fetched",
            f"{many(counters.get('pages', 0), 'page')} in {many(counters.get('attempts', 0), 'request')}; "
            + ", ".join(f"{name} {counters.get(key, 0):,}" for name, key in trouble),
        ),
        *(("", f"{many(n, 'worker')} died, and each was replaced") for n in [counters.get("workers.died", 0)] if n),
        ("answers", answers_of(counters)),
        (
            "stored",
            f"{many(found.pages.rows, 'record')} of pages (requests and denied ones), {many(found.links.rows, 'link')}",
        ),
        ("", f"{size(stored_bytes)} in {many(found.pages.segments + found.links.segments, 'segment')}"),
        ("failed tries", by_class(counters, "failed.")),
        ("denied", by_class(counters, "denied.")),
        ("robots.txt", by_class(counters, "robots.")),
        ("not followed", by_class(counters, "left.")),
        ("dropped", by_class(counters, "dropped.", "cut.")),
        ("doubtful HTML", by_class(counters, "html.")),
        ("endless", by_class(counters, "trap.", most=TRAPS_SHOWN)),
    ]


def _moment(at: float | None) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if at is not None else "none"
