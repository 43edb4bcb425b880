"""The start after a crash: what was asked just before it is not on record, so everybody is left alone for a delay.

Rule: every host and address counts as asked at the moment the crash is known, also one that the store never knew; a
start that ends before that waiting is over counts as crashed too.
"""

from __future__ import annotations


class Aftermath:
    """Who has to be left alone, and for how long; nothing without a crash. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._known_at: float | None = None
        self._over_at = 0.0

    def begin(self, now: float) -> None:
        """Learn that the last start crashed."""
        self._known_at = now

    def rest(self, delay_s: float) -> float:
        """Return until when to leave somebody with this delay alone, and mind that it is so."""
        if self._known_at is None:
            return 0.0
        until = self._known_at + delay_s
        self._over_at = max(self._over_at, until)
        return until

    def is_minded(self, now: float) -> bool:
        """Tell whether somebody still has to be left alone."""
        return now < self._over_at
