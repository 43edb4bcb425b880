"""When a crawl has had enough: its limits on pages and bytes (the supervisor keeps the time).

Rule: a page under way counts as had, so a limit on pages is met exactly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from config import CrawlSettings
    from crawler.stats import Stats


class Limits:
    """The limits of one run; what earlier parts of a resumed run used up counts."""

    def __init__(self, settings: CrawlSettings, stats: Stats) -> None:
        self._settings = settings
        self._counters = stats.counters
        self.sent = 0
        """Page requests under way."""

    def reached(self) -> str | None:
        """Return the stop reason when a limit is reached, counting the pages under way."""
        settings, counters = self._settings, self._counters
        if settings.max_pages and counters["attempts"] + self.sent >= settings.max_pages:
            return "page limit"
        if settings.max_bytes and counters["bytes.wire"] >= settings.max_bytes:
            return "byte limit"
        return None
