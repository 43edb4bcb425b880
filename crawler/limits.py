"""When a crawl has had enough: its limits on pages and bytes (the supervisor keeps the time).

Rule: a page under way counts as had, and who sends it has claimed it first, under the lock that all workers share: so a
limit on pages is met exactly. Bytes are looked at before a page, and what is under way may come on top.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from config import CrawlSettings
    from crawler.board import Board
    from crawler.stats import Stats


PAGE_LIMIT: Final = "page limit"
BYTE_LIMIT: Final = "byte limit"
LIMITS: Final = (PAGE_LIMIT, BYTE_LIMIT)
"""Why a crawl stops that has had enough."""


class Limits:
    """The limits of one run; what earlier parts of a resumed run used up counts."""

    def __init__(self, settings: CrawlSettings, stats: Stats, board: Board | None = None) -> None:
        self._max_pages = settings.max_pages
        self._max_bytes = settings.max_bytes
        self._counters = stats.counters
        self._board = board
        self._claiming = nullcontext() if board is None else board.addresses.locked
        self.sent = 0
        """Page requests under way."""

    def reached(self) -> str | None:
        """Return the stop reason when a limit is reached, counting the pages under way."""
        if not self._max_pages and not self._max_bytes:
            return None
        pages, wire_bytes = self._had()
        if self._max_pages and pages >= self._max_pages:
            return PAGE_LIMIT
        if self._max_bytes and wire_bytes >= self._max_bytes:
            return BYTE_LIMIT
        return None

    def claim(self) -> str | None:
        """Count a page request that is about to be sent as under way; return the stop reason when none is left.

        Other workers may have claimed the last pages since `reached` was asked.
        """
        self.sent += 1
        if not self._max_pages:
            return None
        with self._claiming:
            if self._had()[0] <= self._max_pages:
                return None
            self.sent -= 1
            self._had()
            return PAGE_LIMIT

    def _had(self) -> tuple[int, int]:
        """Return the pages and bytes that all workers have had, and tell the others of this one's."""
        pages, wire_bytes = self._counters["attempts"] + self.sent, self._counters["bytes.wire"]
        return (pages, wire_bytes) if self._board is None else self._board.tell(pages, wire_bytes)
