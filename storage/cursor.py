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

FORMAT: Final = struct.Struct(">IQq")
"""Generation, fingerprint of the question, position of the last row that was answered."""

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
    position: int

    @classmethod
    def of(cls, generation: int, question: object, cursor: str | None) -> Place:
        """Return the start of an answer, or the place that `cursor` holds; `question` is known by its repr.

        Raises CursorUnreadable, CursorOutdated or CursorMismatch.
        """
        start = cls(generation, xxhash.xxh3_64_intdigest(repr(question).encode()), START)
        if cursor is None:
            return start
        place = cls._opened(cursor)
        if place.generation != generation:
            raise CursorOutdated
        if place.question != start.question:
            raise CursorMismatch
        return place

    @classmethod
    def _opened(cls, cursor: str) -> Place:
        try:
            content = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            return cls(*FORMAT.unpack(content))
        except (ValueError, binascii.Error, struct.error) as error:
            raise CursorUnreadable from error

    def at(self, position: int) -> Place:
        """Return the place after the row at `position`."""
        return replace(self, position=position)

    def sealed(self) -> str:
        """Return the cursor."""
        return base64.urlsafe_b64encode(FORMAT.pack(self.generation, self.question, self.position)).decode().rstrip("=")
