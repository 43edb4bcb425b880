"""Whether every body belongs to its request, and is whole when it is said to be: `python -m bench.torture.echo`.

Requests of many workers share kept connections to a server that stalls, resets and says too much (`echo_server`);
one in twenty is given up half way. First the fetcher alone, then a whole crawl, where the stored hashes are compared.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

import uvloop
from xxhash import xxh3_128_digest

from bench.torture.echo_server import echoing, told
from bench.torture.figures import Figure, play
from bench.torture.stored import Stored
from config import Settings
from crawler.addresses import AddressGuard, Endpoint
from crawler.fetch import Fetcher, Limits
from crawler.outcome import Fetched, Outcome
from crawler.supervisor import Crawl, resolve_seeds
from storage.records import Truncated

COMMAND: Final = "python -m bench.torture.echo"
QUICK: Final = Limits(connect_timeout=5.0, read_timeout=1.0, total_timeout=5.0)
MIXED: Final = 1_000
MIXED_WORKERS: Final = 10
MANY: Final = 10_000
MANY_WORKERS: Final = 200
CRAWLED: Final = 2_000
CRAWLED_HOSTS: Final = 100
GIVEN_UP: Final = 0.05
"""Share of the requests that their worker cancels."""
GIVEN_UP_S: Final = 0.02
"""After this long at most."""


@dataclass(slots=True)
class Tally:
    """What requests came to."""

    requests: int
    complete: int = 0
    wrong: list[str] = field(default_factory=list)
    """URLs whose body is not their own, or not all of it."""
    lost: list[str] = field(default_factory=list)
    """URLs whose body was whole and was not reported."""
    connections: int = 0
    given_up: int = 0


async def fetches(requests: int, workers: int, hosts: int) -> Tally:
    """Fetch so many URLs of so many hosts with so many workers side by side."""
    chance, numbers = Random(requests), iter(range(requests))
    tally = Tally(requests)

    async def work(fetcher: Fetcher, at: Endpoint) -> None:
        for number in numbers:
            url = f"http://h{number % hosts}.test/{number}"
            task = asyncio.ensure_future(fetcher.fetch(url, at))
            if chance.random() < GIVEN_UP:
                await asyncio.sleep(chance.random() * GIVEN_UP_S)
                task.cancel()
            with suppress(asyncio.CancelledError):
                _judge(url, number, await task, tally)
                continue
            tally.given_up += 1

    async with echoing() as (echo, at), Fetcher(AddressGuard(["127.0.0.0/8"]), "t", QUICK) as fetcher:
        await asyncio.gather(*(work(fetcher, at) for _ in range(workers)))
    tally.connections = echo.connections
    return tally


def _judge(url: str, number: int, outcome: Outcome, tally: Tally) -> None:
    wanted = told(url, number)
    if isinstance(outcome, Fetched):
        tally.complete += 1
        if outcome.body != wanted or outcome.truncated is not Truncated.NO:
            tally.wrong.append(url)
    elif wanted is not None:
        tally.lost.append(f"{url}: {outcome}")


async def crawled(pages: int, hosts: int, folder: Path) -> Tally:
    """Crawl so many URLs and compare the hashes of what was stored."""
    urls = {f"http://h{number % hosts}.test/{number}": number for number in range(pages)}
    async with echoing() as (echo, at):
        settings = _settings(list(urls), at, folder)
        await Crawl(settings, resolve_seeds(settings.crawl.seeds)).run()
    rows = Stored(folder).pages
    wanted = {url: told(url, number) for url, number in urls.items()}
    complete = {row.url: row.body_hash for row in rows if row.failure is None}
    hashes = {url: xxh3_128_digest(body) for url, body in wanted.items() if body is not None}
    wrong = [url for url, found in complete.items() if found != hashes.get(url)]
    return Tally(pages, len(complete), wrong, [url for url in hashes if url not in complete], echo.connections)


def _settings(seeds: Sequence[str], at: Endpoint, folder: Path) -> Settings:
    given: dict[str, Any] = {
        "crawl": {"seeds": seeds, "data_dir": folder, "max_time": 120.0},
        "politeness": {"delay": 0.0, "delay_per_ip": 0.0, "connections_per_host": 4, "connections_per_ip": 400},
        "fetch": {"retries": 0, "concurrency": MANY_WORKERS, "read_timeout": QUICK.read_timeout},
        "network": {"hosts": {"*.test": f"{at.ip}:{at.port}"}, "allow_addresses": ["127.0.0.0/8"]},
        "storage": {"compression_level": 1},
    }
    return Settings.model_validate(given)


def run(scale: float = 1.0) -> list[Figure]:
    """Fetch and crawl; scale 1 takes about half a minute."""
    return uvloop.run(_run(scale))


async def _run(scale: float) -> list[Figure]:
    mixed = await fetches(MIXED, MIXED_WORKERS, 5)
    many = await fetches(int(MANY * scale), MANY_WORKERS, 50)
    with tempfile.TemporaryDirectory(prefix="linkmill-echo-") as folder:
        stored = await crawled(int(CRAWLED * scale), CRAWLED_HOSTS, Path(folder))
    return [
        *figures(f"{MIXED_WORKERS} workers", mixed),
        *figures(f"{MANY_WORKERS} workers", many),
        *figures(f"stored by a crawl with {MANY_WORKERS} workers", stored),
    ]


def figures(who: str, tally: Tally) -> list[Figure]:
    """Return what a tally proves."""
    asked = f"{tally.requests:,} requests on {tally.connections:,} connections, {tally.complete:,} complete"
    return [
        Figure(f"wrong or broken bodies, {who}", f"{len(tally.wrong)} ({asked})", "0", not tally.wrong, COMMAND),
        Figure(f"whole bodies not reported, {who}", str(len(tally.lost)), "0", not tally.lost, COMMAND),
    ]


if __name__ == "__main__":
    play(run, COMMAND, __doc__)
