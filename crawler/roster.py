"""Every host the crawl knows, in 40 bytes each: its id, how many of its URLs were found and wait, and where it is.

Rule: what is here must be in RAM for every host; all else of a host that is not at the front is in the store alone.
A host is found by the fingerprint of its name (at a million hosts two share one with a chance of one in 37 million).
Hosts with URLs that are not at the front stand in one line, first come first served. Who is called to the front and who
is dismissed, `crawler.front` decides.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np

from crawler.fingerprints import FingerprintTable
from crawler.url import fingerprint

GAP_MIN: Final = 4096
"""Places of hosts that were called are given back when they are so many, and half of the line."""


class Place(IntEnum):
    """Where a host is."""

    NOWHERE = 0
    """No host has this id."""
    AWAY = 1
    """In the store, with nothing queued."""
    IN_LINE = 2
    """In the store, with URLs queued."""
    ASLEEP = 6
    """In the store, with URLs queued, until its time has come."""
    AT_FRONT = 3
    """In RAM, or on its way from the store."""
    SHUT = 4
    """In the store, parked; new URLs are worth a look, for they may be of an origin that can be fetched."""
    PARKED = 5
    """In the store until the next start."""


class Known(NamedTuple):
    """What the store tells of a host when a crawl goes on."""

    host_id: int
    host: str
    discovered: int
    queued: int
    delay_s: float
    """The delay last in force."""


class Roster:
    """The hosts by id, which are numbers from 1 without large gaps."""

    def __init__(self) -> None:
        self._ids = FingerprintTable(numbered=True)
        self.discovered = array("I", [0])
        """URLs found, by host id; for hosts at the front `HostRow.discovered` is newer."""
        self.queued = array("I", [0])
        """URLs waiting, by host id; those of hosts at the front are counted by their `HostQueue`."""
        self.met = bytearray(1)
        """Hosts that were at the front in this start."""
        self._places = bytearray([Place.NOWHERE])
        self._line = array("I")
        self._called = 0
        """Hosts at the start of the line that have left it."""
        self._first_id = self._id_step = 1

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def in_line(self) -> int:
        return len(self._line) - self._called

    def number(self, first: int, step: int) -> None:
        """Give new hosts ids from `first` on in steps: those between are other workers', each of which has its own."""
        self._first_id, self._id_step = first, step

    def find(self, host: str) -> int | None:
        """Return the id of a host, None when it is new."""
        return self._ids.get(fingerprint(host))

    def enter(self, host: str) -> int:
        """Give a new host its id."""
        taken, first, step = len(self._places), self._first_id, self._id_step
        host_id = first + max(0, -(-(taken - first) // step)) * step
        self._ids.put(fingerprint(host), host_id)
        self._place_up_to(host_id)
        self._places[host_id] = Place.AWAY
        return host_id

    def load(self, hosts: Sequence[Known]) -> None:
        """Take in hosts from the store, at least one and in order of id; those with URLs queued stand in line."""
        ids = np.array([known.host_id for known in hosts], np.uint32)
        queued = np.array([known.queued for known in hosts], np.uint32)
        self._ids.update(np.array([fingerprint(known.host) for known in hosts], np.uint64), ids)
        self._place_up_to(int(ids[-1]))
        np.frombuffer(self.discovered, np.uint32)[ids] = [known.discovered for known in hosts]
        np.frombuffer(self.queued, np.uint32)[ids] = queued
        np.frombuffer(self._places, np.uint8)[ids] = np.where(queued > 0, Place.IN_LINE, Place.AWAY)
        self._line.frombytes(ids[queued > 0].tobytes())

    def _place_up_to(self, host_id: int) -> None:
        missing = host_id + 1 - len(self._places)
        if missing > 0:
            self._places.extend(bytes(missing))
            self.met.extend(bytes(missing))
            self.discovered.extend([0] * missing)
            self.queued.extend([0] * missing)

    def place_of(self, host_id: int) -> int:
        return self._places[host_id]

    def put(self, host_id: int, place: Place) -> None:
        self._places[host_id] = place

    def wait(self, host_id: int) -> None:
        """Count a URL that was found for a host in the store; put the host in line unless it is there or parked."""
        self.discovered[host_id] += 1
        self.queued[host_id] += 1
        if self._places[host_id] in (Place.AWAY, Place.SHUT):
            self._places[host_id] = Place.IN_LINE
            self._line.append(host_id)

    def wake(self, host_id: int) -> None:
        """Put a host whose time has come in line."""
        if self._places[host_id] == Place.ASLEEP:
            self._places[host_id] = Place.IN_LINE
            self._line.append(host_id)

    def call(self, most: int) -> list[int]:
        """Call the first hosts of the line, at most so many, to the front."""
        called: list[int] = []
        while len(called) < most and self.in_line:
            host_id = self._line[self._called]
            self._called += 1
            if self._places[host_id] == Place.IN_LINE:  # else it was called out of turn
                self._places[host_id] = Place.AT_FRONT
                called.append(host_id)
        if self._called >= GAP_MIN and 2 * self._called >= len(self._line):
            del self._line[: self._called]
            self._called = 0
        return called

    def count(self, place: Place) -> int:
        return self._places.count(place)
