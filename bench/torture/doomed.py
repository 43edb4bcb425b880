"""A worker that dies or halts where a plan says so: what `bench.torture.deaths` has its supervisor start.

Rule: each point of the plan is met once in a life, by whichever worker comes there first; it leaves a mark with the
moment and its number. Everything else is the real worker's.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Final, NamedTuple
from unittest.mock import patch

from bench.torture.seams import Moment, hooked
from bench.torture.victim import PLAN
from crawler import worker_process
from crawler.addresstable import Lock
from crawler.board import Board
from crawler.dispatch import Order, order_in

HOLDING: Final = "holding the table's lock"
READING: Final = "reading {}"
"""A page, by its fingerprint."""
MOMENT: Final = "some moment"
"""Points that are no storage calls; of a moment `hit` are the milliseconds since the worker's start."""


class Met(NamedTuple):
    """That a worker came to its point: when (monotonic), and which one."""

    at_s: float
    number: int


class Doom(NamedTuple):
    """One point, and which time a worker comes there ends or halts it."""

    at: str
    hit: int
    signal: int = signal.SIGKILL


class Plan:
    """The points of one life of a crawl, in a file; marks lie beside it."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def write(self, dooms: list[Doom]) -> None:
        self._file.write_text(json.dumps(dooms))
        for mark in self._file.parent.glob(f"{self._file.name}.*"):
            mark.unlink()

    def read(self) -> list[Doom]:
        return [Doom(*doom) for doom in json.loads(self._file.read_text())]

    def met(self) -> dict[Doom, Met]:
        """Return the points that a worker came to."""
        marks = {doom: self._mark(place) for place, doom in enumerate(self.read())}
        return {doom: Met(*json.loads(mark.read_text())) for doom, mark in marks.items() if mark.exists()}

    def claim(self, place: int, worker: int) -> bool:
        """Leave the mark of a point, whole from the moment it is seen; False when another worker has."""
        draft = self._file.with_name(f"{self._file.name}.{place}.{os.getpid()}")
        draft.write_text(json.dumps([time.monotonic(), worker]))
        try:
            self._mark(place).hardlink_to(draft)
        except FileExistsError:
            return False
        finally:
            draft.unlink()
        return True

    def _mark(self, place: int) -> Path:
        return self._file.with_name(f"{self._file.name}.{place}")


class Doomed:
    """Send this process the signal of a point when it comes there."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._dooms = list(enumerate(plan.read()))
        self._times: Counter[int] = Counter()
        self._worker = -1

    def told(self, line: bytes) -> Order:
        """Learn from the order which worker this is."""
        order = order_in(line)
        self._worker = order.number
        return order

    def wait_for_moments(self) -> None:
        """Meet the points that are moments."""
        for place, doom in self._dooms:
            if doom.at == MOMENT:
                timer = threading.Timer(doom.hit / 1000.0, self._meet, (place, doom))
                timer.daemon = True
                timer.start()

    def come_to(self, point: str) -> None:
        """Meet a point if it is the time for it."""
        for place, doom in self._dooms:
            if doom.at == point:
                self._times[place] += 1
                if self._times[place] == doom.hit:
                    self._meet(place, doom)

    def _meet(self, place: int, doom: Doom) -> None:
        if self._plan.claim(place, self._worker):
            os.kill(os.getpid(), doom.signal)

    def hook(self, call: str, moment: Moment) -> None:
        self.come_to(f"{moment} {call}")


def main() -> None:
    """Be a worker."""
    file = Path(os.environ[PLAN])
    doomed, enter, read = Doomed(Plan(file)), Lock.__enter__, Board.reading

    def enter_and_come(lock: Lock) -> None:
        enter(lock)
        doomed.come_to(HOLDING)

    def read_and_come(board: Board, mark: int) -> None:
        read(board, mark)
        doomed.come_to(READING.format(mark))

    doomed.wait_for_moments()
    with (
        hooked(doomed.hook, file.parent),
        patch.object(Lock, "__enter__", enter_and_come),
        patch.object(Board, "reading", read_and_come),
        patch.object(worker_process, "order_in", doomed.told),
    ):
        worker_process.main()


if __name__ == "__main__":
    main()
