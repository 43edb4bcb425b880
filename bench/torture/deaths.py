"""Kills workers of a crawl by several, and their supervisor, and holds what is stored against a crawl left alone.

Workers die by SIGKILL at named storage calls and at random moments and are replaced; the supervisor dies too, its
workers then end by themselves, and the next start, by another number of them, goes on. A worker that is halted while it
holds the lock of the address table stops the others until it is killed. `python -m bench.torture.deaths`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

from bench.torture.commands import until
from bench.torture.crash import COMMIT_LINKS, CONCURRENCY, FAULTS, HOSTS, Kill, links_lost, start, write_config
from bench.torture.doomed import HOLDING, MOMENT, Doom, Plan
from bench.torture.figures import Figure, play
from bench.torture.stored import Stored, damage, differences
from bench.torture.victim import PLAN
from bench.vweb.log import Served, read_log
from bench.vweb.process import Running, serve
from bench.vweb.spec import WebSpec
from crawler.crew import SILENCE_S
from crawler.url import domains_of, shard_of
from storage.directory import DataDirectory, is_held
from storage.leases import portions
from storage.status import read_status

COMMAND: Final = "python -m bench.torture.deaths"
PAGES: Final = 20_000
LIFE_S: Final = 120.0
MARK_S: Final = 0.1
"""Within which a worker is gone that has left its mark: a request may still go out meanwhile."""
ORPHANS_END_S: Final = 10.0
GOES_ON_S: Final = 5.0
"""Beyond SILENCE_S: until the next worker has read its share of the queue and others have had their turn."""


class Life(NamedTuple):
    """One life of a crawl: how many workers, where they die, and how the supervisor ends."""

    workers: int
    dooms: tuple[Doom, ...] = ()
    supervisor: Kill = Kill()


SHORT: Final = Kill(after_s=1.0)
"""Once every point was met."""
MET_S: Final = 30.0
"""Longest wait for that."""

LIVES: Final = (
    Life(2, (Doom("before take_lease", 1), Doom("after offers", 3), Doom("before commit", 4)), SHORT),
    Life(4, (Doom("after take_lease", 1), Doom("before insert_offer", 2), Doom("after insert_offer", 3)), SHORT),
    Life(3, (Doom("before delete_offer", 1),), Kill("before revoke_lease", 1)),
    Life(2, (Doom("before renew_lease", 2), Doom("after delete_offer", 1)), Kill("after revoke_lease", 2)),
    Life(2, (), Kill("after insert_lease", 1)),
    Life(3, (Doom("before rename", 4), Doom("after rename", 3), Doom("after insert_segment", 3)), SHORT),
    Life(2, (Doom("after commit", 4), Doom("before insert_queue", 3), Doom("after insert_seen", 2)), SHORT),
    Life(4, (Doom("after renew_lease", 2), Doom("before open", 3), Doom(MOMENT, 1_300)), SHORT),
    Life(3, (Doom(MOMENT, 900), Doom(MOMENT, 1_700), Doom(MOMENT, 2_300), Doom(MOMENT, 2_900)), SHORT),
    Life(2, (Doom("before release_lease", 1), Doom("after upsert_host", 4)), Kill("before end_run", 1)),
)
"""Of the full form. The last of them comes to the end of the crawl, and one more finds nothing left to do."""


class Death(NamedTuple):
    """That a worker died: when (monotonic), and whose hosts were its own."""

    at_s: float
    number: int
    workers: int

    def loses(self, served: Served, again_s: float) -> bool:
        """Tell whether a page of its own that was asked for twice may have been lost by it."""
        is_own = served.started_s <= self.at_s <= again_s
        shards = portions(self.workers)[self.number]
        return is_own and shards.first <= shard_of(domains_of(served.host).domain) <= shards.last


class Repeats(NamedTuple):
    """Pages that were asked for again, by the death that made it necessary."""

    by_death: dict[Death, list[str]]
    needless: list[str]


@dataclass(slots=True)
class Killed:
    """What became of a crawl through all its lives."""

    data_dir: Path
    workers: list[Death] = field(default_factory=list)
    supervisors: int = 0
    points: set[str] = field(default_factory=set)
    unmet: list[str] = field(default_factory=list)
    damages: list[str] = field(default_factory=list)
    wrong_ends: list[str] = field(default_factory=list)
    orphans_s: list[float] = field(default_factory=list)
    """How long workers held the directory after their supervisor had gone."""


async def crawl_killed(web: Running, folder: Path, lives: Iterable[Life]) -> Killed:
    """Crawl `web` through some lives, and then to the end; all files are below `folder`."""
    killed = Killed(folder / "data")
    for life in (*lives, Life(2)):
        await _live(web, folder, life, killed)
    return killed


async def _live(web: Running, folder: Path, life: Life, killed: Killed) -> None:
    config, plan = write_config(web, folder, life.workers), Plan(folder / "doom")
    plan.write(list(life.dooms))
    async with asyncio.timeout(LIFE_S):
        process = await start(config, killed.data_dir, life.supervisor, os.environ | {PLAN: str(folder / "doom")})
        if life.supervisor.after_s is not None:
            with suppress(TimeoutError):  # a point that is not met is a figure
                await until(lambda: len(plan.met()) == len(life.dooms) or is_gone(process.pid), MET_S)
            await asyncio.sleep(life.supervisor.after_s)
            if process.returncode is None:
                process.kill()
        await until(lambda: is_gone(process.pid))
        ended_at = time.monotonic()
        _, errors = await process.communicate()  # the workers have the same standard error
    if process.returncode == -signal.SIGKILL:
        await until(lambda: not is_held(DataDirectory(killed.data_dir)))
        killed.supervisors += 1
        killed.orphans_s.append(time.monotonic() - ended_at)
    _note_end(process.returncode, errors.decode(errors="replace")[-2000:], life, killed, folder)
    met = plan.met()
    killed.workers += [Death(at_s + MARK_S, number, life.workers) for at_s, number in met.values() if number >= 0]
    killed.points |= {doom.at for doom in met}
    killed.unmet += [doom.at for doom in life.dooms if doom not in met]


def _note_end(code: int | None, errors: str, life: Life, killed: Killed, folder: Path) -> None:
    kill = life.supervisor
    if code == -signal.SIGKILL:
        killed.points |= {kill.at} if kill.hit else set()
        killed.damages += [f"{life}: {line}" for line in damage(killed.data_dir, folder / "copy")]
    elif code:
        killed.wrong_ends.append(f"{life}: exit {code}: {errors}")
    elif kill.hit:
        killed.unmet.append(kill.at)


def is_gone(pid: int) -> bool:
    """Tell whether a process of ours has ended, whoever still has its pipes."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def repeats(log: Path, deaths: Sequence[Death], since: float) -> Repeats:
    """Count the pages that were asked for again, each under the first death after the earlier request."""
    found, last = Repeats({death: [] for death in deaths}, []), dict[str, Served]()
    for served in sorted(read_log(log)):
        url = f"http://{served.host}{served.path}"
        if served.started_s < since or served.path == "/robots.txt":
            continue
        earlier, last[url] = last.get(url), served
        if earlier is not None:
            why = next((death for death in sorted(deaths) if death.loses(earlier, served.started_s)), None)
            (found.needless if why is None else found.by_death[why]).append(url)
    return found


async def frozen(web: Running, folder: Path) -> float | None:
    """Halt a worker while it holds the lock of the address table; return when (monotonic), None if it never was."""
    killed = Killed(folder / "data")
    await _live(web, folder, Life(2, (Doom(HOLDING, 200, signal.SIGSTOP),)), killed)
    return killed.workers[0].at_s - MARK_S if killed.workers and not killed.wrong_ends else None


def longest_silence(log: Path, since: float) -> float:
    """Return the longest time, after some moment, in which no request began."""
    moments = sorted(served.started_s for served in read_log(log) if served.started_s >= since)
    return max((late - early for early, late in pairwise([since, *moments])), default=0.0)


async def torture(spec: WebSpec, lives: Sequence[Life]) -> list[Figure]:
    """Crawl a web left alone, by one worker, and through many deaths, by several; compare."""
    with tempfile.TemporaryDirectory(prefix="linkmill-deaths-") as name:
        folder = Path(name)
        for crawl in ("whole", "killed"):
            (folder / crawl).mkdir()
        async with serve(spec, log=folder / "log", max_s=900.0) as web:
            whole = Killed(folder / "whole" / "data")
            await _live(web, folder / "whole", Life(1), whole)
            since = time.monotonic()
            killed = await crawl_killed(web, folder / "killed", lives)
        repeated = repeats(folder / "log", killed.workers, since)
        return _figures(Stored(whole.data_dir), killed, repeated)


async def freeze() -> list[Figure]:
    """Halt a worker that holds the lock of the address table."""
    spec = WebSpec(hosts=20, pages_per_host=40, profile=4, faults=FAULTS)
    with tempfile.TemporaryDirectory(prefix="linkmill-frozen-") as name:
        folder = Path(name)
        async with serve(spec, log=folder / "log", max_s=300.0) as web:
            since = await frozen(web, folder)
        died = read_status(folder / "data").counters["workers.died"]
        silence_s = longest_silence(folder / "log", since) if since is not None else float("inf")
        faults = Stored(folder / "data").faults()
    what = f"{silence_s:.1f} s; workers killed: {died}; faults: {len(faults)}"
    holds = silence_s <= SILENCE_S + GOES_ON_S and died == 1 and not faults
    bound = f"{SILENCE_S:.0f} s and {GOES_ON_S:.0f}; 1; 0"
    return [Figure("all stand still while a halted worker holds the table's lock", what, bound, holds, COMMAND)]


def _figures(whole: Stored, killed: Killed, repeated: Repeats) -> list[Figure]:
    stored = Stored(killed.data_dir)
    differing, faults = differences(whole.attempts(), stored.attempts()), whole.faults() + stored.faults()
    told = (*killed.wrong_ends, *killed.damages, *differing[:5], *faults[:5], *repeated.needless[:5])
    for line in told:
        print(line, file=sys.stderr)
    kills = f"{len(killed.workers)} workers, {killed.supervisors} supervisors, {len(killed.points)} points"
    lost = max((links_lost(urls, whole) for urls in repeated.by_death.values()), default=0)
    pages, needless = sum(map(len, repeated.by_death.values())), repeated.needless
    orphans_s = max(killed.orphans_s, default=0.0)
    return [
        _figure("kills survived by crawls of 2 to 4 workers", kills, "all", not killed.wrong_ends),
        _figure("points never reached by a worker", ", ".join(killed.unmet) or "none", "none", not killed.unmet),
        _figure("damage after a supervisor's death", str(len(killed.damages)), "0", not killed.damages),
        _figure("URLs that differ from an uninterrupted crawl by one", str(len(differing)), "0", not differing),
        _figure("URLs on record, by several workers", f"{len(stored.attempts()):,}", "all", not faults),
        _figure(
            f"links lost by a worker's death beside {CONCURRENCY} open pages",
            f"{lost:,} ({pages:,} pages in all)", f"{COMMIT_LINKS:,}", lost <= COMMIT_LINKS,
        ),
        _figure("pages repeated without a worker's death", str(len(needless)), "0", not needless),
        _figure(
            "workers end after their supervisor",
            f"{orphans_s:.1f} s", f"{ORPHANS_END_S:.0f} s", orphans_s <= ORPHANS_END_S,
        ),
    ]  # fmt: skip


def _figure(name: str, value: str, bound: str, holds: bool) -> Figure:
    return Figure(name, value, bound, holds, COMMAND)


def run(scale: float = 1.0) -> list[Figure]:
    """Return the figures of all lives of a crawl of 20,000 pages, or of some of both, and of a halted worker."""
    lives, pages = LIVES[: max(2, round(len(LIVES) * scale))], max(2_000, round(PAGES * scale))
    hosts = min(HOSTS, pages // 40)
    spec = WebSpec(hosts=hosts, pages_per_host=pages // hosts, profile=4, faults=FAULTS)
    return asyncio.run(torture(spec, lives)) + asyncio.run(freeze())


if __name__ == "__main__":
    play(run, COMMAND, __doc__)
