"""Puts the links of several layers into one order, that of an index of one layer, some rows at a time.

Rule: every layer's rows come in that order already, and a page's links come from one layer. So the first rows of all
layers hold the first rows of the answer, whatever follows in each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storage.index.layout import column

POSITION: Final = "position"
LAYER_BITS: Final = 56
"""A position is the number of a layer, and in the bits below that of the row in it."""

ORDER: Final = {
    "backlinks": ("target_host_reversed", "target_host", "target", "source_domain", "source_url"),
    "outlinks": ("source_host_reversed", "source_host", "source_url"),
}
"""What rows of different layers are sorted by."""

Reader = Callable[[int, int], pa.Table]
"""Return so many rows after a position, with their own."""


def after(positions: tuple[int, ...], rows: pa.Table) -> tuple[int, ...]:
    """Return the positions after some rows."""
    found = rows.column(POSITION).to_numpy()
    layers = found >> LAYER_BITS
    moved = list(positions)
    for layer in np.unique(layers).tolist():
        moved[layer] = int(found[layers == layer].max()) & ((1 << LAYER_BITS) - 1)
    return tuple(moved)


class Merged:
    """The rows of one question in all layers. What was read and is not wanted yet is kept for the next call."""

    def __init__(self, readers: Sequence[Reader], table: str) -> None:
        self._readers = readers
        self._order: list[tuple[str, Any]] = [(name, "ascending") for name in ORDER[table]]
        self._ahead: dict[int, pa.Table] = {}

    def read(self, positions: Sequence[int], limit: int) -> pa.Table:
        """Return so many rows after a position in each layer."""
        if len(self._readers) == 1:
            return self._readers[0](positions[0], limit)
        tables = [self._first(layer, after, limit) for layer, after in enumerate(positions)]
        numbers = np.repeat(np.arange(len(tables)), [table.num_rows for table in tables])
        rows = pa.concat_tables(tables).combine_chunks()
        found = rows.column(POSITION).to_numpy() | (numbers << LAYER_BITS)
        rows = rows.set_column(rows.column_names.index(POSITION), POSITION, column(found))
        if sum(table.num_rows > 0 for table in tables) < 2:
            return rows.slice(0, limit)
        # Stable: rows that are alike come from one layer, and stay in its order.
        return rows.take(pc.sort_indices(rows, sort_keys=self._order)[:limit])

    def _first(self, layer: int, after: int, limit: int) -> pa.Table:
        """Return so many rows of a layer, those that were read before among them."""
        rows = self._ahead.get(layer)
        if rows is not None:
            rows = rows.filter(rows.column(POSITION).to_numpy() > after)
        if rows is None or rows.num_rows == 0:
            rows = self._readers[layer](after, limit)
        elif rows.num_rows < limit:
            last = rows.column(POSITION)[-1].as_py()
            rows = pa.concat_tables([rows, self._readers[layer](last, limit - rows.num_rows)])
        self._ahead[layer] = rows
        return rows
