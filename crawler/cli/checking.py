"""What a crawl would do at its seeds, tried without crawling: addresses, robots.txt, scope.

Rule: the robots.txt of each seed's origin, with its redirects, is all that is fetched; origins are asked one after the
other with the politeness delay between the hops of one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import time
from typing import TYPE_CHECKING, Final, NamedTuple

import typer

from crawler import robots_policy
from crawler.cli.escapes import plain
from crawler.dns import BlockedAddress, DnsFailure, Resolver
from crawler.fetch import Fetcher
from crawler.outcome import Failed, Fetched, Redirected
from crawler.robots_policy import RobotsAnswer, RobotsState, Verdict
from crawler.scope import Scope
from crawler.supervisor import open_network, robots_limits
from crawler.url import domains_of, host_of, normalise, origin_of, path_of

if TYPE_CHECKING:
    from config import ScopeSettings, Settings

NAMES_SHOWN: Final = 5
"""Hosts or domains named; a list of thousands of seeds has as many."""


async def check_crawl(settings: Settings, urls: Sequence[str]) -> bool:
    """Print what became of every seed; return whether at least one may be crawled."""
    scope = Scope(settings.scope, urls)
    found: dict[str, Origin | str] = {}
    good = 0
    async with open_network(settings) as (resolver, fetcher):
        probe = _Probe(settings, resolver, fetcher)
        for url in urls:
            origin = origin_of(url)
            if origin not in found:
                found[origin] = await probe.look_at(origin)
            verdict, admitted = _verdict(url, scope, found[origin], settings.politeness.robots)
            good += admitted
            typer.echo(plain(f"{url}: {verdict}"))
    typer.echo(f"{good} of {len(urls)} seeds may be crawled; {_reach(settings.scope, urls)}")
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


def _reach(settings: ScopeSettings, seeds: Sequence[str]) -> str:
    """Say where links are followed to."""
    hosts = list(dict.fromkeys(host_of(seed) for seed in seeds))
    domains = list(dict.fromkeys(domains_of(host).domain_private for host in hosts))
    where = {
        "host": f"the hosts {_some(hosts)}",
        "domain": f"the domains {_some(domains)}",
        "any": "any host",
        "listed": "what scope.include lists",
    }
    rules = ", ".join(f"scope.{name}" for name in ("include", "exclude") if getattr(settings, name))
    return f"links are followed to {where[settings.follow]}" + (f", as {rules} let them" if rules else "")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMES_SHOWN:,} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more


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

    async def look_at(self, origin: str) -> Origin | str:
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
            outcome = await self._fetcher.fetch(url, answer.endpoint, limits=self._limits)
            target = normalise(outcome.location, url) if isinstance(outcome, Redirected) else None
            if target is None or not robots_policy.follows(hops):
                return Origin(ip, self._judge(outcome))
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
