"""A crawl by several worker processes: starts them, replaces dead ones, ends them together, adds up what they tell.

Rule: the supervisor does no work of a worker. It divides the shards, and only it decides that a crawl is over: when at
one moment every worker was idle and no offer was left. A page that was being read at two deaths is set aside.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from crawler.board import NOTHING, Board, Saved
from crawler.dispatch import LINE_BYTES_MAX, Ended, Fault, Order, State, first_of, line_of, report_in, stop_line
from crawler.errors import WorkerDies
from crawler.limits import LIMITS, Limits
from crawler.stats import Snapshot, Stats
from crawler.supervisor import Crawl, Watch
from crawler.url import domains_of, host_of, shard_of
from storage.errors import StorageError
from storage.leases import Shards
from storage.records import Batch
from storage.runs import EXHAUSTED, RunInfo
from storage.sharing import SharedStore

if TYPE_CHECKING:
    from config import Settings

ROOT: Final = Path(__file__).resolve().parent.parent
WORKER = "crawler.worker_process"
"""The module that a worker runs."""
LOOK_S: Final = 0.1
"""Between two looks whether the crawl is over."""
DEATHS_MAX: Final = 5
"""Lives of a worker in a row in which it fetched nothing; then the crawl ends."""
SILENCE_S: Final = 60.0
"""After which a worker counts as hanging and is killed: it tells its state every fifth of a second."""
APART_S: Final = 5.0
"""Workers that stand still together were heard last within this time, on a busy machine too."""
HALTED_S: Final = 1.0
"""Between two looks that are LOOK_S apart: the supervisor itself stood still, and what workers told lies unread."""
START_S: Final = 300.0
"""How long it may take to tell the first one: a large queue is read before."""
STRIKES: Final = 2
"""Deaths while a page was being read, after which it is set aside: the first may have been chance."""


DEATHS: Final = "workers.died"


@dataclass(slots=True)
class Post:
    """The place of one worker; processes come and go."""

    number: int
    shards: Shards
    process: Process | None = None
    state: State | None = None
    heard_at: float = 0.0
    """Monotonic seconds, of the last message."""
    snapshot: Snapshot | None = None
    ended: Ended | None = None
    deaths: int = 0
    """In a row without a page."""

    def is_silent(self, now: float) -> bool:
        """Tell whether a worker is here and has told nothing for too long."""
        limit_s = START_S if self.state is None else SILENCE_S
        return self.process is not None and self.process.returncode is None and now - self.heard_at > limit_s


class Crew(Crawl):
    """A crawl whose work is done by other processes; seen from outside like one that does it itself."""

    def __init__(self, settings: Settings, seeds: Sequence[str], workers: int) -> None:
        super().__init__(settings, seeds)
        self._workers = workers
        self._posts: list[Post] = []
        self._past: Counter[str] = Counter()
        """What earlier starts, and workers that died, have counted."""
        self._last: Snapshot | None = None
        self.board: Board | None = None
        self._strikes: Counter[int] = Counter()
        self._fault: Exception | None = None
        self._died_stopping = False

    def stop(self, reason: str) -> None:
        """Stop cleanly: every worker finishes its requests under way and commits everything."""
        if self._stop_asked is None:
            self._stop_asked = reason
        for post in self._posts:
            self._tell_stop(post)

    def _tell_stop(self, post: Post) -> None:
        process = post.process
        if process is not None and process.stdin is not None and not process.stdin.is_closing():
            assert self._stop_asked is not None
            process.stdin.write(stop_line(self._stop_asked))

    async def _crawl(self, store: SharedStore, run: RunInfo) -> str:
        await self._shift(store, run)
        for _ in range(DEATHS_MAX):
            if not await self._fell_short(store, run):
                break
            self._stop_asked, self._died_stopping = None, False
            await self._shift(store, run._replace(crashed=True))
        return await self._end(store, run)

    async def _shift(self, store: SharedStore, run: RunInfo) -> None:
        """Crawl with a set of workers until all have ended."""
        self._past = Counter(await store.load_counters(run.run))
        board = self.board = Board.make(self._workers)
        board.start_from(self._past["attempts"], self._past["bytes.wire"])
        self._posts = [Post(number, shards) for number, shards in enumerate(await store.divide(self._workers))]
        try:
            await self._supervise(store, run, board)
        except* StorageError as faults:
            self._fault = self._fault or first_of(faults)
        finally:
            await self._kill_all()
            board.close()
        if self._fault is not None:
            raise self._fault

    async def _fell_short(self, store: SharedStore, run: RunInfo) -> bool:
        """Tell whether all stopped at a limit that is not met: one of them died with its part of it uncommitted."""
        if self._stop_asked not in LIMITS or not any(post.deaths for post in self._posts):
            return False
        return Limits(self._settings.crawl, Stats(Counter(await store.load_counters(run.run)))).reached() is None

    async def _supervise(self, store: SharedStore, run: RunInfo, board: Board) -> None:
        loop, max_time = asyncio.get_running_loop(), self._settings.crawl.max_time
        left_s = max_time - (time.monotonic() - self._started_at)
        timer = loop.call_later(left_s, self.stop, "time limit") if max_time else None
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._watch_end(store))
                watching = tasks.create_task(self._watch_silence(board))
                await asyncio.wait([tasks.create_task(self._keep(post, store, run, board)) for post in self._posts])
                watching.cancel()
        finally:
            if timer is not None:
                timer.cancel()

    async def _end(self, store: SharedStore, run: RunInfo) -> str:
        """Write down why the start ended; not where hosts wait because of a crash, so that the next start waits too."""
        reason = self._stop_asked
        assert reason is not None
        heeds_crash = any(post.ended is not None and post.ended.heeds_crash for post in self._posts)
        if reason == EXHAUSTED or not (heeds_crash or self._died_stopping):
            await store.end_run(run.run, reason, time.time())
        counters = await store.load_counters(run.run)
        snapshot = self._snapshot_of(Counter(counters), [post.snapshot for post in self._posts])
        self._last = replace(snapshot, queued=(await store.totals(run.run)).queued, open=0)
        return reason

    # One worker.

    async def _keep(self, post: Post, store: SharedStore, run: RunInfo, board: Board) -> None:
        """Have a worker at its post until one ends as it should."""
        while True:
            await self._live(post, self._order(post, run, board, store.lock))
            if post.ended is not None or self._fault is not None:
                break
            mark = await self._bury(post, board, await _saved_by(post, store, board))
            await store.revoke(post.shards)
            await store.commit(Batch(counters={DEATHS: 1}), time.time())
            self._mourn(post, mark)
            if self.stopping:
                self._died_stopping = True
                break
        if not self.stopping:
            self.stop(post.ended.reason if post.ended is not None else "a fault")

    async def _bury(self, post: Post, board: Board, saved: Saved) -> int:
        """Take a dead worker off the board as soon as no other changes the table; return the page it was reading."""
        while True:
            with suppress(BlockingIOError):
                return board.bury(post.number, saved, time.monotonic(), self._settings.politeness.delay_per_ip)
            await asyncio.sleep(LOOK_S)

    def _order(self, post: Post, run: RunInfo, board: Board, lock: int) -> Order:
        settings, workers = self._settings, self._workers
        file = settings.log.file
        told = settings.model_copy(
            update={
                "crawl": settings.crawl.model_copy(
                    update={"data_dir": settings.crawl.data_dir.absolute(), "max_time": 0.0}
                ),
                "fetch": settings.fetch.model_copy(update={"concurrency": -(-settings.fetch.concurrency // workers)}),
                "log": settings.log.model_copy(update={"file": file and file.absolute()}),
            }
        )
        poisoned = [mark for mark, strikes in self._strikes.items() if strikes >= STRIKES]
        return Order(
            number=post.number,
            workers=workers,
            board=board.handle,
            lock=lock,
            shards=(post.shards.first, post.shards.last),
            run=run.run,
            crashed=run.crashed,
            poisoned=poisoned,
            settings=told.model_dump_json(),
            seeds=list(self._seeds),
        )

    async def _live(self, post: Post, order: Order) -> None:
        """Run one process to its end and take in what it tells."""
        process = post.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", WORKER, cwd=ROOT, stdin=PIPE, stdout=PIPE,
            pass_fds=(order.board, order.lock), start_new_session=True, limit=LINE_BYTES_MAX,
        )  # fmt: skip
        assert process.stdin is not None and process.stdout is not None
        post.heard_at = time.monotonic()
        process.stdin.write(line_of(order))
        if self.stopping:
            self._tell_stop(post)
        async for line in process.stdout:
            if line.endswith(b"\n"):  # what a dying process leaves may be half a line
                self._take_in(post, line)
        await process.wait()
        post.state = post.process = None

    def _take_in(self, post: Post, line: bytes) -> None:
        post.heard_at = time.monotonic()
        match report_in(line):
            case State() as state:
                post.state = state
            case Snapshot() as snapshot:
                post.snapshot = snapshot
            case Ended() as ended:
                post.ended = ended
            case Fault() as fault:
                self._fault = self._fault or fault.as_error()

    def _mourn(self, post: Post, mark: int) -> None:
        """Count a death, keep what the dead had counted, and give up where nothing comes of new lives."""
        snapshot, post.snapshot = post.snapshot, None
        had_pages = snapshot is not None and snapshot.attempts > 0
        post.deaths = 1 if had_pages else post.deaths + 1
        if snapshot is not None:
            self._past.update(snapshot.counters)
        self._past[DEATHS] += 1
        if mark:
            self._strikes[mark] += 1
        if post.deaths >= DEATHS_MAX:
            self._fault = self._fault or WorkerDies()
            self.stop("a fault")

    async def _watch_silence(self, board: Board) -> None:
        """Kill workers that hang, also while the crawl stops, until all have ended."""
        looked_at = time.monotonic()
        while True:
            await asyncio.sleep(LOOK_S)
            now = time.monotonic()
            if now - looked_at > HALTED_S:
                self._listen_again(now)
            self._kill_hanging(board, now)
            looked_at = now

    def _kill_hanging(self, board: Board, now: float) -> None:
        """Kill workers that have told nothing for too long: a page that is read without end is one's last.

        Where one of them holds the lock of the address table, the others may only wait for it, and have time again.
        """
        silent = [post for post in self._posts if post.is_silent(now)]
        holder = board.addresses.locked.holder
        holding = [post for post in silent if post.number == holder]
        if (
            silent
            and not holding
            and any(post.is_silent(now + APART_S) for post in self._posts if post.number == holder)
        ):
            return  # it stood still at the same time, and told something a little later than those that wait for it
        for post in holding or silent:
            assert post.process is not None
            post.process.kill()
        if holding:
            self._listen_again(now)

    def _listen_again(self, now: float) -> None:
        """Count the silence of all from now on."""
        for post in self._posts:
            post.heard_at = now

    async def _kill_all(self) -> None:
        """End what still runs, at once."""
        left = [post.process for post in self._posts if post.process is not None]
        for process in left:
            if process.returncode is None:
                process.kill()
        for process in left:
            await process.wait()

    # All of them.

    async def _watch_end(self, store: SharedStore) -> None:
        """Stop the crawl once no worker has anything to do, nor will have."""
        resting, looked_at = None, 0.0
        while not self.stopping:
            await asyncio.sleep(LOOK_S)
            if resting is not None and resting == self._resting(looked_at):
                queued = sum(post.snapshot.queued for post in self._posts if post.snapshot is not None)
                self.stop("only parked hosts remain" if queued else EXHAUSTED)
            elif resting is None or resting != self._resting():
                resting = self._resting()
                if resting is not None and await store.pending():
                    resting = None
                looked_at = time.monotonic()

    def _resting(self, since: float = 0.0) -> list[tuple[int, int]] | None:
        """Return which processes rest, and how often each has had work, if all were seen to rest after `since`."""
        found = []
        for post in self._posts:
            if post.process is None or post.state is None or not post.state.idle or post.state.at <= since:
                return None
            found.append((post.process.pid, post.state.activity))
        return found

    def snapshot(self) -> Snapshot | None:
        """Return the state of the crawl as the workers told it last, None before they have."""
        if self._last is not None:
            return self._last
        snapshots = [post.snapshot for post in self._posts]
        if not any(snapshots):
            return None
        counters = self._past.copy()
        for snapshot in snapshots:
            if snapshot is not None:
                counters.update(snapshot.counters)
        return self._snapshot_of(counters, snapshots)

    @property
    def paused(self) -> str | None:
        """Why some worker sends no request, as it told last."""
        return _pause_of([post.snapshot for post in self._posts])

    def _snapshot_of(self, counters: Counter[str], snapshots: Sequence[Snapshot | None]) -> Snapshot:
        crawl, hosts = self._settings.crawl, Counter[str]()
        told = [snapshot for snapshot in snapshots if snapshot is not None]
        for snapshot in told:
            hosts.update(snapshot.hosts)
        return Snapshot(
            elapsed_s=time.monotonic() - self._started_at,
            attempts=counters["attempts"],
            pages=counters["pages"],
            links=counters["links"],
            wire_bytes=counters["bytes.wire"],
            queued=sum(snapshot.queued for snapshot in told),
            open=sum(snapshot.open for snapshot in told),
            hosts=dict(hosts),
            counters=dict(counters),
            max_pages=crawl.max_pages,
            max_time_s=crawl.max_time,
            max_bytes=crawl.max_bytes,
            paused=_pause_of(told),
        )


def _pause_of(snapshots: Iterable[Snapshot | None]) -> str | None:
    return next((snapshot.paused for snapshot in snapshots if snapshot is not None and snapshot.paused), None)


async def _saved_by(post: Post, store: SharedStore, board: Board) -> Saved:
    """Return what a dead worker had on record: the rest of what it had had is fetched again."""
    for saved in board.saved_by(post.number):
        if await store.has_batch(saved.batch):
            return saved
    return NOTHING


def crawl_of(settings: Settings, seeds: Sequence[str], *watch: Watch) -> Crawl:
    """Return the crawl that the settings ask for: by several workers, or in this process."""
    workers = workers_for(settings, seeds)
    return Crawl(settings, seeds, *watch) if workers == 1 else Crew(settings, seeds, workers)


def workers_for(settings: Settings, seeds: Sequence[str]) -> int:
    """Return how many workers have something to do: no more than there are domains where no other is followed."""
    wanted = settings.crawl.workers or usable_cores()
    if settings.scope.follow in ("host", "domain"):
        wanted = min(wanted, len({shard_of(domains_of(host_of(seed)).domain) for seed in seeds}))
    return max(1, wanted)


def usable_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
