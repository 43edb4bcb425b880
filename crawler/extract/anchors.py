"""The text of anchors as it is shown, the images in them, and the text around them.

Rule: text is collapsed and cut here, so that nothing of the length of a page is handed on. Which anchors hold images or
hidden text is noted before the first is read, so an ordinary anchor costs one call into the tree.
"""

from __future__ import annotations

from typing import Final

from crawler.extract.anchor import collapse, cut, visible_text
from crawler.extract.context import Context
from crawler.extract.page import ExtractSettings
from crawler.extract.place import Ancestors
from crawler.extract.tree import HIDDEN, TAGS, Node

_IMG: Final = TAGS["img"]
INNER: Final = HIDDEN | {_IMG, TAGS["picture"], TAGS["svg"]}
"""Elements that change how an anchor around them is read."""

TEXT_CHARACTERS_MAX: Final = 1 << 25
"""Anchors can hold one another on hostile pages: past so much text of one page only their beginnings are read."""

Said = tuple[str, bool, list[str] | None, str | None, str | None]
"""text, text_cut, images, text_before, text_after: the end of an `Element`."""


class AnchorReader:
    """Reads the anchors of one page. `inner` are its elements with a tag of INNER."""

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

    def read(self, node: Node) -> Said:
        """Return what an <a> shows; 0.3 us where a short text says all."""
        before = after = None
        if self._plain:
            text = node.text_lexbor()
        else:
            text, before, after = self._read_with_care(node)
        self._characters -= len(text)
        self._plain = self._plain and self._characters >= 0
        shown = anchor = collapse(text)
        if len(anchor) > self._short:
            shown = cut(anchor, self._limit)
        images = self._images.get(node.mem_id) if self._images else None
        return shown, shown is not anchor, images, before, after

    def _read_with_care(self, node: Node) -> tuple[str, str | None, str | None]:
        """Return the text of an <a> without hidden parts, and the text around it where the settings ask for it."""
        if self._characters < 0:
            text = visible_text(node, 2 * self._limit)
        elif node.mem_id in self._impure:
            text = visible_text(node)
        else:
            text = node.text_lexbor()
        return (text, *self._context.around(node, text)) if self._context is not None else (text, None, None)

    def around(self, node: Node) -> tuple[str | None, str | None]:
        """Return the text around a link that shows none itself, where the settings ask for it."""
        return self._context.around(node, "") if self._context is not None else (None, None)
