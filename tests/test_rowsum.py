"""Sums of rows tell changed rows from those that came back as they were written."""

from __future__ import annotations

import pytest

from storage.records import HostRow, Via
from storage.rowsum import Value, row_sum, summed_of_host, with_host_sum, with_sum

ROW: tuple[Value, ...] = (7, 1 << 60, "http://a.example/ü", Via.LINK, None, 1.5, 0.0, b"body")


def test_row_as_the_database_gives_it_back_has_the_same_sum() -> None:
    assert row_sum(ROW) == row_sum((7.0, 1 << 60, "http://a.example/ü", int(Via.LINK), None, 1.5, 0, b"body"))
    assert 0 <= row_sum(ROW) < 1 << 63


@pytest.mark.parametrize("place", range(len(ROW)))
@pytest.mark.parametrize("value", [8, "x", b"x", 1.25, "", None], ids=repr)
def test_any_other_value_in_any_place_has_another_sum(place: int, value: Value) -> None:
    changed = (*ROW[:place], value, *ROW[place + 1 :])
    assert (row_sum(changed) == row_sum(ROW)) == (changed == ROW)


def test_values_that_run_into_each_other_are_told_apart() -> None:
    assert row_sum(("ab", "c")) != row_sum(("a", "bc"))


def test_sum_of_a_host_covers_all_its_columns_but_the_count_that_changes_alone() -> None:
    def columns(discovered: int, done: int = 0) -> tuple[Value, ...]:
        row = HostRow(1, "a.example", "a.example", "a.example", 7, discovered=discovered, done=done)
        return tuple(getattr(row, name) for name in HostRow.__slots__)

    *values, written = with_host_sum(columns(5))
    assert tuple(values) == columns(5)
    assert written == row_sum(summed_of_host(columns(6)))
    assert written != row_sum(summed_of_host(columns(5, done=1)))
    assert with_sum(ROW) == (*ROW, row_sum(ROW))
