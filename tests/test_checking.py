"""`config check` asks many hosts at once, but each host and address in turn, and tells every limit in words."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from itertools import pairwise
from typing import Any, Final

import pytest

from config import Settings
from crawler.cli.checking import HOSTS_AT_ONCE, check_crawl
from crawler.cli.reach import reach
from tests.servers import Exchange, response, serve

HOST_DELAY_S: Final = 0.1
ADDRESS_DELAY_S: Final = 0.02
SEEDS: Final = ["https://www.a.example/", "https://b.example/x", "https://www.a.example/y"]


class Doorman:
    """A server that answers nobody until `needed` ask at once, and notes who asked when."""

    def __init__(self, needed: int) -> None:
        self._needed = needed
        self._all_here = asyncio.Event()
        self.open = 0
        self.most = 0
        self.requests: list[tuple[str, float, float]] = []
        """Host, start and end of every request."""

    async def answer(self, exchange: Exchange) -> None:
        while (head := await exchange.ask()) is not None:
            started_at = asyncio.get_running_loop().time()
            self.open += 1
            self.most = max(self.most, self.open)
            if self.open == self._needed:
                self._all_here.set()
            await self._all_here.wait()
            self.open -= 1
            host = next(line[6:] for line in head.split("\r\n") if line.lower().startswith("host: "))
            self.requests.append((host, started_at, asyncio.get_running_loop().time()))
            await exchange.send(response("404 Not Found"))


def settings_for(hosts: dict[str, str]) -> Settings:
    politeness = {"delay": HOST_DELAY_S, "delay_per_ip": ADDRESS_DELAY_S}
    network = {"hosts": hosts, "allow_addresses": ["127.0.0.0/8"]}
    return Settings.model_validate({"politeness": politeness, "network": network})


async def test_many_hosts_are_asked_at_once_and_told_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    door, hosts = Doorman(needed=HOSTS_AT_ONCE), {}
    async with AsyncExitStack() as stack:
        for number in range(1, HOSTS_AT_ONCE + 5):
            server = await stack.enter_async_context(serve(door.answer, ip=f"127.0.0.{number}"))
            hosts[f"h{number}.test"] = f"{server.at.ip}:{server.at.port}"
        seeds = [f"http://{name}/" for name in hosts]
        assert await check_crawl(settings_for(hosts), seeds)
    assert (door.most, len(door.requests)) == (HOSTS_AT_ONCE, len(seeds))
    *verdicts, last = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[0] for line in verdicts] == seeds
    assert last == f"{len(seeds)} of {len(seeds)} seeds may be crawled"


async def test_one_host_and_one_address_are_asked_in_turn_with_their_delays() -> None:
    door = Doorman(needed=1)
    async with serve(door.answer) as server:
        at = f"{server.at.ip}:{server.at.port}"
        seeds = ["http://a.test/", "http://b.test/", "http://a.test:81/", "http://c.test/"]
        assert await check_crawl(settings_for({"*.test": at}), seeds)
    assert (door.most, sorted(host for host, *_ in door.requests)) == (1, ["a.test", "a.test:81", "b.test", "c.test"])
    for (_, _, ended_at), (_, started_at, _) in pairwise(door.requests):
        assert started_at - ended_at >= ADDRESS_DELAY_S - 0.001
    (_, _, ended_at), (_, started_at, _) = [asked for asked in door.requests if asked[0].startswith("a.test")]
    assert started_at - ended_at >= HOST_DELAY_S - 0.001


EVERYTHING: Final[dict[str, Any]] = {
    "scope": {
        "follow": "host",
        "include": ["https://www.a.example/", "*/x*", "re:a", "re:b", "re:c", "re:d", "re:e"],
        "exclude": ["*/trap/*"],
        "nofollow": "follow",
        "max_depth": 3,
        "max_pages_per_host": 1000,
        "max_pages_per_domain": 2000,
        "max_pages_per_part": 30,
    },
    "politeness": {"delay": 0.5, "robots": False, "overrides": [{"match": "b.example", "delay": 9.0}]},
    "fetch": {"contact": "me@example.org"},
    "crawl": {"max_pages": 5000, "max_bytes": 2 * 1024**3, "max_time": 90.0},
}


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        pytest.param(
            {},
            {
                "follows": "links to the domains a.example, b.example",
                "nofollow": "links marked nofollow, ugc or sponsored are left alone",
                "depth": "any",
                "budgets": "none: any number of pages of a host, domain or part",
                "URLs": "at most 2,048 bytes, 1,024 of them query; 30 segments of path, 2 of them repeated",
                "pace": "1 open and 1 s between requests to a host, 2 and 0.25 s to an address",
                "robots.txt": "obeyed",
                "asks as": "Linkmill/0.1, on loopback alone",
                "stops": "when nothing is left to fetch",
            },
            id="defaults",
        ),
        pytest.param(
            EVERYTHING,
            {
                "follows": "links to the hosts www.a.example, b.example",
                "only": "https://www.a.example/, */x*, re:a, re:b, re:c and 2 more",
                "never": "*/trap/*",
                "nofollow": "links marked nofollow, ugc or sponsored are followed like others",
                "depth": "3 links from a seed at most",
                "budgets": "pages: 1,000 a host, 2,000 a domain, 30 a part of a site",
                "URLs": "at most 2,048 bytes, 1,024 of them query; 30 segments of path, 2 of them repeated",
                "pace": "1 open and 0.5 s between requests to a host, 2 and 0.25 s to an address; 1 override",
                "robots.txt": "not asked for",
                "asks as": "Linkmill/0.1 (+me@example.org)",
                "stops": "when nothing is left to fetch, or after 5,000 pages of the run, or after 2.0 GiB of the run, "
                "or after 1m30s of each start",
            },
            id="everything",
        ),
    ],
)
def test_reach_tells_every_limit(settings: dict[str, Any], told: dict[str, str]) -> None:
    assert dict(reach(Settings.model_validate(settings), SEEDS)) == told


@pytest.mark.parametrize(
    ("follow", "told"), [("any", "links to any host"), ("listed", "links to what scope.include lists")]
)
def test_reach_tells_where_links_are_followed_to(follow: str, told: str) -> None:
    settings = Settings.model_validate({"scope": {"follow": follow, "include": ["https://a.example/"]}})
    assert dict(reach(settings, SEEDS))["follows"] == told
