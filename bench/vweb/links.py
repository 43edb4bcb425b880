"""The vocabulary of a planned page: links, sections and the page itself, and how an href can be spelled.

Rule: a link knows its target from the graph; its spelling is made to lead there and is never parsed back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from random import Random
from typing import Final, NamedTuple

from bench.vweb.site import RAW_LETTER, SLUGS, UNICODE_LABEL, Site
from bench.vweb.text import NO_ANCHOR, Anchor
from storage.records import CanonicalSource, Kind, Place, Rel, Robots, RobotsSource

PORTS: Final = {"http": 80, "https": 443}


class RelText(NamedTuple):
    """A rel attribute as written, and its bits."""

    text: str
    bits: Rel


NO_REL: Final = RelText("", Rel.NONE)


class Link(NamedTuple):
    """One link of a page."""

    kind: Kind
    href: str
    """Before the `&` is escaped."""
    target: str
    """Normal form without fragment."""
    host: str
    fragment: str | None = None
    rel: RelText = NO_REL
    anchor: Anchor = NO_ANCHOR
    hreflang: str | None = None


class Style(Enum):
    """How the links of a section are set."""

    LOGO = "logo"
    PROSE = "prose"
    LIST = "list"
    TABLE = "table"
    FIGURE = "figure"
    VIDEO = "video"
    FRAME = "frame"
    FORM = "form"
    QUOTE = "quote"
    MAP = "map"
    NOSCRIPT = "noscript"
    HIDDEN = "hidden"
    """Comment, template and script that hold what only looks like links."""


class Section(NamedTuple):
    """Links that stand together, in one place of the page."""

    style: Style
    place: Place
    links: list[Link]
    by_role: bool = False
    """The place is named by an ARIA role instead of an element."""


class Refused(Enum):
    """Why an href is no link."""

    SAME_DOCUMENT = "same_document"
    OTHER_SCHEME = "other_scheme"
    BAD = "bad"


class Directives(NamedTuple):
    """Robots directives of a page as written, and what our crawler should read."""

    meta: str
    header: str
    bits: Robots
    source: RobotsSource


NO_DIRECTIVES: Final = Directives("", "", Robots.NONE, RobotsSource.NONE)


@dataclass(slots=True)
class Plan:
    """Everything about one page but the words between its links."""

    site: Site
    page: int
    title: str
    size_bytes: int
    """Wanted size of the body; a page with many links may be larger."""
    base: str | None = None
    """Path of the `<base>`, on the same host."""
    base_href: str = ""
    directives: Directives = NO_DIRECTIVES
    refresh: Link | None = None
    refresh_delay_s: int = 0
    canonical_source: CanonicalSource = CanonicalSource.NONE
    header_links: list[Link] = field(default_factory=list)
    head: list[Link] = field(default_factory=list)
    top: list[Section] = field(default_factory=list)
    content: list[Section] = field(default_factory=list)
    bottom: list[Section] = field(default_factory=list)
    refused: list[tuple[str, Refused]] = field(default_factory=list)

    @property
    def sections(self) -> list[Section]:
        """All sections in document order."""
        return [*self.top, *self.content, *self.bottom]

    @property
    def directory(self) -> str:
        """The path that relative links start from; it ends with a slash."""
        return directory(self.base or self.site.paths[self.page])

    @property
    def canonical(self) -> Link | None:
        """The declared canonical link, from the head or the header."""
        links = self.head if self.canonical_source is CanonicalSource.HTML else self.header_links
        return next((link for link in links if link.rel.bits & Rel.CANONICAL), None)


def directory(path: str) -> str:
    """Return the path up to its last slash, without the query."""
    path = path.partition("?")[0]
    return path[: path.rindex("/") + 1]


def relative(start: str, path: str) -> str:
    """Return a reference from a directory to a path and query on the same host."""
    path, mark, query = path.partition("?")
    here, there = start.split("/")[1:-1], path.split("/")[1:]
    common = 0
    while common < min(len(here), len(there) - 1) and here[common] == there[common]:
        common += 1
    steps = "../" * (len(here) - common) + "/".join(there[common:])
    return (steps or "./") + mark + query


class Speller:
    """Write links as the pages of one host do."""

    def __init__(self, site: Site, start: str) -> None:
        self._name = site.name
        self._start = start
        self._unicode_hosts = site.encoding.name == "utf-8"
        self._raw_paths = site.encoding.codec in ("utf-8", "windows-1252")

    def spell(self, rng: Random, target: Site, path: str) -> str:
        """Return an href that leads to a path of a host."""
        form = rng.random()
        if self._raw_paths and RAW_LETTER[0] in path and form < 0.5:
            path = path.replace(*RAW_LETTER)
        if target.name == self._name and form < 0.72:
            return self._local(form, path)
        if form < 0.92:
            return f"{target.scheme}://{self._host(target)}{path}"
        if form < 0.96:
            return f"//{target.name}{path}"
        port = PORTS[target.scheme]
        return (
            f"{target.scheme.upper()}://{target.name.upper()}:{port}{path}"
            if form < 0.98
            else f" \n  {target.root}{path} "
        )

    def _local(self, form: float, path: str) -> str:
        if form < 0.44:
            return path
        if form < 0.48:
            return f"/{SLUGS[int(form * 1e6) % len(SLUGS)]}/./..{path}"
        return relative(self._start, path)

    def _host(self, target: Site) -> str:
        return target.name.replace(*UNICODE_LABEL) if self._unicode_hosts else target.name
