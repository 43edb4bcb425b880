"""Reads one HTML document from its bytes to a `Page`.

Rule: one parse and one walk in document order pick the elements that matter; the base is found before any href is
resolved.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

from crawler.extract import head
from crawler.extract.elements import Reading, read, readers_of
from crawler.extract.page import ExtractSettings, Page
from crawler.extract.rel import rel_bits
from crawler.extract.rows import Rows, count_links
from crawler.extract.tree import TAGS, parse
from crawler.extract.walk import tagged, walk
from crawler.extract.words import hreflang_of, words_of
from crawler.headers import link_header as parse_link_header
from crawler.url import Resolver, host_of
from storage.records import Kind, Place

_BASE: Final = TAGS["base"]
_A: Final = TAGS["a"]


def extract(
    body: bytes, encoding: str, page_url: str, settings: ExtractSettings, link_header: Sequence[str] = ()
) -> Page:
    """Read the links and the head of an HTML page. Never raises, whatever the markup.

    `encoding` is what `crawler.charset.sniff` said, `page_url` the normal form of the final URL, `link_header` the
    values of the answer's Link fields: their rows come first and are counted like the page's own.
    """
    page = Page()
    if link_header:
        _read_link_header(page, link_header, page_url, settings)
    parser = parse(body, encoding)
    root = parser.root
    assert root is not None  # a document without any markup still has <html>
    elements = walk(root, settings, anchors=_A in readers_of(settings.wanted))
    head.read_language(page, root.attributes)
    head.read_base(page, [element[1] for element in tagged(elements, _BASE)], page_url)
    base_url = page.base or page_url
    rows = Rows(page, Resolver(base_url, page_url, query_codec(encoding)), settings)
    read(Reading(page, base_url, rows, settings), elements)
    rows.finish()
    count_links(page, host_of(page_url))
    return page


def extract_header(link_header: Iterable[str], page_url: str, settings: ExtractSettings) -> Page:
    """Read the Link fields alone, of an answer that is no HTML page."""
    page = Page()
    _read_link_header(page, link_header, page_url, settings)
    count_links(page, host_of(page_url))
    return page


def _read_link_header(page: Page, values: Iterable[str], page_url: str, settings: ExtractSettings) -> None:
    """Read the Link fields (RFC 8288): they resolve against the URL of the answer, never against a <base>."""
    rows = Rows(page, Resolver(page_url), settings)
    for link in parse_link_header(values):
        target = rows.target(link.target, Kind.HEADER_LINK)
        if target is not None:
            words = words_of({"title": link.title}, ("title",), settings.anchor_bytes)
            rel = rel_bits(link.params.get("rel", ""))
            rows.add(target, (int(Kind.HEADER_LINK), rel, int(Place.OTHER), hreflang_of(link.params)), words)
    rows.finish()


@lru_cache(maxsize=64)
def query_codec(encoding: str) -> str | None:
    """Return the codec for queries of a page in this encoding, None for UTF-8 (Encoding Standard, section 4.3)."""
    if encoding.lower().startswith(("utf", "replacement")):
        return None
    try:
        return codecs.lookup(encoding).name
    except LookupError:
        return None
