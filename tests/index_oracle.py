"""The index of a small web in plain Python: visits are replayed one by one, every count is the size of a set."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from storage.index.policy import MOVE_DELAY_S
from storage.records import Kind, LinkRow, PageRow, Rel, Robots
from tests.index_web import Web, domain, host

HYPERLINKS = {Kind.A, Kind.AREA}
INDIRECT = {Kind.REDIRECT, Kind.META_REFRESH, Kind.LINK_CANONICAL}
SINGLE = INDIRECT | {Kind.LINK_AMPHTML, Kind.LINK_NEXT, Kind.LINK_PREV}

Key = tuple[str, int, str, int, int]


def moment(microseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)


@dataclass
class Life:
    """What is known of one link after some visits."""

    evidence: LinkRow
    page: PageRow
    found_as: str
    first_fate: str | None
    seen: list[int] = field(default_factory=list)
    """Moments."""
    seen_in: set[int] = field(default_factory=set)
    """Numbers of visits."""
    lived_at: int | None = None
    lived_in: int = -1
    state: str = "live"
    lost: tuple[int, int, str] | None = None
    """Number of the visit, its moment, and why."""


class Replay:
    """The visits to one page."""

    def __init__(self, links: dict[int, list[LinkRow]]) -> None:
        self.links = links
        self.content: PageRow | None = None
        self.lives: dict[Key, Life] = {}

    def visit(self, number: int, page: PageRow) -> None:
        had_content = self.content is not None
        outcome = self._outcome(page)
        reading = self.content if page.not_modified and self.content else page
        if outcome in ("whole", "part") and not page.not_modified:
            self.content = page
        shown = {(r.target, r.kind, r.anchor, r.rel, r.place): r for r in self.links[reading.fetch]}
        fate = self._fate(page, reading, outcome)
        for key, row in shown.items():
            life = self.lives.setdefault(key, Life(row, reading, "new link" if had_content else "new page", fate))
            life.evidence, life.page = row, reading
            life.seen.append(page.fetched_at)
            life.seen_in.add(number)
        for key, life in self.lives.items():
            self._judge(life, number, page, (key in shown, fate, outcome == "whole", key))

    def _outcome(self, page: PageRow) -> str:
        if page.not_modified:
            return "unknown" if self.content is None else self._outcome(self.content)
        if page.status in (404, 410):
            return "gone"
        if page.status in (301, 302) and page.redirect_to:
            return "redirected"
        if page.failure or page.status != 200:
            return "unknown"
        return "part" if page.truncated or page.links_dropped else "whole"

    def _fate(self, page: PageRow, reading: PageRow, outcome: str) -> str | None:
        if outcome in ("gone", "redirected"):
            return f"page {outcome}"
        if outcome not in ("whole", "part"):
            return None
        if reading.robots & Robots.NOINDEX:
            return "noindex"
        return "canonicalised" if reading.canonical not in (None, page.url) else None

    def _judge(self, life: Life, number: int, page: PageRow, seen: tuple[bool, str | None, bool, Key]) -> None:
        present, fate, whole, key = seen
        if present and (fate in (None, life.first_fate) or key[1] in INDIRECT):
            if life.lived_at is not None and life.lost:
                life.found_as = "restored"
            life.state, life.lost, life.lived_at, life.lived_in = "live", None, page.fetched_at, number
        elif fate or whole:
            life.state = "lost"
            life.lost = life.lost or (number, page.fetched_at, fate or "removed")
        elif life.state == "live":
            life.state = "unknown"

    def reason(self, key: Key) -> str | None:
        """Return why a link is lost, when all visits are over."""
        life = self.lives[key]
        if life.lost is None or life.lost[2] != "removed":
            return life.lost[2] if life.lost else None
        for other, rival in self.lives.items():
            same_place = other[1] in SINGLE or (key[2] != "" and (other[2], other[4]) == (key[2], key[4]))
            appeared = life.lost[0] in rival.seen_in and life.lived_in not in rival.seen_in
            if other[0] != key[0] and other[1] == key[1] and same_place and appeared:
                return "target changed"
        return "removed"


class Oracle:
    """The expected tables of a web's generation."""

    def __init__(self, web: Web) -> None:
        self.visits: dict[str, list[PageRow]] = defaultdict(list)
        for page in sorted(web.pages, key=lambda page: (page.fetched_at, page.fetch)):
            self.visits[page.url].append(page)
        links: dict[int, list[LinkRow]] = defaultdict(list)
        for fetch, row in web.links:
            links[fetch].append(row)
        self.replays = {url: Replay(links) for url in self.visits}
        self.known: dict[str, PageRow] = {}
        for url, pages in self.visits.items():
            for number, page in enumerate(pages):
                self.replays[url].visit(number, page)
                if self.replays[url]._outcome(page) != "unknown":
                    self.known[url] = self.replays[url].content or page if page.not_modified else page

    def backlinks(self) -> list[dict[str, Any]]:
        """Return the rows of backlinks, those columns that are joined or judged."""
        return [self._row(url, key) for url, replay in self.replays.items() for key in replay.lives]

    def path(self, url: str) -> list[str]:
        """Return the URLs a visitor of `url` comes by."""
        path = [url]
        while len(path) <= 10:
            page = self.known.get(path[-1])
            quick = page and (page.redirect_delay_s or 0.0) <= MOVE_DELAY_S
            then = page and ((page.redirect_to if quick else None) or page.canonical)
            if not then or then in path:
                break
            path.append(then)
        return path

    def status(self, url: str) -> int | None:
        """Return the status of the last attempt; a 304 confirms the content's."""
        if url not in self.visits:
            return None
        last, content = self.visits[url][-1], self.replays[url].content
        return content.status if last.not_modified and content else last.status

    def _row(self, url: str, key: Key) -> dict[str, Any]:
        replay = self.replays[url]
        life, target = replay.lives[key], key[0]
        path = self.path(target)
        moved = len(path) > 1
        here, there = host(url), host(target)
        return {
            "source_url": url,
            "source_domain": domain(here),
            "source_title": life.page.title,
            "source_status": self.status(url),
            **dict(zip(("target", "kind", "anchor", "rel", "place"), key, strict=True)),
            "target_domain": domain(there),
            "target_status": self.status(target),
            "target_final": path[-1] if moved else None,
            "target_path": path if moved else None,
            "target_final_status": self.status(path[-1]) if moved else None,
            "nofollow": bool(key[3] & (Rel.NOFOLLOW | Rel.UGC | Rel.SPONSORED) or life.page.robots & Robots.NOFOLLOW),
            "scope": "same host" if here == there else "same domain" if domain(here) == domain(there) else "external",
            "ordinal": life.evidence.ordinal,
            "state": life.state,
            "first_seen": moment(life.seen[0]),
            "prev_seen": moment(life.seen[-2]) if len(life.seen) > 1 else None,
            "last_seen_live": None if life.lived_at is None else moment(life.lived_at),
            "observations": len(life.seen),
            "found_as": life.found_as,
            "lost_at": moment(life.lost[1]) if life.lost else None,
            "lost_as": replay.reason(key),
        }


def rolled_up(rows: list[dict[str, Any]], outside: set[str]) -> dict[str, Any]:
    """Return the roll-up of some backlinks, of which those from a scope in `outside` count."""
    live = [row for row in rows if row["state"] == "live" and row["kind"] in HYPERLINKS]
    counted = [row for row in live if row["scope"] in outside]
    return {
        "backlinks": len(counted),
        "follow": sum(not row["nofollow"] for row in counted),
        "nofollow": sum(row["nofollow"] for row in counted),
        "pages": len({row["source_url"] for row in counted}),
        "hosts": len({host(row["source_url"]) for row in counted}),
        "domains": len({row["source_domain"] for row in counted}),
        "external": sum(row["scope"] == "external" for row in counted),
        "inside": len(live) - len(counted),
        "links": len(rows),
        "first_seen": min((row["first_seen"] for row in counted), default=None),
        "last_seen": max((row["last_seen_live"] for row in counted), default=None),
    }
