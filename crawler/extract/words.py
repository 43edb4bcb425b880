"""What a link says: the text of an anchor, else what its images say, else its title or label.

Rule: the first source with any text wins. Which anchors hold images or hidden text is noted before the first is read,
so an ordinary anchor costs one call into the tree.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from crawler.extract.anchor import collapse, cut, visible_text
from crawler.extract.context import Context
from crawler.extract.page import ExtractSettings
from crawler.extract.place import Ancestors
from crawler.extract.tree import HIDDEN, TAGS, Node
from storage.records import AnchorSource

Attributes = dict[str, str | None]

Words = tuple[str, int, bool, bool, str | None, str | None]
"""anchor, anchor_source, anchor_cut, image, text_before, text_after; a plain tuple, for one is made for every link."""

NO_WORDS: Final[Words] = ("", int(AnchorSource.NONE), False, False, None, None)

_TEXT: Final = int(AnchorSource.TEXT)
_ALT: Final = int(AnchorSource.ALT)
_SOURCES: Final = {"alt": _ALT, "title": int(AnchorSource.TITLE), "aria-label": int(AnchorSource.ARIA_LABEL)}

HREFLANG_CHARACTERS: Final = 64

_IMG: Final = TAGS["img"]
INNER: Final = HIDDEN | {_IMG, TAGS["picture"], TAGS["svg"]}
"""Elements that change how an anchor around them is read."""

TEXT_CHARACTERS_MAX: Final = 1 << 25
"""Anchors can hold one another on hostile pages: past so much text of one page only their beginnings are read."""


class WordReader:
    """Reads the words of the links of one page. `inner` are its elements with a tag of INNER."""

    __slots__ = ("_characters", "_context", "_images", "_impure", "_limit", "_plain", "_short")

    def __init__(
        self, root: Node, inner: list[tuple[int, Node]], ancestors: Ancestors, settings: ExtractSettings
    ) -> None:
        self._limit = settings.anchor_bytes
        self._short = settings.anchor_bytes // 4
        self._characters = TEXT_CHARACTERS_MAX
        self._context = Context(root) if settings.context else None
        self._images: dict[int, list[str]] = {}
        self._impure: set[int] = set()
        for tag, node in inner:
            anchor = ancestors.anchor(node)
            if anchor:
                self._note(anchor, tag, node)
        self._plain = not self._impure and self._context is None

    def _note(self, anchor: int, tag: int, node: Node) -> None:
        if tag in HIDDEN:
            self._impure.add(anchor)
            return
        alts = self._images.setdefault(anchor, [])
        if tag == _IMG and (alt := collapse(node.attributes.get("alt") or "")):
            alts.append(alt)

    def of_anchor(self, node: Node, attributes: Attributes) -> Words:
        """Return the words of an <a>; 0.4 us where a short text says all, against 0.8 the general way."""
        if self._plain:
            text = node.text_lexbor()
            if len(text) <= self._short and (anchor := collapse(text)):
                return anchor, _TEXT, False, bool(self._images) and node.mem_id in self._images, None, None
            before = after = None
        else:
            text, before, after = self._read_with_care(node)
        self._characters -= len(text)
        self._plain = self._plain and self._characters >= 0
        anchor = collapse(text)
        images = self._images.get(node.mem_id) if self._images else None
        if anchor:
            source = _TEXT
        elif images:
            anchor, source = " ".join(images), _ALT
        else:
            words = self.of_attributes(attributes, ("title", "aria-label"))
            return (*words[:3], images is not None, before, after)
        if 4 * len(anchor) <= self._limit:
            return anchor, source, False, images is not None, before, after
        shown = cut(anchor, self._limit)
        return shown, source, shown is not anchor, images is not None, before, after

    def _read_with_care(self, node: Node) -> tuple[str, str | None, str | None]:
        """Return the text of an <a> without hidden parts, and the text around it where the settings ask for it."""
        if self._characters < 0:
            text = visible_text(node, 2 * self._limit)
        elif node.mem_id in self._impure:
            text = visible_text(node)
        else:
            text = node.text_lexbor()
        return (text, *self._context.around(node, text)) if self._context is not None else (text, None, None)

    def of_area(self, node: Node, attributes: Attributes) -> Words:
        """Return the words of an <area>."""
        words = self.of_attributes(attributes, ("alt", "title", "aria-label"))
        return words if self._context is None else words[:4] + self._context.around(node, "")

    def of_attributes(self, attributes: Attributes, names: tuple[str, ...]) -> Words:
        """Return the words of the first of these attributes that says anything."""
        return words_of(attributes, names, self._limit)


def words_of(attributes: Mapping[str, str | None], names: tuple[str, ...], limit_bytes: int) -> Words:
    """Return the words of the first of these attributes that says anything, cut to size."""
    for name in names:
        value = attributes.get(name)
        if value and (anchor := collapse(value)):
            shown = cut(anchor, limit_bytes)
            return shown, _SOURCES[name], shown is not anchor, False, None, None
    return NO_WORDS


def hreflang_of(attributes: Mapping[str, str | None]) -> str | None:
    """Return the language that a link to another version of the page declares."""
    return (attributes.get("hreflang") or "").strip()[:HREFLANG_CHARACTERS] or None
