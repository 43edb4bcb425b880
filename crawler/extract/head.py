"""What a page says about itself: title, language, base, generator, robots directives, refresh.

Rule: the first declaration counts, except that robots directives add up. Values are collapsed and cut; header fields
of the same meaning are joined by `crawler.pages`.
"""

from __future__ import annotations

from typing import Final

from crawler import headers
from crawler.extract.anchor import collapse, cut
from crawler.extract.page import Page
from crawler.extract.tree import Attributes
from crawler.url import normalise

TITLE_BYTES: Final = 1024
VALUE_BYTES: Final = 256
BASE_BYTES_MAX: Final = 2048
"""Longest base in force: it stands again in front of every short href, so a long one is an attack on memory."""


def read_language(page: Page, attributes: Attributes) -> None:
    """Read the language of the root element."""
    page.lang = _value(attributes.get("lang") or attributes.get("xml:lang"))


def read_title(page: Page, text: str) -> None:
    """Read a <title>, unless one was read before."""
    if page.title is None:
        page.title = cut(collapse(text), TITLE_BYTES) or None


def read_base(page: Page, bases: list[Attributes], page_url: str) -> None:
    """Read the first <base> with an href (HTML standard, section 4.2.3); a broken one leaves the page its own base."""
    for attributes in bases:
        if "href" in attributes:
            base = normalise(attributes["href"] or "", page_url)
            page.base = base if base is None or len(base) <= BASE_BYTES_MAX else None
            return


def read_named_meta(page: Page, attributes: Attributes, product: str) -> None:
    """Read <meta name>: generator, and robots directives for all crawlers or for `product`."""
    name = (attributes.get("name") or "").strip().lower()
    content = attributes.get("content") or ""
    if name == "robots" or name == product.lower():
        page.has_robots = True
        page.robots |= headers.robots_directives(content)
    elif name == "generator" and page.generator is None:
        page.generator = _value(content)


def read_content_language(page: Page, content: str) -> None:
    """Read <meta http-equiv=content-language>, which counts where the root element has no language."""
    if page.lang is None and "," not in content:
        page.lang = _value(content.split(None, 1)[0] if content.strip() else None)


def _value(text: str | None) -> str | None:
    return cut(collapse(text), VALUE_BYTES) or None if text else None
