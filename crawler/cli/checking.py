"""What a crawl would do at its seeds, tried without crawling: addresses, robots.txt, scope.

Rule: the robots.txt of each seed's origin, with its redirects, is all that is fetched; origins are asked one after the
other with the politeness delay between the hops of one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import time
from typing import TYPE_CHECKING

import typer

from crawler import robots_policy
from crawler.cli.logs import plain
from crawler.dns import BlockedAddress, DnsFailure, Resolver
from crawler.fetch import Fetcher
from crawler.outcome import Failed, Fetched, Redirected
from crawler.robots_policy import RobotsAnswer, RobotsState
from crawler.scope import Scope
from crawler.supervisor import open_network, resolve_seeds, robots_limits
from crawler.url import host_of, normalise, origin_of, path_of

if TYPE_CHECKING:
    from config import Settings


async def check_crawl(settings: Settings, seeds: Sequence[str]) -> bool:
    """Print what became of every seed; return whether at least one may be crawled."""
    urls = resolve_seeds(seeds)
    scope = Scope(settings.scope, urls)
    robots: dict[str, RobotsState | str] = {}
    good = 0
    async with open_network(settings) as (resolver, fetcher):
        probe = _Probe(settings, resolver, fetcher)
        for url in urls:
            origin = origin_of(url)
            if origin not in robots:
                robots[origin] = await probe.robots_of(origin)
            verdict, admitted = _verdict(url, scope, robots[origin], settings.politeness.robots)
            good += admitted
            typer.echo(plain(f"{url}: {verdict}"))
    typer.echo(f"{good} of {len(urls)} seeds may be crawled; follow = {settings.scope.follow}")
    return good > 0


def _verdict(url: str, scope: Scope, robots: RobotsState | str, obey: bool) -> tuple[str, bool]:
    """Say what would become of a seed, and whether it would be fetched."""
    if isinstance(robots, str):
        return robots, False
    left = scope.judge(url, 0)
    if left is not None:
        return f"left by the scope ({left})", False
    about = f"robots.txt {robots.verdict} (HTTP {robots.status})"
    if robots.rules.crawl_delay_s is not None:
        about += f", Crawl-delay {robots.rules.crawl_delay_s:g}s"
    if obey and robots.unreachable:
        return f"robots.txt unreachable ({robots.reason}): nothing is fetched until it answers", False
    if obey and not robots.rules.allowed(path_of(url)):
        return f"disallowed by robots.txt; {about}", False
    return f"admitted; {about}", True


class _Probe:
    """Fetch robots.txt files outside a crawl."""

    def __init__(self, settings: Settings, resolver: Resolver, fetcher: Fetcher) -> None:
        self._settings = settings
        self._resolver = resolver
        self._fetcher = fetcher
        self._limits = robots_limits(settings.fetch)

    async def robots_of(self, origin: str) -> RobotsState | str:
        """Return the robots.txt state of an origin, or the line that says why its host cannot be reached."""
        url, hops = f"{origin}/robots.txt", 0
        while True:
            answer = await self._resolver.resolve(host_of(url))
            match answer:
                case DnsFailure(detail):
                    return f"{host_of(url)} has no address: {detail}"
                case BlockedAddress(addresses):
                    return f"{host_of(url)} is at {addresses[0]}, which network.allow_addresses does not allow"
            outcome = await self._fetcher.fetch(url, answer.endpoint, limits=self._limits)
            target = normalise(outcome.location, url) if isinstance(outcome, Redirected) else None
            if target is None or not robots_policy.follows(hops):
                return self._judge(outcome)
            url, hops = target, hops + 1
            await asyncio.sleep(self._settings.politeness.delay)

    def _judge(self, outcome: Fetched | Redirected | Failed) -> RobotsState:
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
