"""A run, from its start to its stop reason, and what its URLs have come to.

Rule: one run is current, the last one; only it has a queue.
"""

from __future__ import annotations

from typing import Final, NamedTuple

EXHAUSTED: Final = "exhausted"
"""The stop reason of a finished run; every other one, and none, means that the run can go on."""

EXTENDED: Final = "given more seeds"
"""The stop reason of a finished run that has new work, until it goes on."""

REPLACED: Final = "replaced"
"""The stop reason of a run that a fresh one took over before it had finished."""


class RunInfo(NamedTuple):
    """Which run a start belongs to."""

    run: int
    incarnation: int
    """Counts the starts in this data directory, never reused: fetch = incarnation << 40 | sequence."""
    resumed: bool
    finished: bool
    """The last run had nothing left to do: nothing was started, `incarnation` is the last one."""
    crashed: bool = False
    """The start before ended without a last word: its last requests are not on record."""


class Totals(NamedTuple):
    """URLs of a run by state; those in flight still count as queued."""

    discovered: int
    done: int
    failed: int
    excluded: int
    queued: int

    @property
    def conserved(self) -> bool:
        """Tell whether every discovered URL is in exactly one state."""
        return self.discovered == self.queued + self.done + self.failed + self.excluded
