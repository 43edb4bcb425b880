"""What of a crawl one worker owns, and what it found that others own.

Rule: a worker queues and asks for URLs of its own shards only; any other that it would follow is offered to the owner,
who alone knows whether it was seen and what its budgets leave. Carrying the offers is `crawler.exchange`'s part.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Final

from crawler.errands import Errands
from crawler.jobs import Discovery
from crawler.url import HOSTS_REMEMBERED, domains_of, fingerprint, shard_of
from storage.leases import Lease
from storage.records import OfferRow

if TYPE_CHECKING:
    from crawler.board import Board

RECENT: Final = 1 << 17
"""Offers remembered, each until another takes its place: most links to a page come from a few pages (1 MiB)."""


class Share:
    """The part of one worker. Without a board it is the only one and owns everything."""

    def __init__(self, lease: Lease, board: Board | None = None, poisoned: frozenset[int] = frozenset()) -> None:
        self.lease = lease
        self.board = board
        self._poisoned = poisoned
        self._owned: dict[str, bool] = {}
        """Of hosts met lately: 0.06 us instead of 0.37, some twenty times a page."""
        self._recent = array("Q", bytes(8 * RECENT)) if board is not None else array("Q")
        self._offers: list[OfferRow] = []
        self.errands = Errands()

    @property
    def is_whole(self) -> bool:
        """Whether there is no other worker."""
        return self.board is None

    def owns(self, host: str) -> bool:
        if self.board is None:
            return True
        owned = self._owned.get(host)
        if owned is None:
            if len(self._owned) >= HOSTS_REMEMBERED:
                self._owned.clear()
            owned = self._owned[host] = shard_of(domains_of(host).domain) in self.lease.shards
        return owned

    def is_poisoned(self, url: str) -> bool:
        """Tell whether a page ended the process that read it more than once."""
        return bool(self._poisoned) and fingerprint(url) in self._poisoned

    def has_offered(self, mark: int) -> bool:
        """Tell whether the URL with this fingerprint was offered a short while ago."""
        return self._recent[mark % RECENT] == mark

    def offer(self, url: str, host: str, mark: int, how: Discovery) -> None:
        """Have the next batch carry a URL to its owner."""
        self._recent[mark % RECENT] = mark
        shard = shard_of(domains_of(host).domain)
        self._offers.append(OfferRow(shard, url, host, how.depth, how.via, how.hops, how.fetch))

    @property
    def offering(self) -> bool:
        """Whether offers wait for the next batch."""
        return bool(self._offers)

    def hand_over(self) -> list[OfferRow]:
        """Return the offers made since the last call."""
        offers, self._offers = self._offers, []
        return offers
