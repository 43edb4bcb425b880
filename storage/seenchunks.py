"""Which URLs were discovered, as stored: chunks of fingerprints, each with its shard and the whole with a checksum.

Rule: a chunk is appended with the batch that discovered its URLs and never changes; one that did is damage.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from xxhash import xxh3_128_digest

from storage.leases import ALL, Shards

Fingerprints = np.ndarray[tuple[int], np.dtype[np.uint64]]


class Chunk(NamedTuple):
    """Ten bytes a URL, little-endian."""

    urls: int
    fingerprints: bytes
    shards: bytes
    checksum: bytes
    """Of both."""

    @classmethod
    def of(cls, fingerprints: Sequence[int], shards: Sequence[int]) -> Chunk:
        """Return the chunk of some URLs, their fingerprints and shards in the same order."""
        assert len(fingerprints) == len(shards), "every URL has its shard"
        marks, owners = np.array(fingerprints, dtype="<u8").tobytes(), np.array(shards, dtype="<u2").tobytes()
        return cls(len(fingerprints), marks, owners, xxh3_128_digest(marks + owners))

    @property
    def is_intact(self) -> bool:
        lengths = (8 * self.urls, 2 * self.urls)
        whole = (len(self.fingerprints), len(self.shards)) == lengths
        return whole and xxh3_128_digest(self.fingerprints + self.shards) == self.checksum


def joined(chunks: Sequence[Chunk], of: Shards) -> Fingerprints:
    """Return the fingerprints in intact chunks that lie in some shards, in the order of discovery."""
    found = np.frombuffer(b"".join(chunk.fingerprints for chunk in chunks), dtype="<u8").astype(np.uint64)
    if of == ALL:
        return found
    shards = np.frombuffer(b"".join(chunk.shards for chunk in chunks), dtype="<u2")
    return found[(shards >= of.first) & (shards <= of.last)]
