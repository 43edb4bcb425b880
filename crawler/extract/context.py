"""The text around hyperlinks, when the settings ask for it.

Rule: one walk collects the shown text of the page and where every link begins in it, so any number of links costs
linear time. Texts are collapsed like anchors and cut at characters.
"""

from __future__ import annotations

from typing import Final

from crawler.extract.anchor import collapse, cut, cut_end, is_hidden
from crawler.extract.tree import TAGS, TEXT, Node

CONTEXT_BYTES: Final = 120
_READ_CHARACTERS: Final = 1024
"""How far to look: white space in the source may take most of it."""
_NEAR_CHARACTERS: Final = 256
"""How far to look first: enough for nearly all links, and a quarter of the time."""

_LINKS: Final = frozenset({TAGS["a"], TAGS["area"]})
_TITLE: Final = TAGS["title"]


class Context:
    """The shown text of one page and the place of its links in it."""

    __slots__ = ("_starts", "_text")

    def __init__(self, root: Node) -> None:
        parts: list[str] = []
        self._starts: dict[int, int] = {}
        size = 0
        for node in root.traverse(include_text=True):
            tag = node.tag_id
            if tag in _LINKS:
                self._starts[node.mem_id] = size
            elif tag == TEXT and not is_hidden(node) and not _is_title(node):
                text = node.text_lexbor()
                parts.append(text)
                size += len(text)
        self._text = "".join(parts)

    def around(self, link: Node, text: str) -> tuple[str | None, str | None]:
        """Return the text before and after `link`, whose own shown text is `text`; None where there is none."""
        start = self._starts[link.mem_id]
        end = start + len(text)
        before = collapse(self._text[max(0, start - _NEAR_CHARACTERS) : start])
        if len(before) <= CONTEXT_BYTES:
            before = collapse(self._text[max(0, start - _READ_CHARACTERS) : start])
        after = collapse(self._text[end : end + _NEAR_CHARACTERS])
        if len(after) <= CONTEXT_BYTES:
            after = collapse(self._text[end : end + _READ_CHARACTERS])
        return cut_end(before, CONTEXT_BYTES).lstrip(" ") or None, cut(after, CONTEXT_BYTES).rstrip(" ") or None


def _is_title(text: Node) -> bool:
    parent = text.parent
    return parent is not None and parent.tag_id == _TITLE
