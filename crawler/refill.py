"""Rows to be read from disk: which hosts wish for them, which reads are under way, which found nothing yet.

Rule: a host has at most one wish at a time. A read that finds nothing, although rows are counted, met rows that are
still to be committed: the host starves until `committed`, and then wishes again.
"""

from __future__ import annotations

from crawler.hostqueue import HostQueue


class Refills:
    """The wishes of all hosts. Filled by the frontier; `hand_out` and `answered` are the reader's."""

    def __init__(self) -> None:
        self._wishes: list[HostQueue] = []
        self._starved: list[HostQueue] = []
        self._under_way = 0

    def __bool__(self) -> bool:
        """Whether any host still waits for rows."""
        return bool(self._wishes or self._starved or self._under_way)

    @property
    def wishing(self) -> bool:
        return bool(self._wishes)

    @property
    def starving(self) -> bool:
        return bool(self._starved)

    def wish(self, host: HostQueue) -> None:
        if not host.wished:
            host.wished = True
            self._wishes.append(host)

    def hand_out(self) -> list[HostQueue]:
        wishes, self._wishes = self._wishes, []
        self._under_way += len(wishes)
        return wishes

    def answered(self, host: HostQueue, found: bool) -> None:
        """End the read for a host, which keeps its wish when nothing was `found` although there is a tail."""
        self._under_way -= 1
        host.wished = not found and host.tail > 0
        if host.wished:
            self._starved.append(host)

    def committed(self) -> None:
        """Learn that all rows handed out so far are on disk."""
        self._wishes.extend(self._starved)
        self._starved.clear()
