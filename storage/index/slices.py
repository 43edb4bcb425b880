"""Which links are turned together: slices of target hosts, cut inside of a domain or host only where one is too large.

Rule: a slice has about as many links as memory holds. What is cut is told, for its roll-ups must be merged; the links
to one URL are never cut.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage.index.layout import Rows, coded, column
from storage.index.numbers import Bools, Hosts, Ints

MOST_SLICES: Final = 60_000
"""Slices are sorted as 16 bits."""

COPIES: Final = 5
"""Turning raw links takes so many times their bytes at most, their texts included: 3.9 times at 4 million links of
short texts (`python -m bench.index --links 4000000`)."""


def memory_of(links: pa.Table) -> int:
    """Return the bytes that turning raw links takes at most."""
    return COPIES * int(links.nbytes)


@dataclass(frozen=True)
class Slices:
    """The slice of each link, by its target."""

    first_unit: Rows
    """Number of the first unit of each host: a host, or a range of targets on a large one."""
    starts: Mapping[int, Sequence[str]]
    """Of large hosts the first URLs of their units but the first."""
    of_unit: Ints
    """Slice of each unit."""
    cut_hosts: Bools
    cut_domains: Bools

    @classmethod
    def of(cls, links: Rows, hosts: Hosts, starts: Mapping[int, Sequence[str]], slice_links: int) -> Slices:
        """Cut hosts with so many links each into slices; a domain that fits into one is not cut."""
        units = np.ones(len(links), np.int64)
        for number, urls in starts.items():
            units[number] += len(urls)
        first = np.cumsum(units) - units
        spread = np.repeat(links // units, units)
        may_end = np.ones(len(spread), np.bool_)
        may_end[first + units - 1] = _may_end(links, hosts, slice_links)
        of_unit = cut(spread, slice_links, may_end)
        low, high = of_unit[first], of_unit[first + units - 1]
        lowest = np.full(len(hosts.domains), len(spread), np.int32)
        highest = np.zeros(len(hosts.domains), np.int32)
        np.minimum.at(lowest, hosts.domain, low)
        np.maximum.at(highest, hosts.domain, high)
        return cls(first, starts, of_unit, low != high, lowest < highest)

    @property
    def count(self) -> int:
        """How many there are."""
        return int(self.of_unit.max(initial=0)) + 1

    def of_links(self, table: pa.Table) -> Ints:
        """Return the slice of each raw link."""
        host = table.column("host").to_numpy()
        unit = self.first_unit[host]
        for number, urls in self.starts.items():
            rows = np.flatnonzero(host == number)
            if len(rows):
                unit[rows] += _places(table.column("target").take(column(rows)), urls)
        slices: Ints = self.of_unit[unit]
        return slices


def _may_end(links: Rows, hosts: Hosts, slice_links: int) -> Bools:
    """Tell after which hosts a slice may end: all domains before have ended, but those too large for a slice."""
    order = np.arange(len(links))
    large = np.bincount(hosts.domain, weights=links, minlength=len(hosts.domains)) > slice_links
    last = np.zeros(len(hosts.domains), np.int64)
    last[hosts.domain] = order
    ended: Bools = np.maximum.accumulate(np.where(large[hosts.domain], order, last[hosts.domain])) == order
    return ended


def _places(targets: pa.ChunkedArray[Any], urls: Sequence[str]) -> Rows:
    """Return how many of the URLs are not after each target; each distinct one is compared once."""
    texts = coded(targets.unify_dictionaries())
    used, back = np.unique(texts.indices.to_numpy(), return_inverse=True)
    names: list[Any] = texts.dictionary.take(column(used)).to_pylist()
    return np.array([bisect_right(urls, name) for name in names], np.int64)[back]


def cut(links: Rows, slice_links: int, may_end: npt.NDArray[np.bool_] | None = None) -> Ints:
    """Return the slice of each row, where a slice is full after so many links, and ends at the next row that may."""
    slices = ((np.cumsum(links) - links) // slice_links).astype(np.int32)
    if may_end is None or not len(slices):
        return slices
    starts = np.concatenate(([True], may_end[:-1]))
    wished = np.where(starts, slices, 0)
    return np.unique(np.maximum.accumulate(wished), return_inverse=True)[1].astype(np.int32)
