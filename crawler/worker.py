"""One worker: take a job, do it, write down what came of it, say that it is done.

The flow of a page is `_page`; everything else here feeds it. Rule: this file waits and hands on; what to do next is
decided by the frontier, what is recorded by `crawler.pages`, what is followed by `crawler.admission`.
Slots are `fetch.concurrency` coroutines. A slot that finds no job sleeps until another slot's work, a refill or the
frontier's next time wakes it: `_Bell` is that waiting room.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Collection
from typing import Final, assert_never

from crawler.addresses import Endpoint
from crawler.dispatch import first_of
from crawler.dns import BlockedAddress, DnsFailure, Resolved
from crawler.filling import Filling
from crawler.jobs import Denied, Job, Resolve, RobotsFetch, RobotsRefused
from crawler.outcome import Failed, Outcome, Request
from crawler.pages import HTML_TYPES
from crawler.parts import Parts
from crawler.robots_settling import RobotsSettling
from crawler.settling import PageSettling
from crawler.url import fingerprint
from storage.directory import free_bytes
from storage.errors import StorageError
from storage.records import Failure

LEASE_LOOK_S: Final = 0.1
"""Between two looks whether a lease that had run out was renewed."""


class _Bell:
    """Wake sleeping slots one at a time: at a set moment, or when something changed."""

    def __init__(self) -> None:
        self._sleepers: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0

    async def sleep(self, until: float | None) -> None:
        """Sleep until rung by another, or at about `until`."""
        sleeper = asyncio.get_running_loop().create_future()
        self._sleepers.append(sleeper)
        self.ring_at(until)
        await sleeper

    def ring_at(self, at: float | None) -> None:
        """Ring at about `at` on the monotonic clock. Timers may come early, so the woken slot looks again."""
        if at is None or not self._sleepers or (self._timer is not None and self._timer_at <= at):
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        wait_s = at - time.monotonic()
        if wait_s <= 0.0:
            self.ring()
        else:
            self._timer_at = at
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        self.ring()

    def ring(self) -> None:
        """Wake the slot that slept longest."""
        while self._sleepers:
            sleeper = self._sleepers.popleft()
            if not sleeper.done():
                sleeper.set_result(None)
                return

    def ring_all(self) -> None:
        for _ in range(len(self._sleepers)):
            self.ring()


STOP_GRACE_S: Final = 5.0
"""What a stop asked for from outside leaves to requests under way; then they are cut off and their URLs stay queued.
A service manager kills what has not ended after ten seconds."""
STOP_PATIENCE_S: Final = 7.0
"""What it leaves to commits that wait for a database which another process holds."""
SPACE_LOOK_S: Final = 1.0
"""Between two looks at the free space of the disk."""


class Worker:
    """Run the slots until the crawl is exhausted, a limit is reached or `stop` is called."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._frontier = parts.frontier
        self._recorder = parts.recorder
        self._limits = parts.limits
        self._share = parts.share
        self._outage = parts.outage
        self._pages = PageSettling(parts)
        self.robots = RobotsSettling(parts)
        self._filling = Filling(parts.store, parts.settings.fetch.product, time.monotonic, time.time)
        self._bell = _Bell()
        self._wished = asyncio.Event()
        self._going_on = asyncio.Event()
        """Slots wait for it before they take a job; set unless the crawl is paused."""
        self._going_on.set()
        self._stopped = asyncio.Event()
        self.stop_reason: str | None = None
        parts.recorder.on_commit = self._on_commit

    @property
    def paused(self) -> bool:
        """Whether no job goes out because the disk is nearly full."""
        return not self._going_on.is_set()

    def stop(self, reason: str) -> None:
        """Hand out no further job; requests under way have STOP_GRACE_S to finish and are recorded."""
        self._end(reason)
        self._parts.store.patient_until = time.monotonic() + STOP_PATIENCE_S
        self._stopped.set()

    def _end(self, reason: str) -> None:
        if self.stop_reason is None:
            self.stop_reason = reason
        self._wished.set()
        self._going_on.set()
        self._bell.ring_all()

    def wake(self) -> None:
        """Learn that there may be something to do."""
        self._bell.ring_all()

    async def run(self) -> str:
        """Crawl; return the stop reason once everything is committed. Raises StorageError."""
        fault: StorageError | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._recorder.run())
                tasks.create_task(self._refill())
                watching = tasks.create_task(self._watch_space())
                await self._run_slots()
                watching.cancel()
                self._recorder.stop()
        except* StorageError as faults:
            fault = first_of(faults)
        if fault is not None:  # raised in the clause above it would come as a group before Python 3.11.4
            raise fault
        assert self.stop_reason is not None
        return self.stop_reason

    async def _run_slots(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            slots = [tasks.create_task(self._slot()) for _ in range(self._parts.settings.fetch.concurrency)]
            cutting = tasks.create_task(self._cut_off(slots))
            await asyncio.wait(slots)
            cutting.cancel()

    async def _cut_off(self, slots: Collection[asyncio.Task[None]]) -> None:
        """After a stop from outside, end the slots whose requests take too long. What was not recorded stays queued."""
        await self._stopped.wait()
        _, late = await asyncio.wait(slots, timeout=STOP_GRACE_S)
        for slot in late:
            slot.cancel()

    async def _watch_space(self) -> None:
        """Let no job out while the disk has less free space than the settings want; requests under way go on."""
        min_free = self._parts.settings.storage.min_free
        while min_free and self.stop_reason is None:
            if free_bytes(self._parts.store.directory) >= min_free:
                self._going_on.set()
            elif not self.paused:
                self._going_on.clear()
                self._parts.stats.counters["pauses.disk_space"] += 1
            await asyncio.sleep(SPACE_LOOK_S)

    async def _slot(self) -> None:
        while (job := await self._next_job()) is not None:
            await self._do(job)

    async def _do(self, job: Job) -> None:
        match job:
            case Request() if self._share.is_poisoned(job.url):
                self._release(
                    job, Failed(Failure.UNSAFE_HTML, "it ended the process that read it", ended_at=time.time())
                )
                self._pages.deny(job, Failure.UNSAFE_HTML)
            case Request():
                await self._page(job)
            case RobotsFetch():
                await self._robots_txt(job)
            case Resolve():
                await self._resolve(job)
            case Denied(request, failure):
                self._pages.deny(request, failure)
            case RobotsRefused(fetch, failure):
                self.robots.fail(fetch, failure, time.monotonic())
            case _:
                assert_never(job)

    async def _page(self, request: Request) -> None:
        limit = self._limits.claim()
        if limit is not None:
            self._abandon(request)
            self._end(limit)
            return
        started_at = time.time()
        try:
            at = self._frontier.endpoint_of(request)
            outcome = await self._parts.fetcher.fetch(request.url, at, types=HTML_TYPES)
            # While its host counts as busy: a crawl is not over before its last page is read, and a host whose
            # pages take long to read gets no more of them meanwhile.
            reading = await self._parts.sandbox.read(request, outcome)
        except asyncio.CancelledError:
            self._abandon(request)
            raise
        finally:
            self._limits.sent -= 1
        outcome = self._release(request, outcome)
        board = self._share.board
        if board is not None:
            board.reading(fingerprint(request.url))
        self._pages.settle(request, outcome, started_at, time.monotonic(), reading)
        if board is not None:
            board.reading(0)

    async def _robots_txt(self, fetch: RobotsFetch) -> None:
        at = self._frontier.endpoint_of(fetch)
        try:
            outcome = await self._parts.fetcher.fetch(fetch.url, at, limits=self._parts.robots_limits)
        except asyncio.CancelledError:
            self._abandon(fetch)
            raise
        self.robots.settle(fetch, self._release(fetch, outcome), time.monotonic())

    def _abandon(self, job: Request | RobotsFetch) -> None:
        """Give back a job that was cut off; the next start keeps the delay after it."""
        self._recorder.touch(self._frontier.abandon(job, time.monotonic()))

    def _release(self, job: Request | RobotsFetch, outcome: Outcome) -> Outcome:
        """Free the address that the frontier reserved; return the outcome as it is to be settled."""
        now = time.monotonic()
        outcome = self._judged(job.host_id, outcome, now)
        self._frontier.release(job, outcome, now)
        self._parts.watch(job, outcome)
        return outcome

    def _judged(self, host_id: int, outcome: Outcome, now: float) -> Outcome:
        """Return the outcome, marked when the network as a whole is to blame for it."""
        was_ongoing = self._outage.ongoing
        at_fault = self._outage.learn(host_id, outcome, self._frontier.hosts[host_id].record.done > 0, now)
        if was_ongoing != self._outage.ongoing:
            self._parts.stats.counters["outages"] += not was_ongoing
            self._bell.ring_all()
        return outcome._replace(outage=True) if at_fault and isinstance(outcome, Failed) else outcome

    async def _resolve(self, job: Resolve) -> None:
        answer = await self._parts.resolver.resolve(job.host)
        now = time.monotonic()
        match answer:
            case Resolved():
                endpoints = tuple(Endpoint(ip, answer.port) for ip in answer.addresses)
                self._frontier.resolved(job.host_id, endpoints, answer.expires_at, now)
            case BlockedAddress():
                self._frontier.refused(job.host_id, Failure.BLOCKED_ADDRESS, answer.expires_at, now)
            case DnsFailure(is_final=True):
                self._frontier.refused(job.host_id, Failure.DNS, answer.expires_at, now)
            case DnsFailure():
                self._unresolved(job, Failed(Failure.DNS, answer.detail, ended_at=time.time()), now)

    def _unresolved(self, job: Resolve, failed: Failed, now: float) -> None:
        """Record the page that would have been sent next as failed, or give its robots.txt up."""
        outcome = self._judged(job.host_id, failed, now)
        assert isinstance(outcome, Failed)
        waiting = self._frontier.unresolved(job.host_id, outcome, now)
        match waiting:
            case Request() if (limit := self._limits.claim()) is not None:
                self._frontier.queued += 1  # its row is still on disk
                self._end(limit)
            case Request():
                self._limits.sent -= 1  # it is over already
                self._pages.settle(waiting, outcome, time.time(), now)
            case RobotsFetch() if outcome.outage:
                self.robots.leave(waiting, now)
            case RobotsFetch():
                self.robots.fail(waiting, Failure.DNS, now)
            case None:
                pass

    async def _next_job(self) -> Job | None:
        """Return the next job when there is one, None when the crawl stops."""
        while self.stop_reason is None:
            if self.paused or self._recorder.is_full:
                await self._recorder.room()
                await self._going_on.wait()
                continue
            limit = self._limits.reached()
            if limit is not None:
                self._end(limit)
                break
            now = time.monotonic()
            if now >= self._share.lease.ends_at:
                await self._bell.sleep(now + LEASE_LOOK_S)
                continue
            if not self._outage.admits(now):
                await self._bell.sleep(self._outage.probe_at)
                continue
            job = self._frontier.take(now)
            if self._frontier.refills.wishing:
                self._wished.set()
            if job is not None:
                self._bell.ring_at(self._outage.probe_at if self._outage.ongoing else self._frontier.next_at())
                return job
            if self._frontier.finished and self._share.is_whole:
                self._end("only parked hosts remain" if self._frontier.queued else "exhausted")
                break
            await self._bell.sleep(self._frontier.next_at())
        return None

    async def _refill(self) -> None:
        """Read rows from disk for the hosts that wish for them."""
        while self.stop_reason is None:
            await self._wished.wait()
            self._wished.clear()
            async for _ in self._filling.fulfil(self._frontier):
                self._bell.ring()
            if self._frontier.refills.starving:
                self._recorder.hurry()
            self._bell.ring()

    def _on_commit(self) -> None:
        self._frontier.committed(self._recorder.pending, time.monotonic())
        if self._frontier.refills.wishing:
            self._wished.set()
