"""Looks up rows of roll-ups and pages by name: reads the row groups whose bounds allow it, and checks their pages.

Rule: a table is sorted by its names, so a range of names is a range of row groups, read one after the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.index.layout import column, parts

Ranges = Mapping[str, tuple[str, str]]
"""Columns of text with the bounds of the values wanted, both included."""

LOWEST: Final = ""
HIGHEST: Final = "\U0010ffff" * 2
"""After all texts: stands where a file has no bounds, as for URLs of more than 4 KiB."""


class Group(NamedTuple):
    """A row group, with the bounds of its columns of names."""

    file: int
    number: int
    bounds: dict[str, tuple[str, str]]


class RollUp:
    """One table of a layer, open for look-ups."""

    def __init__(self, layer: Path, table: str, names: tuple[str, ...]) -> None:
        self._names = names
        self._files = [pq.ParquetFile(file, page_checksum_verification=True) for file in parts(layer, table)]
        if not self._files:
            raise FileNotFoundError(2, "No such file or directory", str(layer / table))
        self._groups = [group for number, file in enumerate(self._files) for group in self._bounded(number, file)]
        self.schema: pa.Schema = self._files[0].schema_arrow

    def _bounded(self, number: int, file: pq.ParquetFile) -> Iterator[Group]:
        metadata = file.metadata
        at = {name: file.schema_arrow.names.index(name) for name in self._names}
        for group in range(metadata.num_row_groups):
            bounds = {}
            for name, place in at.items():
                found = metadata.row_group(group).column(place).statistics
                low, high = (None, None) if found is None else (found.min, found.max)
                bounds[name] = (LOWEST if low is None else str(low), HIGHEST if high is None else str(high))
            yield Group(number, group, bounds)

    def rows(self, ranges: Ranges, columns: list[str]) -> pa.Table:
        """Return some columns of all rows within the ranges, in their order."""
        return pa.concat_tables([self.schema.empty_table().select(columns), *self.pieces(ranges, columns)])

    def pieces(self, ranges: Ranges, columns: list[str]) -> Iterator[pa.Table]:
        """Yield the rows within the ranges, one row group after the other."""
        needed = list(dict.fromkeys([*columns, *ranges]))
        for group in self._groups:
            if all(
                group.bounds[name][0] <= high and group.bounds[name][1] >= low for name, (low, high) in ranges.items()
            ):
                table = self._files[group.file].read_row_group(group.number, needed, use_threads=False)
                table = _within(table, ranges)
                if table.num_rows:
                    yield table.select(columns)

    def some(self, ranges: Ranges, columns: list[str], after: int, limit: int) -> pa.Table:
        """Return so many rows within the ranges after the first `after` of them, with their positions from 1."""
        found, skipped = [self.schema.empty_table().select(columns)], after
        for piece in self.pieces(ranges, columns):
            rows = piece.slice(skipped, limit)
            skipped = max(skipped - piece.num_rows, 0)
            found.append(rows)
            limit -= rows.num_rows
            if not limit:
                break
        rows = pa.concat_tables(found).combine_chunks()
        return rows.append_column("position", column(np.arange(after + 1, after + rows.num_rows + 1)))


def _within(table: pa.Table, ranges: Ranges) -> pa.Table:
    """Return the rows within all ranges."""
    for name, (low, high) in ranges.items():
        values = table.column(name)
        # Without its type, a scalar takes 0.2 ms: it might be a moment, for which a package is looked for.
        lowest, highest = pa.scalar(low, pa.string()), pa.scalar(high, pa.string())
        inside = pc.and_(pc.greater_equal(values, lowest), pc.less_equal(values, highest))
        table = table.filter(inside)
    return table
