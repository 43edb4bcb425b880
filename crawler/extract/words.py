"""What a link says: its text, else what its images say, else its title or label.

Rule: the first source with any text wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from crawler.extract.anchor import collapse, cut
from crawler.extract.walk import Element
from storage.records import AnchorSource

Words = tuple[str, int, bool, bool, str | None, str | None]
"""anchor, anchor_source, anchor_cut, image, text_before, text_after; a plain tuple, for one is made for every link."""

NO_WORDS: Final[Words] = ("", int(AnchorSource.NONE), False, False, None, None)

_TEXT: Final = int(AnchorSource.TEXT)
_ALT: Final = int(AnchorSource.ALT)
_SOURCES: Final = {"alt": _ALT, "title": int(AnchorSource.TITLE), "aria-label": int(AnchorSource.ARIA_LABEL)}

HREFLANG_CHARACTERS: Final = 64


def words_of_anchor(element: Element, limit_bytes: int) -> Words:
    """Return the words of an <a>."""
    _, attributes, _, text, is_cut, images, before, after = element
    if text:
        return text, _TEXT, is_cut, images is not None, before, after
    if images:
        anchor = " ".join(images)
        shown = cut(anchor, limit_bytes)
        return shown, _ALT, shown is not anchor, True, before, after
    words = words_of(attributes, ("title", "aria-label"), limit_bytes)
    return (*words[:3], images is not None, before, after)


def words_of_area(element: Element, limit_bytes: int) -> Words:
    """Return the words of an <area>."""
    _, attributes, _, _, _, _, before, after = element
    return (*words_of(attributes, ("alt", "title", "aria-label"), limit_bytes)[:4], before, after)


def words_of(attributes: Mapping[str, str | None], names: tuple[str, ...], limit_bytes: int) -> Words:
    """Return the words of the first of these attributes that says anything, cut to size."""
    for name in names:
        value = attributes.get(name)
        if value and (anchor := collapse(value)):
            shown = cut(anchor, limit_bytes)
            return shown, _SOURCES[name], shown is not anchor, False, None, None
    return NO_WORDS


def sources_of(names: tuple[str, ...]) -> dict[str, int]:
    """Return what is stored as the source of words from these attributes."""
    return {name: _SOURCES[name] for name in names}


def hreflang_of(attributes: Mapping[str, str | None]) -> str | None:
    """Return the language that a link to another version of the page declares."""
    return (attributes.get("hreflang") or "").strip()[:HREFLANG_CHARACTERS] or None
