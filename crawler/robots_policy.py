"""The life of one origin's robots.txt: what an answer, a failure or a redirect means and until when it holds.

Rule: when in doubt nothing is fetched. Only an answer that says there is no file (4xx) opens an origin; one that could
not be had closes it and is asked for again, later each time (RFC 9309 sections 2.3.1 and 2.4).
Pure: `now` is UTC, seconds since the epoch, for the cache outlives a restart. The frontier does the asking.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from crawler.robots import MAX_BYTES, parse
from crawler.robots_rules import ALLOW_ALL, DISALLOW_ALL, Rules
from storage.records import RobotsRow

MAX_HOPS: Final = 5
"""Redirects followed; RFC 9309 section 2.3.1.2 asks for at least five."""

FETCH_BYTES: Final = MAX_BYTES + 1
"""Body bytes worth reading: one more than is parsed, so that a longer file is known to be cut."""

LONGEST_S: Final = 24 * 3600.0
"""RFC 9309 section 2.4: a copy should not be used for more than 24 hours."""

SHORTEST_S: Final = 3600.0
"""Many sites send max-age=0 with everything; without this bound every page would cost a robots.txt."""

STALE_S: Final = 30 * 24 * 3600.0
"""How old a copy may serve while the file cannot be had; RFC 9309 section 2.3.1.4 names 30 days, Google keeps to it."""

FIRST_WAIT_S: Final = 60.0
"""Wait after the first failure, doubled with each further one."""

LONGEST_WAIT_S: Final = 6 * 3600.0
"""Four times a day is often enough for an origin that stays broken."""

TOO_MANY_REQUESTS: Final = 429


class Verdict(StrEnum):
    """What holds for an origin; the values are stored."""

    RULES = "rules"
    ALLOW_ALL = "allow_all"
    DISALLOW_ALL = "disallow_all"


@dataclass(frozen=True, slots=True)
class RobotsState:
    """What is known of one origin's robots.txt."""

    verdict: Verdict
    rules: Rules
    """Never to be asked about another origin, also when a redirect led to another (section 2.3.1.2)."""
    status: int | None
    """Of the last whole answer; None when there was none."""
    fetched_at: float
    """UTC, seconds: when the copy in force was fetched, or the first of the failures in a row when there is none."""
    expires_at: float
    """UTC, seconds: ask again from then on."""
    failures: int = 0
    """Failures in a row."""
    body: bytes = b""
    """The copy in force, at most FETCH_BYTES; empty without one."""
    reason: str | None = None
    """Why the last attempt gave no file, for people: `HTTP 503`, `timeout`."""

    @property
    def unreachable(self) -> bool:
        """Whether everything is disallowed only because the file could not be had."""
        return self.verdict is Verdict.DISALLOW_ALL

    @property
    def stale(self) -> bool:
        """Whether an older copy serves because the file could not be had."""
        return self.failures > 0 and self.verdict is Verdict.RULES


@dataclass(frozen=True, slots=True)
class RobotsAnswer:
    """The final answer to a request for robots.txt, after any redirects."""

    status: int
    body: bytes = b""
    truncated: bool = False
    """The connection ended before the body did. A body that our own cap cut is whole enough: section 2.5."""
    max_age_s: float | None = None
    """From Cache-Control."""
    retry_after_s: float = 0.0


def follows(hops: int) -> bool:
    """Tell whether to follow a redirect after `hops` earlier ones; if not, the 3xx goes to `after_answer` as it is."""
    return hops < MAX_HOPS


def is_failure(status: int) -> bool:
    """Tell whether a status says nothing about the file, so that the origin stays closed and is asked again."""
    return not 200 <= status < 500 or status == TOO_MANY_REQUESTS


def after_answer(
    previous: RobotsState | None, answer: RobotsAnswer, product: str, now: float, *, first_wait_s: float = FIRST_WAIT_S
) -> RobotsState:
    """Return what holds after an answer; a 3xx here is one that is not followed, and counts as no file.

    `first_wait_s`: wait after the first failure in a row.
    """
    status = answer.status
    if is_failure(status):
        failed = after_failure(previous, f"HTTP {status}", now, status=status, first_wait_s=first_wait_s)
        asked_until = now + min(answer.retry_after_s, LONGEST_S)
        return replace(failed, expires_at=max(failed.expires_at, asked_until))
    if status >= 300:
        return RobotsState(Verdict.ALLOW_ALL, ALLOW_ALL, status, now, now + _lifetime_s(answer.max_age_s))
    if answer.truncated:
        return after_failure(previous, "cut short", now, first_wait_s=first_wait_s)
    body = answer.body[:FETCH_BYTES]
    expires_at = now + _lifetime_s(answer.max_age_s)
    return RobotsState(Verdict.RULES, parse(body, product), status, now, expires_at, body=body)


def after_failure(
    previous: RobotsState | None,
    reason: str,
    now: float,
    *,
    status: int | None = None,
    first_wait_s: float = FIRST_WAIT_S,
) -> RobotsState:
    """Return what holds when the file could not be had: the last copy while it is fresh enough, else nothing may."""
    failures = previous.failures + 1 if previous is not None else 1
    expires_at = now + min(first_wait_s * 2 ** min(failures - 1, 16), LONGEST_WAIT_S)
    if previous is not None and previous.verdict is Verdict.RULES and now - previous.fetched_at <= STALE_S:
        return RobotsState(
            Verdict.RULES, previous.rules, status, previous.fetched_at, expires_at, failures, previous.body, reason
        )
    since = previous.fetched_at if previous is not None and previous.unreachable else now
    return RobotsState(Verdict.DISALLOW_ALL, DISALLOW_ALL, status, since, expires_at, failures, reason=reason)


def restore(row: RobotsRow, product: str, now: float) -> RobotsState:
    """Return the state a row was saved from. Failures in a row count from one again: a restart is a fresh try.

    A row that is good for longer than any can be was saved before the wall clock was set back.
    """
    verdict = Verdict(row.verdict)
    rules = {Verdict.ALLOW_ALL: ALLOW_ALL, Verdict.DISALLOW_ALL: DISALLOW_ALL}.get(verdict)
    if rules is None:
        rules = parse(row.body, product)
    failed = verdict is Verdict.DISALLOW_ALL or (verdict is Verdict.RULES and not _is_success(row.status))
    fetched_at, expires_at = min(row.fetched_at, now), min(row.expires_at, now + LONGEST_S)
    return RobotsState(verdict, rules, row.status, fetched_at, expires_at, int(failed), row.body)


def to_row(state: RobotsState, origin: str, host_id: int) -> RobotsRow:
    """Return the state as it is saved."""
    return RobotsRow(origin, host_id, state.verdict.value, state.status, state.body, state.fetched_at, state.expires_at)


def _is_success(status: int | None) -> bool:
    return status is not None and 200 <= status < 300


def _lifetime_s(max_age_s: float | None) -> float:
    return LONGEST_S if max_age_s is None else min(max(max_age_s, SHORTEST_S), LONGEST_S)
