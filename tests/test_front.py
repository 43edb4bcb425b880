"""Who is at the front: it has a size, grows while fetchers wait, and lets go of hosts that rest."""

from __future__ import annotations

import pytest

from config import PolitenessSettings
from crawler import front as module
from crawler import hostqueue
from crawler.front import Arrival, Front
from crawler.hostqueue import HostQueue, Standing
from crawler.jobs import RobotsFetch
from crawler.politeness import PaceTable
from crawler.roster import Place
from storage.records import HostRow


@pytest.fixture
def front(monkeypatch: pytest.MonkeyPatch) -> Front:
    monkeypatch.setattr(module, "FRONT_START", 8)
    monkeypatch.setattr(module, "RESTING_MAX", 1)
    return Front(PaceTable(PolitenessSettings(delay=3.0)))


def line_up(front: Front, hosts: int) -> None:
    """Let so many hosts wait in line."""
    for number in range(hosts):
        front.roster.wait(front.roster.enter(f"line{number}.example"))


def busy(front: Front, hosts: int) -> list[HostQueue]:
    """Let so many hosts be at work."""
    queues = [front.meet(f"busy{number}.example") for number in range(hosts)]
    for host in queues:
        front.stand(host, Standing.DUE)
    return queues


def test_new_hosts_go_to_the_front_while_it_has_room_and_in_line_afterwards(front: Front) -> None:
    busy(front, 7)
    last = front.find("last.example")
    assert isinstance(last, HostQueue)
    front.stand(last, Standing.DUE)
    waiting = front.find("late.example")
    assert isinstance(waiting, int)
    assert front.find("late.example") == waiting
    assert [record.host for record in front.newcomers][-2:] == ["last.example", "late.example"]
    assert front.newcomers[-1].delay_s == 3.0


@pytest.mark.parametrize(
    ("at_work", "fetchers_wait", "called"),
    [
        pytest.param(2, False, 6, id="room is filled"),
        pytest.param(8, False, 0, id="a full front stays as it is while fetchers work"),
        pytest.param(8, True, 1, id="a full front grows by an eighth while they wait"),
    ],
)
def test_hosts_are_called_as_there_is_room(front: Front, at_work: int, fetchers_wait: bool, called: int) -> None:
    busy(front, at_work)
    line_up(front, 20)
    assert len(front.call(fetchers_wait=fetchers_wait)) == called
    assert len(front.call(fetchers_wait=True)) == (0 if called else 1), "none while others are on their way"


def test_front_that_is_as_large_as_it_may_be_does_not_grow(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FRONT_MAX", 8)
    busy(front, 8)
    line_up(front, 1)
    assert front.call(fetchers_wait=True) == []


def test_hosts_that_wait_for_long_or_rest_make_room(front: Front) -> None:
    hosts = busy(front, 8)
    line_up(front, 5)
    front.stand(hosts[0], Standing.DUE, wait_s=module.LONG_S + 1.0)
    front.stand(hosts[1], Standing.IDLE)
    assert front.busy == 6
    assert len(front.call(fetchers_wait=False)) == 2


def test_hosts_that_rest_are_dismissed_longest_first_when_the_store_has_all_of_them(front: Front) -> None:
    hosts = busy(front, 5)
    for host in hosts:
        front.stand(host, Standing.IDLE)
    assert front.dismissible((), 0.0) == [], "the store does not know them yet"
    front.newcomers.clear()
    hosts[0].gate.hold(10.0)
    assert front.dismissible({hosts[1].record.host_id}, 9.0) == hosts[2:4]
    assert front.dismissible((), 10.0) == hosts[:4]


def test_dismissed_host_comes_back_with_what_was_found_meanwhile(front: Front) -> None:
    (host,) = busy(front, 1)
    host_id, host.record.discovered = host.record.host_id, 4
    front.stand(host, Standing.IDLE)
    front.dismiss(host)
    assert (front.hosts, front.by_name, host.standing) == ({}, {}, Standing.IDLE)
    front.roster.wait(host_id)
    assert front.call(fetchers_wait=True) == [host_id]
    hop = RobotsFetch("http://a.example", "http://busy0.example/robots.txt", "busy0.example", host_id, 1)
    assert front.call_for(hop, host_id) == []
    record = HostRow(host_id, "busy0.example", "busy0.example", "busy0.example", 1, discovered=4, failures=3)
    back = front.arrive(Arrival(record, [], [], utc=0.0))
    assert (back.record.discovered, back.tail, back.courtesy.failures) == (5, 1, 3)
    assert list(back.robots_hops) == [hop]
    assert front.meet("busy0.example") is back


@pytest.mark.parametrize(
    ("standing", "parked", "place"),
    [
        pytest.param(Standing.IDLE, None, Place.AWAY, id="idle"),
        pytest.param(Standing.DUE, None, Place.ASLEEP, id="waiting"),
        pytest.param(Standing.PARKED, "8 failures in a row", Place.PARKED, id="parked"),
        pytest.param(Standing.PARKED, "robots.txt unreachable", Place.SHUT, id="robots.txt unreachable"),
    ],
)
def test_place_of_a_dismissed_host_says_when_it_comes_back(
    front: Front, standing: Standing, parked: str | None, place: Place
) -> None:
    (host,) = busy(front, 1)
    host.record.parked = parked
    front.stand(host, standing)
    front.dismiss(host)
    assert front.roster.place_of(host.record.host_id) == place


def test_hosts_share_the_rows_in_ram(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    assert front.head_rows == hostqueue.HEAD_ROWS
    busy(front, 10)
    monkeypatch.setattr(module, "ROWS_MAX", 500)
    assert front.head_rows == 50
    monkeypatch.setattr(module, "ROWS_MAX", 50)
    assert front.head_rows == module.HEAD_ROWS_MIN
