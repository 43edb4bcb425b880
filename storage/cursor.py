"""The place where an answer goes on, sealed into a short opaque text.

Rule: a cursor is good for one question to one generation; for any other it is refused, never misread.
"""

from __future__ import annotations

import base64
import binascii
import struct
from dataclasses import dataclass, replace
from typing import Final

import xxhash

FORMAT: Final = struct.Struct(">IQ")
"""Generation and fingerprint of the question; the positions follow, 8 bytes each."""

START: Final = -1
"""Before the first row of a file, which has the number 0."""


class CursorRefused(Exception):
    """An answer cannot go on from this cursor."""

    def __str__(self) -> str:
        return type(self).__doc__ or type(self).__name__


class CursorUnreadable(CursorRefused):
    """This is not a cursor; use the text that was printed after the last answer."""


class CursorOutdated(CursorRefused):
    """The index was built anew since this cursor was printed; ask again from the start."""


class CursorMismatch(CursorRefused):
    """This cursor belongs to another question; repeat the target and the filters it came from."""


@dataclass(frozen=True, slots=True)
class Place:
    """A position in the answer to one question."""

    generation: int
    question: int
    positions: tuple[int, ...]
    """Of the last row that was answered, in each layer that answers."""

    @classmethod
    def of(cls, generation: int, question: object, cursor: str | None, layers: int = 1) -> Place:
        """Return the start of an answer, or the place that `cursor` holds; `question` is known by its repr.

        Raises CursorUnreadable, CursorOutdated or CursorMismatch.
        """
        start = cls(generation, xxhash.xxh3_64_intdigest(repr(question).encode()), (START,) * layers)
        if cursor is None:
            return start
        place = cls._opened(cursor)
        if place.generation != generation:
            raise CursorOutdated
        if place.question != start.question or len(place.positions) != layers:
            raise CursorMismatch
        return place

    @classmethod
    def _opened(cls, cursor: str) -> Place:
        try:
            content = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            generation, question = FORMAT.unpack_from(content)
            return cls(generation, question, tuple(at for (at,) in struct.iter_unpack(">q", content[FORMAT.size :])))
        except (ValueError, binascii.Error, struct.error) as error:
            raise CursorUnreadable from error

    def at(self, positions: tuple[int, ...]) -> Place:
        """Return the place after the rows at some positions."""
        return replace(self, positions=positions)

    def sealed(self) -> str:
        """Return the cursor."""
        positions = struct.pack(f">{len(self.positions)}q", *self.positions)
        content = FORMAT.pack(self.generation, self.question) + positions
        return base64.urlsafe_b64encode(content).decode().rstrip("=")
