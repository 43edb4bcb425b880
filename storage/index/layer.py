"""One layer of a generation, open for questions: where the rows about a target lie, and the rows themselves.

Rule: numbers of sources are those of the generation outside of this file, those of the layer in its tables. Links of
sources that a newer layer covers are never shown; the roll-ups count them, so those are of use only where none is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storage.index import wide
from storage.index.layout import Rows, column
from storage.index.levels import LEVELS
from storage.index.lookup import Ranges, RollUp
from storage.index.numbers import Readings
from storage.index.rollups import ORDER
from storage.index.scan import LinkTable, TargetTable, Wanted
from storage.index.sums import Sums, SumTable

SORTED_BY: Final = {"backlinks": "target", "outlinks": "source"}

Bounds = Mapping[str, object]
"""`Target.bounds`."""


class Span(NamedTuple):
    """The numbers between which rows about a target, or a source, lie, both included, and the gaps there."""

    first: int
    last: int
    gaps: list[list[int]]


NOWHERE: Final = Span(-1, -1, [])


class Layer:
    """One layer, open for questions."""

    def __init__(self, folder: Path, first_source: int, sources: int, readings: Readings) -> None:
        self._folder = folder
        self._first_source = first_source
        covered = readings.covered[first_source : first_source + sources] > 0
        self.is_covered = bool(covered.any())
        """Newer layers have pages of this one."""
        self._covered = covered if self.is_covered else None
        self._readings = readings

    @cached_property
    def _sources(self) -> wide.Sources:
        return wide.Sources(self._folder)

    @cached_property
    def _targets(self) -> TargetTable:
        return TargetTable(self._folder)

    @cached_property
    def _backlinks(self) -> LinkTable:
        return LinkTable(self._folder, "backlinks", "target", self._covered)

    @cached_property
    def _outlinks(self) -> LinkTable:
        return LinkTable(self._folder, "outlinks", "source", self._covered)

    @cached_property
    def _sums(self) -> SumTable:
        return SumTable(self._folder, self._covered)

    @cached_property
    def _pages_by_url(self) -> RollUp[str]:
        return RollUp(self._folder, "pages", ("host_reversed", "url"))

    @cached_property
    def _by_url(self) -> RollUp[str]:
        return RollUp(self._folder, "targets", ("target_host_reversed", "target"))

    @cached_property
    def _by_host(self) -> RollUp[str]:
        return RollUp(self._folder, "hosts", ("target_host_reversed",))

    @cached_property
    def _by_domain(self) -> RollUp[int]:
        return RollUp(self._folder, "domains", ("first_target",))

    @cached_property
    def _by_pair(self) -> RollUp[int]:
        return RollUp(self._folder, "domain_pairs", ("first_target",))

    @cached_property
    def _by_anchor(self) -> RollUp[int]:
        return RollUp(self._folder, "anchors", ("level", "first_target"))

    def span_of_sources(self, bounds: Bounds) -> Span:
        """Return the sources on the pages within bounds."""
        columns = ["first_source", "last_source", "domain"]
        rows = self._pages_by_url.rows(_ranges(bounds, "host_reversed", "url"), columns)
        return _span(rows.filter(rows.column("first_source").is_valid()), bounds)

    def span_of_targets(self, bounds: Bounds, by_url: bool) -> Span:
        """Return the targets within bounds."""
        if by_url:
            ids = self._by_url.rows(_ranges(bounds, "target_host_reversed", "target"), ["id"]).column("id").to_numpy()
            return Span(int(ids[0]), int(ids[-1]), []) if len(ids) else NOWHERE
        columns = ["first_target", "last_target", "target_domain"]
        return _span(self._by_host.rows(_ranges(bounds, "target_host_reversed"), columns), bounds)

    def links_to(self, bounds: Bounds, by_url: bool) -> int:
        """Return how many links of any kind lead to what is within bounds, covered ones too."""
        if by_url:
            rows = self._by_url.rows(_ranges(bounds, "target_host_reversed", "target"), ["links"])
        else:
            rows = self._by_host.rows(_ranges(bounds, "target_host_reversed"), ["links", "target_domain"])
            rows = _of_domain(rows, "target_domain", bounds)
        return int(pc.sum(rows.column("links")).as_py() or 0)

    def figures(self, domain: int) -> pa.Table:
        """Return the roll-up of the domain with this first target as one row, or none."""
        rows = self._by_domain.rows({"first_target": (domain, domain)}, ["target_domain", *ORDER])
        return rows.rename_columns(["name", *ORDER])

    def pairs(self, domain: int, after: int, limit: int) -> pa.Table:
        """Return so many domains that link to the domain with this first target, those with most links first."""
        columns = [name for name in self._by_pair.schema.names if name != "first_target"]
        return self._by_pair.some({"first_target": (domain, domain)}, columns, after, limit)

    def anchors(self, level: str, first_target: int, after: int, limit: int) -> pa.Table:
        """Return so many anchors of links to the host or domain with this first target, those with most first."""
        columns = [each for each in self._by_anchor.schema.names if each not in ("level", "first_target")]
        number = LEVELS.index(level)
        ranges = {"level": (number, number), "first_target": (first_target, first_target)}
        return self._by_anchor.some(ranges, columns, after, limit)

    def read(self, table: str, wanted: Wanted, after: int, limit: int) -> pa.Table:
        """Return so many links after a position, with the columns of both their ends and their own position."""
        links = self._links(table).read(wanted, after, limit)
        sources = self._sources.take(links.column("source"))
        targets = self._targets.take(links.column("target"))
        links = wide.with_history(links, sources.column("fetched_at")).drop_columns(["source", "target"])
        columns = {name: part.column(name) for part in (links, sources, targets) for name in part.column_names}
        return pa.table({name: _plain(values) for name, values in columns.items()})

    def pieces(self, wanted: Wanted, columns: Sequence[str]) -> Iterator[tuple[pa.Table, Rows]]:
        """Yield some columns of some thousand links at a time, and which of these are wanted."""
        for links, rows in self._backlinks.pieces(wanted, columns):
            at = links.column_names.index("source")
            source = links.column("source").to_numpy() + np.int32(self._first_source)
            yield links.set_column(at, "source", column(source)), rows

    def sums(self, bounds: Bounds) -> Iterator[Sums]:
        """Yield the sums of each source of links to the host or domain within bounds, some thousands at a time."""
        span = self.span_of_targets(bounds, by_url=False)
        yield from self._sums.pieces(*span, self._first_source, self._readings)

    def count(self, table: str, wanted: Wanted) -> int:
        """Return how many links are wanted."""
        return self._links(table).count(wanted)

    def _links(self, table: str) -> LinkTable:
        return self._backlinks if table == "backlinks" else self._outlinks


def _ranges(bounds: Bounds, host: str, url: str | None = None) -> Ranges[str]:
    """Return the bounds of the columns a table is sorted by."""
    made = {host: (str(bounds["host_from"]), str(bounds["host_to"]))}
    if url is not None:
        made[url] = (str(bounds["url_from"]), str(bounds["url_to"]))
    return made


def _of_domain(rows: pa.Table, name: str, bounds: Bounds) -> pa.Table:
    """Return the rows of the domain asked for, if one is."""
    return rows if bounds["domain"] is None else rows.filter(pc.field(name) == bounds["domain"])


def _span(rows: pa.Table, bounds: Bounds) -> Span:
    """Return the numbers from the first to the last row of the domain, if one is asked for, and the gaps between."""
    first, last, domain = (each.combine_chunks() for each in rows.columns)
    wanted = bounds["domain"]
    firsts, lasts = first.to_numpy(), last.to_numpy()
    inside = np.ones(len(firsts), np.bool_)
    if wanted is not None and len(firsts):
        inside = pc.equal(domain, pa.scalar(str(wanted), pa.string())).to_numpy(zero_copy_only=False)
    # A host that was cut comes last.
    order = np.argsort(firsts, kind="stable")
    firsts, lasts, inside = firsts[order], lasts[order], inside[order]
    at = np.flatnonzero(inside)
    if not len(at):
        return NOWHERE
    low, high = int(at[0]), int(at[-1])
    outside = np.concatenate(([False], ~inside[low : high + 1], [False])).astype(np.int8)
    changes = np.diff(outside)
    starts, ends = np.flatnonzero(changes == 1) + low, np.flatnonzero(changes == -1) + low - 1
    gaps = [[int(firsts[start]), int(lasts[end])] for start, end in zip(starts, ends, strict=True)]
    return Span(int(firsts[low]), int(lasts[high]), gaps)


def _plain(values: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    """Return texts as they are."""
    return values.cast(pa.string()) if pa.types.is_dictionary(values.type) else values
