"""Sums of rows tell changed rows from those that came back as they were written."""

from __future__ import annotations

import pytest

from storage.records import Via
from storage.rowsum import Value, row_sum

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
