"""What follows from an outcome: rows to record, URLs to queue, a retry, the end of a URL.

Rule: these calls never await. All that one page changes goes into the same batch, so a crash shows all of it or none.
Robots.txt files are settled in `crawler.robots_settling`.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, count
from time import time
from typing import TYPE_CHECKING, Final

from tenacity import RetryCallState, Retrying, wait_exponential

from crawler.hostqueue import RETRY_WAIT_MAX_S, HostQueue
from crawler.jobs import Discovery
from crawler.outcome import Failed, Fetched, Outcome, Redirected, Request
from crawler.pages import Attempt, Reading, Record, record
from crawler.scope import COUNTER_OF, Left
from storage.records import Failure, LinkRow, Via

if TYPE_CHECKING:
    from crawler.parts import Parts

SEQUENCE_BITS: Final = 40
"""Fetch numbers are incarnation << 40 | sequence: a trillion fetches between two starts."""

# Failures that may be gone the next time; every other failure is final for the URL.
RETRIED: Final = frozenset(
    {
        Failure.DNS,
        Failure.CONNECT,
        Failure.TIMEOUT,
        Failure.RESET,
        Failure.PROTOCOL,  # a body cut short looks like this
        Failure.SERVER_ERROR,
        Failure.THROTTLED,
    }
)


class PageSettling:
    """Record pages, queue what they revealed, and decide what becomes of their URL."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._frontier = parts.frontier
        self._recorder = parts.recorder
        self._counters = parts.stats.counters
        self._settings = parts.settings.fetch
        self._retry_wait = wait_exponential(self._settings.retry_wait, max=RETRY_WAIT_MAX_S)
        self._fetches = count(parts.incarnation << SEQUENCE_BITS)

    def settle(
        self, request: Request, outcome: Outcome, started_at: float, now: float, reading: Reading = None
    ) -> None:
        """Record an attempt that began at `started_at` (UTC) and ended `now` (monotonic), and draw its conclusions.

        `reading` is what `crawler.sandbox` made of the page.
        """
        host = self._frontier.hosts[request.host_id]
        queue_ms = (started_at - request.discovered_at) * 1000.0
        attempt = Attempt(self._parts.run, next(self._fetches), request, max(0.0, queue_ms))
        found = record(attempt, outcome, self._parts.extract, reading)
        if isinstance(outcome, Redirected) and request.hops >= self._settings.max_redirects:
            found.row.failure = Failure.REDIRECT_LOOP
        self._parts.stats.count_page(found.row, outcome)
        self._recorder.page(found.row, found.links)
        self._recorder.finish(request)
        self._recorder.touch(host)
        host.record.bytes += found.row.wire_bytes
        host.record.first_visit = host.record.first_visit or time()
        host.record.last_visit = time()
        if isinstance(outcome, Fetched) and found.row.failure:
            host.record.failed += 1
            host.record.pages_failed += 1
        else:
            self._conclude(request, outcome, host, now)
        if isinstance(outcome, Redirected):
            self._follow_redirect(request, found, now)
        elif found.links or found.links_to_follow:
            self._follow_links(request, found, now)
        if found.links_unwanted:
            self._counters["dropped.unwanted_kind"] += found.links_unwanted

    def deny(self, request: Request, failure: Failure) -> None:
        """Record a page for which nothing is sent: it may not be fetched, or its host does not exist."""
        host = self._frontier.hosts[request.host_id]
        outcome = Failed(failure, "nothing was sent", ended_at=time())
        attempt = Attempt(self._parts.run, next(self._fetches), request, 0.0)
        self._recorder.page(record(attempt, outcome, self._parts.extract).row, [])
        self._recorder.finish(request)
        self._recorder.touch(host)
        if failure is Failure.DNS:
            self._counters["failed.dns"] += 1
            host.record.failed += 1
            host.record.pages_failed += 1
        else:
            self._counters[f"denied.{failure.name.lower()}"] += 1
            host.record.excluded += 1
            host.record.pages_denied += 1

    def _conclude(self, request: Request, outcome: Outcome, host: HostQueue, now: float) -> None:
        """Move the URL on to done, failed, or back to the queue."""
        match outcome:
            case Redirected() if request.hops >= self._settings.max_redirects:
                host.record.failed += 1
                host.record.pages_failed += 1
            case Fetched(answer) | Redirected(answer):
                host.record.done += 1
                host.record.pages_ok += answer.status < 400
                host.record.pages_failed += answer.status >= 400
            case Failed(outage=True):
                self._counters["retries.outage"] += 1
                self._recorder.queue(self._frontier.retry(request, now, now, counted=False))
            case Failed(failure) if failure in RETRIED and request.tries < self._settings.retries:
                self._counters["retries"] += 1
                self._recorder.queue(self._frontier.retry(request, now + self._wait_s(request), now))
            case Failed(Failure.BLOCKED_ADDRESS):
                host.record.excluded += 1
                host.record.pages_denied += 1
            case Failed():
                host.record.failed += 1
                host.record.pages_failed += 1

    def _wait_s(self, request: Request) -> float:
        state = RetryCallState(Retrying(), None, (), {})
        state.attempt_number = request.tries + 1
        return self._retry_wait(state)

    def _follow_redirect(self, request: Request, found: Record, now: float) -> None:
        """Queue the target of a redirect at the depth of its source, unless the chain is too long."""
        hops = request.hops + 1
        if hops > self._settings.max_redirects:
            self._leave(found.links, Left.REDIRECT_LIMIT)
        else:
            self._admit(found.links, Discovery(request.depth, Via.REDIRECT, hops, found.row.fetch), now)

    def _follow_links(self, request: Request, found: Record, now: float) -> None:
        """Queue the page's links that are to be followed; count the others by reason."""
        if found.page_nofollow and self._parts.settings.scope.nofollow == "skip":
            self._leave([*found.links, *found.links_to_follow], Left.NOFOLLOW)
        else:
            how = Discovery(request.depth + 1, Via.LINK, 0, found.row.fetch)
            self._admit(chain(found.links, found.links_to_follow), how, now)

    def _admit(self, links: Iterable[LinkRow], how: Discovery, now: float) -> None:
        for row, mark in self._parts.admission.admit_links(links, how, self._counters, now):
            self._recorder.queue(row, mark)

    def _leave(self, links: list[LinkRow], left: Left) -> None:
        self._counters[COUNTER_OF[left]] += len(links)
