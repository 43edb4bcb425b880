"""Who may crawl which shards, and until when.

Rule: a worker asks nothing at or after `ends_at`, and what it commits is refused once its shards have another owner.
Taking, renewing and giving back is `storage.sharing`'s part, minding the end the fetcher's and the worker's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

SHARDS: Final = 4096
"""`crawler.url.shard_of` says which one a domain belongs to."""


class Shards(NamedTuple):
    """A range of shards, both ends included."""

    first: int
    last: int

    def __contains__(self, shard: object) -> bool:
        return isinstance(shard, int) and self.first <= shard <= self.last


ALL: Final = Shards(0, SHARDS - 1)

BEFORE_ALL: Final = (0, "")
"""A shard and URL that come before those of every offer."""


def portions(workers: int) -> list[Shards]:
    """Divide all shards among so many workers."""
    bounds = [SHARDS * number // workers for number in range(workers + 1)]
    return [Shards(first, end - 1) for first, end in pairwise(bounds)]


@dataclass(slots=True)
class Lease:
    """The right to crawl some shards. `ends_at` moves on with every renewal and commit; the rest stays."""

    shards: Shards = ALL
    owner: str = ""
    epoch: int = 0
    incarnation: int = 0
    """Of this owner, unlike that of any other start of a worker."""
    first_host_id: int = 1
    host_id_step: int = 1
    """New hosts get the numbers `first_host_id`, and so many more each, so that no other owner has them."""
    unclean: bool = False
    """The owner before did not give it back: its last requests are not on record."""
    length_s: float = math.inf
    ends_at: float = math.inf
    """Monotonic seconds."""
