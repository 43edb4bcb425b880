"""What is known of robots.txt for the hosts at the front: copies in force, files being asked for, origins given up.

Rule: a copy is here as long as its host is at the front; the store has them all. What a copy allows is
`crawler.robots_rules`', how long it holds `crawler.robots_policy`'s.
"""

from __future__ import annotations

from typing import Final

from crawler.hostqueue import HostQueue, Standing
from crawler.robots_policy import RobotsState

ROBOTS_TRIES: Final = 3
"""Failed fetches of a robots.txt after which the rows of its origin are set aside until the next start."""

UNREACHABLE: Final = "robots.txt unreachable"


class RobotsBook:
    """The robots.txt files of all origins of the hosts at the front."""

    def __init__(self, max_crawl_delay_s: float) -> None:
        self._max_crawl_delay_s = max_crawl_delay_s
        self.copies: dict[str, RobotsState] = {}
        self.asked: dict[str, HostQueue] = {}
        self.given_up: set[str] = set()
        """Origins whose robots.txt could not be had in this start."""

    def ask(self, origin: str, host: HostQueue) -> None:
        """Note that the file of an origin of `host` was asked for."""
        self.asked[origin] = host
        host.asking += 1

    def end_asking(self, origin: str) -> HostQueue:
        """Note that there is an answer, or none; return the host that the origin belongs to."""
        host = self.asked.pop(origin)
        host.asking -= 1
        return host

    def answered(self, origin: str, state: RobotsState) -> HostQueue:
        """Put an origin's robots.txt in force and return the host it belongs to; its next request heeds Crawl-delay."""
        host = self.end_asking(origin)
        host.record.robots_status, host.record.robots_at = state.verdict, state.fetched_at
        delay_s = host.gate.delay_s
        self._keep(host, origin, state)
        host.gate.hold(host.gate.next_at + host.gate.delay_s - delay_s)
        if state.unreachable and state.failures >= ROBOTS_TRIES:
            self.given_up.add(origin)
            if host.standing is not Standing.PARKED:
                host.record.parked = UNREACHABLE
        return host

    def read(self, host: HostQueue) -> None:
        """Put in force what came with the host from the store."""
        for origin, read in host.unread_robots:
            self._keep(host, origin, read())
        host.unread_robots.clear()

    def drop(self, host: HostQueue) -> None:
        """Forget the copies of a host that leaves the front."""
        for origin in host.origins:
            del self.copies[origin]

    def is_failing(self, host: HostQueue) -> bool:
        """Tell whether a file of the host could not be had when it was last asked for: the store does not know."""
        return any(self.copies[origin].failures for origin in host.origins)

    def _keep(self, host: HostQueue, origin: str, state: RobotsState) -> None:
        """Take in a copy. The longest Crawl-delay that the origins of a host ask for holds (http and https are two)."""
        if origin not in self.copies:
            host.origins.append(origin)
        self.copies[origin] = state
        crawl_delay_s = state.rules.crawl_delay_s
        if crawl_delay_s is None:
            host.crawl_delays.pop(origin, None)
        else:
            host.crawl_delays[origin] = min(crawl_delay_s, self._max_crawl_delay_s)
        host.courtesy.crawl_delay_s = max(host.crawl_delays.values(), default=None)
        host.gate.delay_s = host.courtesy.delay_s
