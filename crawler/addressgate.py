"""The gates of IP addresses, each with the hosts that wait for it.

Rule: an address that serves many hosts is asked no more often than its own delay and limit allow, whatever the hosts'
gates say; waiting hosts are served first come first served. An address that throttles is asked less often: a server
counts requests by whom it knows, and that may be all its hosts together.
"""

from __future__ import annotations

from collections import deque

from crawler.hostqueue import HostQueue
from crawler.outcome import Failed, Fetched, Outcome, Redirected
from crawler.politeness import Courtesy, Gate, Pace
from storage.records import Failure


class AddressGate:
    """The gate of one address. `queued` says that the frontier's heap holds it, to call the first waiting host."""

    __slots__ = ("_courtesy", "gate", "queued", "waiting")

    def __init__(self, pace: Pace) -> None:
        self._courtesy = Courtesy(pace)
        self.gate = Gate(pace.delay_s, pace.connections)
        self.waiting: deque[HostQueue] = deque()
        self.queued = False

    def admits(self, now: float) -> bool:
        return self.gate.next_at <= now and self.gate.open < self.gate.limit

    def enter(self, now: float) -> bool:
        """Start a request where it is admitted, and tell whether it was."""
        if not self.admits(now):
            return False
        self.gate.start(now)
        return True

    def hold(self, until: float) -> None:
        self.gate.hold(until)

    def end(self, outcome: Outcome, now: float) -> None:
        """End a request: throttling lengthens the delay, answers shorten it again."""
        self.learn(self._courtesy, outcome)
        self.gate.delay_s = self._courtesy.delay_s
        self.gate.end(now)

    @staticmethod
    def learn(courtesy: Courtesy, outcome: Outcome) -> None:
        match outcome:
            case Failed(Failure.THROTTLED):
                courtesy.went_badly()
            case Fetched() | Redirected():
                courtesy.went_well()
            case Failed():
                pass

    def forgettable(self, now: float) -> bool:
        """Tell whether a new gate would be no different."""
        return not (self.waiting or self.queued or self.gate.open or self._courtesy.penalty_s) and self.admits(now)

    def call_at(self, now: float) -> float | None:
        """Return when to call the first host that waits; None while one of its own requests must end first."""
        return self.gate.next_at if self.gate.open < self.gate.limit else None


class AddressGates:
    """The gates of all addresses met so far."""

    def __init__(self, delay_s: float, connections: int) -> None:
        self._pace = Pace(delay_s, connections)
        self._gates: dict[str, AddressGate] = {}
        self._quiet_until = 0.0

    def hold_new(self, until: float) -> None:
        """Ask no address that is not known yet before `until`."""
        self._quiet_until = until

    def of(self, ip: str) -> AddressGate:
        gate = self._gates.get(ip)
        if gate is None:
            gate = self._gates[ip] = self._open(ip)
            gate.hold(self._quiet_until)
        return gate

    def _open(self, ip: str) -> AddressGate:
        return AddressGate(self._pace)

    def forget(self, ip: str, now: float) -> None:
        """Forget the gate of an address that nobody holds on to, if it says nothing."""
        gate = self._gates.get(ip)
        if gate is not None and self._quiet_until <= now and gate.forgettable(now):
            del self._gates[ip]
