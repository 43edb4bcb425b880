"""Whether the network itself is out: every host fails at once, hosts that answered before among them.

Rule: an outage begins when several hosts known to answer fail one after the other with no answer in between, and ends
with the next answer. While it lasts one job at a time goes out as a probe, and failures cost neither a try nor a
penalty. Hosts that never answered prove nothing: a list of dead hosts is no outage. One that goes on too long is taken
for the truth, so that a crawl always ends. Times are monotonic seconds given by the caller.
"""

from __future__ import annotations

from typing import Final

from crawler.outcome import Failed, Outcome
from storage.records import Failure

HOSTS_FAILED: Final = 3
"""Hosts known to answer that have to fail in a row; fewer are a fault of theirs."""
PROBE_FIRST_S: Final = 1.0
PROBE_GROWTH: Final = 1.5
PROBE_LONGEST_S: Final = 15.0
"""Wait between two probes: this long after the network is back the crawl goes on at the latest."""
LONGEST_S: Final = 1800.0
"""An outage is believed for so long; then failures count as those of the hosts."""

NETWORK: Final = frozenset({Failure.DNS, Failure.CONNECT, Failure.TLS, Failure.TIMEOUT, Failure.RESET})
"""How requests fail when nothing comes through; those that got as far as a head say nothing here."""


class Outage:
    """Tell failures of the network from failures of hosts."""

    def __init__(self) -> None:
        self._failed: set[int] = set()
        """Hosts known to answer that have failed since the last answer."""
        self._began_at: float | None = None
        self._wait_s = PROBE_FIRST_S
        self.probe_at = 0.0

    @property
    def ongoing(self) -> bool:
        return self._began_at is not None

    def admits(self, now: float) -> bool:
        """Tell whether a job may go out; during an outage one may at `probe_at`, which moves on with it."""
        if self._began_at is None:
            return True
        if now < self.probe_at:
            return False
        self.probe_at = now + self._wait_s
        self._wait_s = min(PROBE_LONGEST_S, self._wait_s * PROBE_GROWTH)
        return True

    def learn(self, host_id: int, outcome: Outcome, has_answered: bool, now: float) -> bool:
        """Take in how a request ended; return whether the network is at fault and not the host.

        `has_answered`: this host is known to have answered before. The failures that show an outage still count.
        """
        if not isinstance(outcome, Failed) or outcome.answer is not None:
            self._failed.clear()
            self._began_at = None
            return False
        if outcome.failure not in NETWORK:
            return False
        if self._began_at is not None:
            return now - self._began_at < LONGEST_S
        if has_answered:
            self._failed.add(host_id)
        if len(self._failed) >= HOSTS_FAILED:
            self._begin(now)
        return False

    def _begin(self, now: float) -> None:
        self._began_at = now
        self._wait_s = PROBE_FIRST_S
        self.probe_at = now + PROBE_FIRST_S
