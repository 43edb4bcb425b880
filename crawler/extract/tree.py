"""The parsed page: one parse by lexbor, one walk in document order.

Rule: never raises on any bytes, and never asks for serialised HTML. Tags are known by lexbor's numbers, read once from
a probe document, because comparing numbers costs a third of comparing names. What the elements mean is decided by
`crawler.extract.elements`.
"""

from __future__ import annotations

from typing import Final

from selectolax.lexbor import LexborDocumentOptions, LexborHTMLParser
from selectolax.lexbor import LexborNode as Node

from crawler import charset
from crawler.encodings import NOT_ASCII

__all__ = ["HIDDEN", "TAGS", "TEXT", "Attributes", "Node", "is_inside", "parse", "with_role"]

Attributes = dict[str, str | None]
"""The attributes of an element by name; None is the value of one that has none."""

_UTF_8: Final = frozenset({"utf-8", "utf8"})
_BOM: Final = b"\xef\xbb\xbf"

# Without events <selectedcontent> keeps what the source holds, so no link of an <option> comes twice; 5 % faster too.
_OPTIONS: Final = int(LexborDocumentOptions.WO_EVENTS)

_NAMES: Final = (
    "a area article aside audio base blockquote del embed figure footer form header iframe img input ins link main"
    " meta nav noembed noframes object picture q script section source style svg table title track video"
).split()


def _probe() -> dict[str, int]:
    """Return lexbor's number of every tag named in this package."""
    parser = LexborHTMLParser("<p>text")
    numbers = {name: parser.create_node(name).tag_id for name in _NAMES}
    frames = LexborHTMLParser("<frameset><frame>").css_first("frame")
    text = parser.css_first("p", strict=True)
    assert frames is not None and text is not None and text.first_child is not None
    return numbers | {"frame": frames.tag_id, "-text": text.first_child.tag_id}


TAGS: Final = _probe()
TEXT: Final = TAGS["-text"]

HIDDEN: Final = frozenset(TAGS[name] for name in ("script", "style", "iframe", "noembed", "noframes"))
"""Elements whose text is never shown; the content of <template> is not in the tree at all."""


def parse(body: bytes, encoding: str) -> LexborHTMLParser:
    """Parse a page; `encoding` is the name `crawler.charset.sniff` gave.

    UTF-8 goes in as it is: lexbor passes bad bytes on and they are read as U+FFFD. A byte-order mark is taken off,
    for as text it would open <body> before <head> was seen.
    """
    name = encoding.lower()
    # Pages without any declaration are mostly ASCII alone: 2 us to see that saves 70 us of recoding 50 KB.
    if name not in _UTF_8 and (name in NOT_ASCII or not body.isascii()):
        return LexborHTMLParser(charset.decode(body, encoding), options=_OPTIONS)
    return LexborHTMLParser(body[3:] if body.startswith(_BOM) else body, options=_OPTIONS)


# One for all pages: a parser's own is made anew for each, which costs 11 us a page.
_SELECTOR: Final = LexborHTMLParser("").selector


def with_role(root: Node) -> list[Node]:
    """Return the elements with a `role` attribute in document order, 9 us a 40 KB page."""
    return _SELECTOR.find("[role]", root)


def is_inside(node: Node, tag: int) -> bool:
    """Tell whether an ancestor of `node` has this tag number."""
    parent = node.parent
    while parent is not None:
        if parent.tag_id == tag:
            return True
        parent = parent.parent
    return False
