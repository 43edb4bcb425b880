"""Memory that all workers of a crawl see: what each has had, what each is reading, and when addresses may be asked.

Rule: a worker writes its own cell only; the table of addresses is changed under its lock. The memory has no name and no
place on a disk: it is handed from the supervisor to its workers as an open file, and is gone with the last of them.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from typing import Final, NamedTuple

from crawler.addresstable import AddressTable, table_bytes

CELLS: Final = 10
"""Of a worker: pages had, bytes had, whether it is hungry, fingerprint of the page being read, its last two commits."""
COMMITS: Final = 4
"""The first cell of the commits, which are a `Saved` each."""
PAGE_BYTES: Final = 4096
"""The table begins at a multiple of it."""


class Saved(NamedTuple):
    """What a worker had had at a commit, which the store knows or not by its number."""

    batch: int
    pages: int
    wire_bytes: int


NOTHING: Final = Saved(0, 0, 0)


class Board:
    """The memory as worker `number` of `workers` sees it, from 0 on; the supervisor is none of them, -1."""

    def __init__(self, handle: int, workers: int, number: int = -1) -> None:
        self.handle = handle
        self._workers = workers
        self._memory = mmap.mmap(handle, _size(workers))
        view = memoryview(self._memory)
        self._cells = view[: (workers + 1) * CELLS * 8].cast("Q")
        self._own = (number + 1) * CELLS
        start = _cell_bytes(workers)
        self.addresses = AddressTable(view[start : start + table_bytes(workers)], handle, workers, number)

    @classmethod
    def make(cls, workers: int) -> Board:
        """Make the memory for so many workers, which inherit its `handle`."""
        handle = _nameless()
        os.ftruncate(handle, _size(workers))
        return cls(handle, workers)

    def close(self) -> None:
        """Give the memory up; what has been read of it stays."""
        os.close(self.handle)

    def start_from(self, pages: int, wire_bytes: int) -> None:
        """Count what earlier starts have had."""
        self._cells[0], self._cells[1] = pages, wire_bytes

    def tell(self, pages: int, wire_bytes: int) -> tuple[int, int]:
        """Say what this worker has had so far, and return what all have had together, earlier starts included."""
        cells, own = self._cells, self._own
        cells[own], cells[own + 1] = pages, wire_bytes
        return sum(cells[::CELLS]), sum(cells[1::CELLS])

    def saving(self, saved: Saved) -> None:
        """Say what this worker will have on record once a commit is done; the commit before it stays known."""
        cell = self._own + _commit_cell(saved.batch)
        self._cells[cell + 1], self._cells[cell + 2] = saved.pages, saved.wire_bytes
        self._cells[cell] = saved.batch  # last, for a worker may die between two cells

    def saved_by(self, number: int) -> list[Saved]:
        """Return the last commits that a worker began, the newest first: only the first of them may have failed."""
        first = (number + 1) * CELLS + COMMITS
        cells = self._cells[first : (number + 2) * CELLS].tolist()
        return sorted((Saved(*cells[:3]), Saved(*cells[3:])), reverse=True)

    def reading(self, mark: int) -> None:
        """Say which page is being read, by fingerprint; 0 for none."""
        self._cells[self._own + 3] = mark

    def read_by(self, number: int) -> int:
        """Return the page that a worker is reading, 0 for none."""
        return int(self._cells[(number + 1) * CELLS + 3])

    def hungry(self, *, hungry: bool) -> None:
        """Say whether this worker has nothing to do."""
        self._cells[self._own + 2] = hungry

    @property
    def hungry_others(self) -> int:
        """How many of the other workers have nothing to do."""
        return sum(self._cells[2::CELLS]) - self._cells[self._own + 2]

    @property
    def all_hungry(self) -> bool:
        """Whether no worker has anything to do."""
        return sum(self._cells[2::CELLS]) == self._workers

    def bury(self, number: int, saved: Saved, now: float, delay_per_ip_s: float) -> int:
        """Take a dead worker's requests as ended now; return the page that it was reading, 0 for none.

        What it had `saved` counts on; what it had beyond that will be fetched again, and counts no more.
        Raises BlockingIOError, with nothing done, while a worker holds the table's lock.
        """
        cells, dead = self._cells, (number + 1) * CELLS
        with self.addresses.locked:
            self.addresses.bury(number, now, delay_per_ip_s)
            mark = self.read_by(number)
            cells[0] += saved.pages
            cells[1] += saved.wire_bytes
            for cell in range(dead, dead + CELLS):
                cells[cell] = 0
        return mark


def _commit_cell(batch: int) -> int:
    return COMMITS + batch % 2 * len(Saved._fields)


def _size(workers: int) -> int:
    return _cell_bytes(workers) + table_bytes(workers)


def _cell_bytes(workers: int) -> int:
    return -(-(workers + 1) * CELLS * 8 // PAGE_BYTES) * PAGE_BYTES


def _nameless() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("linkmill")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
