"""What the crawl counted so far, by name, and what it looks like at this moment.

Rule: nothing is dropped, cut, refused or left without a count here; the totals are saved with every commit.
Names are paths: `pages`, `status.404`, `failed.dns`, `left.nofollow`, `dropped.over_max_links`.
Showing them is the command line's part.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from crawler.outcome import Failed, Fetched, Outcome, Redirected
from storage.records import Failure, PageRow


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of a running crawl, for progress displays and log lines."""

    elapsed_s: float
    attempts: int
    """Requests for pages that have ended, in whatever way: what crawl.max_pages limits."""
    pages: int
    """Those that ended with an answer that is the page's: no redirect, no failure."""
    links: int
    wire_bytes: int
    queued: int
    open: int
    hosts: dict[str, int]
    """Hosts by where they stand: due, held, full, parked ..."""
    counters: dict[str, int]
    max_pages: int
    max_time_s: float
    max_bytes: int
    paused: str | None = None
    """Why no request goes out at this moment, for people."""


@dataclass(slots=True)
class Stats:
    """Counters of one run, carried on when it resumes."""

    counters: Counter[str] = field(default_factory=Counter)

    def count_page(self, row: PageRow, outcome: Outcome) -> None:
        """Count one ended attempt and what its page held."""
        counters = self.counters
        counters["attempts"] += 1
        counters["bytes.wire"] += row.wire_bytes
        counters["bytes.body"] += row.body_bytes
        if row.status is not None:
            counters[f"status.{row.status}"] += 1
        match outcome:
            case Failed(failure):
                counters[f"failed.{failure.name.lower()}"] += 1
            case Redirected():
                counters["redirects"] += 1
            case Fetched() if row.failure:
                counters[f"failed.{Failure(row.failure).name.lower()}"] += 1
            case Fetched():
                counters["pages"] += 1
        if row.truncated:
            counters["cut.body"] += 1
        self._count_links(row)

    def _count_links(self, row: PageRow) -> None:
        counters = self.counters
        counters["links"] += row.links
        for name, number in (
            ("dropped.bad_href", row.bad_href),
            ("dropped.same_document", row.same_document),
            ("dropped.other_scheme", row.other_scheme),
            ("dropped.over_max_links", row.links_dropped),
        ):
            if number:
                counters[name] += number
