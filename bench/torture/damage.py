"""Damages the files of a stopped crawl and lets it go on: nothing it then says may be wrong without a word.

Run with `python -m bench.torture.damage`. A data directory as a kill leaves it is copied, one byte of one file is
changed or its write-ahead log is cut; then the crawl goes on to its end. Expected: the pages and links of an
undisturbed crawl, or an error of one line. The same with one by two workers, whose own tables are aimed at besides. And
100 copies of the files are taken while a crawl commits, each of which
must open as a crawl that had stopped after one of its commits.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bench.torture import commands
from bench.torture.crash import Kill, start, write_config
from bench.torture.figures import Figure, play
from bench.torture.stored import Attempts, Stored, damage, differences
from bench.vweb.process import Running, serve
from bench.vweb.spec import NO_FAULTS, WebSpec
from config import Settings
from crawler.cli.app import fault_of
from crawler.supervisor import Crawl
from storage.status import read_status

SPEC: Final = WebSpec(hosts=6, pages_per_host=40, profile=4, faults=replace(NO_FAULTS, redirect=0.05, missing=0.02))
FLIPS: Final = 300
CUTS: Final = 40
COPIES: Final = 100
HALF: Final = 100
"""Pages after which the crawl to be damaged is stopped."""
HALF_COMMITS: Final = 6
"""Commits after which it is killed, of about twenty."""
LINGERING_S: Final = 0.05
"""Delay of the crawl that is killed, so that it is met under way."""
TABLES: Final = ("offers", "leases", "errands", "counters")
"""What only several workers have, and the books of the first."""
COMMAND: Final = "python -m bench.torture.damage"


@dataclass(frozen=True, slots=True)
class Harmed:
    """What came of one damage."""

    what: str
    outcome: str
    """`equal`, `refused` with an error of one line, or what is wrong."""


def settings_for(web: Running, data_dir: Path, max_pages: int = 0) -> Settings:
    """Return settings for a crawl of a whole web that commits often."""
    return Settings.model_validate(
        {
            "crawl": {"seeds": web.seeds, "data_dir": data_dir, "max_pages": max_pages},
            "scope": {"follow": "any", "include": ["*.test/*"]},
            "politeness": {"delay": 0.0, "delay_per_ip": 0.0, "connections_per_host": 4, "connections_per_ip": 64},
            "fetch": {"concurrency": 16},
            "network": {"hosts": web.hosts, "allow_addresses": ["127.0.0.0/8"]},
            "storage": {"commit_interval": 0.05, "commit_links": 400},
        }
    )


async def crawl(web: Running, data_dir: Path, max_pages: int = 0) -> None:
    """Crawl, or go on, in this process."""
    await Crawl(settings_for(web, data_dir, max_pages), web.seeds).run()


async def stopped_halfway(web: Running, data_dir: Path, workers: int = 1) -> None:
    """Make a data directory of a part of a crawl, with a write-ahead log as only a crash leaves one."""
    with tempfile.TemporaryDirectory(prefix="linkmill-half-") as name:
        folder, data = Path(name), Path(name, "data")
        often: dict[str, object] = {"commit_interval": "50ms"}
        slow: dict[str, object] = {"delay": LINGERING_S}
        commands.write_config(folder, web, data, crawl={"workers": workers}, politeness=slow, storage=often)
        async with commands.started(folder, "crawl", "--quiet", commands.CONFIG) as process:
            enough = HALF_COMMITS * workers
            await commands.until(lambda: process.returncode or len(list(data.rglob("pages-*"))) >= enough)
            assert process.returncode is None, "it ended too early"
            with ExitStack() as halting:
                for pid in (process.pid, *commands.children(process.pid)):
                    halting.enter_context(halted(pid))
                shutil.copytree(data, data_dir)
    assert (data_dir / "crawl.db-wal").stat().st_size, "no log to damage"


async def harm(web: Running, data_dir: Path, whole: Attempts, what: str) -> Harmed:
    """Let a damaged crawl go on to its end and judge it."""
    try:
        await crawl(web, data_dir)
        stored = Stored(data_dir)
        wrong = [*stored.faults(), *differences(whole, stored.attempts())]
    except Exception as error:  # noqa: BLE001  # what is no fault of the operator's is what we look for
        code_and_lines = fault_of(error)
        named = code_and_lines is not None and code_and_lines[0] == 4 and len(code_and_lines[1]) == 1
        return Harmed(what, "refused" if named else f"{type(error).__name__}: {error}")
    return Harmed(what, "; ".join(wrong[:3]) or "equal")


def flip(path: Path, at: int, bit: int) -> None:
    """Change one bit of a file."""
    with path.open("r+b") as file:
        file.seek(at)
        (byte,) = file.read(1)
        file.seek(at)
        file.write(bytes([byte ^ 1 << bit]))


async def flips(web: Running, half: Path, whole: Attempts, number: int, chance: random.Random) -> list[Harmed]:
    """Change one bit of the database or its log, anew for each try."""
    found = []
    for _ in range(number):
        data_dir = _copied(half)
        files = [file for name in ("crawl.db", "crawl.db-wal") if (file := data_dir / name).exists()]
        file = chance.choice([file for file in files if file.stat().st_size])
        at, bit = chance.randrange(file.stat().st_size), chance.randrange(8)
        flip(file, at, bit)
        found.append(await harm(web, data_dir, whole, f"{file.name}: bit {bit} of byte {at:,}"))
    return found


async def aimed_flips(web: Running, half: Path, whole: Attempts, number: int, chance: random.Random) -> list[Harmed]:
    """Change one bit of the first page of each of `TABLES`, its log emptied into the database before."""
    found = []
    for table in TABLES * number:
        data_dir = _copied(half)
        file = data_dir / "crawl.db"
        with closing(sqlite3.connect(file)) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            page_bytes = database.execute("PRAGMA page_size").fetchone()[0]
            page = database.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).fetchone()[0]
        at = (page - 1) * page_bytes + _inked(file, (page - 1) * page_bytes, page_bytes, chance)
        bit = chance.randrange(8)
        flip(file, at, bit)
        found.append(await harm(web, data_dir, whole, f"{table}: bit {bit} of byte {at:,}"))
    return found


def _inked(file: Path, start: int, page_bytes: int, chance: random.Random) -> int:
    """Return a place of a page at which something is written."""
    with file.open("rb") as database:
        database.seek(start)
        page = database.read(page_bytes)
    return chance.choice([at for at, byte in enumerate(page) if byte])


async def cuts(web: Running, half: Path, whole: Attempts, number: int, chance: random.Random) -> list[Harmed]:
    """Cut the write-ahead log off somewhere, anew for each try."""
    found = []
    for _ in range(number):
        data_dir = _copied(half)
        log = data_dir / "crawl.db-wal"
        size = chance.randrange(max(1, log.stat().st_size))
        with log.open("r+b") as file:
            file.truncate(size)
        found.append(await harm(web, data_dir, whole, f"log cut to {size:,} bytes"))
    return found


def _copied(half: Path) -> Path:
    data_dir = half.with_name("harmed")
    shutil.rmtree(data_dir, ignore_errors=True)
    shutil.copytree(half, data_dir)
    return data_dir


async def copies(web: Running, folder: Path, number: int, chance: random.Random) -> list[str]:
    """Copy the files of a crawl at moments at which its process is halted; return what is wrong with the copies."""
    wrong, taken = list[str](), 0
    for crawl_number in range(number):
        if taken >= number:
            break
        home = folder / f"copied-{crawl_number}"
        home.mkdir()
        process = await start(write_config(web, home), home / "data", Kill())
        ended = asyncio.create_task(process.wait())
        try:
            while taken < number and not ended.done():
                await asyncio.sleep(chance.uniform(0.0, 0.05))
                if not ended.done() and (home / "data" / "crawl.db-wal").exists():
                    wrong += await asyncio.to_thread(_copy_is_a_prefix, process.pid, home / "data", folder / "copy")
                    taken += 1
        finally:
            if not ended.done():
                process.kill()
            await process.communicate()
            await ended
    return wrong


def _copy_is_a_prefix(pid: int, data_dir: Path, copy: Path) -> list[str]:
    """Copy the files while the crawler is halted, and look whether they open as a crawl after one of its commits."""
    shutil.rmtree(copy, ignore_errors=True)
    with halted(pid):
        shutil.copytree(data_dir, copy)
    found = damage(copy, copy / "scratch")
    with closing(sqlite3.connect(copy / "crawl.db")) as database:
        if not database.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            return found  # taken before the first commit of all, which makes the tables
        commits, last = database.execute("SELECT count(*), coalesce(max(batch), 0) FROM batches").fetchone()
    return found if commits == last else [*found, f"{commits} commits, the last one is number {last}"]


@contextmanager
def halted(pid: int) -> Iterator[None]:
    """Halt a process of ours, all threads, while the block runs."""
    os.kill(pid, signal.SIGSTOP)
    try:
        while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "TZ":
            time.sleep(0.001)
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _figures(name: str, harmed: Iterable[Harmed]) -> Figure:
    harmed = list(harmed)
    wrong = [one for one in harmed if one.outcome not in ("equal", "refused")]
    for one in wrong:
        print(f"{one.what}: {one.outcome}", file=sys.stderr)
    counted = Counter(one.outcome if one not in wrong else "wrong" for one in harmed)
    value = ", ".join(f"{counted[outcome]} {outcome}" for outcome in ("equal", "refused", "wrong"))
    return Figure(name, value, "0 wrong", not wrong, COMMAND)


async def torture(scale: float) -> list[Figure]:
    """Try all damages."""
    chance = random.Random(1)
    with tempfile.TemporaryDirectory(prefix="linkmill-damage-") as name:
        folder = Path(name)
        async with serve(SPEC, max_s=900.0) as web:
            await crawl(web, folder / "whole")
            whole = Stored(folder / "whole").attempts()
            await stopped_halfway(web, folder / "half")
            assert read_status(folder / "half").totals.queued
            await stopped_halfway(web, folder / "shared", workers=2)
            await crawl(web, folder / "stopped", HALF)
            number = max(4, round(FLIPS * scale))
            flipped = await flips(web, folder / "half", whole, number // 4, chance)
            flipped += await flips(web, folder / "stopped", whole, number, chance)
            shared = await flips(web, folder / "shared", whole, number // 4, chance)
            shared += await aimed_flips(web, folder / "shared", whole, max(2, number // 15), chance)
            cut = await cuts(web, folder / "half", whole, max(2, round(CUTS * scale)), chance)
            taken = max(5, round(COPIES * scale))
            wrong = await copies(web, folder, taken, chance)
    print(*wrong, sep="\n", end="", file=sys.stderr)
    prefix = Figure(f"{taken} copies taken during commits", f"{len(wrong)} damaged", "0 damaged", not wrong, COMMAND)
    return [
        _figures(f"one bit changed in the database, {len(flipped)} times", flipped),
        _figures(f"one bit changed in that of two workers, {len(shared)} times", shared),
        _figures(f"write-ahead log cut, {len(cut)} times", cut),
        prefix,
    ]


def run(scale: float = 1.0) -> list[Figure]:
    """Return what came of all damages."""
    return asyncio.run(torture(scale))


if __name__ == "__main__":
    play(run, COMMAND, __doc__)
