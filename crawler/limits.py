"""When a crawl has had enough: its limits on pages and bytes (the supervisor keeps the time).

Rule: a page under way counts as had, so a limit on pages is met exactly; several workers may miss it by one page each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from config import CrawlSettings
    from crawler.board import Board
    from crawler.stats import Stats


class Limits:
    """The limits of one run; what earlier parts of a resumed run used up counts."""

    def __init__(self, settings: CrawlSettings, stats: Stats, board: Board | None = None) -> None:
        self._max_pages = settings.max_pages
        self._max_bytes = settings.max_bytes
        self._counters = stats.counters
        self._board = board
        self.sent = 0
        """Page requests under way."""

    def reached(self) -> str | None:
        """Return the stop reason when a limit is reached, counting the pages under way."""
        if not self._max_pages and not self._max_bytes:
            return None
        pages, wire_bytes = self._counters["attempts"] + self.sent, self._counters["bytes.wire"]
        if self._board is not None:
            pages, wire_bytes = self._board.tell(pages, wire_bytes)
        if self._max_pages and pages >= self._max_pages:
            return "page limit"
        if self._max_bytes and wire_bytes >= self._max_bytes:
            return "byte limit"
        return None
