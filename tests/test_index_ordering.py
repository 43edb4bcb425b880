"""Rows are sorted and counted by whole numbers, as sorting and counting them one by one would."""

from __future__ import annotations

import numpy as np
import pytest

from storage.index.ordering import different, distinct, groups_of, keyed, sort, starts_of, summed

SIZES = [0, 1, 2, 300]


def some(size: int, most: int, seed: int) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    return np.random.default_rng(seed).integers(0, most, size).astype(np.int32)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("wide", [0, 1 << 60], ids=["packed", "too_wide_to_pack"])
def test_rows_with_the_same_key_keep_their_order(size: int, wide: int) -> None:
    key = some(size, 20, 1).astype(np.int64) + wide
    order, found = sort(key)
    assert order.tolist() == sorted(range(size), key=lambda row: (key[row], row))
    assert found.tolist() == sorted(key.tolist())


@pytest.mark.parametrize("size", SIZES)
def test_keys_are_in_the_order_of_pairs(size: int) -> None:
    first, second = some(size, 9, 2), some(size, 5, 3)
    pairs = list(zip(first.tolist(), second.tolist(), strict=True))
    assert sort(keyed(first, second))[0].tolist() == sorted(range(size), key=lambda row: (pairs[row], row))


@pytest.mark.parametrize("size", SIZES)
def test_different_pairs_are_counted_once(size: int) -> None:
    group, thing = some(size, 7, 4), some(size, 4, 5)
    pairs = sorted(set(zip(group.tolist(), thing.tolist(), strict=True)))
    assert list(zip(*(found.tolist() for found in different(group, thing)), strict=True)) == pairs
    assert distinct(group, thing, 8).tolist() == [sum(pair[0] == number for pair in pairs) for number in range(8)]


def test_largest_numbers_of_sources_and_hosts_fit_into_a_key() -> None:
    most = np.iinfo(np.int32).max
    group, thing = np.array([most, most, 0], np.int32), np.array([most, most, 0], np.int32)
    assert [found.tolist() for found in different(group, thing)] == [[0, most], [0, most]]
    assert sort(keyed(group, thing))[0].tolist() == [2, 0, 1]


@pytest.mark.parametrize("size", SIZES)
def test_groups_of_neighbours_are_summed(size: int) -> None:
    group, value = np.sort(some(size, 6, 6)), some(size, 9, 7)
    starts, numbers = starts_of(group), sorted(set(group.tolist()))
    assert groups_of(starts, size).tolist() == [numbers.index(number) for number in group.tolist()]
    pairs = list(zip(group.tolist(), value.tolist(), strict=True))
    assert summed(value, starts).tolist() == [sum(of for at, of in pairs if at == number) for number in numbers]
