"""A compact table of 64-bit fingerprints, each with a small number beside it where one is wanted.

Rule: exact; nothing is ever taken out; at most 20 bytes a fingerprint at any moment (14 on average), half as much again
with numbers. It is cut into shards that grow one at a time, so that growing neither doubles the memory nor holds the
caller up. Open addressing with linear probing (Knuth, The Art of Computer Programming 6.4, algorithm L).
"""

from __future__ import annotations

from array import array
from mmap import mmap
from random import SystemRandom
from typing import Final

import numpy as np

SHARD_BITS: Final = 6
SHARDS: Final = 1 << SHARD_BITS
"""Ten million fingerprints make shards of 156,000, each of which grows in about 15 ms."""
FIRST_SLOTS: Final = 96
FULL: Final = 0.7
"""Fill of a shard that grows; a look-up that finds nothing takes six probes then (1/2 + 1/2 / (1 - fill)^2)."""
GROWTH: Final = 1.5
APART_BYTES: Final = 32 << 10
"""Larger pieces of a shard are pages of their own, gone as soon as it has grown: in the heap the old ones are holes
that other things fill for half an hour, which looks like a leak (`python -m bench.torture.soak`)."""

Marks = np.ndarray[tuple[int], np.dtype[np.uint64]]
Numbers = np.ndarray[tuple[int], np.dtype[np.uint32]]
_SHIFT: Final = 64 - SHARD_BITS
_FIRST_MARKS: Final = np.array([at << _SHIFT for at in range(SHARDS)], np.uint64)
_NONE: Final = np.zeros(0, np.uint64)
_chance: Final = SystemRandom()


class FingerprintTable:
    """Fingerprints, and with `numbered` a number below 2**32 for each."""

    __slots__ = ("_numbered", "_shards", "_zero")

    def __init__(self, *, numbered: bool = False) -> None:
        self._numbered = numbered
        # Sizes are spread over one growth, so that shards reach their limits one after the other.
        self._shards = [_Shard(FIRST_SLOTS * GROWTH ** (at / SHARDS), numbered) for at in range(SHARDS)]
        self._zero: int | None = None
        """The number of the fingerprint 0, which marks empty slots and so has none."""

    def __len__(self) -> int:
        return sum(shard.count for shard in self._shards) + (self._zero is not None)

    @property
    def size_bytes(self) -> int:
        """What its slots take in RAM."""
        return sum(shard.slots for shard in self._shards) * (12 if self._numbered else 8)

    def __contains__(self, mark: int) -> bool:
        shard = self._shards[mark >> _SHIFT]
        marks = shard.marks
        at = mark % shard.slots
        while held := marks[at]:
            if held == mark:
                return True
            at -= 1  # Python's negative indexes go round by themselves
        return not mark and self._zero is not None

    def get(self, mark: int) -> int | None:
        """Return the number of a fingerprint (0 in a table without numbers), None when it is not there."""
        shard = self._shards[mark >> _SHIFT]
        marks = shard.marks
        at = mark % shard.slots
        while held := marks[at]:
            if held == mark:
                return shard.numbers[at] if self._numbered else 0
            at -= 1
        return None if mark else self._zero

    def put(self, mark: int, number: int = 0) -> bool:
        """Set the number of a fingerprint; return whether it is new."""
        if not mark:
            is_new, self._zero = self._zero is None, number
            return is_new
        return self._shards[mark >> _SHIFT].put(mark, number)

    def update(self, marks: Marks, numbers: Numbers | None = None) -> None:
        """Take in many distinct fingerprints that are not there yet: 0.1 us each in large lots, 0.35 with `put`."""
        if numbers is None:
            marks = np.sort(marks)
        else:
            order = np.argsort(marks)
            marks, numbers = marks[order], numbers[order]
        self.update_sorted(marks, numbers)

    def update_sorted(self, marks: Marks, numbers: Numbers | None = None) -> None:
        """Do the same for fingerprints in ascending order."""
        if len(marks) and marks[0] == 0:
            self._zero = 0 if numbers is None else int(numbers[0])
            marks, numbers = marks[1:], None if numbers is None else numbers[1:]
        ends = [*np.searchsorted(marks, _FIRST_MARKS).tolist(), len(marks)]
        for at, shard in enumerate(self._shards):
            own = slice(ends[at], ends[at + 1])
            shard.update(marks[own], None if numbers is None else numbers[own])


def _zeros(code: str, count: int) -> memoryview[int]:
    """Return so many numbers, all 0, of a type named as in `array`."""
    size = array(code).itemsize * count
    room = mmap(-1, size) if size >= APART_BYTES else bytearray(size)
    return memoryview(room).cast(code)  # type: ignore[call-overload,no-any-return]  # any of the letters


class _Shard:
    """The slots of the fingerprints with the same first bits."""

    __slots__ = ("_room", "count", "limit", "marks", "numbers", "slots")

    def __init__(self, slots: float, numbered: bool) -> None:
        self._make(slots, numbered)

    def _make(self, slots: float, numbered: bool) -> None:
        self._room = slots
        # Drawn by chance, so that nobody can make URLs that all begin at one slot.
        self.slots = int(slots) + _chance.randrange(int(slots) // 8 + 1) | 1
        self.limit = int(self.slots * FULL)
        self.count = 0
        self.marks = _zeros("Q", self.slots)
        self.numbers = _zeros("I", self.slots if numbered else 0)

    def put(self, mark: int, number: int) -> bool:
        marks = self.marks
        at = mark % self.slots
        while held := marks[at]:
            if held == mark:
                break
            at -= 1
        if self.numbers:
            self.numbers[at] = number
        if held:
            return False
        marks[at] = mark
        self.count += 1
        if self.count > self.limit:
            self._grow()
        return True

    def update(self, marks: Marks, numbers: Numbers | None) -> None:
        if self.count + len(marks) > self.limit:
            self._grow(marks, numbers)
            return
        self.count += len(marks)
        held = np.frombuffer(self.marks, np.uint64)
        at, left = self._homes(marks), np.arange(len(marks))
        while len(left):  # each round moves those that found no free slot, or lost it to another, one slot on
            free = held[at] == 0
            held[at[free]] = marks[left[free]]
            placed = held[at] == marks[left]
            if numbers is not None:
                np.frombuffer(self.numbers, np.uint32)[at[placed]] = numbers[left[placed]]
            at, left = at[~placed] - 1, left[~placed]

    def _homes(self, marks: Marks) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return (marks % np.uint64(self.slots)).astype(np.int64)

    def _grow(self, marks: Marks = _NONE, numbers: Numbers | None = None) -> None:
        """Move to half as many slots again, or as many as `marks` need that come in with the move."""
        held = np.frombuffer(self.marks, np.uint64)
        taken = np.flatnonzero(held)
        marks = np.concatenate([held[taken], marks])
        if self.numbers:
            own = np.frombuffer(self.numbers, np.uint32)[taken]
            numbers = own if numbers is None else np.concatenate([own, numbers])
        slots = self._room
        while int(int(slots) * FULL) <= len(marks):
            slots *= GROWTH
        self._make(slots, numbers is not None)
        self._fill(marks, numbers)

    def _fill(self, marks: Marks, numbers: Numbers | None) -> None:
        """Take in fingerprints while empty: from the highest home down, each into the next slot that is free."""
        homes = self._homes(marks)
        order = np.argsort(homes)[::-1]
        rank = np.arange(len(order))
        slots = np.minimum.accumulate(homes[order] + rank) - rank
        inside = int(np.searchsorted(-slots, 0, side="right"))
        first, slots = order[:inside], slots[:inside]
        np.frombuffer(self.marks, np.uint64)[slots] = marks[first]
        if numbers is not None:
            np.frombuffer(self.numbers, np.uint32)[slots] = numbers[first]
        self.count = inside
        for at in order[inside:].tolist():  # the few that go round
            self.put(int(marks[at]), 0 if numbers is None else int(numbers[at]))
