"""One crawl from start to stop reason: opens everything, seeds or resumes, runs the worker, closes everything.

Rule: what is opened here is closed here, in reverse, whatever happens. Signals become `Crawl.stop`; showing progress
is the caller's part, through `Crawl.snapshot`.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from crawler.addresses import AddressGuard
from crawler.addresstable import SharedAddressGates
from crawler.admission import Admission
from crawler.board import Board
from crawler.dns import Resolver
from crawler.exchange import take_all
from crawler.extract import ExtractSettings
from crawler.fetch import Fetcher
from crawler.fetch import Limits as FetchLimits
from crawler.frontier import Frontier
from crawler.jobs import RobotsFetch
from crawler.limits import Limits
from crawler.memory import give_back_memory, keep_freed_memory, lay_apart
from crawler.outage import Outage
from crawler.outcome import Outcome, Request
from crawler.parts import Parts
from crawler.politeness import Manners, PaceTable
from crawler.recorder import Recorder, utc_offset
from crawler.robots_policy import FETCH_BYTES
from crawler.roster import Known
from crawler.sandbox import Sandbox
from crawler.scope import FOLLOWED_KINDS, Budget, Scope
from crawler.seen import Seen
from crawler.share import Share
from crawler.stats import Snapshot, Stats
from crawler.url import fingerprint, host_of, normalise
from crawler.worker import Worker
from storage.errors import DataCorrupt
from storage.records import Kind
from storage.runs import EXHAUSTED, EXTENDED
from storage.sharing import SharedStore
from storage.sqlite import CrawlStore

if TYPE_CHECKING:
    from config import FetchSettings, Settings
    from storage.runs import RunInfo

HOSTS_A_READ: Final = 50_000

Watch = Callable[[Request | RobotsFetch, Outcome], None]


@dataclass(frozen=True, slots=True)
class Report:
    """How a crawl ended."""

    run: int
    resumed: bool
    reason: str
    """exhausted, page limit, byte limit, time limit, interrupted, only parked hosts remain, or already finished."""
    snapshot: Snapshot | None


class Crawl:
    """One crawl under way."""

    def __init__(self, settings: Settings, seeds: Sequence[str], watch: Watch = lambda job, outcome: None) -> None:
        self._settings = settings
        self._seeds = seeds
        self._watch = watch
        self._worker: Worker | None = None
        self._parts: Parts | None = None
        self._started_at = time.monotonic()
        self._stop_asked: str | None = None

    @property
    def stopping(self) -> bool:
        return self._stop_asked is not None

    def stop(self, reason: str) -> None:
        """Stop cleanly: requests under way have a few seconds to finish, everything is committed."""
        self._stop_asked = reason
        if self._worker is not None:
            self._worker.stop(reason)

    async def run(self, *, fresh: bool = False) -> Report:
        """Crawl until the frontier is exhausted, a limit is reached or `stop` is called.

        A finished run goes on when it is given seeds that it does not know; else nothing is done.

        Raises StorageError for faults of the data directory, UnsafeLibrary for a library that must not be used.
        """
        settings = self._settings
        async with SharedStore.open(
            settings.crawl.data_dir, compression_level=settings.storage.compression_level
        ) as store:
            run = await self._start(store, fresh)
            if run.finished and await self._knows_seeds(store):
                return Report(run.run, False, "already finished", None)
            if run.finished:
                await store.end_run(run.run, EXTENDED, time.time())
                run = await self._start(store, fresh)
            reason = await self._crawl(store, run)
            return Report(run.run, run.resumed, reason, self.snapshot())

    async def _crawl(self, store: SharedStore, run: RunInfo) -> str:
        async with self._open_parts(store, run) as parts:
            await take_all(parts, store)
            reason = await self._work(parts)
            await end_run(parts, reason)
            return reason

    async def _start(self, store: CrawlStore, fresh: bool) -> RunInfo:
        settings = self._settings
        return await store.start_run(settings.crawl.name, settings.for_the_record(), fresh, time.time())

    async def _knows_seeds(self, store: CrawlStore) -> bool:
        """Tell whether the run has discovered every seed that the scope admits."""
        scope = Scope(self._settings.scope, self._seeds)
        known = Seen(await store.load_seen())
        return all(fingerprint(url) in known for url in self._seeds if scope.judge(url, 0) is None)

    @asynccontextmanager
    async def _open_parts(
        self, store: CrawlStore, run: RunInfo, board: Board | None = None, poisoned: frozenset[int] = frozenset()
    ) -> AsyncIterator[Parts]:
        """Open what one worker works with: with a board one of several, whose share is the store's lease."""
        settings = self._settings
        share = Share(store.lease, board, poisoned)
        stats = Stats(Counter(await store.load_counters(run.run) if share.is_whole else {}))
        frontier = Frontier(
            PaceTable(settings.politeness), Manners.of(settings.politeness), utc_offset(), await store.max_seq() + 1
        )
        if board is not None:
            pace = settings.politeness
            addresses = SharedAddressGates(board.addresses, pace.delay_per_ip, pace.connections_per_ip)
            frontier.share(addresses, store.lease.first_host_id, store.lease.host_id_step)
        scope = Scope(settings.scope, self._seeds)
        budget = Budget(
            settings.scope.max_pages_per_host, settings.scope.max_pages_per_domain, settings.scope.max_pages_per_part
        )
        lay_apart()
        seen = await store.load_seen()
        known = len(seen)
        admission = Admission(scope, Seen(seen), budget, frontier, settings.scope.nofollow == "skip")
        del seen  # 8 bytes a URL that nobody needs any more
        recorder = Recorder(store, settings.storage, stats, frontier)
        admission.share = recorder.share = share
        discovered = await _restore(frontier, budget, store, crashed=run.crashed)
        if discovered != known:
            raise DataCorrupt(store.directory.database, f"{discovered} URLs were discovered, {known} are seen")
        extract = extract_settings(settings)
        sandbox = Sandbox(extract, stats.counters)
        async with sandbox, open_network(settings) as (resolver, fetcher):
            if board is not None:
                fetcher.lease = store.lease
            yield Parts(
                settings=settings,
                extract=extract,
                frontier=frontier,
                admission=admission,
                recorder=recorder,
                resolver=resolver,
                fetcher=fetcher,
                sandbox=sandbox,
                store=store,
                stats=stats,
                limits=Limits(settings.crawl, stats, board),
                outage=Outage(),
                robots_limits=robots_limits(settings.fetch),
                run=run.run,
                incarnation=run.incarnation,
                share=share,
                watch=self._watch,
            )

    def _begin(self, parts: Parts) -> Worker:
        self._parts = parts
        self._worker = Worker(parts)
        self._seed(parts)
        if self._stop_asked is not None:
            self._worker.stop(self._stop_asked)
        return self._worker

    async def _work(self, parts: Parts) -> str:
        worker, timer = self._begin(parts), None
        if self._settings.crawl.max_time:
            timer = asyncio.get_running_loop().call_later(self._settings.crawl.max_time, worker.stop, "time limit")
        try:
            return await worker.run()
        finally:
            if timer is not None:
                timer.cancel()

    def _seed(self, parts: Parts) -> None:
        """Queue the seeds that the crawl does not know yet."""
        now = time.monotonic()
        for url in self._seeds:
            host = host_of(url)
            if not parts.share.owns(host):
                continue
            admitted = parts.admission.admit_seed(url, host, parts.stats.counters, now)
            if admitted is not None:
                parts.recorder.queue(*admitted)

    def snapshot(self) -> Snapshot | None:
        """Return the state of the crawl at this moment, None before it has started."""
        if self._parts is None:
            return None
        parts, crawl = self._parts, self._settings.crawl
        return Snapshot(
            elapsed_s=time.monotonic() - self._started_at,
            attempts=parts.stats.counters["attempts"],
            pages=parts.stats.counters["pages"],
            links=parts.stats.counters["links"],
            wire_bytes=parts.stats.counters["bytes.wire"],
            queued=parts.frontier.queued,
            open=parts.frontier.open,
            hosts=dict(parts.frontier.standings(time.monotonic())),
            counters=dict(parts.stats.counters),
            max_pages=crawl.max_pages,
            max_time_s=crawl.max_time,
            max_bytes=crawl.max_bytes,
            paused=self.paused,
        )

    @property
    def paused(self) -> str | None:
        """Why no request goes out at this moment, for people; unlike a snapshot it costs nothing."""
        if self._worker is not None and self._worker.paused:
            return f"the disk of {self._settings.crawl.data_dir} has less free space than storage.min_free"
        locked = self._parts is not None and self._parts.store.locked
        return "another process holds the database" if locked else None


@asynccontextmanager
async def open_network(settings: Settings) -> AsyncIterator[tuple[Resolver, Fetcher]]:
    """Open what reaches out: the resolver and the fetcher, behind one guard."""
    guard = AddressGuard(settings.network.allow_addresses, loopback_only=settings.loopback_only)
    fetch = settings.fetch
    resolver = Resolver(guard, settings.network.hosts, settings.network.nameservers)
    fetcher = Fetcher(guard, fetch.user_agent, limits_of(fetch), fetch.headers, settings.network.proxy)
    async with resolver, fetcher:
        yield resolver, fetcher


def limits_of(settings: FetchSettings) -> FetchLimits:
    """Return what one page may take."""
    return FetchLimits(
        settings.connect_timeout,
        settings.read_timeout,
        settings.total_timeout,
        settings.max_wire_bytes,
        settings.max_body_bytes,
    )


def robots_limits(settings: FetchSettings) -> FetchLimits:
    """Return what one robots.txt may take: as much as is parsed of it (RFC 9309 section 2.5)."""
    return replace(limits_of(settings), max_wire_bytes=FETCH_BYTES, max_body_bytes=FETCH_BYTES)


def extract_settings(settings: Settings) -> ExtractSettings:
    """Return what to keep of a page."""
    extract = settings.extract
    return ExtractSettings(
        followed=FOLLOWED_KINDS,
        kinds=frozenset(Kind[name.upper().replace("-", "_")] for name in extract.kinds),
        anchor_bytes=extract.anchor_bytes,
        max_links=extract.max_links,
        context=extract.context,
        product=settings.fetch.product,
    )


async def _restore(frontier: Frontier, budget: Budget, store: CrawlStore, crashed: bool) -> int:
    """Give the frontier back what an earlier start left in the store; return how many URLs were discovered."""
    now, discovered = time.monotonic(), 0
    if crashed:
        frontier.after_crash(now)
    async for rows in store.known_hosts(HOSTS_A_READ):
        hosts = [Known._make(row) for row in rows]
        frontier.know(hosts, now)
        for known in hosts:
            budget.restore(known.host, known.discovered)
            discovered += known.discovered
    give_back_memory()
    keep_freed_memory()
    return discovered


async def end_run(parts: Parts, reason: str) -> None:
    """Write down why a start ended; not while it still waits because of a crash, so that the next one waits too."""
    if reason == EXHAUSTED or not parts.frontier.heeds_crash(time.monotonic()):
        await parts.store.end_run(parts.run, reason, time.time())


def resolve_seeds(texts: Sequence[str]) -> list[str]:
    """Return the normal forms of seeds, in order and without repeats. Raises BadSeed naming the first that is none."""
    urls: dict[str, None] = {}
    for text in texts:
        url = normalise(text)
        if url is None:
            raise BadSeed(text)
        urls[url] = None
    return list(urls)


class BadSeed(ValueError):
    """A seed that is no http(s) URL."""

    def __init__(self, seed: str) -> None:
        super().__init__(f"seed {seed!r} is no http(s) URL; write it as https://host/path")
