"""Texts are found by their fingerprints, also where halves of these are alike."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from storage.index.prints import Prints


@pytest.mark.parametrize("size", [0, 1, 300])
def test_texts_are_found_among_sorted_ones_and_others_are_not(size: int) -> None:
    texts = pa.array([f"host{number}.example" for number in range(size)], pa.string())
    prints = Prints.of(texts)
    order = prints.order()
    wanted = pa.array([*texts.to_pylist()[::3], "elsewhere.example", ""], pa.string())
    found = prints.only(order).places(Prints.of(wanted))
    assert [int(order[place]) for place in found[:-2]] == list(range(size))[::3]
    assert found[-2:].tolist() == [-1, -1]


def test_texts_whose_high_halves_are_alike_are_told_by_the_low_ones() -> None:
    high, low = np.array([1, 1, 1, 2], np.uint64), np.array([4, 5, 9, 1], np.uint64)
    wanted = Prints(np.array([1, 1, 1, 2, 2, 0], np.uint64), np.array([9, 4, 7, 1, 3, 4], np.uint64))
    assert Prints(high, low).places(wanted).tolist() == [2, 0, -1, 3, -1, -1]
