"""What may be asked of the index, of which links, and how an answer is written.

Rule: light to import, so that a command line can name its choices without loading a database.
Questions are answered by `storage.query`, answers written by `storage.export`.
Targets come in normal form: no URL is parsed here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from storage.index.policy import HYPERLINK, ROLES
from storage.records import Kind

HYPERLINKS: Final = frozenset(kind for kind, role in ROLES.items() if role == HYPERLINK)

STATES: Final = ("live", "lost", "unknown")

LAST: Final = "\U0010ffff"
"""Sorts after every character of a URL or host, which are ASCII in normal form."""


class Mode(StrEnum):
    """How much of the web a target names."""

    URL = "url"
    PREFIX = "prefix"
    """All URLs of one host that begin so."""
    HOST = "host"
    DOMAIN = "domain"
    """A registered domain with all its hosts."""


class Scope(StrEnum):
    """Where a link comes from, seen from its target."""

    OUTSIDE = "outside"
    """From outside of what is asked about: any page for a URL or prefix, other hosts for a host, else other domains."""
    EXTERNAL = "external"
    """From other registered domains."""
    OTHER_HOSTS = "other-hosts"
    ALL = "all"


SCOPES: Final[dict[Scope, list[str]]] = {
    Scope.EXTERNAL: ["external"],
    Scope.OTHER_HOSTS: ["external", "same domain"],
    Scope.ALL: ["external", "same domain", "same host"],
}

OUTSIDE_OF: Final[dict[Mode, Scope]] = {
    Mode.URL: Scope.ALL,
    Mode.PREFIX: Scope.ALL,
    Mode.HOST: Scope.OTHER_HOSTS,
    Mode.DOMAIN: Scope.EXTERNAL,
}


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked about, as target or as source of links."""

    mode: Mode
    name: str
    """A URL in normal form, the beginning of one, a host or a registered domain."""
    host_reversed: str
    """Host of the URL, the host or the domain, labels from the last: `com.example.www`."""

    @property
    def bounds(self) -> dict[str, object]:
        """The range of the sorted rows: hosts and URLs from and to, both included; the domain where it must match."""
        by_url = self.mode in (Mode.URL, Mode.PREFIX)
        return {
            "host_from": self.host_reversed,
            "host_to": f"{self.host_reversed}.{LAST}" if self.mode is Mode.DOMAIN else self.host_reversed,
            "url_from": self.name if by_url else "",
            "url_to": self.name + (LAST if self.mode is Mode.PREFIX else "") if by_url else LAST,
            "domain": self.name if self.mode is Mode.DOMAIN else None,
        }


@dataclass(frozen=True, slots=True)
class Filters:
    """Which links an answer counts. The default is what reports count: live hyperlinks from outside the target."""

    kinds: frozenset[Kind] = HYPERLINKS
    scope: Scope = Scope.OUTSIDE
    states: tuple[str, ...] = ("live",)
    nofollow: bool | None = None
    """Only links with (True) or without (False) nofollow in force."""

    def parameters(self, mode: Mode) -> dict[str, object]:
        """Return the values the statements take."""
        scope = OUTSIDE_OF[mode] if self.scope is Scope.OUTSIDE else self.scope
        return {
            "kinds": sorted(int(kind) for kind in self.kinds),
            "scopes": SCOPES[scope],
            "states": list(self.states),
            "nofollow": self.nofollow,
        }


DEFAULT: Final = Filters()
EVERYTHING: Final = Filters(kinds=frozenset(Kind), scope=Scope.ALL, states=STATES)


class Page(NamedTuple):
    """Which part of an answer is wanted."""

    limit: int | None = None
    """Rows; None for all."""
    cursor: str | None = None
    """`Answer.cursor` of the part before."""


WHOLE: Final = Page()


class Format(StrEnum):
    """What an answer is written as; `table` is for people."""

    TABLE = "table"
    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"
