"""Puts links together again: what `layout` stores once a source and once a target, back in every row.

Rule: only the rows asked for are looked up. A damaged file raises `pa.ArrowException` or OSError.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storage.index.layout import MOMENT, column, texts
from storage.index.sourcefile import SOURCE_ROWS, SourceFile

CACHED_BATCHES: Final = 512
"""Batches of sources kept: 128 rows and about 40 KB each."""

ONCE: Final = {"state": "live", "found_as": "new page", "observations": 1}
"""What is not stored of a link whose page was visited once."""


class Sources:
    """The sources of one layer, open for look-ups by number."""

    def __init__(self, layer: Path) -> None:
        self._file = SourceFile(layer)
        self._batch = lru_cache(CACHED_BATCHES)(self._file.read)

    def take(self, numbers: pa.ChunkedArray[Any]) -> pa.Table:
        """Return the rows of some sources, in the order asked for; texts are coded."""
        wanted, back = np.unique(numbers.to_numpy(), return_inverse=True)
        if not len(wanted):
            return self._file.schema.empty_table()
        batches, which = np.unique(wanted // SOURCE_ROWS, return_inverse=True)
        read = pa.Table.from_batches([self._batch(int(number)) for number in batches]).combine_chunks()
        found = read.take(column(which * SOURCE_ROWS + wanted % SOURCE_ROWS))
        columns = {
            name: texts(values.combine_chunks(), back) if values.type == pa.string() else values.take(column(back))
            for name, values in zip(found.column_names, found.columns, strict=True)
        }
        return pa.table(columns)


def with_history(links: pa.Table, fetched_at: pa.ChunkedArray[Any]) -> pa.Table:
    """Fill in what follows for links of pages that were visited once."""
    once = pc.is_null(links.column("observations"))
    for name in ("first_seen", "last_seen_live"):
        if name in links.column_names:
            at = links.column_names.index(name)
            links = links.set_column(at, name, pc.if_else(once, fetched_at, links.column(name)).cast(MOMENT))
    for name, value in ONCE.items():
        if name in links.column_names:
            at, column = links.column_names.index(name), links.column(name)
            links = links.set_column(at, name, pc.if_else(once, pa.scalar(value, column.type), column))
    return links
