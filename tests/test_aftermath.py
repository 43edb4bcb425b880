"""After a crash everybody rests for a delay from the moment it is known."""

from __future__ import annotations

from crawler.aftermath import Aftermath


def test_nobody_rests_without_a_crash() -> None:
    aftermath = Aftermath()
    assert aftermath.rest(5.0) == 0.0
    assert not aftermath.is_minded(0.0)


def test_crash_is_minded_until_the_longest_rest_is_over() -> None:
    aftermath = Aftermath()
    aftermath.begin(100.0)
    assert [aftermath.rest(delay_s) for delay_s in (1.0, 5.0, 2.0)] == [101.0, 105.0, 102.0]
    assert aftermath.is_minded(104.9)
    assert not aftermath.is_minded(105.0)
