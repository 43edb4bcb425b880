"""`index`, `summary`, `backlinks`, `domains`, `anchors`, `outlinks`: building the index and asking it.

Rule: answers go to standard output; notes, the next cursor among them, to standard error. An empty answer is an answer.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal, NamedTuple

import typer

from storage.asking import HYPERLINKS, STATES, Filters, Format, Mode, Page, Scope, Target
from storage.records import Kind

if TYPE_CHECKING:
    from crawler.cli.output import Destination
    from storage.query import Answer, Index, Summary

questions = typer.Typer()

STAGE_PERIOD_S: Final = 10.0
"""Between two lines about a build whose output is no terminal: a short build says nothing, as before."""

TABLE_ROWS: Final = 50
"""Rows of a table when no limit is given; the other formats write all."""

MEANT: Final = {
    "external": "of the backlinks, from other domains",
    "inside": "hyperlinks between its own pages, not among the backlinks",
    "indirect": "redirects and canonicals from outside",
    "embeds": "images, media and frames shown by pages outside",
    "resources": "scripts, styles and icons loaded by pages outside",
    "others": "feeds, alternates, forms and the like from outside",
    "lost": "hyperlinks from outside that were there before",
    "unknown": "those whose page could not be looked at again",
    "links": "all of every kind and state, from inside too",
}
"""Figure of a summary to what its name leaves open."""

MEANT_OF_URL: Final = {
    "backlinks": "from all pages, those of its own host too",
    "external": "of the backlinks, from other domains",
    "inside": None,
    "indirect": "redirects and canonicals",
    "embeds": "images, media and frames shown by pages",
    "resources": "scripts, styles and icons loaded by pages",
    "others": "feeds, alternates, forms and the like",
    "lost": "hyperlinks that were there before",
    "unknown": "those whose page could not be looked at again",
    "links": "all of every kind and state",
}
"""The same of a URL or prefix, where no page counts as inside."""


class Question(NamedTuple):
    """A command that lists something about a target."""

    name: str
    help: str
    ask: Callable[[Index, Target, Filters, Page], Answer]
    columns: tuple[str, ...]
    """Of a table; the other formats have all."""
    direction: Literal["to", "from"] = "to"


LISTS: Final = (
    Question(
        "backlinks",
        "List the links that lead to TARGET. Each comes with its page and its evidence.",
        lambda opened, *asked: opened.backlinks(*asked),
        ("source_url", "target", "anchor", "kind", "nofollow", "place", "scope", "state", "first_seen"),
    ),
    Question(
        "domains",
        "List the domains that link to TARGET. Those with most links come first.",
        lambda opened, *asked: opened.domains(*asked),
        ("source_domain", "links", "pages", "hosts", "follow", "nofollow", "first_seen", "last_seen"),
    ),
    Question(
        "anchors",
        "List the anchors of the links to TARGET. Those used most come first.",
        lambda opened, *asked: opened.anchors(*asked),
        ("anchor", "links", "pages", "domains", "follow", "nofollow", "first_seen", "last_seen"),
    ),
    Question(
        "outlinks",
        "List the links that TARGET itself has, page by page.",
        lambda opened, *asked: opened.outlinks(*asked),
        ("source_url", "target", "target_status", "anchor", "kind", "nofollow", "place", "scope", "state"),
        "from",
    ),
)

ConfigPath = Annotated[Path, typer.Argument(help="Config file (TOML).", metavar="CONFIG")]
Subject = Annotated[
    str, typer.Argument(help="URL, URL prefix, host or domain; international names are fine.", metavar="TARGET")
]
DataDir = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Data directory.  [default: ./linkmill-data]")
]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", metavar="CONFIG", help="Config file (TOML) that names the data directory."),
]
ModeOption = Annotated[
    Literal["auto", "url", "prefix", "host", "domain"],
    typer.Option(help="What TARGET is; auto: a URL with a scheme or path, else a registered domain, else a host."),
]
FormatOption = Annotated[Format, typer.Option("--format", "-f", help="How to write the answer.")]
LimitOption = Annotated[
    int | None,
    typer.Option(min=0, metavar="N", help=f"Rows at most, 0 for all.  [default: {TABLE_ROWS} in a table, else all]"),
]
CursorOption = Annotated[
    str | None, typer.Option(metavar="CURSOR", help="Go on where an answer stopped: the text it ended with.")
]
OutputOption = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="File to write instead of standard output.")
]
RawOption = Annotated[bool, typer.Option("--raw", help="CSV: leave cells alone that a spreadsheet would compute.")]
KindOption = Annotated[
    list[str] | None,
    typer.Option(
        "--kind",
        metavar="KIND",
        help="Kind of link (a, link-canonical, embed, ..., all); may be repeated.  [default: a, area]",
    ),
]
ScopeOption = Annotated[
    Scope,
    typer.Option(
        help="Links from where; outside means any page for a URL, other hosts for a host, other domains for a domain."
    ),
]
StateOption = Annotated[
    Literal["live", "lost", "unknown", "all"], typer.Option(help="State of the links when last looked at.")
]
FollowOption = Annotated[
    bool | None, typer.Option("--follow/--nofollow", help="Only links without, or only those with, nofollow in force.")
]


@questions.command()
def index(
    path: ConfigPath,
    anew: Annotated[
        bool, typer.Option("--anew", help="Read everything again; popular targets answer fastest.")
    ] = False,
) -> None:
    """Build the index of everything crawled so far, and publish it.

    What was crawled since the last build is laid over it, where that is cheaper. This may run beside a crawl.
    """
    import config as settings_of
    from crawler.cli.target import name_hosts
    from crawler.cli.wording import many
    from crawler.memory import keep_freed_memory
    from crawler.versions import NORMALISER, PSL
    from storage.index.build import Limits
    from storage.index.publish import build_index

    settings = settings_of.load(path)
    keep_freed_memory()
    with _stages_shown() as tell:
        limits = Limits(settings.storage.index_memory, settings.storage.index_threads, tell)
        built = build_index(settings.crawl.data_dir, name_hosts, limits, f"{PSL}, {NORMALISER}", anew)
    counts = built.counts
    typer.echo(
        f"Generation {built.generation.id}: {many(counts.links, 'link')}, records of {many(counts.pages, 'URL')};"
        f" {built.bytes / 1e6:,.1f} MB in {built.elapsed_s:.1f} s"
    )


@contextmanager
def _stages_shown() -> Iterator[Callable[[str], None]]:
    """Yield what hears of the stages of a build: on a terminal each is shown, elsewhere one now and then is a line."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        said_at = time.monotonic()

        def say(stage: str) -> None:
            nonlocal said_at
            if time.monotonic() - said_at >= STAGE_PERIOD_S:
                said_at = time.monotonic()
                typer.echo(f"Building the index: {stage}", err=True)

        yield say
        return
    with console.status("Building the index") as status:
        yield lambda stage: status.update(f"Building the index: {stage}")


@questions.command()
def summary(
    target: Subject,
    data: DataDir = None,
    config: ConfigOption = None,
    mode: ModeOption = "auto",
    form: FormatOption = Format.TABLE,
    output: OutputOption = None,
    raw: RawOption = False,
) -> None:
    """Count who links to TARGET.

    The domains and anchors behind most of the links are named, but for CSV, which is one row of figures.
    """
    from crawler.cli.output import Destination, deliver, note, text_sink

    with _opened(data, config) as opened:
        subject = _target(opened, target, mode, "to")
        found = opened.summary(subject)
        if form is Format.TABLE:
            with text_sink(output) as sink:
                _write_summary(found, subject, sink)
        else:
            row = found.figures if form is Format.CSV else found.whole()
            deliver(row.to_reader(), (), Destination(form, output, raw))
        if not found.figures.num_rows:
            note(_about_nothing(opened, subject, "to"))


def _add(question: Question) -> None:
    """Make a command of a question: all of them take the same options."""

    def answer(
        target: Subject,
        data: DataDir = None,
        config: ConfigOption = None,
        mode: ModeOption = "auto",
        kind: KindOption = None,
        scope: ScopeOption = Scope.OUTSIDE,
        state: StateOption = "live",
        follow: FollowOption = None,
        limit: LimitOption = None,
        cursor: CursorOption = None,
        form: FormatOption = Format.TABLE,
        output: OutputOption = None,
        raw: RawOption = False,
    ) -> None:
        from crawler.cli.output import Destination

        filters = _filters(kind, scope, state, follow)
        page = Page(_rows(limit, form), cursor)
        with _opened(data, config) as opened:
            subject = _target(opened, target, mode, question.direction)
            _answer(opened, question, (subject, filters, page), Destination(form, output, raw))

    questions.command(question.name, help=question.help)(answer)


for _question in LISTS:
    _add(_question)


def _answer(opened: Index, question: Question, asked: tuple[Target, Filters, Page], to: Destination) -> None:
    from crawler.cli.output import deliver, note
    from storage.cursor import CursorRefused

    try:
        rows = question.ask(opened, *asked)
    except CursorRefused as error:
        raise typer.BadParameter(str(error), param_hint="--cursor") from error
    written = deliver(rows, question.columns, to)
    if not written:
        note(_about_nothing(opened, asked[0], question.direction))
    if rows.cursor is not None:
        note(f"There is more: repeat the command with --cursor {rows.cursor}")


@contextmanager
def _opened(data: Path | None, config: Path | None) -> Iterator[Index]:
    """Open the index of the data directory that the options name."""
    if data is not None and config is not None:
        raise typer.BadParameter("give either --data or --config", param_hint="--data")
    import config as settings_of
    from storage.index.build import Limits
    from storage.query import Index

    settings = settings_of.load(config) if config is not None else settings_of.Settings()
    limits = Limits(settings.storage.index_memory, settings.storage.index_threads)
    with Index.open(data or settings.crawl.data_dir, limits) as opened:
        yield opened


def _target(opened: Index, text: str, mode: str, direction: str) -> Target:
    from crawler.cli.output import note
    from crawler.cli.target import TargetUnclear, read_target, understood

    counted = opened.links_to if direction == "to" else opened.links_from
    try:
        target = read_target(text, None if mode == "auto" else Mode(mode), lambda found: counted(found) > 0)
    except TargetUnclear as error:
        raise typer.BadParameter(str(error), param_hint="TARGET") from error
    told = understood(text, target)
    if told is not None:
        note(told)
    return target


def _filters(kinds: list[str] | None, scope: Scope, state: str, follow: bool | None) -> Filters:
    return Filters(
        kinds=frozenset(member for name in kinds for member in _kinds_of(name)) if kinds else HYPERLINKS,
        scope=scope,
        states=STATES if state == "all" else (state,),
        nofollow=None if follow is None else not follow,
    )


def _kinds_of(name: str) -> list[Kind]:
    """Return the kinds that one --kind names."""
    found = [kind for kind in Kind if name in ("all", kind.label)]
    if not found:
        names = ", ".join(kind.label for kind in Kind)
        raise typer.BadParameter(f"{name!r} is none of all, {names}", param_hint="--kind")
    return found


def _rows(limit: int | None, form: Format) -> int | None:
    if limit is None:
        return TABLE_ROWS if form is Format.TABLE else None
    return limit or None


def _about_nothing(opened: Index, subject: Target, direction: Literal["to", "from"]) -> str:
    """Say why an answer is empty."""
    from crawler.cli.target import other_scheme

    counted = opened.links_to if direction == "to" else opened.links_from
    links, other = counted(subject), other_scheme(subject)
    about = f"{direction} the {subject.mode.value} {subject.name}"
    if not links:
        others = counted(other) if other is not None else 0
        hint = f" It has {others:,} {direction} {other.name}." if other is not None and others else ""
        return f"The index has no link {about}.{hint}"
    return f"No link {about} matches; it has {links:,} of other kinds, scopes or states (--kind, --scope, --state all)."


def _write_summary(found: Summary, subject: Target, sink: io.TextIOBase | None) -> None:
    """Write the figures below each other, then the lists as tables; of no link at all nothing."""
    from crawler.cli.escapes import plain
    from crawler.cli.output import show_rows, shown_value

    meant = MEANT_OF_URL if subject.mode in (Mode.URL, Mode.PREFIX) else MEANT
    for row in found.figures.to_pylist():
        print(plain(f"{subject.mode.value} {subject.name}"), file=sink)
        for name, value in row.items():
            told = meant.get(name, "")
            if name != "name" and value is not None and told is not None:
                shown = f"  {name.replace('_', ' '):<14} {shown_value(value)}"
                print(f"{shown:<36} {told}".rstrip(), file=sink)
    for title, table, columns in (
        ("Referring domains", found.domains, ("source_domain", "links", "pages", "first_seen", "last_seen")),
        ("Anchors", found.anchors, ("anchor", "links", "pages", "domains", "follow")),
    ):
        if table.num_rows:
            print(f"\n{title}", file=sink)
            show_rows(table.to_reader(), columns, sink)
