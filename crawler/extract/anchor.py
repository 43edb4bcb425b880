"""The words of a link: visible text, white space collapsed, cut to size.

Rule: white space is ASCII white space, as in the HTML standard's "strip and collapse"; a no-break space is text, and
so is every control character. Text nodes are joined as they stand: <br> and block borders add no space.
"""

from __future__ import annotations

from typing import Final

from crawler.extract.tree import HIDDEN, TEXT, Node

_ASCII_SPACES: Final = "\t\n\f\r "


def collapse(text: str) -> str:
    """Strip ASCII white space from both ends and make one space of every run inside."""
    text = text.strip(_ASCII_SPACES)
    if not text.isprintable():  # no other white space is printable
        # A title over two lines takes 2 us, by an expression 7.
        for space in "\t\n\f\r":
            text = text.replace(space, " ")
    return text if "  " not in text else " ".join(filter(None, text.split(" ")))


def cut(text: str, limit_bytes: int) -> str:
    """Return the longest prefix of `text` that takes at most `limit_bytes` in UTF-8, cut at a character."""
    if len(text) * 4 <= limit_bytes:
        return text
    encoded = text.encode()
    return text if len(encoded) <= limit_bytes else encoded[:limit_bytes].decode(errors="ignore")


def cut_end(text: str, limit_bytes: int) -> str:
    """Return the longest such suffix."""
    return text.encode()[-limit_bytes:].decode(errors="ignore") if text else text


def visible_text(node: Node, limit: int | None = None) -> str:
    """Return the text inside `node` without hidden text; stops past `limit` characters."""
    parts: list[str] = []
    size = 0
    for inner in node.traverse(include_text=True):
        if inner.tag_id == TEXT and not is_hidden(inner):
            text = inner.text_lexbor()
            parts.append(text)
            size += len(text)
            if limit is not None and size > limit:
                break
    return "".join(parts)


def is_hidden(text: Node) -> bool:
    """Tell whether a text node stands in an element whose text is never shown."""
    parent = text.parent
    return parent is not None and parent.tag_id in HIDDEN
