"""Memory that all workers of a crawl see: what each has had, what each is reading, and when addresses may be asked.

Rule: a worker writes its own cell only; the table of addresses is changed under its lock. The memory has no name and no
place on a disk: it is handed from the supervisor to its workers as an open file, and is gone with the last of them.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from typing import Final

from crawler.addresstable import AddressTable, table_bytes

CELLS: Final = 4
"""Of a worker: pages had, bytes had, whether it is hungry, fingerprint of the page being read."""
PAGE_BYTES: Final = 4096
"""The table begins at a multiple of it."""


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

    def bury(self, number: int, now: float, delay_per_ip_s: float) -> int:
        """Take a dead worker's requests as ended now; return the page that it was reading, 0 for none.

        What it had counts on. Raises BlockingIOError, with nothing done, while a worker holds the table's lock.
        """
        self.addresses.bury(number, now, delay_per_ip_s)
        cells, dead = self._cells, (number + 1) * CELLS
        mark = self.read_by(number)
        cells[0] += cells[dead]
        cells[1] += cells[dead + 1]
        for cell in range(dead, dead + CELLS):
            cells[cell] = 0
        return mark


def _size(workers: int) -> int:
    return _cell_bytes(workers) + table_bytes(workers)


def _cell_bytes(workers: int) -> int:
    return -(-(workers + 1) * CELLS * 8 // PAGE_BYTES) * PAGE_BYTES


def _nameless() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("linkmill")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
