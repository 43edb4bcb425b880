"""What extraction gives: the links of a page and what the page says about itself; and the settings it obeys."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from storage.records import Kind, LinkRow


@dataclass(frozen=True, slots=True)
class ExtractSettings:
    """What to keep of a page."""

    kinds: frozenset[Kind] = frozenset()
    """Kinds to store; empty for all. Links of other kinds are counted in `links_unwanted`."""
    followed: frozenset[Kind] = frozenset()
    """Kinds that are read whatever `kinds` says, and handed on in `links_to_follow`."""
    anchor_bytes: int = 512
    max_links: int = 20_000
    """Link rows of a page; further ones are counted in `links_dropped`."""
    context: bool = False
    """Also read the text before and after hyperlinks."""
    product: str = "Linkmill"
    """Name of the crawler, for robots directives addressed to it alone."""

    @property
    def wanted(self) -> frozenset[Kind]:
        """Kinds that are read, to be stored or followed; empty for all."""
        return self.kinds and self.kinds | self.followed


class Html(NamedTuple):
    """A page as it is handed to `extract`, but for the settings."""

    body: bytes
    encoding: str
    encoding_source: int
    """A `CharsetSource`: which rule named the encoding."""
    url: str
    """Normal form of the final URL."""
    link_header: list[str]
    """Values of the answer's Link fields."""


class Refresh(NamedTuple):
    """A meta refresh to another document."""

    delay_s: float
    url: str
    """Normal form."""


@dataclass(slots=True)
class Page:
    """What was read from one HTML page. The counts are those of `PageRow`."""

    links: list[LinkRow] = field(default_factory=list)
    """In document order, identical ones folded."""
    links_to_follow: list[LinkRow] = field(default_factory=list)
    """Links of kinds that are followed but not stored."""
    title: str | None = None
    lang: str | None = None
    canonical: str | None = None
    """Normal form of the first canonical that has one."""
    base: str | None = None
    """Normal form of the declared base that is in force; None where the page is its own."""
    generator: str | None = None
    robots: int = 0
    """Robots bits of the meta elements."""
    has_robots: bool = False
    """A robots meta element was there, whatever it said."""
    refresh: Refresh | None = None
    internal: int = 0
    external: int = 0
    external_domains: int = 0
    nofollow: int = 0
    bad_href: int = 0
    same_document: int = 0
    other_scheme: int = 0
    links_dropped: int = 0
    links_unwanted: int = 0
    """Links of kinds that the settings do not store."""
