"""What follows from the outcome of a robots.txt fetch: rules in force, another hop, or a closed origin.

Rule: these calls never await. A redirect is queued at the host it leads to, so that it waits for that host's delay and
passes the address check like any other request.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from crawler import robots_policy
from crawler.headers import max_age, retry_after
from crawler.outcome import Answer, Failed, Fetched, Outcome, Redirected
from crawler.robots_policy import RobotsAnswer, RobotsState
from crawler.url import domains_of, host_of, normalise, shard_of
from storage.records import ErrandRow, Failure, RobotsRow

if TYPE_CHECKING:
    from crawler.jobs import RobotsFetch
    from crawler.parts import Parts


class RobotsSettling:
    """Turn outcomes of robots.txt fetches into the state of their origins."""

    def __init__(self, parts: Parts) -> None:
        self._frontier = parts.frontier
        self._recorder = parts.recorder
        self._counters = parts.stats.counters
        self._product = parts.settings.fetch.product
        self._first_wait_s = parts.settings.fetch.retry_wait
        self._share = parts.share

    def settle(self, fetch: RobotsFetch, outcome: Outcome, now: float) -> None:
        """Draw the conclusions of a fetch that ended at `now` (monotonic)."""
        self._counters["robots.fetches"] += 1
        self._recorder.touch(self._frontier.hosts[fetch.host_id])
        match outcome:
            case Redirected():
                self._redirect(fetch, outcome, now)
            case Fetched(answer, body):
                self._answer(fetch, answer, body, now)
            case Failed(outage=True):
                self.leave(fetch, now)
            case Failed(answer=Answer() as answer) if answer.status >= 400:
                self._answer(fetch, answer, b"", now)
            case Failed(failure):
                self.fail(fetch, failure, now)

    def leave(self, fetch: RobotsFetch, now: float) -> None:
        """Learn nothing from a fetch, because the network as a whole is to blame; it is made again."""
        if not self._share.errands.drop(fetch.origin):
            self._frontier.robots_unanswered(fetch, now)

    def fail(self, fetch: RobotsFetch, failure: Failure, now: float) -> None:
        """Settle a robots.txt that could not be had at all."""
        previous = self._frontier.robots.get(fetch.origin)
        utc = now + self._frontier.utc_offset
        state = robots_policy.after_failure(previous, failure.name.lower(), utc, first_wait_s=self._first_wait_s)
        self._put_in_force(fetch.origin, state, now)

    def _redirect(self, fetch: RobotsFetch, outcome: Redirected, now: float) -> None:
        target = normalise(outcome.location, fetch.url)
        if target is None or not robots_policy.follows(fetch.hops):
            self._answer(fetch, outcome.answer, b"", now)
        elif not self._share.owns(host_of(target)):
            self._pass_on(fetch, target, now)
        elif not self._frontier.robots_hop(fetch, target, host_of(target), now):
            self.fail(fetch, Failure.CONNECT, now)

    def _pass_on(self, fetch: RobotsFetch, target: str, now: float) -> None:
        """Leave the next hop to the worker that owns its host."""
        shard, errands = shard_of(domains_of(host_of(target)).domain), self._share.errands
        host_id = errands.host_id_of(fetch.origin)
        if host_id is None:
            host_id = self._frontier.robots_host(fetch.origin).record.host_id
        errand = ErrandRow(shard, fetch.origin, host_id, target, fetch.hops + 1)
        errands.give(errand, now + self._frontier.utc_offset)

    def answered_elsewhere(self, row: RobotsRow, now: float) -> None:
        """Put a robots.txt in force that another worker has fetched, and stored, for this one."""
        utc, previous = now + self._frontier.utc_offset, self._frontier.robots.get(row.origin)
        state = robots_policy.restore(row, self._product, utc)
        if (
            state.failures
        ):  # the other worker does not know how many there were before, nor the copy that may still serve
            failed = robots_policy.after_failure(
                previous, "not to be had", utc, status=row.status, first_wait_s=self._first_wait_s
            )
            state = replace(failed, expires_at=max(failed.expires_at, state.expires_at))
        self._recorder.touch(self._frontier.robots_answered(row.origin, state, now))

    def _answer(self, fetch: RobotsFetch, answer: Answer, body: bytes, now: float) -> None:
        previous = self._frontier.robots.get(fetch.origin)
        utc = now + self._frontier.utc_offset
        final = _final(answer, body, utc)
        state = robots_policy.after_answer(previous, final, self._product, utc, first_wait_s=self._first_wait_s)
        self._put_in_force(fetch.origin, state, now)

    def _put_in_force(self, origin: str, state: RobotsState, now: float) -> None:
        self._counters[f"robots.{state.verdict}"] += 1
        asking = self._share.errands.host_id_of(origin)
        if asking is not None:
            self._share.errands.end(origin)
            self._recorder.robots(robots_policy.to_row(state, origin, asking))
            return
        host = self._frontier.robots_answered(origin, state, now)
        self._recorder.touch(host)
        self._recorder.robots(robots_policy.to_row(state, origin, host.record.host_id))


def _final(answer: Answer, body: bytes, utc: float) -> RobotsAnswer:
    """Return what the policy needs of an answer. A body cut by our own cap is whole enough: RFC 9309 section 2.5."""
    pause = answer.header("retry-after")
    return RobotsAnswer(
        answer.status,
        body,
        max_age_s=max_age(", ".join(answer.values("cache-control"))),
        retry_after_s=(retry_after(pause, utc) or 0.0) if pause is not None else 0.0,
    )
