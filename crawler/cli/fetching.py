"""`fetch URL`: one page through the whole crawler, explained.

Rule: nothing is done here that a crawl would not do, and each thing once: what a crawl would try again later is told.
The page is crawled into a temporary data directory, and what is shown is what was stored.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from config import Settings
    from crawler.jobs import RobotsFetch
    from crawler.outcome import Outcome, Request
    from crawler.robots_policy import RobotsState
    from storage.records import LinkRow, PageRow

    Answered = tuple[Request | RobotsFetch, Outcome]

fetching = typer.Typer()

INTERNAL: Final = frozenset({"run", "fetch", "shard", "parser", "psl", "normaliser"})
"""Columns that say nothing of the page."""
NOTHING_SENT: Final = {
    "dns": "its host has no address",
    "blocked_address": "its host's address is not public, and network.allow_addresses or fetch.contact do not open it",
    "robots": "robots.txt disallows it",
    "robots_unreachable": "robots.txt could not be had, so nothing may be fetched",
}
"""Failure to why a page was not even asked for."""
REMEDY: Final = {"fetch.contact": "; --contact gives one for this request"}
"""Key to what helps without a config file."""


@fetching.command()
def fetch(
    url: Annotated[str, typer.Argument(help="The page to fetch.", metavar="URL")],
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Config file (TOML), else the defaults.", metavar="CONFIG")
    ] = None,
    contact: Annotated[
        str | None,
        typer.Option(
            "--contact", help="URL or e-mail address where the operator of the site finds you.", metavar="TEXT"
        ),
    ] = None,
) -> None:
    """Fetch one page and explain it.

    Shows the robots.txt verdict, outcome, header fields, charset and every link as it would be stored. Nothing is asked
    for twice.
    """
    import uvloop

    import config as settings_of

    settings = settings_of.load(config) if config is not None else settings_of.Settings()
    settings = _with_contact(settings, contact)
    page_url = _page_url(url, settings, config)
    with tempfile.TemporaryDirectory(prefix="linkmill-") as folder:
        settings = _single(settings, Path(folder))
        answers, robots = uvloop.run(_crawl(settings, page_url))
        for job, outcome in answers:
            _show(job, outcome)
        _show_verdict(page_url, robots, settings.politeness.robots)
        if robots is not None and robots.unreachable and settings.politeness.robots:
            typer.echo(f"page: nothing was sent: {NOTHING_SENT['robots_unreachable']}; a crawl asks again later")
        _show_stored(Path(folder))


def _with_contact(settings: Settings, text: str | None) -> Settings:
    """Return the settings with the contact given on the command line, if one is."""
    from config.values import contact

    if text is None:
        return settings
    try:
        fetch = settings.fetch.model_copy(update={"contact": contact(text)})
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} {error}", param_hint="--contact") from error
    return settings.model_copy(update={"fetch": fetch})


def _page_url(text: str, settings: Settings, config: Path | None) -> str:
    """Return the URL meant. Raises typer.BadParameter or ConfigError for one that cannot be fetched."""
    from config import ConfigError
    from config.combinations import seed_conflicts
    from config.urls import seed_url

    try:
        url = seed_url(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not a URL of scheme http or https", param_hint="URL") from error
    problems = [
        f"{config or 'no --config'}: {found.key}: {found.text}{REMEDY.get(found.key, '') if config is None else ''}"
        for found in seed_conflicts(settings, [("URL", url)])
    ]
    if problems:
        raise ConfigError(problems)
    return url


def _single(settings: Settings, folder: Path) -> Settings:
    """Return the settings for one page, without retries."""
    crawl = settings.crawl.model_copy(update={"data_dir": folder, "max_pages": 1, "max_time": 0.0})
    scope = settings.scope.model_copy(update={"include": (), "exclude": ()})
    one = settings.fetch.model_copy(update={"concurrency": 1, "retries": 0})
    return settings.model_copy(update={"crawl": crawl, "scope": scope, "fetch": one})


async def _crawl(settings: Settings, url: str) -> tuple[list[Answered], RobotsState | None]:
    """Crawl the page; return every answer, in order, and what came of its origin's robots.txt."""
    from crawler import robots_policy
    from crawler.cli.logs import told
    from crawler.cli.output import note
    from crawler.jobs import RobotsFetch
    from crawler.supervisor import Crawl
    from crawler.url import origin_of
    from storage.sqlite import CrawlStore

    answers: list[Answered] = []

    def watch(job: Request | RobotsFetch, outcome: Outcome) -> None:
        answers.append((job, outcome))
        note(f"asked: {_told(job, outcome)}")
        if isinstance(job, RobotsFetch) and _closes(outcome):
            crawl.stop("robots.txt could not be had")

    crawl = Crawl(settings, [url], watch)
    await crawl.run()
    async with CrawlStore.open(settings.crawl.data_dir, compression_level=settings.storage.compression_level) as store:
        rows = {row.origin: row for row in await store.load_robots()}
    row = rows.get(origin_of(url))
    if row is None:
        return answers, None
    robots = robots_policy.restore(row, settings.fetch.product, time.time())
    last = next((outcome for job, outcome in reversed(answers) if isinstance(job, RobotsFetch)), None)
    return answers, replace(robots, reason=None if last is None else told(last))


def _closes(outcome: Outcome) -> bool:
    """Tell whether a robots.txt could not be had, so that a crawl would ask again later."""
    from crawler.outcome import Failed
    from crawler.robots_policy import is_failure

    return isinstance(outcome, Failed) and (outcome.answer is None or is_failure(outcome.answer.status))


def _told(job: Request | RobotsFetch, outcome: Outcome) -> str:
    """Return what was asked for and what came of it, on one line."""
    from crawler.cli.logs import told
    from crawler.jobs import RobotsFetch

    what = "robots.txt" if isinstance(job, RobotsFetch) else "page"
    return f"{what} {job.url}: {told(outcome)}"


def _show(job: Request | RobotsFetch, outcome: Outcome) -> None:
    """Print one answer with its header fields."""
    from crawler.cli.escapes import plain

    typer.echo(plain(_told(job, outcome)))
    answer = outcome.answer
    if answer is not None:
        typer.echo(plain(f"  from {answer.ip} in {answer.elapsed_s * 1000:.0f} ms, HTTP/{answer.http_version}"))
        for name, value in answer.headers:
            typer.echo(plain(f"  {name}: {value}"))


def _show_verdict(url: str, robots: RobotsState | None, obey: bool) -> None:
    """Print what robots.txt says about the page."""
    from crawler.cli.checking import about_robots
    from crawler.cli.escapes import plain
    from crawler.url import path_of

    if not obey:
        verdict = "not asked, as politeness.robots is false"
    elif robots is None:
        verdict = "not asked"
    else:
        verdict = f"{'allowed' if robots.rules.allowed(path_of(url)) else 'disallowed'}; {about_robots(robots)}"
    typer.echo(plain(f"robots verdict: {verdict}"))


def _show_stored(folder: Path) -> None:
    """Print the page row and the links that the crawl stored."""
    from crawler.cli.escapes import plain
    from storage.manifest import Manifest
    from storage.segments import read_links, read_pages

    with Manifest.open(folder) as manifest:
        pages = [row for segment in manifest.segments("pages") for row in read_pages(folder / segment.path)]
        links = [row for segment in manifest.segments("links") for _, row in read_links(folder / segment.path)]
    for page in pages:
        for line in _page_lines(page):
            typer.echo(plain(line))
    typer.echo(f"stored links: {len(links):,}")
    for row in links:
        typer.echo(plain(_link_line(row)))


def _page_lines(page: PageRow) -> Iterator[str]:
    from storage.records import PAGE_COLUMNS, Failure

    why = NOTHING_SENT.get(Failure(page.failure or 0).name.lower())
    if why is not None and page.status is None:
        yield f"page {page.url}: nothing was sent: {why}"
    yield "stored page:"
    for name in PAGE_COLUMNS:
        value = getattr(page, name)
        if value not in (None, "", 0, False) and name not in INTERNAL:
            yield f"  {name}: {_named(name, value)}"


def _named(column: str, value: object) -> object:
    """Return a stored value as people read it: names where the column has them, moments, rounded times."""
    from storage.records import (
        CanonicalSource,
        CharsetSource,
        Failure,
        RedirectKind,
        Robots,
        RobotsSource,
        Truncated,
        Via,
    )

    enums: dict[str, type[IntEnum]] = {
        "via": Via,
        "failure": Failure,
        "redirect_kind": RedirectKind,
        "charset_source": CharsetSource,
        "canonical_source": CanonicalSource,
        "truncated": Truncated,
    }
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float):
        return f"{value:.1f}"
    if column == "fetched_at" and isinstance(value, int):
        return datetime.fromtimestamp(value / 1e6, UTC).isoformat(timespec="milliseconds")
    bits = {"robots": Robots, "robots_source": RobotsSource}.get(column)
    if bits is not None and isinstance(value, int):
        return ", ".join(bit.name.lower() for bit in bits if value & bit and bit.name)
    names = enums.get(column)
    return names(value).name.lower() if names is not None and isinstance(value, int) else value


def _link_line(row: LinkRow) -> str:
    """Return a link on one line: position, kind, place, rel, target, anchor, and what else it has."""
    from crawler.cli.wording import many
    from storage.records import AnchorSource, Kind, Place, Rel

    rel = ",".join(bit.name.lower() for bit in Rel if row.rel & bit and bit.name) or "-"
    target = row.target + (f"#{row.fragment}" if row.fragment is not None else "")
    anchor = f'"{row.anchor}"' if row.anchor_source else "-"
    more = [f"from {AnchorSource(row.anchor_source).name.lower()}"] if row.anchor_source > AnchorSource.TEXT else []
    more += ["image"] * row.image + ["cut"] * row.anchor_cut
    more += [many(row.repeats, "repeat")] if row.repeats else []
    more += [f"hreflang {row.hreflang}"] if row.hreflang else []
    fields = (f"  {row.ordinal}", Kind(row.kind).label, Place(row.place).name.lower(), rel, target, anchor, *more)
    return "  ".join(fields)
