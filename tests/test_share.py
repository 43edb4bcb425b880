"""What belongs to a worker, and what it offers to the others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from crawler.board import Board
from crawler.jobs import Discovery
from crawler.share import RECENT, Share
from crawler.url import domains_of, fingerprint, shard_of
from storage.leases import Lease, portions
from storage.records import OfferRow, Via

HOW = Discovery(2, Via.REDIRECT, 1, 7)
URL = "http://x.a.test/"


@pytest.fixture
def board() -> Iterator[Board]:
    made = Board.make(2)
    yield made
    made.close()


def test_worker_alone_owns_every_host() -> None:
    share = Share(Lease())
    assert share.is_whole
    assert share.owns("a.test") and share.owns("[::1]")


def test_each_host_has_one_owner_and_a_domain_is_never_divided(board: Board) -> None:
    shares = [Share(Lease(part), board) for part in portions(3)]
    for number in range(50):
        owners = [[share.owns(f"{name}.d{number}.test") for share in shares] for name in ("www", "blog")]
        assert owners[0] == owners[1]
        assert sum(owners[0]) == 1


def test_offers_are_handed_over_once(board: Board) -> None:
    share = Share(Lease(), board)
    mark = fingerprint(URL)
    assert not share.has_offered(mark)
    share.offer(URL, "x.a.test", mark, HOW)
    assert share.has_offered(mark) and share.offering
    row = OfferRow(shard_of(domains_of("x.a.test").domain), URL, "x.a.test", 2, Via.REDIRECT, 1, 7)
    assert share.hand_over() == [row]
    assert share.hand_over() == []
    assert share.has_offered(mark) and not share.offering


def test_memory_of_offers_is_bounded_and_the_newest_wins(board: Board) -> None:
    share = Share(Lease(), board)
    share.offer(URL, "x.a.test", 5, HOW)
    share.offer(URL, "x.a.test", 5 + RECENT, HOW)
    assert (share.has_offered(5), share.has_offered(5 + RECENT)) == (False, True)


def test_poisoned_pages_are_known_by_their_url() -> None:
    share = Share(Lease(), poisoned=frozenset({fingerprint(URL)}))
    assert (share.is_poisoned(URL), share.is_poisoned("http://x.a.test/other")) == (True, False)
