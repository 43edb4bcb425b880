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

from storage.index.facts import APART, LOST, ROLE_NAMES, STATES, UNKNOWN, Codes, Facts
from storage.index.layout import MOMENT, Rows, TableFile, column, looked_up, parts
from storage.index.numbers import Bools, Ints, Moments, Readings
from storage.index.ordering import keyed, sort, starts_of, summed
from storage.index.scan import groups_of

TABLE: Final = "linkers"

COUNTS: Final = ("backlinks", "nofollow", *APART.values(), STATES[LOST], STATES[UNKNOWN], "links")
"""What adds up. A table lacks the columns that are zero throughout."""

SEEN: Final = ("first_seen", "last_seen")
"""Null for a page that was visited once: then, and also where nothing is live."""

NEVER, EVER = np.iinfo(np.int64).min, np.iinfo(np.int64).max

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
    def of_links(cls, facts: Facts) -> Sums:
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

    @property
    def backlinks(self) -> Bools:
        """Whether a row has backlinks."""
        counted: Bools = self.counts["backlinks"].astype(np.bool_, copy=False)
        return counted

    def of(self, name: str) -> Whole:
        """Return a column of COUNTS."""
        return self.counts[name] if name in self.counts else np.zeros(len(self.source), np.bool_)

    def only(self, rows: Rows) -> Sums:
        """Return some rows by their numbers."""
        first = looked_up(self.first_seen, rows)
        last = first if self.last_seen is self.first_seen else looked_up(self.last_seen, rows)
        counts = {name: looked_up(of, rows) for name, of in self.counts.items()}
        return Sums(looked_up(self.source, rows), looked_up(self.scope, rows), counts, first, last)

    def added(self, order: Rows, starts: Rows, readings: Readings) -> Sums:
        """Add up groups of rows, which begin at `starts` of `order`; all rows of a group have one source and scope.

        Moments are those of the rows with backlinks; the others' matter to nobody.
        """
        rows = order[starts]
        source, counts = self.source[rows], {}
        for name in COUNTS:
            if name in ("backlinks", "links") or self.counts[name].any():
                counts[name] = summed(looked_up(self.counts[name], order), starts).astype(np.int32)
        if self.last_seen is self.first_seen:
            first = last = readings.fetched_at[source]
        else:
            counted = self.counts["backlinks"]
            first = np.minimum.reduceat(np.where(counted, self.first_seen, EVER)[order], starts)
            last = np.maximum.reduceat(np.where(counted, self.last_seen, NEVER)[order], starts)
        return Sums(source, self.scope[rows], counts, first, last)


@dataclass(frozen=True)
class Linkers:
    """A row for all links of a source to a host, in the order of target hosts and of sources."""

    host: Ints
    sums: Sums
    starts: Rows
    """The first row of each host."""
    first_target: Ints
    """Of each host."""
    last_target: Ints

    @classmethod
    def of(cls, facts: Facts, first_target: int, readings: Readings) -> Linkers:
        """Add up links, which are sorted by target; targets are numbered from `first_target`."""
        begins = starts_of(facts.host)
        ends = np.append(begins[1:], len(facts.host))[: len(begins)] - 1
        first, last = (facts.target[rows] + np.int32(first_target) for rows in (begins, ends))
        order, pair = sort(keyed(facts.host, facts.source))
        starts = starts_of(pair)
        host = facts.host[order[starts]]
        sums = Sums.of_links(facts).added(order, starts, readings)
        return cls(host, sums, starts_of(host), first, last)

    @property
    def hosts(self) -> Ints:
        """The number of each host."""
        return self.host[self.starts]

    def table(self, readings: Readings) -> pa.Table:
        """Return the rows of `linkers`; `target` is the first one of the host among these links."""
        sums = self.sums
        lengths = np.diff(np.append(self.starts, len(self.host)))
        columns: dict[str, Whole] = {"target": np.repeat(self.first_target, lengths), "source": sums.source}
        columns |= {"scope": sums.scope, **sums.counts}
        made = {name: column(of) for name, of in columns.items()}
        if sums.last_seen is not sums.first_seen:
            once = readings.fetched_at[sums.source]
            usual = (sums.first_seen == once) & (sums.last_seen == once) | ~sums.backlinks
            seen = zip(SEEN, (sums.first_seen, sums.last_seen), strict=True)
            made |= {name: pa.array(found, mask=usual).cast(MOMENT) for name, found in seen}
        return pa.table(made)


class SumTable:
    """The sums of one layer, without those of covered sources."""

    def __init__(self, layer: Path, covered: Bools | None) -> None:
        self._covered = covered
        self._files = [TableFile(file) for file in parts(layer, TABLE)]
        self._groups = [group for at, file in enumerate(self._files) for group in groups_of(at, file, "target")]
        self._firsts = np.array([group.first for group in self._groups], np.int64)
        self._lasts = np.array([group.last for group in self._groups], np.int64)

    def pieces(
        self, first: int, last: int, gaps: Sequence[Sequence[int]], first_source: int, readings: Readings
    ) -> Iterator[Sums]:
        """Yield the sums of the hosts whose targets lie within bounds; sources get the numbers of the generation."""
        start, end = int(np.searchsorted(self._lasts, first)), int(np.searchsorted(self._firsts, last, side="right"))
        for group in self._groups[start:end]:
            table = self._files[group.part].group(group.number)
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
