"""How long a resumed crawl of a million queued URLs takes until it asks for the first page.

Run with `python -m bench.torture.resume [--urls N] [--hosts N]`. The store is filled directly, robots.txt answers
included; then the real command is started on it, and the time runs from there to the first request at the server.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from bench.torture.figures import Figure, table
from bench.vweb.process import ROOT
from crawler.url import fingerprint
from storage.records import Batch, HostRow, QueueRow, RobotsRow
from storage.sqlite import CrawlStore

URLS: Final = 1_000_000
HOSTS: Final = 10_000
BOUND_S: Final = 5.0
ROBOTS: Final = b"User-agent: *\nDisallow: /private/\nDisallow: /search?\nAllow: /search?page=\nCrawl-delay: 1\n" * 3
BATCH_ROWS: Final = 50_000
WAIT_S: Final = 120.0
ANSWER: Final = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


def host_name(number: int) -> str:
    """Return the name of a host."""
    return f"www.h{number}.test"


async def fill(data_dir: Path, urls: int, hosts: int) -> None:
    """Make a data directory whose crawl stopped with so many URLs queued, spread evenly over the hosts."""
    now, each = time.time(), urls // hosts
    async with CrawlStore.open(data_dir, compression_level=1) as store:
        run = await store.start_run("resume", "{}", fresh=False, now=now)
        for batch in _batches(urls, hosts, now):
            await store.commit(batch, now)
        rows = {
            number: HostRow(number, host_name(number), f"h{number}.test", f"h{number}.test", number & 4095, each)
            for number in range(hosts)
        }
        robots = {
            f"http://{row.host}": RobotsRow(f"http://{row.host}", number, "rules", 200, ROBOTS, now, now + 80_000.0)
            for number, row in rows.items()
        }
        await store.commit(Batch(hosts=rows, robots=robots), now)
        await store.end_run(run.run, "interrupted", now)


def _batches(urls: int, hosts: int, now: float) -> Iterator[Batch]:
    for first in range(0, urls, BATCH_ROWS):
        batch = Batch()
        for seq in range(first, min(urls, first + BATCH_ROWS)):
            url = f"http://{host_name(seq % hosts)}/some/where/page-{seq}.html"
            batch.added.append(QueueRow(seq % hosts, seq, url, 2, 1, 1 << 40, now, 0, 0, 0.0))
            batch.seen.append(fingerprint(url))
            batch.seen_shards.append(0)
        yield batch


async def seconds_to_first_request(data_dir: Path, config: Path) -> float:
    """Start the real command and return when the first request arrives; the command is stopped then."""
    asked = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                asked.set()
                writer.write(ANSWER)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1") as server:
        _write_config(config, data_dir, server.sockets[0].getsockname()[1])
        begun = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "crawler", "crawl", str(config), cwd=ROOT, stderr=asyncio.subprocess.DEVNULL
        )
        try:
            async with asyncio.timeout(WAIT_S):
                await asked.wait()
            return time.monotonic() - begun
        finally:
            process.kill()
            await process.wait()


def _write_config(config: Path, data_dir: Path, port: int) -> None:
    config.write_text(f"""
[crawl]
seeds = ["http://{host_name(0)}/"]
data_dir = "{data_dir}"
workers = 1
[scope]
follow = "any"
[network]
hosts = {{ "*.test" = "127.0.0.1:{port}" }}
allow_addresses = ["127.0.0.0/8"]
""")


async def torture(urls: int, hosts: int) -> Figure:
    """Fill a store, resume its crawl, and return the time that took."""
    with tempfile.TemporaryDirectory(prefix="linkmill-resume-") as name:
        await fill(Path(name, "data"), urls, hosts)
        took_s = await seconds_to_first_request(Path(name, "data"), Path(name, "crawl.toml"))
    return Figure(
        f"first request after a start with {urls:,} URLs queued on {hosts:,} hosts",
        f"{took_s:.1f} s",
        f"{BOUND_S:.0f} s",
        took_s <= BOUND_S,
        f"python -m bench.torture.resume --urls {urls} --hosts {hosts}",
    )


def run(scale: float = 1.0) -> list[Figure]:
    """Return the time that a million queued URLs take to go on."""
    return [asyncio.run(torture(round(URLS * scale), max(1, round(HOSTS * scale))))]


def main() -> None:
    """Measure what the command line asks for; exit 1 when it takes too long."""
    parser = argparse.ArgumentParser(prog="python -m bench.torture.resume", description="Time the start of a crawl.")
    parser.add_argument("--urls", type=int, default=URLS)
    parser.add_argument("--hosts", type=int, default=HOSTS)
    options = parser.parse_args()
    figure = asyncio.run(torture(options.urls, options.hosts))
    print(table([figure]))
    sys.exit(not figure.holds)


if __name__ == "__main__":
    main()
