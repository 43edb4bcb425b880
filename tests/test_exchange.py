"""What goes from worker to worker through the store: offers, errands, and the lease that is kept meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import count, islice, pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Final

import pytest

from crawler import exchange
from crawler.addresses import Endpoint
from crawler.board import Board
from crawler.exchange import HURRY_S, LEASE_S, RENEW_S, TAKEN_MAX, Exchange, take_all
from crawler.jobs import Discovery, Resolve, RobotsFetch
from crawler.outcome import Failed, Fetched, Outcome, Redirected
from crawler.parts import Parts
from crawler.robots_policy import Verdict
from crawler.supervisor import Crawl
from crawler.url import domains_of, fingerprint, host_of, shard_of
from crawler.worker import Worker
from storage.errors import LeaseLost
from storage.leases import ALL, Shards, portions
from storage.records import Batch, Failure, Kind, RedirectKind, Via
from storage.runs import RunInfo
from storage.sharing import SharedStore
from tests.crawling import Sections, answered, settings_at
from tests.store_rows import LINK

HALVES: Final = portions(2)
HOW: Final = Discovery(depth=3, via=Via.LINK, hops=0, fetch=9)


def hosts_of(shards: Shards, number: int) -> list[str]:
    """Return the names of hosts that the owner of some shards crawls."""
    names = (f"h{at}.test" for at in count())
    return list(islice((name for name in names if shard_of(domains_of(name).domain) in shards), number))


(OURS, OUR_OTHER), (THEIRS, THEIR_OTHER) = (hosts_of(half, 2) for half in HALVES)


@dataclass(frozen=True, slots=True)
class Side:
    """One of two workers, of which nothing runs by itself."""

    parts: Parts
    store: SharedStore
    worker: Worker
    exchange: Exchange

    def meet(self, *urls: str) -> None:
        """Settle links as a page's are."""
        links = [LINK._replace(target=url, target_host=host_of(url), kind=Kind.A, rel=0) for url in urls]
        for row, mark in self.parts.admission.admit_links(links, HOW, self.counters, time.monotonic()):
            self.parts.recorder.queue(row, mark)

    @property
    def counters(self) -> Counter[str]:
        return self.parts.stats.counters

    async def commit(self) -> None:
        await self.parts.recorder.commit()

    async def turn(self) -> None:
        """Look, and commit what came of it."""
        await self.exchange.look()
        await self.commit()

    def is_idle(self) -> bool:
        return self.exchange.idle

    async def hurries(self) -> bool:
        """Look, and tell whether a commit is asked for."""
        due = self.parts.recorder._due
        due.clear()
        await self.exchange.look()
        return due.is_set()

    async def ask_robots(self, outcome: Outcome) -> RobotsFetch:
        """Fetch the robots.txt that is due next, with this outcome."""
        frontier, job = self.parts.frontier, None
        while job is None or isinstance(job, Resolve):
            job = frontier.take(time.monotonic())
            if isinstance(job, Resolve):
                frontier.resolved(job.host_id, (Endpoint("127.0.0.1"),), time.monotonic() + 1e6, time.monotonic())
            elif job is None:
                at = frontier.next_at()
                assert at is not None
                await asyncio.sleep(max(0.0, at - time.monotonic()))
        assert isinstance(job, RobotsFetch), job
        frontier.release(job, outcome, time.monotonic())
        self.worker.robots.settle(job, outcome, time.monotonic())
        return job


@asynccontextmanager
async def side(data_dir: Path, board: Board, number: int, **sections: Sections) -> AsyncIterator[Side]:
    async with SharedStore.join(data_dir, 1, compression_level=1) as store:
        lease = await store.acquire(HALVES[number], str(number), LEASE_S, time.time())
        crawl = Crawl(settings_at(None, data_dir, **sections), [f"http://{OURS}/", f"http://{THEIRS}/"])
        run = RunInfo(1, lease.incarnation, resumed=True, finished=False)
        async with crawl._open_parts(store, run, Board(board.handle, 2, number)) as parts:
            worker = Worker(parts)
            yield Side(parts, store, worker, Exchange(parts, store, worker))


@pytest.fixture
async def sides(tmp_path: Path) -> AsyncIterator[list[Side]]:
    board = Board.make(2)
    async with AsyncExitStack() as stack:
        supervisor = await stack.enter_async_context(SharedStore.open(tmp_path, compression_level=1))
        await supervisor.start_run("test", "{}", fresh=False, now=time.time())
        await supervisor.divide(2)
        yield [await stack.enter_async_context(side(tmp_path, board, number)) for number in range(2)]
    board.close()


async def test_link_to_a_host_of_another_worker_is_queued_by_that_worker(sides: list[Side]) -> None:
    us, them = sides
    us.meet(f"http://{THEIRS}/x", f"http://{OURS}/y")
    assert (us.parts.frontier.queued, dict(us.counters)) == (1, {"offers.made": 1})
    await us.commit()
    await them.turn()
    assert dict(them.counters) == {"offers.taken": 1}
    host_id = them.parts.frontier.front.by_name[THEIRS].record.host_id
    (row,) = await them.store.refill(host_id, -1, 9)
    assert (row.url, row.depth, row.via, row.hops, row.discovered_from) == (f"http://{THEIRS}/x", 3, Via.LINK, 0, 9)
    assert await them.store.offers(9) == []
    assert (await them.store.load_seen()).tolist() == [fingerprint(f"http://{THEIRS}/x")]


async def test_url_offered_again_is_counted_where_it_is_found_or_where_it_is_known(sides: list[Side]) -> None:
    us, them = sides
    us.meet(f"http://{THEIRS}/x", f"http://{THEIRS}/x")
    assert dict(us.counters) == {"offers.made": 1, "left.offered": 1}
    them.meet(f"http://{THEIRS}/x")
    await us.commit()
    await them.turn()
    assert dict(them.counters) == {"offers.taken": 1, "left.seen": 1}
    assert them.parts.frontier.queued == 1


async def test_offer_is_judged_by_the_rules_where_it_is_found_and_by_the_budgets_of_its_owner(tmp_path: Path) -> None:
    board = Board.make(2)
    scope = {"follow": "any", "exclude": ["*/no"], "max_pages_per_host": 1}
    async with SharedStore.open(tmp_path, compression_level=1) as supervisor:
        await supervisor.start_run("test", "{}", fresh=False, now=time.time())
        await supervisor.divide(2)
        async with side(tmp_path, board, 0, scope=scope) as us, side(tmp_path, board, 1, scope=scope) as them:
            us.meet(f"http://{THEIRS}/no", f"http://{THEIRS}/1", f"http://{THEIRS}/2")
            await us.commit()
            await them.turn()
            assert dict(us.counters) == {"left.excluded": 1, "offers.made": 2}
            expected = {"offers.taken": 2, "left.host_budget": 1, f"trap.{THEIRS}": 1}
            assert dict(them.counters) == expected
    board.close()


async def test_no_offer_is_judged_twice_while_its_judgement_is_uncommitted(sides: list[Side]) -> None:
    us, them = sides
    us.meet(*(f"http://{THEIRS}/{number}" for number in range(TAKEN_MAX + 5)))
    await us.commit()
    await them.exchange.look()
    assert them.counters["offers.taken"] == TAKEN_MAX
    await them.exchange.look()
    assert them.counters["offers.taken"] == TAKEN_MAX + 5
    us.meet(*(f"http://{THEIRS}/!{number}" for number in range(7)))
    await us.commit()
    await them.exchange.look()
    assert them.counters["offers.taken"] == TAKEN_MAX + 5, "these come before those being judged"
    await them.commit()
    await them.exchange.look()
    assert them.counters["offers.taken"] == TAKEN_MAX + 12
    assert "left.seen" not in them.counters


async def test_offers_judged_and_not_committed_are_bounded(sides: list[Side], monkeypatch: pytest.MonkeyPatch) -> None:
    us, them = sides
    monkeypatch.setattr(exchange, "JUDGED_MAX", 3)
    us.meet(*(f"http://{THEIRS}/{number}" for number in range(5)))
    await us.commit()
    taken = []
    for _ in range(3):
        await them.exchange.look()
        await them.exchange.look()
        taken.append(them.counters["offers.taken"])
        await them.commit()
    assert taken == [3, 5, 5]


async def test_worker_is_idle_when_nothing_is_queued_uncommitted_or_on_offer(sides: list[Side]) -> None:
    us, them = sides
    await us.exchange.look()
    await them.exchange.look()
    assert [(at.exchange.idle, at.exchange.activity) for at in sides] == [(True, 0), (True, 0)]
    us.meet(f"http://{THEIRS}/x")
    await us.exchange.look()
    assert not us.is_idle(), "the offer is not yet in the store"
    await us.commit()
    await us.exchange.look()
    assert us.is_idle()
    await them.exchange.look()
    assert (them.is_idle(), them.exchange.activity) == (False, 1)
    await them.commit()
    await them.exchange.look()
    assert not them.is_idle(), "the page waits for its host"


async def test_hungry_worker_makes_the_other_commit_its_offers_at_once(sides: list[Side]) -> None:
    us, them = sides
    recording = asyncio.create_task(us.parts.recorder.run())
    us.parts.recorder._settings = us.parts.recorder._settings.model_copy(update={"commit_interval": 3600.0})
    await asyncio.sleep(0)
    await us.commit()
    us.meet(f"http://{THEIRS}/x", f"http://{OURS}/y")
    await them.exchange.look()
    await us.exchange.look()
    async with asyncio.timeout(10.0):
        while not await them.store.offers(1):  # noqa: ASYNC110  # another connection's doing
            await asyncio.sleep(0.01)
    us.parts.recorder.stop()
    await recording


async def test_commits_for_a_hungry_worker_come_ever_more_seldom_until_it_has_work(
    sides: list[Side], monkeypatch: pytest.MonkeyPatch
) -> None:
    us, them = sides
    now, board = time.monotonic(), them.parts.share.board
    assert board is not None
    monkeypatch.setattr(exchange, "time", SimpleNamespace(time=time.time, monotonic=lambda: now))
    us.meet(f"http://{OURS}/y", f"http://{THEIRS}/x")
    await them.exchange.look()
    hurried = []
    for _ in range(170):
        if await us.hurries():
            hurried.append(now)
        now += 0.1
    assert [late - early for early, late in pairwise(hurried)] == pytest.approx([1.0, 2.0, 4.0, 4.0, 4.0], abs=0.11)
    await us.commit()
    await them.turn()
    assert not await us.hurries()
    us.meet(f"http://{THEIRS}/z")
    board.hungry(hungry=True)
    now += HURRY_S
    assert await us.hurries()


async def test_worker_with_nothing_to_do_commits_for_itself_only_once_nobody_has(sides: list[Side]) -> None:
    us, them = sides
    us.meet(f"http://{THEIRS}/x")
    assert not await us.hurries(), "the other is at work, and will wait for its links no longer than for others"
    await them.exchange.look()
    assert await us.hurries()


async def test_worker_with_nothing_to_do_commits_what_it_judged_to_judge_more(sides: list[Side]) -> None:
    us, them = sides
    us.meet(f"http://{OURS}/y", f"http://{THEIRS}/x")
    await us.commit()
    them.parts.admission._seen.add(fingerprint(f"http://{THEIRS}/x"))
    assert await them.hurries()
    assert dict(them.counters) == {"offers.taken": 1, "left.seen": 1}


async def test_lease_is_renewed_when_no_commit_did_so(sides: list[Side]) -> None:
    us, _ = sides
    ends_at = us.store.lease.ends_at
    await us.exchange.look()
    assert us.store.lease.ends_at == ends_at, "it is good for long"
    us.store.lease.ends_at = time.monotonic() + RENEW_S - 1.0
    await us.exchange.look()
    assert us.store.lease.ends_at > ends_at


async def test_worker_whose_shards_were_given_to_another_ends(sides: list[Side], tmp_path: Path) -> None:
    us, _ = sides
    async with SharedStore.join(tmp_path, 1, compression_level=1) as other:
        await other.revoke(HALVES[0])
    us.store.lease.ends_at = 0.0
    us.worker.stop_reason = None
    with pytest.raises(LeaseLost):
        await us.exchange.run()


async def test_nothing_is_asked_while_the_lease_has_run_out(sides: list[Side]) -> None:
    us, _ = sides
    us.meet(f"http://{OURS}/y")
    us.store.lease.ends_at = time.monotonic() - 1.0
    taking = asyncio.create_task(us.worker._next_job())
    await asyncio.sleep(0.25)
    assert not taking.done()
    await us.exchange.look()
    assert isinstance(await asyncio.wait_for(taking, 5.0), Resolve)


REDIRECT: Final = Redirected(answered(301), f"http://{THEIRS}/rules.txt", RedirectKind.MOVED_301)
RULES: Final = Fetched(answered(), b"User-agent: *\nDisallow: /private\n")
REFUSED: Final = Failed(Failure.CONNECT, "refused")


async def test_robots_txt_that_leads_to_a_host_of_another_worker_is_fetched_by_that_worker(sides: list[Side]) -> None:
    us, them = sides
    us.meet(f"http://{OURS}/y")
    await us.ask_robots(REDIRECT)
    await us.turn()
    assert not us.is_idle()
    await them.turn()
    assert (await them.ask_robots(RULES)).url == f"http://{THEIRS}/rules.txt"
    assert await them.store.errands(9) != [], "it stays until its answer is stored"
    await them.turn()
    assert await them.store.errands(9) == []
    await us.turn()
    state = us.parts.frontier.robots[f"http://{OURS}"]
    assert (state.verdict, state.rules.allowed("/private"), state.rules.allowed("/y")) == (Verdict.RULES, False, True)
    ((_, row),) = await us.store.robots_of([OURS])
    assert (row.origin, row.host_id) == (f"http://{OURS}", us.parts.frontier.front.by_name[OURS].record.host_id)


async def test_robots_txt_passed_on_and_back_comes_to_its_end(sides: list[Side]) -> None:
    us, them = sides
    us.meet(f"http://{OURS}/y")
    await us.ask_robots(REDIRECT)
    await us.turn()
    await them.turn()
    back = Redirected(answered(301), f"http://{OUR_OTHER}/rules.txt", RedirectKind.MOVED_301)
    assert (await them.ask_robots(back)).hops == 1
    await them.turn()
    await us.turn()
    assert (await us.ask_robots(RULES)).hops == 2
    await us.turn()
    await us.turn()
    assert us.parts.frontier.robots[f"http://{OURS}"].verdict is Verdict.RULES
    assert not us.parts.share.errands and not them.parts.share.errands


async def test_failures_met_by_another_worker_add_up_until_the_origin_is_given_up(sides: list[Side]) -> None:
    us, them = sides
    us.meet(f"http://{OURS}/y")
    for failures in (1, 2, 3):
        await us.ask_robots(REDIRECT)
        await us.turn()
        await them.turn()
        await them.ask_robots(REFUSED)
        await them.turn()
        await us.turn()
        state = us.parts.frontier.robots[f"http://{OURS}"]
        assert (state.unreachable, state.failures) == (True, failures)
    assert us.parts.frontier.front.by_name[OURS].record.parked is not None


async def test_errand_dropped_in_an_outage_is_taken_on_again(sides: list[Side]) -> None:
    us, them = sides
    us.meet(f"http://{OURS}/y")
    await us.ask_robots(REDIRECT)
    await us.turn()
    await them.turn()
    await them.ask_robots(Failed(Failure.CONNECT, "unreachable", outage=True))
    assert not them.parts.share.errands
    await them.turn()
    assert them.parts.share.errands


async def test_single_worker_judges_what_earlier_ones_left_on_offer(tmp_path: Path, sides: list[Side]) -> None:
    us, _ = sides
    us.meet(f"http://{THEIRS}/x")
    await us.commit()
    async with SharedStore.join(tmp_path, 1, compression_level=1) as store:
        assert store.lease.shards == ALL
        store._last_batch = 1 << 40
        async with Crawl(settings_at(None, tmp_path), [])._open_parts(store, RunInfo(1, 9, True, False)) as parts:
            await take_all(parts, store)
            assert parts.frontier.queued == 1
        assert await store.offers(9) == []
        assert sum((await store.queued_counts()).values()) == 1


async def test_empty_batch_of_a_worker_renews_nothing(sides: list[Side]) -> None:
    us, _ = sides
    ends_at = us.store.lease.ends_at
    await us.store.commit(Batch(), time.time())
    assert us.store.lease.ends_at >= ends_at
