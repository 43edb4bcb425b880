"""Which URLs a crawl of the web meets: the closure of its links under what a crawler follows and robots.txt allows.

Rule: the set depends on the spec, the seeds and `Follow` alone, not on the order or the speed of a crawl; so a crawl
with limits on depth, pages or redirect hops is not described by it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from bench.vweb import robots
from bench.vweb.expected import Expected, PageFacts, split
from storage.records import Kind, LinkRow, Rel, Robots

FOLLOWED: Final = frozenset(
    {
        Kind.A,
        Kind.AREA,
        Kind.FRAME,
        Kind.REDIRECT,
        Kind.META_REFRESH,
        Kind.LINK_CANONICAL,
        Kind.LINK_ALTERNATE,
        Kind.LINK_NEXT,
        Kind.LINK_PREV,
    }
)


def everything(url: str) -> bool:
    """Admit every URL."""
    return True


@dataclass(frozen=True, slots=True)
class Follow:
    """What a crawler follows."""

    kinds: frozenset[Kind] = FOLLOWED
    skipped_rels: Rel = Rel.NOFOLLOW | Rel.UGC | Rel.SPONSORED
    """Links with any of these are not followed."""
    page_nofollow: bool = True
    """Links of pages that say nofollow are not followed."""
    admit: Callable[[str], bool] = everything
    """The scope, by URL."""
    robots: bool = True


@dataclass(slots=True)
class Reach:
    """The URLs that a crawl discovers and admits to its queue: each is fetched or disallowed."""

    fetched: dict[str, PageFacts] = field(default_factory=dict)
    disallowed: set[str] = field(default_factory=set)
    """By robots.txt, also where it cannot be had."""


def reachable(expected: Expected, seeds: Iterable[str], follow: Follow | None = None, bodies: bool = False) -> Reach:
    """Return all URLs reachable from the seeds; with sizes and hashes of their bodies if asked."""
    follow = follow or Follow()
    reach, queue = Reach(), deque(dict.fromkeys(seeds))
    seen = set(queue)
    while queue:
        url = queue.popleft()
        if follow.robots and not admitted_by_robots(expected, url):
            reach.disallowed.add(url)
            continue
        facts = reach.fetched[url] = expected.facts(url, bodies)
        for target in _followed(facts, follow):
            if target not in seen:
                seen.add(target)
                queue.append(target)
    return reach


def admitted_by_robots(expected: Expected, url: str) -> bool:
    """Return whether the robots.txt of the URL's host lets our crawler fetch it; an unknown host has none."""
    host, path = split(url)
    site = expected.web.find(host)
    return site is None or robots.allowed(site.robots, path)


def _followed(facts: PageFacts, follow: Follow) -> Iterable[str]:
    if follow.page_nofollow and facts.robots & Robots.NOFOLLOW:
        return ()
    return (row.target for row in facts.rows if _is_followed(row, follow))


def _is_followed(row: LinkRow, follow: Follow) -> bool:
    return row.kind in follow.kinds and not row.rel & follow.skipped_rels and follow.admit(row.target)
