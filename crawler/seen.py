"""Which URLs were discovered before, as 64-bit fingerprints.

Rule: a URL is discovered once in a run; the answer to `add` is the only place where that is decided.
The store keeps the same fingerprints as chunks and gives them back when a crawl resumes. At 2**32 URLs a wrong
"seen before" is expected for about one URL in two (birthday bound of 64 bits), at 10**8 for one in 3,700 crawls.
"""

from __future__ import annotations

from collections.abc import Container, Iterable


class Seen:
    """A set of URL fingerprints (xxh3_64); `known` is asked for every link and only read."""

    def __init__(self, fingerprints: Iterable[int] = ()) -> None:
        self._known = set(fingerprints)
        self.known: Container[int] = self._known

    def __len__(self) -> int:
        return len(self._known)

    def add(self, fingerprint: int) -> bool:
        """Remember a fingerprint; return whether it is new."""
        before = len(self._known)
        self._known.add(fingerprint)
        return len(self._known) > before
