"""The gates of IP addresses, each with the hosts that wait for it.

Rule: an address that serves many hosts is asked no more often than its own delay and limit allow, whatever the hosts'
gates say; waiting hosts are served first come first served.
"""

from __future__ import annotations

from collections import deque

from crawler.hostqueue import HostQueue
from crawler.politeness import Gate


class AddressGate:
    """The gate of one address. `queued` says that the frontier's heap holds it, to call the first waiting host."""

    __slots__ = ("gate", "queued", "waiting")

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.waiting: deque[HostQueue] = deque()
        self.queued = False

    def admits(self, now: float) -> bool:
        return self.gate.next_at <= now and self.gate.open < self.gate.limit

    @property
    def calls(self) -> bool:
        """Whether it belongs into the heap: somebody waits, and no request must end first."""
        return bool(self.waiting) and not self.queued and self.gate.open < self.gate.limit


class AddressGates:
    """The gates of all addresses met so far."""

    def __init__(self, delay_s: float, connections: int) -> None:
        self._delay_s = delay_s
        self._connections = connections
        self._gates: dict[str, AddressGate] = {}

    def of(self, ip: str) -> AddressGate:
        gate = self._gates.get(ip)
        if gate is None:
            gate = self._gates[ip] = AddressGate(Gate(self._delay_s, self._connections))
        return gate
