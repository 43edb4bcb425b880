"""Robots.txt files that redirect to a host of another worker, who fetches them for the one that asks.

Rule: nobody but a host's owner asks it anything. The errand waits in the store until its answer is there with it; the
asking worker is not idle meanwhile, and the host whose robots.txt it is waits like for one of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from crawler.jobs import RobotsFetch
from storage.records import ErrandRow


class Errands:
    """The errands one worker has given to others, and those it has taken on."""

    def __init__(self) -> None:
        self._given: list[ErrandRow] = []
        self._ended: list[tuple[int, str]] = []
        self._taken: dict[str, ErrandRow] = {}
        self._awaited: dict[str, float] = {}

    def __bool__(self) -> bool:
        """Whether any errand is under way, in either direction."""
        return bool(self._taken or self._awaited)

    def give(self, errand: ErrandRow, now: float) -> None:
        """Have the next batch carry an errand; its answer, from now (UTC) on, is awaited unless it was passed on."""
        self._given.append(errand)
        if not self.end(errand.origin):
            self._awaited[errand.origin] = now

    def host_id_of(self, origin: str) -> int | None:
        """Return the host of the robots.txt fetched for another worker, None for one of this worker's own."""
        errand = self._taken.get(origin)
        return None if errand is None else errand.host_id

    def end(self, origin: str) -> bool:
        """Take an errand out of the store with the next batch; False when it is not another worker's."""
        errand = self._taken.pop(origin, None)
        if errand is not None:
            self._ended.append((errand.shard, origin))
        return errand is not None

    def drop(self, origin: str) -> bool:
        """Forget an errand that came to nothing, so that it is taken on again; False when it is none."""
        return self._taken.pop(origin, None) is not None

    def take(self, found: Iterable[ErrandRow]) -> Iterator[tuple[RobotsFetch, ErrandRow]]:
        """Take on what is not under way or just done, each with the hop before the one to be made."""
        ended = set(self._ended)
        for errand in found:
            if errand.origin not in self._taken and errand[:2] not in ended:
                self._taken[errand.origin] = errand
                yield RobotsFetch(errand.origin, "", "", errand.host_id, errand.hops - 1), errand

    @property
    def awaited(self) -> dict[str, float]:
        """The origins whose robots.txt others fetch for this worker, and since when (UTC)."""
        return self._awaited

    @property
    def waiting(self) -> bool:
        """Whether something waits for the next batch."""
        return bool(self._given or self._ended)

    def hand_over(self) -> tuple[list[ErrandRow], list[tuple[int, str]]]:
        """Return the errands given and those ended since the last call."""
        given, ended = self._given, self._ended
        self._given, self._ended = [], []
        return given, ended
