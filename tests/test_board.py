"""The memory of all workers: what each has had, what it reads, and who has nothing to do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from crawler.board import NOTHING, Board, Saved


@pytest.fixture
def boards() -> Iterator[list[Board]]:
    made = Board.make(2)
    yield [made, Board(made.handle, 2, 0), Board(made.handle, 2, 1)]
    made.close()


def test_what_all_have_had_is_counted_together_with_earlier_starts(boards: list[Board]) -> None:
    supervisor, one, two = boards
    supervisor.start_from(100, 5000)
    assert one.tell(3, 10) == (103, 5010)
    assert two.tell(4, 20) == (107, 5030)
    assert one.tell(5, 30) == (109, 5050)


def test_what_a_dead_worker_had_saved_counts_on_and_the_next_begins_at_nothing(boards: list[Board]) -> None:
    supervisor, one, two = boards
    one.tell(5, 30)
    one.reading(7)
    one.hungry(hungry=True)
    assert supervisor.read_by(0) == 7
    assert supervisor.bury(0, Saved(1, 3, 10), 1.0, 0.0) == 7
    assert (supervisor.read_by(0), two.hungry_others, supervisor.saved_by(0)) == (0, 0, [NOTHING, NOTHING])
    assert two.tell(1, 1) == (4, 11)
    assert one.tell(1, 1) == (5, 12)


def test_last_two_commits_of_a_worker_are_known(boards: list[Board]) -> None:
    supervisor, one, two = boards
    assert supervisor.saved_by(0) == [NOTHING, NOTHING]
    two.saving(Saved(3 << 32, 1, 1))
    saved = [Saved((2 << 32) + at, at * 10, at * 1000) for at in range(1, 5)]
    for commit in saved:
        one.saving(commit)
    assert supervisor.saved_by(0) == [saved[3], saved[2]]
    one.saving(saved[3]._replace(pages=99))  # the one before had nothing to say
    assert supervisor.saved_by(0) == [saved[3]._replace(pages=99), saved[2]]


def test_hungry_worker_is_known_to_the_others(boards: list[Board]) -> None:
    _, one, two = boards
    found = [one.hungry_others]
    for hungry in (True, False):
        two.hungry(hungry=hungry)
        found.append(one.hungry_others)
    assert found == [0, 1, 0]


def test_all_are_hungry_once_each_is(boards: list[Board]) -> None:
    _, one, two = boards
    found = []
    for worker, hungry in ((one, True), (two, True), (one, False)):
        worker.hungry(hungry=hungry)
        found.append((one.all_hungry, one.hungry_others))
    assert found == [(False, 0), (True, 1), (False, 1)]
