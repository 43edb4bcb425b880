"""Relations: the bits of a rel attribute, and the kind of a <link>.

Rule: tokens are split on ASCII white space and on commas, and compared without case; a token without a bit sets OTHER.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from storage.records import Kind, Rel

_SEPARATORS: Final = re.compile("[\t\n\f\r ,]+")

_BITS: Final = {bit.name.lower(): int(bit) for bit in Rel if bit.name and bit is not Rel.OTHER} | {
    # Older names that the HTML standard keeps as synonyms (sections 4.6.7.19 and 4.6.7.9).
    "previous": int(Rel.PREV),
    "copyright": int(Rel.LICENSE),
}

FEED_TYPES: Final = frozenset({"application/rss+xml", "application/atom+xml", "application/feed+json"})
"""Also `application/json` is in use for feeds, and for much else: it stays an alternate."""

# The first token found decides, so what a reader of links wants to know stands first.
_KINDS: Final = {
    "canonical": Kind.LINK_CANONICAL,
    "stylesheet": Kind.RESOURCE,  # before alternate: `alternate stylesheet`
    "icon": Kind.RESOURCE,
    "apple-touch-icon": Kind.RESOURCE,
    "apple-touch-icon-precomposed": Kind.RESOURCE,
    "apple-touch-startup-image": Kind.RESOURCE,
    "mask-icon": Kind.RESOURCE,
    "manifest": Kind.RESOURCE,
    "preload": Kind.RESOURCE,
    "modulepreload": Kind.RESOURCE,
    "prefetch": Kind.RESOURCE,
    "amphtml": Kind.LINK_AMPHTML,
    "sitemap": Kind.SITEMAP,
    "alternate": Kind.LINK_ALTERNATE,
    "next": Kind.LINK_NEXT,
    "prev": Kind.LINK_PREV,
    "previous": Kind.LINK_PREV,
}


def tokens(value: str) -> list[str]:
    """Return the tokens of a rel attribute in lower case."""
    return [token for token in _SEPARATORS.split(value.lower()) if token]


@lru_cache(maxsize=4096)
def rel_bits(value: str) -> int:
    """Return the bits of a rel attribute; the web has few distinct ones, so nearly all come from the cache."""
    bits = 0
    for token in tokens(value):
        bits |= _BITS.get(token, Rel.OTHER)
    return int(bits)


@lru_cache(maxsize=4096)
def kind_of_link(rel: str, mime: str) -> int:
    """Return the kind of a <link> by its rel and type attributes."""
    found = set(tokens(rel))
    for token, kind in _KINDS.items():
        if token in found:
            if kind is Kind.LINK_ALTERNATE and mime.partition(";")[0].strip().lower() in FEED_TYPES:
                return int(Kind.FEED)
            return int(kind)
    return int(Kind.LINK_OTHER)
