"""The link rows of one page: identical links folded, positions given, what is no link counted.

Rule: every href ends as a row, as a repeat of one, or in exactly one count of the page.
"""

from __future__ import annotations

from collections import Counter
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from crawler.extract.page import ExtractSettings, Page
from crawler.url import Refusal, Resolver, Target, domains_of
from storage.records import LinkRow, Rel

if TYPE_CHECKING:
    from crawler.extract.words import Words

_NOFOLLOW: Final = int(Rel.NOFOLLOW)

_new = tuple.__new__
"""Makes a LinkRow in 0.2 us instead of 0.5: the named tuple's own constructor is a Python function."""


Edge = tuple[int, int, int, str | None]
"""kind, rel, place, hreflang."""


class Rows:
    """Collects the links of one page in document order."""

    __slots__ = ("_kinds", "_max", "_page", "_repeats", "_rows", "_seen", "full", "resolve")

    def __init__(self, page: Page, resolver: Resolver, settings: ExtractSettings) -> None:
        self._page = page
        self._rows = page.links
        self.resolve = resolver.resolve
        self._kinds = settings.kinds
        self._max = settings.max_links
        self.full = len(self._rows) >= self._max
        self._seen: dict[tuple[str, int, int, str, int], int] = {}
        self._repeats: dict[int, int] = {}

    def target(self, href: str, kind: int) -> Target | None:
        """Resolve an href; None when its kind is not wanted, or when it is no link, which is counted."""
        if self._kinds and kind not in self._kinds:
            return None
        # Images in place of URLs are not resolved: hashing one of 100 KB costs 100 us.
        target = Refusal.OTHER_SCHEME if href.startswith("data:") else self.resolve(href)
        if isinstance(target, Refusal):
            self.refuse(target)
            return None
        return target

    def refuse(self, refusal: Refusal) -> None:
        """Count an href that is no link."""
        if refusal is Refusal.SAME_DOCUMENT:
            self._page.same_document += 1
        elif refusal is Refusal.OTHER_SCHEME:
            self._page.other_scheme += 1
        else:
            self._page.bad_href += 1

    def add(self, target: Target, edge: Edge, words: Words) -> None:
        """Store a link, or count it as a repeat or as dropped."""
        url, host, fragment = target
        kind, rel, place, hreflang = edge
        anchor, source, was_cut, image, before, after = words
        key = (url, kind, rel, anchor, place)
        position = len(self._rows)
        first = self._seen.setdefault(key, position)
        if first != position:
            self._repeats[first] = self._repeats.get(first, 0) + 1
        elif self.full:
            del self._seen[key]
            self.drop()
        else:
            leads = (url, host, fragment, kind, rel)
            says = (anchor, source, was_cut, image, place, position, 0, before, after, hreflang)
            self._rows.append(_new(LinkRow, leads + says))
            self.full = position + 1 >= self._max

    def drop(self) -> None:
        """Count a link that finds the page full."""
        self._page.links_dropped += 1

    def finish(self) -> None:
        """Write the repeats into their rows."""
        rows = self._rows
        for position, repeats in self._repeats.items():
            rows[position] = rows[position]._replace(repeats=repeats)


def count_links(page: Page, page_host: str) -> None:
    """Count the rows by where they lead, seen from the page's registered domain, and those with nofollow."""
    own = domains_of(page_host).domain
    external: set[str] = set()
    for host, rows in Counter(map(itemgetter(1), page.links)).items():
        domain = domains_of(host).domain
        if domain == own:
            page.internal += rows
        else:
            page.external += rows
            external.add(domain)
    page.external_domains = len(external)
    page.nofollow = sum(1 for row in page.links if row[4] & _NOFOLLOW)
