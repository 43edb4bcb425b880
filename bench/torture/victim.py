"""A real `linkmill` command that kills itself: `python -m bench.torture.victim ROOT AT HIT STOP COMMAND ...`.

ROOT is the data directory, AT a moment and a storage call as `before commit`, HIT which time (0: never). After commit
number STOP (0: none) it asks itself to stop cleanly. One line is printed when the command is about to start.
Where the environment has a plan for its workers, they are those of `bench.torture.doomed`.
"""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Final

from bench.torture.seams import Moment, hooked
from crawler import crew
from crawler.cli import main as linkmill

READY: Final = "ready"
DOOMED: Final = "bench.torture.doomed"
PLAN: Final = "LINKMILL_DOOM"
"""In the environment: the file that says at which points workers die."""
ANY: Final = "any call"
"""Stands for all of them in a point."""


class SignalAt:
    """Send this process a signal the `hit`-th time it comes to a point."""

    def __init__(self, point: str, hit: int, number: signal.Signals) -> None:
        self._point = point
        self._hit = hit
        self._number = number
        self._times = count(1)  # its next() is atomic: calls come from several threads

    def __call__(self, call: str, moment: Moment) -> None:
        if self._point in (f"{moment} {call}", f"{moment} {ANY}") and next(self._times) == self._hit:
            os.kill(os.getpid(), self._number)


def main() -> None:
    """Run the command line behind the first four arguments."""
    root, point, hit, stop_hit, *arguments = sys.argv[1:]
    signals = (
        SignalAt(point, int(hit), signal.SIGKILL),
        SignalAt("after commit", int(stop_hit), signal.SIGTERM),
    )

    def hook(call: str, moment: Moment) -> None:
        for signal_at in signals:
            signal_at(call, moment)

    import_module("crawler.supervisor")  # takes longer than most of these lives
    if PLAN in os.environ:
        crew.WORKER = DOOMED
    sys.argv = ["linkmill", *arguments]
    print(READY, flush=True)
    with hooked(hook, Path(root).absolute()):
        linkmill()


if __name__ == "__main__":
    main()
