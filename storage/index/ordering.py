"""Sorts and groups rows by whole numbers.

Rule: a key and the number of its row are sorted as one number of 64 bits while both fit, as they do up to billions of
rows and things: 11 ns a row, against 58 of `numpy.argsort` and 103 of `numpy.unique` with its inverse (4 million rows).
Rows with the same key keep their order.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from storage.index.layout import Rows, looked_up
from storage.index.numbers import Ints

KEY_BITS: Final = 63
"""A key is a number of 64 bits with a sign."""

Counts = npt.NDArray[np.int64]


def keyed(first: Ints, second: Ints) -> Rows:
    """Return one number for each pair of numbers from 0, in the order of the pairs."""
    key = first.astype(np.int64)
    key <<= _bits(second)
    key |= second
    return key


def sort(key: Rows) -> tuple[Rows, Rows]:
    """Return the rows in the order of their keys, which are not negative, and the sorted keys."""
    row_bits = len(key).bit_length()
    if _bits(key) + row_bits > KEY_BITS:
        order: Rows = np.argsort(key, kind="stable")
        return order, key[order]
    packed = key << row_bits
    packed |= np.arange(len(key))
    packed.sort()
    return packed & ((1 << row_bits) - 1), packed >> row_bits


def starts_of(ordered: npt.NDArray[np.integer]) -> Rows:
    """Return the first row of each group of neighbours that are alike."""
    if not len(ordered):
        return np.empty(0, np.int64)
    return np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))


def groups_of(starts: Rows, rows: int) -> Ints:
    """Return the group of each row, from 0."""
    lengths = np.diff(np.append(starts, rows))
    return np.repeat(np.arange(len(starts), dtype=np.int32), lengths)


def summed(values: npt.NDArray[np.integer] | npt.NDArray[np.bool_], starts: Rows) -> Counts:
    """Return the sum of each group's values, below 2 ** 31."""
    if not values.any():
        return np.zeros(len(starts), np.int64)
    # Of 4 million truths 1.6 ns each; as such, and in 64 bits, 2.5.
    counted = values.view(np.uint8) if values.dtype == np.bool_ else values
    return np.add.reduceat(counted, starts, dtype=np.int32).astype(np.int64)


def neighbours(group: Ints, thing: Ints) -> tuple[Ints, Ints]:
    """Return the pairs of group and thing without those that are like the one before."""
    if not len(group):
        return group, thing
    rows = np.flatnonzero(np.concatenate(([True], (group[1:] != group[:-1]) | (thing[1:] != thing[:-1]))))
    return looked_up(group, rows), looked_up(thing, rows)


def different(group: Ints, thing: Ints) -> tuple[Ints, Ints]:
    """Return the different pairs of group and thing, sorted."""
    # Neighbours are often alike: without them there is half as much to sort.
    group, thing = neighbours(group, thing)
    if not len(group):
        return group, thing
    key = keyed(group, thing)
    key.sort()
    key = key[starts_of(key)]
    bits = _bits(thing)
    return (key >> bits).astype(np.int32), (key & ((1 << bits) - 1)).astype(np.int32)


def distinct(group: Ints, thing: Ints, groups: int, ordered: bool = False) -> Counts:
    """Return how many different things each group has; `ordered` things of a group lie together."""
    return np.bincount((neighbours if ordered else different)(group, thing)[0], minlength=groups)


def _bits(numbers: npt.NDArray[np.integer]) -> int:
    return int(numbers.max(initial=0)).bit_length()
