"""A crawl's disk and database misbehave for a while: full, nearly full, locked, read-only, taken away, shared.

Run with `python -m bench.torture.storage [--scale 0.1]`. The crawler is the real command; the small file system is a
tmpfs where this process may mount one, else a limit on the size of its files. Expected of each fault: one clear line
and exit code 4, or waiting; and afterwards a crawl that ends with the pages and links of an undisturbed one.
"""

from __future__ import annotations

import asyncio
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, NamedTuple

from bench.torture.commands import CONFIG, Ended, crawled, end_of, ran, started, until, write_config
from bench.torture.figures import Figure, play
from bench.torture.stored import Attempts, Stored, damage, differences
from bench.vweb.process import Running, serve
from bench.vweb.spec import NO_FAULTS, WebSpec
from storage.status import read_status

COMMAND: Final = "python -m bench.torture.storage"
SPEC: Final = WebSpec(
    hosts=10, pages_per_host=40, profile=4, faults=replace(NO_FAULTS, redirect=0.05, missing=0.02), latency_s=0.05
)
DISK_KB: Final = 16 << 10
FREE_KB: Final = (0, 150, 40, 200, 300, 400, 550, 700)
"""Space left when a crawl starts that needs a megabyte."""
HALF: Final = 0.5
"""From this scale on everything is tried, below it the quickest form."""
LOCKED_S: Final = 60.0
LINGERING_S: Final = 0.5
"""Delay of a crawl that is to be met under way, however slow the machine is."""
PAUSED_S: Final = 3.0
STOP_S: Final = 10.0
SLOW_HOSTS: Final = 8


@dataclass(slots=True)
class Scene:
    """A web that is served, what an undisturbed crawl of it stores, and the folder of the attempt at hand."""

    web: Running
    whole: Attempts
    home: Path
    scale: float
    wrong: list[str] = field(default_factory=list)
    timeouts: int = 0
    """Requests that got no answer in time and another try."""

    @property
    def data(self) -> Path:
        return self.home / "data"

    def expect(self, holds: bool, otherwise: str) -> None:
        """Note what does not hold."""
        if not holds:
            self.wrong.append(otherwise)

    def expect_fault(self, ended: Ended, words: str) -> None:
        """Expect one line with these words and exit code 4."""
        self.expect(ended.is_one_line_of_4 and words in ended.lines[0], f"not {words!r}: {ended}")

    async def expect_equal(self) -> None:
        """Crawl on to the end and expect what an undisturbed crawl stores."""
        write_config(self.home, self.web, self.data)
        ended = await crawled(self.home)
        self.expect(ended.code == 0, f"does not go on: {ended}")
        self.expect_stored()

    def expect_stored(self) -> None:
        """Expect what an undisturbed crawl stores."""
        stored = Stored(self.data)
        self.timeouts += stored.timeouts
        self.wrong += [*stored.faults()[:3], *differences(self.whole, stored.attempts())[:3]]


class Disk:
    """A small file system and a file on it that takes up its space."""

    def __init__(self, folder: Path) -> None:
        self._ballast = folder / "ballast"
        self._folder = folder

    def leave(self, free_kb: int) -> None:
        """Take up space until only so much is free."""
        self._ballast.unlink(missing_ok=True)
        taken = shutil.disk_usage(self._folder).free - (free_kb << 10)
        self._ballast.write_bytes(bytes(max(0, taken)))

    def clear(self) -> None:
        """Make room."""
        self._ballast.unlink(missing_ok=True)

    def allow_writing(self, allowed: bool) -> None:
        """Mount it anew, for reading and writing or for reading only."""
        _mount("-o", f"remount,{'rw' if allowed else 'ro'}", self._folder)


@contextmanager
def small_disk(folder: Path) -> Iterator[Disk | None]:
    """Mount a small file system on a folder while the block runs; None where this process may not."""
    try:
        _mount("-t", "tmpfs", "-o", f"size={DISK_KB}k", "linkmill", folder)
    except (OSError, subprocess.CalledProcessError):
        yield None
        return
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", folder], check=True)


def _mount(*arguments: str | Path) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True)


@contextmanager
def small_files(size_kb: int) -> Iterator[None]:
    """Let no file of this process and those it starts grow larger while the block runs."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_kb << 10, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def full_while_crawling(scene: Scene) -> str:
    """Fill the disk so that a crawl meets its end at several moments; make room; crawl on."""
    met = 0
    with small_disk(scene.home) as disk:
        for free_kb in FREE_KB if scene.scale >= HALF else FREE_KB[1:2]:
            shutil.rmtree(scene.data, ignore_errors=True)
            write_config(scene.home, scene.web, scene.data)
            met += await _meet_full(scene, disk, free_kb)
            if scene.data.exists() and (scene.data / "crawl.db").exists():
                scene.wrong += damage(scene.data, scene.home / "scratch")
                shutil.rmtree(scene.home / "scratch")
            await scene.expect_equal()
    scene.expect(met > 0, "the disk was never full")
    return f"full {met} times" + ("" if disk else " (limit on file sizes)")


async def _meet_full(scene: Scene, disk: Disk | None, free_kb: int) -> bool:
    if disk is None:
        with small_files(free_kb):
            ended = await crawled(scene.home)
        scene.expect(ended.code == 0 or ended.is_one_line_of_4, f"no single line: {ended}")
        return ended.code != 0
    disk.leave(free_kb)
    ended = await crawled(scene.home)
    disk.clear()
    if ended.code:
        scene.expect_fault(ended, "disk is full")
    return ended.code != 0


async def full_while_indexing(scene: Scene) -> str:
    """Fill the disk of a finished crawl while it is indexed; make room; index again."""
    with small_disk(scene.home) as disk:
        write_config(scene.home, scene.web, scene.data)
        await scene.expect_equal()
        met = 0
        for free_kb in (0, 200):
            if disk is None:
                with small_files(free_kb):
                    ended = await ran(scene.home, "index", CONFIG)
            else:
                disk.leave(free_kb)
                ended = await ran(scene.home, "index", CONFIG)
                disk.clear()
            met += ended.code != 0
            if ended.code:
                scene.expect_fault(ended, "disk is full")
        scene.expect(met > 0, "the disk was never full")
        ended = await ran(scene.home, "index", CONFIG)
        scene.expect(ended.code == 0, f"does not index: {ended}")
    return f"full {met} times"


async def nearly_full(scene: Scene) -> str:
    """Leave less space than `storage.min_free` wants; make room after a while."""
    with small_disk(scene.home) as disk:
        if disk is None:
            return "no small file system may be mounted here: left out"
        write_config(scene.home, scene.web, scene.data, storage={"min_free": "3MiB"})
        disk.leave(2 << 10)
        async with started(scene.home, "crawl", "--quiet", CONFIG) as process:
            await until((scene.data / "crawl.db").exists)
            await asyncio.sleep(PAUSED_S)
            scene.expect(process.returncode is None, "it did not wait")
            scene.expect(not list(scene.data.rglob("*.parquet")), "it did not pause")
            disk.clear()
            ended = await end_of(process)
        scene.expect(ended.code == 0, f"it did not go on: {ended}")
        scene.expect_stored()
        pauses = dict(read_status(scene.data).counters).get("pauses.disk_space", 0)
    return f"paused {pauses} time"


async def locked(scene: Scene) -> str:
    """Hold the database in another process for a minute."""
    held_s = max(3.0, LOCKED_S * scene.scale)
    write_config(scene.home, scene.web, scene.data)
    async with crawling(scene, configured=True) as process:
        with closing(sqlite3.connect(scene.data / "crawl.db", isolation_level=None, timeout=30.0)) as other:
            other.execute("BEGIN IMMEDIATE")
            await asyncio.sleep(held_s)
            scene.expect(process.returncode is None, "it did not wait")
            other.execute("ROLLBACK")
        ended = await end_of(process)
    scene.expect(ended.code == 0, f"it did not go on: {ended}")
    scene.expect_stored()
    return f"held for {held_s:.0f} s"


async def read_only(scene: Scene) -> str:
    """Start on a data directory that cannot be written."""
    with small_disk(scene.home) as disk:
        write_config(scene.home, scene.web, scene.data)
        async with crawling(scene) as process:
            process.terminate()
            await end_of(process)
        if disk is None:
            scene.data.chmod(0o500)
            (scene.data / "crawl.db").chmod(0o400)
        else:
            disk.allow_writing(False)
        scene.expect_fault(await crawled(scene.home), "not writable")
        if disk is None:
            scene.data.chmod(0o700)
            (scene.data / "crawl.db").chmod(0o600)
        else:
            disk.allow_writing(True)
        await scene.expect_equal()
    return "refused, then goes on"


async def taken_away(scene: Scene) -> str:
    """Move the data directory away while it is in use, and look for one that never was."""
    async with crawling(scene) as process:
        scene.data.rename(scene.home / "elsewhere")
        scene.expect_fault(await end_of(process), "went away")
    absent = await ran(scene.home, "status", CONFIG)
    scene.expect(absent.code == 3 and len(absent.lines) == 1, f"not told that nothing is there: {absent}")
    (scene.home / "elsewhere").rename(scene.data)
    await scene.expect_equal()
    return "named, then goes on"


async def second_crawl(scene: Scene) -> str:
    """Start a second crawl on a data directory that is in use."""
    async with crawling(scene) as process:
        scene.expect_fault(await crawled(scene.home), f"process {process.pid}")
        process.terminate()
        await end_of(process)
    await scene.expect_equal()
    return "refused by name"


async def stopped_beside_slow_servers(scene: Scene) -> str:
    """Stop a crawl half of whose requests hang on servers that send a byte now and then."""
    async with slow_server() as port:
        slow = [f"http://slow{number}.loris/" for number in range(SLOW_HOSTS)]
        write_config(
            scene.home, scene.web, scene.data, network__hosts={"*.loris": f"127.0.0.1:{port}"},
            crawl={"seeds": [*slow, *scene.web.seeds]}, scope={"include": ["*.test/*", "*.loris/*"]},
        )  # fmt: skip
        return await _stop(scene, SLOW_HOSTS)


async def stopped_while_paused(scene: Scene) -> str:
    """Stop a crawl that waits for space."""
    write_config(scene.home, scene.web, scene.data, storage={"min_free": "999TiB"})
    return await _stop(scene, 0, pages=False)


async def _stop(scene: Scene, more: int, pages: bool = True) -> str:
    async with crawling(scene, configured=True, pages=pages) as process:
        stopped_at = time.monotonic()
        process.terminate()
        ended = await end_of(process)
        took_s = time.monotonic() - stopped_at
    scene.expect(ended.code == 0 and took_s <= STOP_S, f"after {took_s:.1f} s: {ended}")
    status, stored = read_status(scene.data), Stored(scene.data)
    totals = status.totals
    scene.expect(status.stop_reason == "interrupted" and totals.conserved, f"not conserved: {status}")
    ended_urls = totals.done + totals.failed + totals.excluded
    scene.expect(ended_urls == len(stored.pages), f"{ended_urls} URLs ended, {len(stored.pages)} on record")
    scene.expect(totals.queued >= more, f"only {totals.queued} queued")
    if not more:
        await scene.expect_equal()
    return f"{took_s:.1f} s"


@asynccontextmanager
async def crawling(
    scene: Scene, configured: bool = False, pages: bool = True
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start a crawl and enter the block when it has stored its first pages, or only made its database."""
    if not configured:
        write_config(scene.home, scene.web, scene.data, politeness={"delay": LINGERING_S})
    async with started(scene.home, "crawl", "--quiet", CONFIG) as process:
        wanted = "*.parquet" if pages else "crawl.db-wal"
        await until(lambda: process.returncode is not None or any(scene.data.rglob(wanted)))
        yield process


@asynccontextmanager
async def slow_server() -> AsyncIterator[int]:
    """Serve answers that come a byte every half second and never end; yield the port."""

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
            while not reader.at_eof():
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.5)
        except ConnectionError:
            pass  # the crawler has cut it off
        finally:
            writer.close()

    async with await asyncio.start_server(drip, "127.0.0.1") as server:
        yield server.sockets[0].getsockname()[1]


class Act(NamedTuple):
    """One fault and what is to come of it."""

    title: str
    bound: str
    play: Callable[[Scene], Awaitable[str]]


SCENES: Final = (
    Act("disk full during a crawl", "one line, then an equal crawl", full_while_crawling),
    Act("disk full during an index build", "one line, then an index", full_while_indexing),
    Act("disk nearly full (storage.min_free)", "a pause, then an equal crawl", nearly_full),
    Act("database locked by another process", "waits, then an equal crawl", locked),
    Act("data directory read-only", "one line, then an equal crawl", read_only),
    Act("data directory taken away, or never there", "one line, then an equal crawl", taken_away),
    Act("second crawl on one data directory", "refused with its process", second_crawl),
    Act("SIGTERM beside slow-loris servers", "10 s, nothing lost", stopped_beside_slow_servers),
    Act("SIGTERM while paused", "10 s, nothing lost", stopped_while_paused),
)


async def torture(scale: float, scenes: Iterable[Act]) -> list[Figure]:
    """Play scenes on one web, slow enough that no scene comes too late."""
    figures = []
    with tempfile.TemporaryDirectory(prefix="linkmill-storage-") as name:
        async with serve(replace(SPEC, pages_per_host=max(15, round(40 * scale))), max_s=900.0) as web:
            whole = await _undisturbed(web, _made(Path(name, "whole")))
            for number, (title, bound, play) in enumerate(scenes):
                scene = Scene(web, whole, _made(Path(name, str(number))), scale)
                value = await play(scene)
                for line in scene.wrong:
                    print(f"{title}: {line}", file=sys.stderr)
                value += f", {scene.timeouts} time-outs" if scene.timeouts else ""
                figures.append(Figure(title, value, bound, not scene.wrong, COMMAND))
    return figures


async def _undisturbed(web: Running, home: Path) -> Attempts:
    write_config(home, web, home / "data")
    ended = await crawled(home)
    assert ended.code == 0, ended
    return Stored(home / "data").attempts()


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def run(scale: float = 1.0) -> list[Figure]:
    """Return what came of all scenes; scale 1 takes about two minutes, of which the lock is one."""
    return asyncio.run(torture(scale, SCENES))


if __name__ == "__main__":
    play(run, COMMAND, __doc__)
