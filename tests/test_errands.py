"""Errands between workers: given once, taken on once, ended where they were taken on."""

from __future__ import annotations

from crawler.errands import Errands
from storage.records import ErrandRow

ERRAND = ErrandRow(7, "http://a.test", 3, "http://b.test/robots.txt", 2)


def test_given_errand_is_awaited_from_the_moment_it_is_given() -> None:
    errands = Errands()
    errands.give(ERRAND, 100.0)
    assert (bool(errands), errands.waiting, errands.awaited) == (True, True, {"http://a.test": 100.0})
    assert errands.hand_over() == ([ERRAND], [])
    assert errands.hand_over() == ([], [])
    assert errands, "until its answer has come"


def test_errand_is_taken_on_once_until_it_is_ended_and_stored() -> None:
    errands = Errands()
    ((hop, taken),) = errands.take([ERRAND])
    assert (hop.origin, hop.hops + 1, taken) == (ERRAND.origin, ERRAND.hops, ERRAND)
    assert list(errands.take([ERRAND])) == []
    assert errands.host_id_of(ERRAND.origin) == 3
    assert errands.end(ERRAND.origin)
    assert not errands.end(ERRAND.origin)
    assert list(errands.take([ERRAND])) == [], "it ends with the next batch"
    assert errands.hand_over() == ([], [(7, ERRAND.origin)])
    assert not errands


def test_dropped_errand_is_taken_on_again() -> None:
    errands = Errands()
    list(errands.take([ERRAND]))
    assert errands.drop(ERRAND.origin)
    assert not errands.drop(ERRAND.origin)
    assert len(list(errands.take([ERRAND]))) == 1


def test_errand_passed_on_is_ended_here_and_not_awaited() -> None:
    errands = Errands()
    list(errands.take([ERRAND]))
    onward = ERRAND._replace(shard=9, hops=3)
    errands.give(onward, 100.0)
    assert errands.awaited == {}
    assert errands.hand_over() == ([onward], [(7, ERRAND.origin)])
