"""Every host has an id, counts and a place, in a few bytes, and those in line are called in order."""

from __future__ import annotations

import pytest

from crawler import roster as module
from crawler.roster import Known, Place, Roster


def named(hosts: int) -> Roster:
    roster = Roster()
    for number in range(hosts):
        assert roster.enter(f"h{number}.example") == number + 1
    return roster


def test_host_is_found_by_its_name_once_it_has_an_id() -> None:
    roster = named(100)
    assert [roster.find(f"h{number}.example") for number in range(100)] == list(range(1, 101))
    assert roster.find("other.example") is None
    assert len(roster) == 100


def test_new_hosts_get_ids_behind_those_from_the_store() -> None:
    roster = Roster()
    roster.load([Known(3, "a.example", 7, 2, 1.0), Known(9, "b.example", 5, 0, 1.0)])
    assert (roster.find("a.example"), roster.find("b.example")) == (3, 9)
    assert (roster.discovered[3], roster.queued[3], roster.place_of(9)) == (7, 2, Place.AWAY)
    assert roster.enter("c.example") == 10
    assert roster.call(5) == [3]


@pytest.mark.parametrize("gap", [1, 3, 1000], ids=["at_once", "soon", "never"])
def test_hosts_are_called_in_the_order_they_came_in(monkeypatch: pytest.MonkeyPatch, gap: int) -> None:
    monkeypatch.setattr(module, "GAP_MIN", gap)
    roster = named(20)
    called: list[int] = []
    for host_id in range(20, 0, -1):
        roster.wait(host_id)
        roster.wait(host_id)
        if host_id % 3 == 0:
            called += roster.call(2)
    called += roster.call(100)
    assert called == list(range(20, 0, -1))
    assert roster.in_line == 0
    assert all(roster.queued[host_id] == roster.discovered[host_id] == 2 for host_id in called)


def test_host_that_was_called_out_of_turn_is_not_called_again() -> None:
    roster = named(3)
    for host_id in (1, 2, 3):
        roster.wait(host_id)
    roster.put(2, Place.AT_FRONT)
    assert roster.call(3) == [1, 3]


@pytest.mark.parametrize(
    ("place", "called"),
    [
        pytest.param(Place.AWAY, [1], id="away"),
        pytest.param(Place.SHUT, [1], id="shut"),
        pytest.param(Place.ASLEEP, [], id="asleep"),
        pytest.param(Place.PARKED, [], id="parked"),
        pytest.param(Place.AT_FRONT, [], id="at_the_front"),
    ],
)
def test_new_url_puts_a_host_in_line_that_has_a_reason_to_come(place: Place, called: list[int]) -> None:
    roster = named(1)
    roster.put(1, place)
    roster.wait(1)
    assert roster.queued[1] == 1
    assert roster.call(9) == called


def test_sleeping_host_comes_in_line_when_its_time_has_come() -> None:
    roster = named(1)
    roster.put(1, Place.ASLEEP)
    roster.wake(1)
    roster.wake(1)
    assert roster.call(9) == [1]
    assert roster.in_line == 0
