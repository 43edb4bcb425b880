"""What one virtual web is like: its size, its page profile, its faults; and the seeded chance everything is drawn from.

Rule: a `WebSpec` says everything. Two processes with equal specs serve, and compute, the same web.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from random import Random
from typing import Final, NamedTuple


class Profile(NamedTuple):
    """The shape of an average page; the sizes are those of `architecture.md`'s table."""

    median_bytes: int
    links: int
    """Mean of the link rows of a page, those in the head and of images among them."""
    nav_links: int
    footer_links: int


PROFILES: Final[Mapping[int, Profile]] = {
    4: Profile(4_000, 20, 3, 2),
    40: Profile(40_000, 60, 9, 8),
    130: Profile(130_000, 75, 10, 10),
}

SIZE_SIGMA: Final = 0.6
"""Spread of the log-normal page sizes: the mean is 1.2 medians, one page in 100 is over 4."""
LARGEST_MEDIANS: Final = 20
"""No page is larger than this many medians."""


@dataclass(frozen=True, slots=True)
class Faults:
    """Share of the pages (0.0 to 1.0) that answer in each unusual way; the front page of a host never does."""

    redirect: float = 0.05
    missing: float = 0.02
    """Pages that answer 404 although linked; the same share of the links points at pages that never were."""
    gone: float = 0.01
    throttled: float = 0.01
    """429 with Retry-After on the first request of a URL, then the page."""
    broken: float = 0.01
    """500 on every request."""
    flaky: float = 0.01
    """500 on the first request of a URL, then the page."""
    slow: float = 0.01
    """The body comes in ten parts over `slow_s`."""
    cut: float = 0.01
    """The connection closes after half of the announced body."""
    odd_robots: bool = True
    """Robots.txt of all kinds; otherwise only absent, open and with some paths disallowed."""
    odd_charsets: bool = True
    """Every encoding in about equal parts; otherwise UTF-8 but for one host in 20."""
    retry_after_s: int = 1
    slow_s: float = 0.5
    crawl_delay_s: float = 0.2


NO_FAULTS: Final = Faults(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, odd_robots=False, odd_charsets=False)


@dataclass(frozen=True, slots=True)
class WebSpec:
    """One virtual web. Keep `hosts * pages_per_host` under a few million: every path is held in memory."""

    seed: int = 7
    hosts: int = 40
    pages_per_host: int = 25
    profile: int = 40
    """A key of `PROFILES`: the median size of a page in KB."""
    faults: Faults = field(default_factory=Faults)
    gzip: bool = False
    tls: bool = False
    """Every URL is https; the certificate is `certificate`'s matter."""
    requests_a_connection: int = 0
    """The server closes a connection after so many, saying so in the last answer; 0 means never."""
    latency_s: float = 0.0
    """Wait before every answer."""
    latency_spread: float = 0.0
    """Each wait is drawn evenly from `latency_s` times 1 - spread to 1 + spread."""
    suffixes: tuple[str, ...] = ("test",)
    """Top-level names the domains are spread over; none is on the public suffix list."""
    cache_bytes: int = 256 << 20
    """Rendered answers kept by the server."""

    def __post_init__(self) -> None:
        if self.profile not in PROFILES:
            raise ValueError(f"profile {self.profile}: one of {', '.join(map(str, PROFILES))}")
        if self.hosts < 1 or self.pages_per_host < 1 or not self.suffixes:
            raise ValueError("a web has at least one host, one page a host and one suffix")

    @property
    def shape(self) -> Profile:
        """Return the page profile."""
        return PROFILES[self.profile]

    def to_json(self) -> str:
        """Return the spec as one line that `from_json` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> WebSpec:
        """Read a spec written by `to_json`; keys left out keep their defaults."""
        values = json.loads(text)
        values["faults"] = Faults(**values.get("faults", {}))
        values["suffixes"] = tuple(values.get("suffixes", ("test",)))
        return cls(**values)


def chance(seed: int, *keys: int) -> Random:
    """Return the random numbers of one thing of the web: the same for the same seed and keys, in every process.

    Keys are non-negative and below 2**32.
    """
    for key in keys:
        seed = seed << 32 | key
    return Random(seed)
