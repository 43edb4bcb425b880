"""Which URLs were discovered before, as 64-bit fingerprints.

Rule: a URL is discovered once in a run; the answer to `add` is the only place where that is decided.
The store keeps the same fingerprints as chunks and gives them back when a crawl resumes. At 2**32 URLs a wrong
"seen before" is expected for about one URL in two (birthday bound of 64 bits), at 10**8 for one in 3,700 crawls.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from crawler.fingerprints import FingerprintTable, Marks

LATELY: Final = 19_600
"""Fingerprints met lately that are kept as Python's ints: 1.3 MB. With 60 more the table of the set would be four times
as large, two megabytes to be found in the heap again and again."""
LATELY_BYTES: Final = 68


class Seen:
    """A set of URL fingerprints (xxh3_64): a compact table of all, and before it a small set of those met lately.

    Most links of a page lead where its neighbours' links lead, and the set answers in 0.03 us, the table in 0.3; new
    ones go from the set into the table in large lots (`python -m bench.micro`).
    """

    def __init__(self, fingerprints: Iterable[int] | Marks = ()) -> None:
        self._table = FingerprintTable()
        self.lately: set[int] = set()
        """Only to be asked: what is in here was seen."""
        self._new: list[int] = []
        """Those of `lately` that are not in the table."""
        given = fingerprints if isinstance(fingerprints, np.ndarray) else np.array(list(fingerprints), np.uint64)
        marks = np.sort(given)
        if (marks[1:] == marks[:-1]).any():
            marks = np.unique(marks)
        self._table.update_sorted(marks)

    def __len__(self) -> int:
        return len(self._table) + len(self._new)

    @property
    def size_bytes(self) -> int:
        """What it takes in RAM, about."""
        return self._table.size_bytes + len(self.lately) * LATELY_BYTES

    def __contains__(self, fingerprint: int) -> bool:
        if fingerprint in self.lately:
            return True
        if fingerprint not in self._table:
            return False
        self._note(fingerprint)
        return True

    def add(self, fingerprint: int) -> bool:
        """Remember a fingerprint; return whether it is new."""
        if fingerprint in self:
            return False
        self._new.append(fingerprint)
        self._note(fingerprint)
        return True

    def _note(self, fingerprint: int) -> None:
        self.lately.add(fingerprint)
        if len(self.lately) >= LATELY:
            self._table.update(np.array(self._new, np.uint64))
            self._new.clear()
            self.lately.clear()
