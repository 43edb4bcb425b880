"""The link rows of one page: identical links folded, positions given, what is no link counted.

Rule: every href ends as a row, as a repeat of one, or in exactly one count of the page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from crawler.doubles import NATIVE
from crawler.extract.page import ExtractSettings, Page
from crawler.url import Domains, Parts, Refusal, Resolver, domains_of
from storage.records import LinkRow, Rel

if TYPE_CHECKING:
    from crawler.extract.words import Words

_NOFOLLOW: Final = int(Rel.NOFOLLOW)
_REPEATS: Final = LinkRow._fields.index("repeats")

_new = tuple.__new__
"""Makes a LinkRow in 0.2 us instead of 0.5: the named tuple's own constructor is a Python function."""


Edge = tuple[int, int, int, str | None]
"""kind, rel, place, hreflang."""

_Key = tuple[str, int, int, str, int]
"""What makes two links the same: URL, kind, rel, anchor, place."""


class Rows:
    """Collects the links of one page in document order."""

    __slots__ = (
        "_kinds",
        "_page",
        "_rows",
        "_stored",
        "first",
        "full",
        "known",
        "most",
        "parts",
        "repeats",
        "resolver",
        "variants",
    )

    def __init__(self, page: Page, resolver: Resolver, settings: ExtractSettings) -> None:
        self._page = page
        self._rows = page.links
        self.resolver = resolver
        self.known = resolver.known
        self.parts = resolver.parts
        self._kinds = settings.wanted
        self._stored = settings.kinds
        self.most = settings.max_links
        self.full = len(self._rows) >= self.most
        self.first: dict[str, int] = {}
        """Position of the first row of every URL."""
        self.variants: dict[_Key, int] = {}
        """Positions of its further rows."""
        self.repeats: dict[int, int] = {}
        """How often the link of a row, by its position, came again."""

    def target(self, href: str, kind: int) -> Parts | None:
        """Resolve an href; None when its kind is not wanted, or when it is no link, which is counted."""
        if self._kinds and kind not in self._kinds:
            self._page.links_unwanted += 1
            return None
        # Images in place of URLs are not resolved: hashing one of 100 KB costs 100 us.
        target = Refusal.OTHER_SCHEME if href.startswith("data:") else self.known.get(href) or self.parts(href)
        # Asking for the Refusal instead takes 0.07 us longer: an enum has its own instance check.
        if isinstance(target, tuple):
            return target
        self.refuse(target)
        return None

    def refuse(self, refusal: Refusal) -> None:
        """Count an href that is no link."""
        if refusal is Refusal.SAME_DOCUMENT:
            self._page.same_document += 1
        elif refusal is Refusal.OTHER_SCHEME:
            self._page.other_scheme += 1
        else:
            self._page.bad_href += 1

    def add(self, target: Parts, edge: Edge, words: Words) -> None:
        """Store a link, or count it as a repeat or as dropped."""
        url, host, fragment = target
        kind, rel, place, hreflang = edge
        anchor, source, cut, image, before, after = words
        rows = self._rows
        position = len(rows)
        # Most URLs stand on a page once: 0.1 us for the URL alone, against 0.25 for a key of five values.
        first = self.first.get(url)
        if first is None:
            if not self.full:
                self.first[url] = position
        elif self._is_repeat(first, (url, kind, rel, anchor, place)):
            return
        if self.full:
            self.drop()
            return
        row = (url, host, fragment, kind, rel, anchor, source, cut, image, place, position, 0, before, after, hreflang)
        rows.append(_new(LinkRow, row))
        self.full = position + 1 >= self.most

    def _is_repeat(self, first: int, key: _Key) -> bool:
        """Count a link like one of the rows of its URL; note it as a further variant if it is to be a row."""
        row = self._rows[first]
        if key != (row[0], row[3], row[4], row[5], row[9]):
            position = len(self._rows)
            first = self.variants.get(key, position) if self.full else self.variants.setdefault(key, position)
            if first == position:
                return False
        self.repeats[first] = self.repeats.get(first, 0) + 1
        return True

    def drop(self) -> None:
        """Count a link that finds the page full."""
        self._page.links_dropped += 1

    def finish(self) -> None:
        """Write the repeats into their rows."""
        rows = self._rows
        for position, repeats in self.repeats.items():
            row = rows[position]
            rows[position] = _new(LinkRow, (*row[:_REPEATS], repeats, *row[_REPEATS + 1 :]))  # `_replace` takes 1 us
        if self._stored:
            self._set_apart()

    def _set_apart(self) -> None:
        """Leave the links that are to be stored in the page; those that are only followed go beside them."""
        page = self._page
        apart = [row for row in page.links if row.kind not in self._stored]
        page.links_to_follow += apart
        page.links_unwanted += len(apart)
        page.links[:] = [row for row in page.links if row.kind in self._stored]


def count_links(page: Page, page_host: str) -> None:
    """Count the rows by where they lead, seen from the page's registered domain, and those with nofollow."""
    _count_links(page, page_host, domains_of, _NOFOLLOW)


def count_slowly(page: Page, page_host: str, domains_of: Callable[[str], Domains], nofollow: int) -> None:
    """Count the rows in Python."""
    own = domains_of(page_host)[0]
    external: set[str] = set()
    for host, rows in Counter(map(itemgetter(1), page.links)).items():
        domain = domains_of(host)[0]
        if domain == own:
            page.internal += rows
        else:
            page.external += rows
            external.add(domain)
    page.external_domains = len(external)
    # In C, 2 us for 60 links against 5.
    page.nofollow = sum(map(nofollow.__and__, map(itemgetter(4), page.links))) // nofollow


_count_links: Final = getattr(NATIVE, "count_links", count_slowly)
