"""What a crawl with some settings would follow, how fast it would ask, and when it would stop: for `config check`.

Rule: read from the settings and seeds alone; which link is followed in the end is decided by `crawler.scope`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from crawler.cli.progress import duration, size
from crawler.cli.wording import many
from crawler.url import domains_of, host_of

if TYPE_CHECKING:
    from config import CrawlSettings, PolitenessSettings, ScopeSettings, Settings

NAMES_SHOWN: Final = 5
"""Hosts, domains or rules named; a list of thousands of seeds has as many."""


def reach(settings: Settings, seeds: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield what a person wants to know before a crawl starts, as name and text."""
    scope = settings.scope
    yield "follows", f"links to {_where(scope, seeds)}"
    if scope.include:
        yield "only", _some(scope.include)
    if scope.exclude:
        yield "never", _some(scope.exclude)
    marked = "left alone" if scope.nofollow == "skip" else "followed like others"
    yield "nofollow", f"links marked nofollow, ugc or sponsored are {marked}"
    yield "depth", f"{many(scope.max_depth, 'link')} from a seed at most" if scope.max_depth else "any"
    yield "budgets", _budgets(scope)
    yield "URLs", _lengths(scope)
    yield "pace", _pace(settings.politeness)
    yield "robots.txt", "obeyed" if settings.politeness.robots else "not asked for"
    yield "asks as", settings.fetch.user_agent + (", on loopback alone" if settings.loopback_only else "")
    yield "stops", _end(settings.crawl)


def _where(scope: ScopeSettings, seeds: Sequence[str]) -> str:
    hosts = list(dict.fromkeys(host_of(seed) for seed in seeds))
    match scope.follow:
        case "host":
            return f"the hosts {_some(hosts)}"
        case "domain":
            return f"the domains {_some(list(dict.fromkeys(domains_of(host).domain_private for host in hosts)))}"
        case "any":
            return "any host"
        case "listed":
            return "what scope.include lists"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMES_SHOWN:,} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more


def _budgets(scope: ScopeSettings) -> str:
    budgets = {
        "host": scope.max_pages_per_host,
        "domain": scope.max_pages_per_domain,
        "part of a site": scope.max_pages_per_part,
    }
    set_ones = [f"{pages:,} a {name}" for name, pages in budgets.items() if pages]
    return f"pages: {', '.join(set_ones)}" if set_ones else "none: any number of pages of a host, domain or part"


def _lengths(scope: ScopeSettings) -> str:
    return (
        f"at most {many(scope.max_url_bytes, 'byte')}, {scope.max_query_bytes:,} of them query;"
        f" {many(scope.max_path_segments, 'segment')} of path, {scope.max_path_repeats:,} of them repeated"
    )


def _pace(politeness: PolitenessSettings) -> str:
    overrides = f"; {many(len(politeness.overrides), 'override')}" if politeness.overrides else ""
    return (
        f"{politeness.connections_per_host:,} open and {politeness.delay:g} s between requests to a host,"
        f" {politeness.connections_per_ip:,} and {politeness.delay_per_ip:g} s to an address{overrides}"
    )


def _end(crawl: CrawlSettings) -> str:
    """Say what ends the crawl; pages and bytes are counted over all starts of a run, time is each start's own."""
    limits = [f"{many(crawl.max_pages, 'page')} of the run"] if crawl.max_pages else []
    limits += [f"{size(crawl.max_bytes)} of the run"] if crawl.max_bytes else []
    limits += [f"{duration(crawl.max_time)} of each start"] if crawl.max_time else []
    return "when nothing is left to fetch" + "".join(f", or after {limit}" for limit in limits)
