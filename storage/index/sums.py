"""What the links of each source to each target host add up to: `linkers`, a table of small numbers.

Rule: a page is told by one layer, so that rows of all layers stand for different pages, and a source whose page a newer
layer covers is left out by its number. Sums add up; what is distinct follows from the sources (`counting`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from storage.index.layout import MOMENT, column, parts
from storage.index.numbers import Bools, Ints, Moments, Readings
from storage.index.rollups import APART, LOST, ROLE_NAMES, STATES, UNKNOWN, Codes, Facts
from storage.index.scan import groups_of

TABLE: Final = "linkers"

COUNTS: Final = ("backlinks", "nofollow", *APART.values(), STATES[LOST], STATES[UNKNOWN], "links")
"""What adds up. A table lacks the columns that are zero throughout."""

SEEN: Final = ("first_seen", "last_seen")
"""Null for a page that was visited once: then, and also where nothing is live."""

Whole = npt.NDArray[Any]
"""Whole numbers, or truths that count as one."""


@dataclass(frozen=True)
class Sums:
    """A row for each link, or for all links of a source to a host."""

    source: Ints
    scope: Codes
    counts: dict[str, Whole]
    """Columns of COUNTS; one that is not there is zero."""
    first_seen: Moments
    """Of the links that count as backlinks."""
    last_seen: Moments

    @classmethod
    def of(cls, facts: Facts) -> Sums:
        """Return what each link adds."""
        live, counts = facts.state == 0, {"backlinks": facts.counts, "links": np.ones(len(facts.source), np.bool_)}
        counts["nofollow"] = counts["backlinks"] & facts.nofollow
        for name, title in APART.items():
            counts[title] = live & (facts.role == ROLE_NAMES.index(name))
        for state in (LOST, UNKNOWN):
            counts[STATES[state]] = (facts.state == state) & (facts.role == 0)
        return cls(facts.source, facts.scope, dict(counts), facts.first_seen, facts.last_seen)

    @classmethod
    def of_chosen(cls, facts: Facts) -> Sums:
        """Return what each link adds where all of them count, whatever they are."""
        counts: dict[str, Whole] = {"backlinks": np.ones(len(facts.source), np.bool_), "nofollow": facts.nofollow}
        return cls(facts.source, facts.scope, counts, facts.first_seen, facts.last_seen)


def linkers(facts: Facts, first_target: int, readings: Readings) -> pa.Table:
    """Return the sums of each target host's sources; `facts` are sorted by target.

    `target` is the first one of the host among these links.
    """
    bits = max(len(readings.page).bit_length(), 1)
    key = (facts.host.astype(np.int64) << bits) | facts.source
    order = np.argsort(key)
    key = key[order]
    starts = np.flatnonzero(np.concatenate(([True], key[1:] != key[:-1]))) if len(key) else np.empty(0, np.int64)
    source = facts.source[order[starts]]
    firsts = np.searchsorted(facts.host, facts.host[order[starts]])
    columns = {
        "target": column(facts.target[firsts] + np.int32(first_target)),
        "source": column(source),
        # All links of a page to one host have the same.
        "scope": column(facts.scope[order[starts]]),
    }
    each = Sums.of(facts)
    for name in COUNTS:
        if each.counts[name].any():
            columns[name] = column(np.add.reduceat(each.counts[name][order], starts, dtype=np.int32))
    if len(source) and facts.last_seen is not facts.first_seen:
        columns |= _moments(each, order, starts, readings.fetched_at[source])
    return pa.table(columns)


def _moments(each: Sums, order: npt.NDArray[np.int64], starts: npt.NDArray[np.int64], once: Moments) -> dict[str, Any]:
    counted = each.counts["backlinks"][order]
    bounds = np.iinfo(np.int64)
    first = np.minimum.reduceat(np.where(counted, each.first_seen[order], bounds.max), starts)
    last = np.maximum.reduceat(np.where(counted, each.last_seen[order], bounds.min), starts)
    usual = (first == once) & (last == once) | ~np.logical_or.reduceat(counted, starts)
    return {name: pa.array(found, mask=usual).cast(MOMENT) for name, found in zip(SEEN, (first, last), strict=True)}


class SumTable:
    """The sums of one layer, without those of covered sources."""

    def __init__(self, layer: Path, covered: Bools | None) -> None:
        self._covered = covered
        self._files = [pq.ParquetFile(file, page_checksum_verification=True) for file in parts(layer, TABLE)]
        self._groups = [group for at, file in enumerate(self._files) for group in groups_of(at, file, "target")]
        self._firsts = np.array([group.first for group in self._groups], np.int64)
        self._lasts = np.array([group.last for group in self._groups], np.int64)

    def pieces(
        self, first: int, last: int, gaps: Sequence[Sequence[int]], first_source: int, readings: Readings
    ) -> Iterator[Sums]:
        """Yield the sums of the hosts whose targets lie within bounds; sources get the numbers of the generation."""
        start, end = int(np.searchsorted(self._lasts, first)), int(np.searchsorted(self._firsts, last, side="right"))
        for group in self._groups[start:end]:
            table = self._files[group.part].read_row_group(group.number, use_threads=False)
            target, source = table.column("target").to_numpy(), table.column("source").to_numpy()
            chosen = (target >= first) & (target <= last)
            for low, high in gaps:
                chosen &= (target < low) | (target > high)
            if self._covered is not None:
                chosen &= ~self._covered[source]
            if not chosen.all():
                table = table.take(column(np.flatnonzero(chosen)))
            yield _sums(table, first_source, readings)


def _sums(table: pa.Table, first_source: int, readings: Readings) -> Sums:
    source = table.column("source").to_numpy() + np.int32(first_source)
    readings.check(source)
    first = last = readings.fetched_at[source]
    if "first_seen" in table.column_names:
        once = table.column("first_seen").is_null().to_numpy()
        first, last = (
            np.where(once, first, table.column(name).cast(pa.int64()).combine_chunks().fill_null(0).to_numpy())
            for name in SEEN
        )
    counts = {name: table.column(name).to_numpy() for name in COUNTS if name in table.column_names}
    return Sums(source, table.column("scope").to_numpy(), counts, first, last)
