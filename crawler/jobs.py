"""What the frontier hands out: one of five jobs, each to be answered by the call its docstring names.

Rule: a job is a value; doing it is the worker's part, deciding it the frontier's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from crawler.outcome import Request
from storage.records import Failure, Via


@dataclass(frozen=True, slots=True)
class RobotsFetch:
    """A robots.txt to fetch for `origin`: its own, or after `hops` redirects one on another host."""

    origin: str
    url: str
    host: str
    host_id: int
    hops: int


@dataclass(frozen=True, slots=True)
class Resolve:
    """Find the addresses of `host`; answer with `resolved` or `unresolved`."""

    host: str
    host_id: int


@dataclass(frozen=True, slots=True)
class Denied:
    """A page for which nothing is sent: robots.txt or the address forbid it, or its host does not exist."""

    request: Request
    failure: Failure


@dataclass(frozen=True, slots=True)
class RobotsRefused:
    """A robots.txt that redirected to an address the crawl may not reach: it counts as unreachable."""

    fetch: RobotsFetch
    failure: Failure


Job = Request | RobotsFetch | Resolve | Denied | RobotsRefused


class Discovery(NamedTuple):
    """How URLs came to be known: what their queue rows have in common."""

    depth: int
    via: Via
    hops: int
    """Redirects followed to reach them."""
    fetch: int | None
    """Fetch number of the page that revealed them; None for seeds."""
