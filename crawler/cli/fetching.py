"""`fetch URL`: one page through the whole crawler, explained.

Rule: nothing is done here that a crawl would not do. The page is crawled into a temporary data directory, and what is
shown is what was stored.
"""

from __future__ import annotations

import tempfile
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Final

import typer
import uvloop

import config as settings_of
from config import Settings
from crawler.cli.logs import plain
from crawler.jobs import RobotsFetch
from crawler.outcome import Failed, Outcome, Redirected, Request
from crawler.supervisor import Crawl, resolve_seeds
from storage.manifest import Manifest
from storage.records import (
    PAGE_COLUMNS,
    AnchorSource,
    CanonicalSource,
    CharsetSource,
    Failure,
    Kind,
    LinkRow,
    Place,
    RedirectKind,
    Rel,
    Robots,
    Truncated,
    Via,
)
from storage.segments import read_links, read_pages

fetching = typer.Typer()

ENUMS: Final[dict[str, type[IntEnum]]] = {
    "via": Via,
    "failure": Failure,
    "redirect_kind": RedirectKind,
    "charset_source": CharsetSource,
    "canonical_source": CanonicalSource,
    "truncated": Truncated,
}


@fetching.command()
def fetch(
    url: Annotated[str, typer.Argument(help="The page to fetch.")],
    config: Annotated[Path | None, typer.Option("--config", "-c", help="Config file (TOML).")] = None,
) -> None:
    """Fetch one page and show its robots verdict, outcome, headers, charset and every link as it would be stored."""
    settings = settings_of.load(config) if config is not None else Settings()
    with tempfile.TemporaryDirectory(prefix="linkmill-") as folder:
        settings = _single(settings, Path(folder))
        uvloop.run(Crawl(settings, resolve_seeds([url]), _show).run())
        _show_stored(Path(folder))


def _single(settings: Settings, folder: Path) -> Settings:
    """Return the settings for one page, without retries."""
    crawl = settings.crawl.model_copy(update={"data_dir": folder, "max_pages": 1, "max_time": 0.0})
    scope = settings.scope.model_copy(update={"include": (), "exclude": ()})
    one = settings.fetch.model_copy(update={"concurrency": 1, "retries": 0})
    return settings.model_copy(update={"crawl": crawl, "scope": scope, "fetch": one})


def _show(job: Request | RobotsFetch, outcome: Outcome) -> None:
    """Print one answer with its header fields."""
    match outcome:
        case Failed(failure, detail, answer):
            told = f"{failure.name.lower()}: {detail}"
        case Redirected(answer, location):
            told = f"HTTP {answer.status} to {location}"
        case _:
            answer = outcome.answer
            told = f"HTTP {answer.status}, {len(outcome.body):,} bytes"
    what = "robots.txt" if isinstance(job, RobotsFetch) else "page"
    typer.echo(plain(f"{what} {job.url}: {told}"))
    if answer is not None:
        typer.echo(plain(f"  from {answer.ip} in {answer.elapsed_s * 1000:.0f} ms, HTTP/{answer.http_version}"))
        for name, value in answer.headers:
            typer.echo(plain(f"  {name}: {value}"))


def _show_stored(folder: Path) -> None:
    """Print the page row and the links that the crawl stored."""
    with Manifest.open(folder) as manifest:
        pages = [row for segment in manifest.segments("pages") for row in read_pages(folder / segment.path)]
        links = [row for segment in manifest.segments("links") for _, row in read_links(folder / segment.path)]
    for page in pages:
        typer.echo("stored page:")
        for name in PAGE_COLUMNS:
            value = getattr(page, name)
            if value not in (None, "", 0, False):
                typer.echo(plain(f"  {name}: {_named(name, value)}"))
    typer.echo(f"stored links: {len(links):,}")
    for row in links:
        typer.echo(plain(_link_line(row)))


def _named(column: str, value: object) -> object:
    """Return the name of a stored number where the column has names."""
    if isinstance(value, bytes):
        return value.hex()
    if column == "robots" and isinstance(value, int):
        return ", ".join(bit.name.lower() for bit in Robots if value & bit and bit.name)
    names = ENUMS.get(column)
    return names(value).name.lower() if names is not None and isinstance(value, int) else value


def _link_line(row: LinkRow) -> str:
    """Return a link on one line: position, kind, place, rel, target, anchor, and what else it has."""
    rel = ",".join(bit.name.lower() for bit in Rel if row.rel & bit and bit.name) or "-"
    target = row.target + (f"#{row.fragment}" if row.fragment is not None else "")
    anchor = f'"{row.anchor}"' if row.anchor_source else "-"
    more = [f"from {AnchorSource(row.anchor_source).name.lower()}"] if row.anchor_source > AnchorSource.TEXT else []
    more += ["image"] * row.image + ["cut"] * row.anchor_cut
    more += [f"{row.repeats} repeats"] if row.repeats else []
    more += [f"hreflang {row.hreflang}"] if row.hreflang else []
    fields = (f"  {row.ordinal}", Kind(row.kind).label, Place(row.place).name.lower(), rel, target, anchor, *more)
    return "  ".join(fields)
