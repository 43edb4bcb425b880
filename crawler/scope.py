"""Which discovered URLs the crawl may follow, and the reason why another is left.

Rule: scope decides following only; every link is recorded whatever the answer here. Each refusal is one `Left`,
which is counted. Budgets are asked last, so that a URL that would be left anyway does not use one up.
What was seen before is `crawler.seen`'s, what robots.txt says `crawler.robots`'.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import re2

from config.urls import glob_parts
from crawler.traps import part_of, path_segments, repeats
from crawler.url import domains_of, fingerprint, host_of
from storage.records import Kind

if TYPE_CHECKING:
    from config import ScopeSettings

VERDICTS_MAX: Final = 500_000
"""Host verdicts remembered; a crawl that meets more hosts forgets them all and starts again (40 MB)."""


class Left(StrEnum):
    """Why a link was not followed."""

    KIND = "kind"
    NOFOLLOW = "nofollow"
    SEEN = "seen"
    OUT_OF_SCOPE = "out_of_scope"
    EXCLUDED = "excluded"
    NOT_INCLUDED = "not_included"
    TOO_DEEP = "too_deep"
    LONG_URL = "long_url"
    LONG_QUERY = "long_query"
    HOST_BUDGET = "host_budget"
    DOMAIN_BUDGET = "domain_budget"
    PART_BUDGET = "part_budget"
    DEEP_PATH = "deep_path"
    REPEATED_PATH = "repeated_path"
    REDIRECT_LIMIT = "redirect_limit"
    OFFERED = "offered"
    """It belongs to another worker, which was told of it a moment ago."""


COUNTER_OF: Final = {left: f"left.{left}" for left in Left}
"""The counter of each reason; building its name for every link would take 0.2 us."""

TRAPS: Final = frozenset({Left.HOST_BUDGET, Left.DOMAIN_BUDGET, Left.PART_BUDGET, Left.DEEP_PATH, Left.REPEATED_PATH})
"""Reasons that show a site without an end; where they were met is noted."""

FOLLOWED_KINDS: Final = frozenset(
    {
        Kind.A,
        Kind.AREA,
        Kind.FRAME,  # a frame is a page that is shown at once
        Kind.REDIRECT,
        Kind.META_REFRESH,
        Kind.LINK_CANONICAL,  # the address the page itself prefers
        Kind.LINK_ALTERNATE,  # translations
        Kind.LINK_NEXT,  # paging
        Kind.LINK_PREV,
    }
)


LETTERS: Final = "[a-z]*"
WITHIN_HOST: Final = "[^/]*"
ANYTHING: Final = ".*"
"""What a star stands for in the scheme, in the host, and behind it."""


class Rules:
    """A list of URL rules, in the form `config.urls` gives them: prefixes, globs and `re:` expressions.

    `https://a.example/docs/` is a prefix of the whole URL. A rule with `*` is a glob over the URL without its scheme
    (`*.example/blog/*`, on any port unless it names one), or over all of it when the rule has one. A star in a host
    stays within the host, but for one that stands for any host (`*/blog/*`): that one, and those behind the host, stand
    for anything. `re:` is an RE2 expression searched in the URL. All are matched in linear time.
    """

    def __init__(self, rules: Sequence[str]) -> None:
        self._prefixes = tuple(rule for rule in rules if not rule.startswith("re:") and "*" not in rule)
        self._patterns = [re2.compile(_expression(rule)) for rule in rules if rule not in self._prefixes]

    def __bool__(self) -> bool:
        return bool(self._prefixes or self._patterns)

    def match(self, url: str) -> bool:
        if self._prefixes and url.startswith(self._prefixes):
            return True
        return any(pattern.search(url) for pattern in self._patterns)


def _expression(rule: str) -> str:
    """Return the RE2 expression of a `re:` rule or a glob."""
    if rule.startswith("re:"):
        return rule[3:]
    scheme, authority, rest = glob_parts(rule)
    if not rest:  # "https://*", "a.example*": the last star goes on behind the host
        authority, rest = authority[:-1], "*"
    start = _glob(scheme, LETTERS) if scheme else "https?"
    host = ANYTHING if authority == "*" else _glob(authority, WITHIN_HOST)
    port = "" if scheme or ":" in authority.rpartition("]")[2] else "(:[0-9]+)?"
    return f"^{start}://{host}{port}{_glob(rest, ANYTHING)}$"


def _glob(text: str, star: str) -> str:
    return star.join(re2.escape(part) for part in text.split("*"))


class Scope:
    """Judge URLs by host, rules, depth and length."""

    def __init__(self, settings: ScopeSettings, seeds: Iterable[str]) -> None:
        self._settings = settings
        hosts = {host_of(seed) for seed in seeds}
        self._hosts = frozenset(hosts)
        self._domains = frozenset(domains_of(host).domain_private for host in hosts)
        self._include = Rules(settings.include)
        self._exclude = Rules(settings.exclude)
        self._everywhere = settings.follow not in ("host", "domain")
        self._admits: dict[str, bool] = {}

    def admits_host(self, host: str) -> bool:
        """Return whether `scope.follow` lets the crawl go to this host at all."""
        if self._everywhere:
            return True
        verdict = self._admits.get(host)
        if verdict is None:
            if len(self._admits) >= VERDICTS_MAX:
                self._admits.clear()
            verdict = self._admits[host] = self._judge_host(host)
        return verdict

    def _judge_host(self, host: str) -> bool:
        match self._settings.follow:
            case "host":
                return host in self._hosts
            case "domain":
                return domains_of(host).domain_private in self._domains
            case _:
                return self._everywhere

    def judge(self, url: str, depth: int) -> Left | None:
        """Return why a URL on an admitted host is left, or None when it may be followed."""
        settings = self._settings
        if settings.max_depth and depth > settings.max_depth:
            return Left.TOO_DEEP
        if len(url) > settings.max_url_bytes:
            return Left.LONG_URL
        query = url.find("?")
        if query >= 0 and len(url) - query - 1 > settings.max_query_bytes:
            return Left.LONG_QUERY
        trap = self._judge_path(url)
        if trap is not None:
            return trap
        if self._exclude and self._exclude.match(url):
            return Left.EXCLUDED
        if self._include and not self._include.match(url):
            return Left.NOT_INCLUDED
        return None

    def _judge_path(self, url: str) -> Left | None:
        """Return why the path alone shows a trap; most paths are too short for that."""
        settings, slashes = self._settings, url.count("/") - 2
        if slashes > settings.max_path_segments and len(path_segments(url)) > settings.max_path_segments:
            return Left.DEEP_PATH
        if slashes > settings.max_path_repeats and repeats(path_segments(url)) > settings.max_path_repeats:
            return Left.REPEATED_PATH
        return None


class Budget:
    """Count admitted URLs per host, domain and part of a site against their limits; 0 means no limit."""

    def __init__(self, per_host: int, per_domain: int, per_part: int) -> None:
        self._per_host = per_host
        self._per_domain = per_domain
        self._per_part = per_part
        self._hosts: Counter[str] = Counter()
        self._domains: Counter[str] = Counter()
        self._parts: Counter[int] = Counter()
        """By fingerprint of `traps.part_of`. Counted anew after a restart: the store knows hosts alone."""

    def refuse(self, url: str, host: str) -> Left | None:
        if self._per_host and self._hosts[host] >= self._per_host:
            return Left.HOST_BUDGET
        if self._per_domain and self._domains[domains_of(host).domain_private] >= self._per_domain:
            return Left.DOMAIN_BUDGET
        if self._per_part and self._parts[fingerprint(part_of(url))] >= self._per_part:
            return Left.PART_BUDGET
        return None

    def spend(self, url: str, host: str) -> None:
        """Count a URL that was admitted."""
        self.restore(host, 1)
        if self._per_part:
            self._parts[fingerprint(part_of(url))] += 1

    def restore(self, host: str, urls: int) -> None:
        """Count URLs of a host, those of earlier starts for example."""
        if self._per_host:
            self._hosts[host] += urls
        if self._per_domain:
            self._domains[domains_of(host).domain_private] += urls
