"""Random schedules of a crawl on a simulated clock: found, sent, answered, failed, committed, crashed, restarted.

The frontier, what follows from outcomes, the batch and the store on disk are the crawler's own; only the clock and the
web are made up. After every step the politeness is held against what the servers saw, through restarts too, and after
every commit and every start each URL is in exactly one state. A schedule is known by its number:
`python -m bench.torture.machine` plays all, `python -m bench.torture.machine 4711` one.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from random import Random
from typing import Final, assert_never
from unittest.mock import patch

from bench.torture.figures import Figure, table
from bench.torture.made_up import Clock, MadeUpWeb, Witness
from config import Settings
from crawler.addresses import Endpoint
from crawler.front import FRONT_START, LONG_S, RESTING_MAX
from crawler.hostqueue import HEAD_ROWS
from crawler.jobs import Denied, Job, Resolve, RobotsFetch, RobotsRefused
from crawler.outcome import Failed, Request
from crawler.parts import Parts
from crawler.supervisor import Crawl, end_run
from crawler.worker import Worker
from storage.records import Failure
from storage.sqlite import CrawlStore

COMMAND: Final = "python -m bench.torture.machine"
SCHEDULES: Final = 10_000
STEPS: Final = 60
"""Steps of trouble in a schedule; then the web is well and the crawl has to end."""
LONGEST_END: Final = 20_000
"""Steps within which it has to."""
ADDRESSES: Final = ("192.0.2.1", "192.0.2.2")
MEMORY: Final = Path("/dev/shm")
"""A folder without a disk behind it, where there is one: nothing here is about the disk."""


class Schedule:
    """One crawl from its first start to its end."""

    def __init__(self, number: int, folder: Path) -> None:
        self.chance = Random(number)
        self.clock = Clock()
        self.folder = folder
        pick = self.chance.choice
        self.settings = Settings.model_validate(
            {
                "crawl": {"seeds": [f"http://h{n}.test/" for n in range(2)], "data_dir": folder},
                "scope": {"follow": "any", "max_pages_per_part": 0},
                "politeness": {
                    "delay": pick((0.5, 1.0, 2.0)),
                    "delay_per_ip": pick((0.0, 0.25)),
                    "connections_per_host": pick((1, 1, 2)),
                    "connections_per_ip": pick((1, 2, 4)),
                },
                "fetch": {"retries": pick((0, 2)), "retry_wait": 1.0, "max_redirects": 3},
                "storage": {"compression_level": 1},
            }
        )
        self.head_rows = pick((2, 5, HEAD_ROWS))
        """Rows of a host in memory: few, so that most come back from disk."""
        self.front = pick((1, 2, FRONT_START))
        """Hosts in memory: few, so that most come from the store and go back to it."""
        self.web = MadeUpWeb(self.chance, self.clock)
        self.witness = Witness(self.clock, self.settings.politeness)
        self.ended: Counter[str] = Counter()
        """URLs that came to an end since the last commit."""
        self.kept: set[str] = set()
        """URLs whose end is on disk."""

    # One start of the crawler.

    async def play(self) -> None:
        sizes = patch("crawler.hostqueue.HEAD_ROWS", self.head_rows), patch("crawler.front.FRONT_START", self.front)
        small = self.front < FRONT_START
        rests = patch("crawler.front.RESTING_MAX", 0 if small else RESTING_MAX)
        waits = patch("crawler.front.LONG_S", 1.5 if small else LONG_S)
        with self.clock.shown(), sizes[0], sizes[1], rests, waits:
            steps = STEPS
            while steps > 0:
                async with self.session() as session:
                    steps -= await session.trouble(steps)
                self.restart()
            self.web.well = True
            async with self.session() as session:
                await session.finish()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        async with CrawlStore.open(self.folder, compression_level=1) as store:
            run = await store.start_run("machine", "{}", fresh=False, now=self.clock.time())
            crawl = Crawl(self.settings, self.settings.crawl.seeds)
            async with crawl._open_parts(store, run) as parts:
                crawl._seed(parts)
                session = Session(self, parts)
                await session.check_states(len(parts.recorder._batch.added))
                yield session

    def restart(self) -> None:
        """Lose what was only in memory, and let some time go by."""
        self.witness.crashed()
        self.ended.clear()
        self.clock.go(self.chance.choice((0.0, 0.1, 3.0, 4000.0)))
        self.clock.since = self.clock.utc - self.chance.choice((5.0, 1e6))

    def committed(self) -> None:
        again = [url for url, times in self.ended.items() if times > 1 or url in self.kept]
        assert not again, f"ended twice: {again}"
        self.kept |= self.ended.keys()
        self.ended.clear()
        self.witness.committed()


class Session:
    """The crawler between one start and its end."""

    def __init__(self, schedule: Schedule, parts: Parts) -> None:
        self.schedule = schedule
        self.parts = parts
        self.worker = Worker(parts)
        self.frontier = parts.frontier
        self.witness = schedule.witness
        self.under_way = schedule.witness.under_way

    @property
    def now(self) -> float:
        return self.schedule.clock.monotonic()

    async def trouble(self, steps: int) -> int:
        """Do random steps until a crash, a clean stop or their end; return how many."""
        chance = self.schedule.chance
        for step in range(1, steps + 1):
            drawn = chance.randrange(40)
            if drawn == 0:
                return step
            if drawn == 1:
                await self.stop()
                return step
            await self.step(drawn)
        return steps

    async def step(self, drawn: int) -> None:
        if drawn < 4:
            await self.commit()
        elif drawn < 7:
            await self.refill()
        elif drawn < 20:
            self.take()
        elif drawn < 30:
            self.answer()
        else:
            self.schedule.clock.go(self.schedule.chance.choice((0.001, 0.3, 1.0, 5.0, 120.0)))

    async def finish(self) -> None:
        """Crawl on in a web that is well, until nothing is left."""
        for _ in range(LONGEST_END):
            if self.take():
                continue
            if self.under_way:
                self.schedule.clock.go(0.1)
                self.answer()
            elif self.frontier.refills.wishing:
                await self.refill()
            elif self.frontier.refills:
                await self.commit()
            elif self.frontier.finished:
                break
            else:
                self.wait()
        assert self.frontier.finished, "the crawl does not end"
        await self.commit()
        assert self.frontier.queued == 0, f"left: {self.frontier.standings(self.now)}"
        totals = await self.parts.store.totals(self.parts.run)
        assert totals.discovered == len(self.schedule.kept)

    def wait(self) -> None:
        moments = [self.frontier.next_at()]
        if self.worker._outage.ongoing:
            moments.append(self.worker._outage.probe_at)
        at = max(moment for moment in moments if moment is not None)
        self.schedule.clock.go(max(at - self.now, 0.0) + 1e-4)

    async def stop(self) -> None:
        """Stop cleanly: what is under way is answered and committed."""
        while self.under_way:
            self.schedule.clock.go(0.1)
            self.answer()
        await self.commit()
        await end_run(self.parts, "interrupted")

    def take(self) -> bool:
        """Do the next job, or send it if it is a request; return whether there was one."""
        if not self.worker._outage.admits(self.now):
            return False
        job = self.frontier.take(self.now)
        if job is not None:
            self.do(job)
        return job is not None

    def do(self, job: Job) -> None:
        match job:
            case Request() | RobotsFetch():
                self.witness.sent(job, self.frontier.endpoint_of(job).ip)
            case Resolve():
                self.resolve(job)
            case Denied(request, failure):
                with self.counted(request):
                    self.worker._pages.deny(request, failure)
            case RobotsRefused(fetch, failure):
                self.worker.robots.fail(fetch, failure, self.now)
            case _:
                assert_never(job)

    def resolve(self, job: Resolve) -> None:
        drawn = 0 if self.schedule.web.well else self.schedule.chance.randrange(12)
        if drawn == 10:
            self.frontier.refused(job.host_id, Failure.BLOCKED_ADDRESS, self.now + 60.0, self.now)
        elif drawn == 11:
            waiting = self.frontier.hosts[job.host_id].head
            with self.counted(self.frontier.hosts[job.host_id].request_of(waiting[0]) if waiting else None):
                self.worker._unresolved(job, Failed(Failure.DNS, "made up"), self.now)
        else:
            ip = ADDRESSES[int(job.host[1]) % len(ADDRESSES)]
            self.frontier.resolved(job.host_id, (Endpoint(ip),), self.now + 600.0, self.now)

    def answer(self) -> None:
        """Let one of the requests under way end, as the worker would."""
        schedule = self.schedule
        if not self.under_way:
            return
        job, ip = self.under_way.pop(schedule.chance.randrange(len(self.under_way)))
        self.witness.answered(job, ip)
        outcome = self.worker._release(job, schedule.web.outcome(job))
        self.witness.paused(job.host, outcome)
        if isinstance(job, Request):
            with self.counted(job):
                self.worker._pages.settle(job, outcome, schedule.clock.time(), self.now)
        else:
            self.worker.robots.settle(job, outcome, self.now)
            self.witness.told(job.origin, self.frontier.robots.get(job.origin))

    @contextmanager
    def counted(self, request: Request | None) -> Iterator[None]:
        """Note whether a URL comes to its end."""
        if request is None:
            yield
            return
        record = self.frontier.hosts[request.host_id].record
        before = record.done + record.failed + record.excluded
        yield
        ended = record.done + record.failed + record.excluded - before
        assert ended in (0, 1)
        self.schedule.ended[request.url] += ended
        if not ended:
            del self.schedule.ended[request.url]

    async def refill(self) -> None:
        async for _ in self.worker._filling.fulfil(self.frontier):
            pass

    async def commit(self) -> None:
        await self.parts.recorder.commit()
        self.schedule.committed()
        await self.check_states(0)

    async def check_states(self, uncommitted: int) -> None:
        """Hold law 2: what is on disk adds up, and is what the frontier and the ends of URLs say."""
        store, frontier = self.parts.store, self.frontier
        totals = await store.totals(self.parts.run)
        rows = [row for host in await store.load_hosts() for row in await store.refill(host.host_id, -1, 1 << 20)]
        queued = Counter(row.url for row in rows)
        assert totals.conserved, totals
        assert len(queued) == len(rows) == totals.queued
        assert not queued.keys() & self.schedule.kept, "both queued and ended"
        assert totals.discovered == len(queued) + len(self.schedule.kept)
        assert totals.discovered == len(set((await store.load_seen()).tolist()))
        pages = sum(isinstance(job, Request) for job, _ in self.under_way)
        assert len(rows) + uncommitted == frontier.queued + pages


def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="linkmill-machine-", dir=MEMORY if MEMORY.is_dir() else None)


def play(number: int) -> str | None:
    """Play one schedule; return what broke, or None."""
    with _folder() as folder:
        try:
            asyncio.run(Schedule(number, Path(folder)).play())
        except Exception as error:  # noqa: BLE001, whatever it is, it is what is looked for
            return f"{number}: {type(error).__name__}: {error}"[:150]
    return None


def run(scale: float = 1.0) -> list[Figure]:
    """Play all schedules; scale 1 takes about ten minutes."""
    count = max(1, round(SCHEDULES * scale))
    broken = [fault for number in range(count) if (fault := play(number)) is not None]
    value = f"{len(broken)} of {count:,} {broken[0] if broken else ''}".strip()
    return [Figure("schedules in which a URL is lost or a delay is not kept", value, "0", not broken, COMMAND)]


if __name__ == "__main__":
    if len(sys.argv) == 2:
        with _folder() as place:
            asyncio.run(Schedule(int(sys.argv[1]), Path(place)).play())
    else:
        print(table(run()))
