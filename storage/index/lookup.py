"""Looks up rows of roll-ups and pages by name or number: reads the row groups whose bounds allow it, and checks their
pages.

Rule: a part of a table is sorted by what is looked up, so a range of that is a range of row groups in each part.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Generic, NamedTuple, TypeAlias, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.index.layout import TableFile, column, parts

Value = TypeVar("Value", str, int)
Ranges: TypeAlias = Mapping[str, tuple[Value, Value]]
"""Columns with the bounds of the values wanted, both included."""


class Group(NamedTuple, Generic[Value]):
    """A row group, with the bounds of the columns that are looked up; None where a file has none, as for URLs of more
    than 4 KiB."""

    file: int
    number: int
    bounds: dict[str, tuple[Value, Value] | None]

    def meets(self, ranges: Ranges[Value]) -> bool:
        """Tell whether it may have rows within the ranges."""
        found = ((self.bounds[name], wanted) for name, wanted in ranges.items())
        return all(bounds is None or (bounds[0] <= high and bounds[1] >= low) for bounds, (low, high) in found)


class RollUp(Generic[Value]):
    """One table of a layer, open for look-ups by texts or numbers."""

    def __init__(self, layer: Path, table: str, by: tuple[str, ...]) -> None:
        self._by = by
        self._files = [TableFile(file) for file in parts(layer, table)]
        if not self._files:
            raise FileNotFoundError(2, "No such file or directory", str(layer / table))
        self._groups: list[Group[Value]] = [
            group for number, file in enumerate(self._files) for group in self._bounded(number, file)
        ]
        self.schema: pa.Schema = self._files[0].schema_arrow

    def _bounded(self, number: int, file: pq.ParquetFile) -> Iterator[Group[Value]]:
        metadata = file.metadata
        at = {name: file.schema_arrow.names.index(name) for name in self._by}
        for group in range(metadata.num_row_groups):
            bounds: dict[str, tuple[Value, Value] | None] = {}
            for name, place in at.items():
                bounds[name] = None
                found = metadata.row_group(group).column(place).statistics
                if found is not None and found.min is not None and found.max is not None:
                    bounds[name] = found.min, found.max
            yield Group(number, group, bounds)

    def rows(self, ranges: Ranges[Value], columns: list[str]) -> pa.Table:
        """Return some columns of all rows within the ranges, in their order."""
        return pa.concat_tables([self.schema.empty_table().select(columns), *self.pieces(ranges, columns)])

    def pieces(self, ranges: Ranges[Value], columns: list[str]) -> Iterator[pa.Table]:
        """Yield the rows within the ranges, one row group after the other."""
        needed = list(dict.fromkeys([*columns, *ranges]))
        for group in self._groups:
            if group.meets(ranges):
                table = self._files[group.file].group(group.number, needed)
                table = _within(table, ranges)
                if table.num_rows:
                    yield table.select(columns)

    def some(self, ranges: Ranges[Value], columns: list[str], after: int, limit: int) -> pa.Table:
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


def _within(table: pa.Table, ranges: Ranges[Value]) -> pa.Table:
    """Return the rows within all ranges."""
    for name, (low, high) in ranges.items():
        values = table.column(name)
        # Without its type, a scalar takes 0.2 ms: it might be a moment, for which a package is looked for.
        lowest, highest = pa.scalar(low, values.type), pa.scalar(high, values.type)
        inside = pc.and_(pc.greater_equal(values, lowest), pc.less_equal(values, highest))
        table = table.filter(inside)
    return table
