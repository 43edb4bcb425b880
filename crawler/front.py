"""The hosts in RAM: who is called to the front of the crawl, and who is dismissed to the store.

Rule: the front is as large as keeps the fetchers busy: it grows only when they wait, as the one of BUbiNG does (Boldi
et al., "BUbiNG: Massive Crawling for the Masses"). Hosts that rest, or wait for long, and are on disk as they are, may
be dismissed; all others are known to `crawler.roster` and the store alone. How a host is served is the frontier's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container
from itertools import islice
from typing import Final, NamedTuple

from crawler import hostqueue
from crawler.hostqueue import HostQueue, Standing
from crawler.jobs import RobotsFetch
from crawler.politeness import PaceTable
from crawler.robots_book import UNREACHABLE
from crawler.robots_policy import RobotsState
from crawler.roster import Place, Roster
from crawler.url import domains_of, shard_of
from storage.records import HostRow, QueueRow

FRONT_START: Final = 512
FRONT_MAX: Final = 20_000
"""Hosts at work in RAM: 2,000 pages a second at one request in ten seconds each; 100 MB."""
FRONT_STEP: Final = 8
"""The front grows, and hosts are called, by an eighth of its size: 64 hosts come with one read."""
RESTING_MAX: Final = 1_024
"""Hosts without work that stay in RAM, for new URLs of theirs are likely: 3 MB."""
ROWS_MAX: Final = 131_072
"""Queue rows in RAM that hosts share: 45 MB."""
HEAD_ROWS_MIN: Final = 16

LONG_S: Final = 60.0
"""A host that waits longer than this makes room at the front, and may be dismissed until its time has come."""

BACKING_OFF: Final = "backing_off"
"""Beside the values of `Standing` in counts: due, but later than usual."""

_STANDING_AT: Final = {
    Place.AWAY: Standing.IDLE.value,
    Place.IN_LINE: Standing.IN_LINE.value,
    Place.ASLEEP: BACKING_OFF,
    Place.SHUT: Standing.PARKED.value,
    Place.PARKED: Standing.PARKED.value,
}
"""What is counted for hosts that are in the store alone."""

_RESTS: Final = (Standing.IDLE, Standing.PARKED)


class Arrival(NamedTuple):
    """A host read from the store at the moment `utc` of the wall clock."""

    record: HostRow
    rows: list[QueueRow]
    """The first of its queue, in order of `seq`."""
    robots: list[tuple[str, Callable[[], RobotsState]]]
    """Its origins whose robots.txt is stored, each with what reads it."""
    utc: float


class Front:
    """The hosts in RAM, by id and by name, and those that are on their way."""

    def __init__(self, paces: PaceTable) -> None:
        self._paces = paces
        self.roster = Roster()
        self.hosts: dict[int, HostQueue] = {}
        self.by_name: dict[str, HostQueue] = {}
        self.newcomers: list[HostRow] = []
        """Hosts met since the last batch: the store is to have them."""
        self._resting: dict[int, HostQueue] = {}
        self._waiting_long: dict[int, HostQueue] = {}
        self._coming: dict[int, list[RobotsFetch]] = {}
        """Hosts on their way, with the robots.txt fetches that wait for them."""
        self._left_aside: dict[int, tuple[int, int]] = {}
        """Of dismissed hosts: rows set aside, and the seq up to which rows were set aside."""
        self._size = FRONT_START

    @property
    def busy(self) -> int:
        return len(self.hosts) - len(self._resting) - len(self._waiting_long) + len(self._coming)

    @property
    def head_rows(self) -> int:
        """How many rows of one host there is room for in RAM."""
        return min(hostqueue.HEAD_ROWS, max(HEAD_ROWS_MIN, ROWS_MAX // max(1, self.busy)))

    # Hosts come in.

    def meet(self, name: str) -> HostQueue:
        """Return the queue of a host at the front, which a new host enters."""
        host = self.by_name.get(name)
        if host is None:
            assert self.roster.find(name) is None, "the host is in the store alone"
            host = self.enter(self._record_of(name))
        return host

    def find(self, name: str) -> HostQueue | int:
        """Return the queue of a host at the front, else its id; a new host enters while the front has room."""
        host = self.by_name.get(name)
        if host is not None:
            return host
        host_id = self.roster.find(name)
        if host_id is not None:
            return host_id
        record = self._record_of(name)
        if self.busy < self._size and not self.roster.in_line:
            return self.enter(record)
        return record.host_id

    def _record_of(self, name: str) -> HostRow:
        domains = domains_of(name)
        host_id = self.roster.enter(name)
        record = HostRow(host_id, name, domains.domain, domains.domain_private, shard_of(domains.domain))
        record.delay_s = self._paces.pace_of(name).delay_s
        self.newcomers.append(record)
        return record

    def enter(self, record: HostRow) -> HostQueue:
        """Let a host in that has nothing to do yet."""
        host = HostQueue(record, self._paces.pace_of(record.host))
        self.hosts[record.host_id] = self.by_name[record.host] = self._resting[record.host_id] = host
        self.roster.put(record.host_id, Place.AT_FRONT)
        return host

    def stand(self, host: HostQueue, standing: Standing, wait_s: float = 0.0) -> None:
        """Note where a host stands, and how long it waits there if that is known."""
        host_id, host.standing = host.record.host_id, standing
        self._resting.pop(host_id, None)
        if self._waiting_long:
            self._waiting_long.pop(host_id, None)
        if standing in _RESTS:
            self._resting[host_id] = host
        elif wait_s > LONG_S:
            self._waiting_long[host_id] = host

    # Hosts are called from the line, and arrive.

    def call(self, *, fetchers_wait: bool) -> list[int]:
        """Return the hosts of the line that there is room for, when there is enough of it or the fetchers wait."""
        if not self.roster.in_line:
            return []
        step = max(1, self._size // FRONT_STEP)
        room = self._size - self.busy
        if room <= 0 and fetchers_wait and not self._coming and self._size < FRONT_MAX:
            room = step
            self._size += step
        if room <= 0 or (room < step and (self._coming or not fetchers_wait)):
            return []
        called = self.roster.call(room)
        self._coming.update((host_id, []) for host_id in called)
        return called

    def call_for(self, fetch: RobotsFetch, host_id: int) -> list[int]:
        """Call a host out of turn, for a robots.txt that is to be fetched from it; return those not called before."""
        called = [] if host_id in self._coming else [host_id]
        self.roster.put(host_id, Place.AT_FRONT)
        self._coming.setdefault(host_id, []).append(fetch)
        return called

    def arrive(self, arrival: Arrival) -> HostQueue:
        """Let a host in with its first rows and what waited for it."""
        record, roster = arrival.record, self.roster
        host_id = record.host_id
        record.discovered = roster.discovered[host_id]
        host = self.enter(record)
        if roster.met[host_id]:
            host.courtesy.failures = record.failures
        else:
            record.parked = None  # another start is another try
        host.robots_hops.extend(self._coming.pop(host_id))
        host.aside, host.loaded_seq = self._left_aside.pop(host_id, (0, -1))
        host.tail = roster.queued[host_id] - host.aside
        host.unread_robots.extend(arrival.robots)
        return host

    def seq_before(self, host_id: int) -> int:
        """Return after which seq a host that comes is to be read."""
        return self._left_aside.get(host_id, (0, -1))[1]

    # Hosts are dismissed.

    def dismissible(self, pending: Container[int], now: float) -> list[HostQueue]:
        """Return hosts that have rested longest and are on disk as they are, where too many rest."""
        unsaved = {record.host_id for record in self.newcomers}
        resting = islice(self._resting.values(), max(0, len(self._resting) - RESTING_MAX))
        waiting = islice(self._waiting_long.values(), max(0, len(self._waiting_long) - RESTING_MAX))
        hosts = [host for host in resting if host.dismissible(now)] + [host for host in waiting if host.dismissible()]
        return [host for host in hosts if host.record.host_id not in pending and host.record.host_id not in unsaved]

    def dismiss(self, host: HostQueue) -> None:
        """Forget all of a host but its line in the roster, which says when it is to come back."""
        host_id, roster = host.record.host_id, self.roster
        roster.discovered[host_id], roster.queued[host_id] = host.record.discovered, host.queued
        roster.met[host_id] = True
        roster.put(host_id, _place_of(host))
        if host.aside:
            self._left_aside[host_id] = (host.aside, host.loaded_seq)
        host.standing = Standing.IDLE  # the heap may still hold it
        host.head.clear()
        host.deferred.clear()
        del self.hosts[host_id], self.by_name[host.record.host]
        self._resting.pop(host_id, None)
        self._waiting_long.pop(host_id, None)

    # What the operator sees.

    def standings(self, now: float) -> Counter[str]:
        """Count all hosts by where they stand; those that wait longer than their delay as `backing_off`."""
        counts = Counter(BACKING_OFF if host.backs_off(now) else host.standing.value for host in self.hosts.values())
        for place, standing in _STANDING_AT.items():
            counts[standing] += self.roster.count(place)
        return +counts


def _place_of(host: HostQueue) -> Place:
    if host.standing is Standing.DUE:
        return Place.ASLEEP
    if host.standing is not Standing.PARKED:
        return Place.AWAY
    return Place.SHUT if host.record.parked == UNREACHABLE else Place.PARKED
