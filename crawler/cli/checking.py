"""What a crawl would do at its seeds, tried without crawling: addresses, robots.txt, scope.

Rule: the robots.txt of each seed's origin, with its redirects, is all that is fetched. Several hosts are asked at once,
but one host and one address never twice at a time nor without their delays.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from time import monotonic, time
from typing import TYPE_CHECKING, Final, NamedTuple

import typer

from crawler import robots_policy
from crawler.addresses import Endpoint
from crawler.cli.escapes import plain
from crawler.cli.wording import many
from crawler.dns import BlockedAddress, DnsFailure, Resolver
from crawler.fetch import Fetcher
from crawler.outcome import Failed, Fetched, Outcome, Redirected
from crawler.politeness import PaceTable
from crawler.robots_policy import RobotsAnswer, RobotsState, Verdict
from crawler.scope import Scope
from crawler.supervisor import open_network, robots_limits
from crawler.url import host_of, normalise, origin_of, path_of

if TYPE_CHECKING:
    from config import Settings

HOSTS_AT_ONCE: Final = 16
"""Hosts asked together: a thousand seeds take a minute, and a few that do not answer hold nobody up."""


async def check_crawl(settings: Settings, urls: Sequence[str]) -> bool:
    """Print what became of every seed; return whether at least one may be crawled."""
    scope, obey, good = Scope(settings.scope, urls), settings.politeness.robots, 0
    async with open_network(settings) as (resolver, fetcher), asyncio.TaskGroup() as tasks:
        found = _Probe(settings, resolver, fetcher).start(tasks, urls)
        for url in urls:
            verdict, admitted = _verdict(url, scope, await found[origin_of(url)], obey)
            good += admitted
            typer.echo(plain(f"{url}: {verdict}"))
    typer.echo(f"{good:,} of {many(len(urls), 'seed')} may be crawled")
    return good > 0


def _verdict(url: str, scope: Scope, found: Origin | str, obey: bool) -> tuple[str, bool]:
    """Say what would become of a seed, and whether it would be fetched."""
    if isinstance(found, str):
        return found, False
    left = scope.judge(url, 0)
    if left is not None:
        return f"left by the scope ({left})", False
    about = f"at {found.ip}, {about_robots(found.robots)}"
    if obey and found.robots.unreachable:
        return f"nothing is fetched until robots.txt answers; {about}", False
    if obey and not found.robots.rules.allowed(path_of(url)):
        return f"disallowed by robots.txt; {about}", False
    return f"admitted; {about}", True


def about_robots(robots: RobotsState) -> str:
    """Return what is known of an origin's robots.txt."""
    match robots.verdict:
        case Verdict.RULES:
            text = f"robots.txt read (HTTP {robots.status})"
        case Verdict.ALLOW_ALL:
            text = f"no robots.txt (HTTP {robots.status})"
        case Verdict.DISALLOW_ALL:
            text = f"robots.txt unreachable ({robots.reason or f'HTTP {robots.status}'})"
    if robots.rules.crawl_delay_s is not None:
        text += f", Crawl-delay {robots.rules.crawl_delay_s:g}s"
    return text


class Origin(NamedTuple):
    """Where a seed's origin is, and what its robots.txt says."""

    ip: str
    robots: RobotsState


class _Probe:
    """Fetch robots.txt files outside a crawl."""

    def __init__(self, settings: Settings, resolver: Resolver, fetcher: Fetcher) -> None:
        self._settings = settings
        self._resolver = resolver
        self._fetcher = fetcher
        self._limits = robots_limits(settings.fetch)
        self._paces = PaceTable(settings.politeness)
        self._hosts, self._addresses = _Turns(), _Turns()

    def start(self, tasks: asyncio.TaskGroup, urls: Sequence[str]) -> dict[str, asyncio.Future[Origin | str]]:
        """Begin to look at the origins of `urls`; return what will be known of each."""
        found = {origin_of(url): asyncio.get_running_loop().create_future() for url in urls}
        hosts: dict[str, list[str]] = {}
        for origin in found:
            hosts.setdefault(host_of(f"{origin}/"), []).append(origin)
        left = iter(hosts.values())
        for _ in range(HOSTS_AT_ONCE):
            tasks.create_task(self._look_at_hosts(left, found))
        return found

    async def _look_at_hosts(self, hosts: Iterator[list[str]], found: dict[str, asyncio.Future[Origin | str]]) -> None:
        """Take host after host from those left for all; the origins of one differ by scheme or port."""
        for origins in hosts:
            for origin in origins:
                found[origin].set_result(await self._look_at(origin))

    async def _look_at(self, origin: str) -> Origin | str:
        """Return address and robots.txt of an origin, or the line that says why its host cannot be reached."""
        url, hops, ip = f"{origin}/robots.txt", 0, ""
        while True:
            answer = await self._resolver.resolve(host_of(url))
            match answer:
                case DnsFailure(detail):
                    return f"{host_of(url)} has no address: {detail}"
                case BlockedAddress(addresses):
                    return f"{host_of(url)} is at {addresses[0]}, which network.allow_addresses does not allow"
            ip = ip or answer.endpoint.ip
            outcome = await self._fetch(url, answer.endpoint)
            target = normalise(outcome.location, url) if isinstance(outcome, Redirected) else None
            if target is None or not robots_policy.follows(hops):
                return Origin(ip, self._judge(outcome))
            url, hops = target, hops + 1

    async def _fetch(self, url: str, at: Endpoint) -> Outcome:
        """Fetch in turn with the others that ask the host or the address."""
        host, politeness = host_of(url), self._settings.politeness
        async with (
            self._hosts.turn(host, self._paces.pace_of(host).delay_s),
            self._addresses.turn(at.ip, politeness.delay_per_ip),
        ):
            return await self._fetcher.fetch(url, at, limits=self._limits)

    def _judge(self, outcome: Outcome) -> RobotsState:
        match outcome:
            case Fetched(answer, body):
                found = RobotsAnswer(answer.status, body)
            case Failed(answer=answer) if answer is not None and answer.status >= 400:
                found = RobotsAnswer(answer.status)
            case Redirected(answer):
                found = RobotsAnswer(answer.status)
            case Failed(failure, detail):
                return robots_policy.after_failure(None, f"{failure.name.lower()}: {detail}", time())
        return robots_policy.after_answer(None, found, self._settings.fetch.product, time())


class _Turns:
    """Let one at a time through for each name, and the next one no sooner than a delay after it."""

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}
        self._next_at: dict[str, float] = {}

    @asynccontextmanager
    async def turn(self, name: str, delay_s: float) -> AsyncIterator[None]:
        async with self._locks.setdefault(name, asyncio.Lock()):
            await asyncio.sleep(max(0.0, self._next_at.get(name, 0.0) - monotonic()))
            try:
                yield
            finally:
                self._next_at[name] = monotonic() + delay_s
