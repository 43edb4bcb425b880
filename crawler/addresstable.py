"""When IP addresses may be asked, in memory that all workers of a crawl share.

Rule: a request enters under the lock, so that all workers together keep an address's delay and limit. The lock is the
kernel's, on the open file: a worker that dies gives it back. An address that is quiet, with nothing open, no delay to
wait out and no penalty, is forgotten when its place is wanted; without such a place nothing enters, and tries again.
"""

from __future__ import annotations

import fcntl
from typing import Final

from xxhash import xxh3_64_intdigest

from crawler.addressgate import AddressGate, AddressGates
from crawler.outcome import Outcome
from crawler.politeness import PENALTY_MAX_S, Courtesy, Pace

SLOTS: Final = 1 << 16
"""Addresses with something to remember: far more than are asked within one delay."""
WAYS: Final = 8
"""Slots in which one address may lie."""
RECHECK_S: Final = 0.01
"""Until another worker's request may have ended; nobody tells when it does."""


NOBODY: Final = -1


def table_bytes(workers: int) -> int:
    """Return what the table of so many workers takes: key, time and penalty, and a count of open requests of each.

    Before it who holds its lock.
    """
    return 8 + SLOTS * (3 * 8 + 2 * workers)


class Lock:
    """The kernel's lock on an open file; 1.2 us, and 2.1 as a generator, twice a page.

    A worker waits for it; the supervisor gets BlockingIOError instead, for it may have to kill the one that holds it.
    """

    def __init__(self, handle: int, holder: memoryview, number: int) -> None:
        self._handle = handle
        self._holder = holder
        self._mark = number + 1
        self._how = fcntl.LOCK_EX if number >= 0 else fcntl.LOCK_EX | fcntl.LOCK_NB

    def __enter__(self) -> None:
        fcntl.lockf(self._handle, self._how, 1)
        self._holder[0] = self._mark

    def __exit__(self, *_: object) -> None:
        self._holder[0] = 0
        fcntl.lockf(self._handle, fcntl.LOCK_UN, 1)

    @property
    def holder(self) -> int:
        """The worker that holds it, or died with it; NOBODY when none does."""
        return int(self._holder[0]) - 1


class AddressTable:
    """The shared table as worker `number` sees it."""

    def __init__(self, memory: memoryview, handle: int, workers: int, number: int) -> None:
        self.locked = Lock(handle, memory[:8].cast("Q"), number)
        """Held with `with`: keeps all others from changing the table."""
        memory = memory[8:]
        self._keys = memory[: SLOTS * 8].cast("Q")
        self._next_at = memory[SLOTS * 8 : SLOTS * 16].cast("d")
        self._penalty = memory[SLOTS * 16 : SLOTS * 24].cast("d")
        self._open = memory[SLOTS * 24 :].cast("H")
        self._workers = workers
        self._number = number

    def find(self, key: int) -> int:
        """Return the slot of an address, -1 where nothing is remembered of it."""
        first = key % (SLOTS // WAYS) * WAYS
        for slot in range(first, first + WAYS):
            if self._keys[slot] == key:
                return slot
        return -1

    def take(self, key: int, now: float) -> int:
        """Return the slot of an address, a quiet one that it takes over, or -1; under the lock."""
        found = self.find(key)
        if found >= 0:
            return found
        first = key % (SLOTS // WAYS) * WAYS
        for slot in range(first, first + WAYS):
            if not self._keys[slot] or self._is_quiet(slot, now):
                self._keys[slot] = key
                self._next_at[slot] = self._penalty[slot] = 0.0
                return slot
        return -1

    def _is_quiet(self, slot: int, now: float) -> bool:
        quiet_at = self._next_at[slot] + (PENALTY_MAX_S if self._penalty[slot] else 0.0)
        return quiet_at <= now and not self.open_in_all(slot)

    def open_in_all(self, slot: int) -> int:
        """Return the requests open at an address, of all workers."""
        first = slot * self._workers
        return sum(self._open[first : first + self._workers])

    def open_here(self, slot: int) -> int:
        """Return those of this worker."""
        return self._open[slot * self._workers + self._number]

    def next_at(self, slot: int) -> float:
        return self._next_at[slot]

    def start(self, slot: int, pace: Pace, now: float) -> bool:
        """Start a request if the address admits it; under the lock."""
        if self._next_at[slot] > now or self.open_in_all(slot) >= pace.connections:
            return False
        self._open[slot * self._workers + self._number] += 1
        self._next_at[slot] = now + pace.delay_s + self._penalty[slot]
        return True

    def end(self, slot: int, pace: Pace, outcome: Outcome, now: float) -> None:
        """End a request of this worker; under the lock."""
        courtesy = Courtesy(pace, self._penalty[slot])
        AddressGate.learn(courtesy, outcome)
        self._penalty[slot] = courtesy.penalty_s
        self._open[slot * self._workers + self._number] -= 1
        self.hold(slot, now + courtesy.delay_s)

    def hold(self, slot: int, until: float) -> None:
        """Let nothing enter before `until`; under the lock."""
        self._next_at[slot] = max(self._next_at[slot], until)

    def bury(self, number: int, now: float, delay_s: float) -> None:
        """Take the requests of a dead worker as ended now; under the lock."""
        for slot in range(SLOTS):
            if self._open[slot * self._workers + number]:
                self._open[slot * self._workers + number] = 0
                self.hold(slot, now + delay_s + self._penalty[slot])


class SharedAddressGate(AddressGate):
    """The gate of one address, which stands in the table; the hosts that wait for it are this worker's own."""

    __slots__ = ("_key", "_pace", "_table")

    def __init__(self, table: AddressTable, key: int, pace: Pace) -> None:
        super().__init__(pace)
        self._table = table
        self._key = key
        self._pace = pace

    def admits(self, now: float) -> bool:
        """Tell whether a request could enter; whether it does, `enter` decides."""
        call_at = self.call_at(now)
        return call_at is not None and call_at <= now

    def enter(self, now: float) -> bool:
        if self.gate.next_at > now:
            return False
        table = self._table
        with table.locked:
            slot = table.take(self._key, now)
            return slot >= 0 and table.start(slot, self._pace, now)

    def hold(self, until: float) -> None:
        """Send nothing before `until`: neither this worker, nor, where the table has room, any other."""
        if until <= self.gate.next_at:
            return
        self.gate.hold(until)
        with self._table.locked:
            slot = self._table.take(self._key, 0.0)
            if slot >= 0:
                self._table.hold(slot, until)

    def end(self, outcome: Outcome, now: float) -> None:
        table = self._table
        with table.locked:
            slot = table.find(self._key)
            assert slot >= 0, "an address with an open request is not forgotten"
            table.end(slot, self._pace, outcome, now)

    def call_at(self, now: float) -> float | None:
        slot = self._table.find(self._key)
        if slot < 0:
            return self.gate.next_at
        if self._table.open_in_all(slot) < self._pace.connections:
            return max(self.gate.next_at, self._table.next_at(slot))
        return None if self._table.open_here(slot) >= self._pace.connections else now + RECHECK_S


class SharedAddressGates(AddressGates):
    """The gates of all addresses that this worker has met."""

    def __init__(self, table: AddressTable, delay_s: float, connections: int) -> None:
        super().__init__(delay_s, connections)
        self._table = table

    def _open(self, ip: str) -> AddressGate:
        return SharedAddressGate(self._table, xxh3_64_intdigest(ip.encode()) or 1, self._pace)
