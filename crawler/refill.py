"""What is to be read from disk: rows for hosts at the front, and hosts on their way to it.

Rule: a host has at most one wish at a time. A read that finds nothing, although rows are counted, met rows that are
still to be committed: the host starves until `committed`, and then wishes again; so does a host not on disk yet.
"""

from __future__ import annotations

from crawler.hostqueue import HostQueue


class Refills:
    """The wishes of all hosts. Filled by the frontier; what hands out and takes answers is the reader's."""

    def __init__(self) -> None:
        self._wishes: list[HostQueue] = []
        self._starved: list[HostQueue] = []
        self._called: list[int] = []
        self._called_early: list[int] = []
        self._under_way = 0

    def __bool__(self) -> bool:
        """Whether any host still waits for rows, or is on its way."""
        return bool(self._wishes or self._starved or self._called or self._called_early or self._under_way)

    @property
    def wishing(self) -> bool:
        return bool(self._wishes or self._called)

    @property
    def starving(self) -> bool:
        return bool(self._starved)

    def wish(self, host: HostQueue) -> None:
        if not host.wished:
            host.wished = True
            self._wishes.append(host)

    def call(self, host_ids: list[int]) -> None:
        """Wish for hosts that are in the store alone."""
        self._called.extend(host_ids)

    def hand_out(self) -> list[HostQueue]:
        wishes, self._wishes = self._wishes, []
        self._under_way += len(wishes)
        return wishes

    def hand_out_called(self) -> list[int]:
        """Hand out the ids of hosts to be read with their first rows."""
        called, self._called = self._called, []
        self._under_way += len(called)
        return called

    def answered(self, host: HostQueue, found: bool) -> None:
        """End the read for a host, which keeps its wish when nothing was `found` although there is a tail."""
        self._under_way -= 1
        host.wished = not found and host.tail > 0
        if host.wished:
            self._starved.append(host)

    def arrived(self, host_id: int, found: bool) -> None:
        """End the read of a host, which is read again after the next commit when it was not `found`."""
        self._under_way -= 1
        if not found:
            self._called_early.append(host_id)

    def committed(self) -> None:
        """Learn that all rows and hosts handed out so far are on disk."""
        self._wishes.extend(self._starved)
        self._starved.clear()
        self._called.extend(self._called_early)
        self._called_early.clear()
