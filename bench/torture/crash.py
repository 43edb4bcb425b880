"""Kills a crawl again and again and holds what it ends with against one that was left alone.

Run with `python -m bench.torture.crash [--kills N] [--pages N]`. The crawler is the real command in a process of its
own (`victim`); it dies by SIGKILL at named storage calls and at random moments, while it starts, crawls and stops.
After each kill the files are checked as they lie, then the next process goes on with them. Requests are counted by the
web's own log, cut at the moments of the kills.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, NamedTuple

from bench.torture.figures import Figure, table
from bench.torture.stored import Stored, damage, differences
from bench.torture.victim import READY
from bench.vweb.log import read_log
from bench.vweb.process import ROOT, Running, serve
from bench.vweb.spec import NO_FAULTS, WebSpec

KILLS: Final = 50
PAGES: Final = 20_000
HOSTS: Final = 100
FAULTS: Final = replace(NO_FAULTS, redirect=0.05, missing=0.02, gone=0.01, odd_charsets=True)
"""Those whose answer is the same at the second request, which a kill may make necessary."""
CONCURRENCY: Final = 32
COMMIT_INTERVAL_MS: Final = 150
COMMIT_LINKS: Final = 4_000
"""What a kill may cost: the setting of the product, small enough to be reached."""
LIFE_S: Final = 60.0
STOP_HIT: Final = 4
"""The commit after which a crawler is asked to stop: the first two are the start's."""
LONGEST_RANDOM_S: Final = 0.6


class Kill(NamedTuple):
    """How one life of the crawler ends: the `hit`-th time it comes to a point, or so many seconds after its start."""

    at: str = "never"
    hit: int = 0
    stopping: bool = False
    """Asked to stop cleanly after its second commit, which the kill cuts short."""
    after_s: float | None = None


NAMED: Final = (
    # Starting, which after a kill is recovery.
    (Kill("before last_batch", 1),),
    (Kill("after next_incarnation", 1),),
    (Kill("before resume_run", 1),),
    (Kill("after seen", 1),),
    (Kill("after hosts", 1),),
    # The segments.
    (Kill("before open", 2),),
    (Kill("before fsync file", 3),),
    (Kill("after fsync file", 2),),
    (Kill("before rename", 4),),
    (Kill("after rename", 3), Kill("before unlink", 1), Kill("after unlink", 1)),  # what it leaves is an orphan
    (Kill("before fsync folder", 2),),
    (Kill("after fsync folder", 3),),
    # The transaction.
    (Kill("before begin", 4),),
    (Kill("after begin", 3),),
    (Kill("after insert_batch", 2),),
    (Kill("before insert_queue", 1),),
    (Kill("after insert_queue", 2),),
    (Kill("after delete_queue", 2),),
    (Kill("after upsert_host", 3),),
    (Kill("before insert_segment", 2),),
    (Kill("after insert_segment", 3),),
    (Kill("before insert_seen", 1),),
    (Kill("before commit", 4),),
    (Kill("after commit", 3),),
    # Reading on.
    (Kill("before refill", 2),),
    (Kill("after refill", 9),),
    # Stopping.
    (Kill("before end_run", 1, stopping=True),),
    (Kill("after end_run", 1, stopping=True),),
    (Kill("before checkpoint", 1, stopping=True),),
    (Kill("after checkpoint", 1, stopping=True),),
)
"""Points of which every one is met; those in one row follow each other."""


@dataclass(slots=True)
class Killed:
    """What became of a crawl through all its kills."""

    data_dir: Path
    kills: list[tuple[Kill, float]] = field(default_factory=list)
    """With the moment (monotonic) at which the process was gone."""
    unmet: list[Kill] = field(default_factory=list)
    """Points that a life never came to, so that it ended by itself."""
    damages: list[str] = field(default_factory=list)
    wrong_ends: list[str] = field(default_factory=list)


class Repeats(NamedTuple):
    """Requests made again, by the kill that made them necessary."""

    by_kill: list[list[str]]
    without_kill: list[str]


async def crawl_killed(web: Running, folder: Path, kills: Iterable[Kill], to_the_end: bool = False) -> Killed:
    """Crawl `web`, dying as `kills` say, one life each, and then to the end; all files are below `folder`.

    With `to_the_end` the first life that is not cut short is the last one.
    """
    killed = Killed(folder / "data")
    config = write_config(web, folder)
    for kill in kills:
        code, output = await _live(config, killed.data_dir, kill)
        if code == -signal.SIGKILL:
            killed.kills.append((kill, time.monotonic()))
            killed.damages += [f"{kill.at}: {line}" for line in damage(killed.data_dir, folder / "copy")]
        elif code == 0:
            killed.unmet.append(kill)
            if to_the_end:
                return killed
        else:
            killed.wrong_ends.append(f"{kill}: exit {code}: {output}")
    code, output = await _live(config, killed.data_dir, Kill())
    if code:
        killed.wrong_ends.append(f"the last one: exit {code}: {output}")
    return killed


async def _live(config: Path, data_dir: Path, kill: Kill) -> tuple[int, str]:
    """Run one crawler until it is killed or ends; return its exit code and what it wrote on standard error."""
    async with asyncio.timeout(LIFE_S):
        process = await start(config, data_dir, kill)
        if kill.after_s is not None:
            await asyncio.sleep(kill.after_s)
            if process.returncode is None:
                process.kill()
        _, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, errors.decode(errors="replace")[-2000:]


async def start(
    config: Path, data_dir: Path, kill: Kill, environment: Mapping[str, str] | None = None
) -> asyncio.subprocess.Process:
    """Start a crawler and return when it has loaded its code."""
    stop_hit = STOP_HIT if kill.stopping else 0
    arguments = [str(data_dir), kill.at, str(kill.hit), str(stop_hit), "crawl", str(config)]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.torture.victim",
        *arguments,
        cwd=ROOT,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    await process.stdout.readuntil(READY.encode())
    return process


def write_config(web: Running, folder: Path, workers: int = 1) -> Path:
    """Write a config file that crawls the whole web into `folder`/data, committing often."""
    seeds = ", ".join(f'"{seed}"' for seed in web.seeds)
    config = folder / "crawl.toml"
    config.write_text(f"""
[crawl]
seeds = [{seeds}]
data_dir = "data"
workers = {workers}
[scope]
follow = "any"
include = ["*.test/*"]
[politeness]
delay = 0
delay_per_ip = 0
connections_per_host = 2
connections_per_ip = 256
[fetch]
concurrency = {CONCURRENCY}
[network]
hosts = {{ "*.test" = "127.0.0.1:{web.port}" }}
allow_addresses = ["127.0.0.0/8"]
[storage]
commit_interval = "{COMMIT_INTERVAL_MS}ms"
commit_links = {COMMIT_LINKS}
[log]
level = "warning"
""")
    return config


def repeats(log: Path, kills: Sequence[float], since: float = 0.0) -> Repeats:
    """Count the pages that were asked for again, each under the first kill after the earlier request."""
    found, without, last_asked = [list[str]() for _ in kills], list[str](), dict[str, float]()
    for served in sorted(read_log(log)):
        url = f"http://{served.host}{served.path}"
        if served.started_s < since or served.path == "/robots.txt":
            continue
        earlier, last_asked[url] = last_asked.get(url), served.started_s
        if earlier is None:
            continue
        between = [at for at, killed_at in enumerate(kills) if earlier <= killed_at <= served.started_s]
        if between:
            found[between[0]].append(url)
        else:
            without.append(url)
    return Repeats(found, without)


def plan(kills: int, chance: random.Random) -> list[Kill]:
    """Return about so many kills: the named points as far as there is room, a third at random moments; shuffled."""
    named = chance.sample(NAMED, len(NAMED))
    chosen: list[tuple[Kill, ...]] = []
    while named and sum(map(len, chosen)) < kills - kills // 3:
        chosen.append(named.pop())
    left = kills - sum(map(len, chosen))
    chosen += [(Kill(after_s=chance.uniform(0.0, LONGEST_RANDOM_S)),) for _ in range(left)]
    chance.shuffle(chosen)
    return [kill for row in chosen for kill in row]


async def torture(kills: int, pages: int, seed: int) -> list[Figure]:
    """Crawl a web of `pages` pages twice, once killed and once not, and compare."""
    spec = WebSpec(
        hosts=min(HOSTS, pages // 40), pages_per_host=pages // min(HOSTS, pages // 40), profile=4, faults=FAULTS
    )
    with tempfile.TemporaryDirectory(prefix="linkmill-crash-") as name:
        folder = Path(name)
        for crawl in ("whole", "killed"):
            (folder / crawl).mkdir()
        async with serve(spec, log=folder / "log", max_s=600.0) as web:
            whole = await crawl_killed(web, folder / "whole", [])
            since = time.monotonic()
            killed = await crawl_killed(web, folder / "killed", plan(kills, random.Random(seed)))
        repeated = repeats(folder / "log", [at for _, at in killed.kills], since)
        command = f"python -m bench.torture.crash --kills {kills} --pages {pages} --seed {seed}"
        return _figures(Stored(whole.data_dir), killed, repeated, command)


def _figures(whole: Stored, killed: Killed, repeated: Repeats, command: str) -> list[Figure]:
    for line in (*killed.wrong_ends, *killed.damages):
        print(line, file=sys.stderr)
    stored = Stored(killed.data_dir)
    differing, faults = differences(whole.attempts(), stored.attempts()), whole.faults() + stored.faults()
    for line in (*differing[:5], *faults[:5], *repeated.without_kill[:5]):
        print(line, file=sys.stderr)
    points = len({kill.at for kill, _ in killed.kills if kill.hit})
    pages = max(map(len, repeated.by_kill), default=0)
    links = max((links_lost(urls, whole) for urls in repeated.by_kill), default=0)
    unmet = Counter(kill.at for kill in killed.unmet)
    return [
        Figure("kills survived", f"{len(killed.kills)} at {points} points", "all", not killed.wrong_ends, command),
        Figure("points never reached", ", ".join(unmet) or "none", "none", not unmet, command),
        Figure("damage after a kill", str(len(killed.damages)), "0", not killed.damages, command),
        Figure("URLs that differ from an uninterrupted crawl", str(len(differing)), "0", not differing, command),
        Figure("URLs on record", f"{len(stored.attempts()):,}", "all", not faults, command),
        Figure(
            f"links lost by one kill beside {CONCURRENCY} open pages",
            f"{links:,} ({pages:,} pages in all)",
            f"{COMMIT_LINKS:,}",
            links <= COMMIT_LINKS,
            command,
        ),
        Figure(
            "pages repeated without a kill", str(len(repeated.without_kill)), "0", not repeated.without_kill, command
        ),
    ]


def links_lost(urls: Sequence[str], whole: Stored) -> int:
    """Return the links of pages that were asked for again, beyond those pages that may have been open."""
    links = {page.url: page.links for page in whole.pages}
    return sum(sorted((links[url] for url in urls), reverse=True)[CONCURRENCY:])


def run(scale: float = 1.0) -> list[Figure]:
    """Return the figures of 50 kills of a crawl of 20,000 pages, or of less of both."""
    return asyncio.run(torture(max(10, round(KILLS * scale)), max(2_000, round(PAGES * scale)), seed=1))


def main() -> None:
    """Run what the command line asks for and print the table; exit 1 when something does not hold."""
    parser = argparse.ArgumentParser(prog="python -m bench.torture.crash", description="Kill a crawl again and again.")
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--pages", type=int, default=PAGES)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    figures = asyncio.run(torture(options.kills, options.pages, options.seed))
    print(table(figures))
    sys.exit(not all(figure.holds for figure in figures))


if __name__ == "__main__":
    main()
