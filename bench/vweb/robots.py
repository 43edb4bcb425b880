"""The robots.txt of each kind of host, and what it means for our crawler.

Rule: text and verdict stand side by side here, written from RFC 9309 by hand; no parser is asked.
"""

from __future__ import annotations

from typing import Final

from bench.vweb.site import PRIVATE, PRIVATE_OPEN, RobotsKind

MOVED: Final = "/robots-moved.txt"
"""Where a redirecting robots.txt leads."""
PRODUCT: Final = "linkmill"
"""The crawler that the group of its own addresses."""

_SOME: Final = f"User-agent: *\nDisallow: {PRIVATE}\nAllow: {PRIVATE_OPEN}\n"
_FILLER: Final = "".join(f"Disallow: /never/{number:05d}/\n" for number in range(13_000))
"""300 KB of rules that concern nothing: less than the 500 KiB that every crawler has to read."""


def body(kind: RobotsKind, crawl_delay_s: float) -> str | None:
    """Return the text of a robots.txt, or None for the kinds that have none."""
    match kind:
        case RobotsKind.ABSENT | RobotsKind.FORBIDDEN | RobotsKind.BROKEN:
            return None
        case RobotsKind.OPEN:
            return "# all welcome\nUser-agent: *\nDisallow:\n"
        case RobotsKind.SOME | RobotsKind.REDIRECTING:
            return _SOME
        case RobotsKind.GROUPS:
            own = _SOME.replace("*", PRODUCT.capitalize())
            return f"User-agent: otherbot\nDisallow: /\n\n{own}\nUser-agent: *\nDisallow: /\n"
        case RobotsKind.DELAY:
            return f"{_SOME}Crawl-delay: {crawl_delay_s:g}\n"
        case RobotsKind.QUERY:
            return f"{_SOME}Disallow: /*?ref=\n"
        case RobotsKind.BIG:
            return f"User-agent: *\n{_FILLER}Disallow: {PRIVATE}\nAllow: {PRIVATE_OPEN}\n"
        case RobotsKind.CLOSED:
            return "User-agent: *\nDisallow: /\n"


def allowed(kind: RobotsKind, path: str) -> bool:
    """Return whether our crawler may fetch this path and query; a 4xx answer allows all, a 5xx none."""
    if kind in (RobotsKind.CLOSED, RobotsKind.BROKEN):
        return False
    if kind in (RobotsKind.ABSENT, RobotsKind.OPEN, RobotsKind.FORBIDDEN):
        return True
    if kind is RobotsKind.QUERY and "?ref=" in path and not path.startswith(PRIVATE_OPEN):
        return False
    return not path.startswith(PRIVATE) or path.startswith(PRIVATE_OPEN)
