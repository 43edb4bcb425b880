"""The sources of a layer on disk: one row per reading of a page that is the evidence of links, by number.

Rule: all batches but the last have `SOURCE_ROWS` rows, so that the place of a row follows from its number. Each batch
is a message of Arrow, packed as a whole: a look-up of single rows unpacks one block in 0.02 ms, where Arrow, which
packs each buffer of a message by itself, took 0.2, and a quarter more bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa
import xxhash

from storage.index.layout import read_arrow, write_arrow

SOURCES: Final = "sources.packed"

SOURCE_BATCHES: Final = "source_batches.arrow"
"""Where each batch of the sources lies, with its checksum, and what columns they have."""

BATCHES: Final = pa.schema({"start": pa.int64(), "bytes": pa.int64(), "unpacked": pa.int64(), "sum": pa.uint64()})

SOURCE_ROWS: Final = 128
"""Rows of a batch: a look-up of one row unpacks so many (bench/index.py)."""

PACKING: Final = "lz4_raw"
COLUMNS: Final = b"columns"
"""Under this name the file of the batches has the schema of the sources, as Arrow writes it."""


def write_sources(out: Path, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> None:
    """Write the sources in the order of their numbers."""
    places = []
    with (out / SOURCES).open("wb") as file:
        for rows in _of_equal_size(batches):
            message = rows.serialize()
            packed = pa.compress(message, codec=PACKING, asbytes=True)
            places.append((file.tell(), len(packed), message.size, xxhash.xxh3_64_intdigest(packed)))
            file.write(packed)
    columns = [[place[at] for place in places] for at in range(len(BATCHES))]
    described = BATCHES.with_metadata({COLUMNS: schema.serialize().to_pybytes()})
    write_arrow(out / SOURCE_BATCHES, map(pa.array, columns, BATCHES.types), described)


def _of_equal_size(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    left: list[pa.RecordBatch] = []
    for batch in batches:
        table = pa.Table.from_batches([*left, batch]).combine_chunks()
        whole = table.num_rows - table.num_rows % SOURCE_ROWS
        yield from table.slice(0, whole).to_batches(SOURCE_ROWS)
        left = table.slice(whole).to_batches()
    yield from left


class SourceFile:
    """The sources of one layer, open for reading; a damaged file raises `pa.ArrowException` or OSError."""

    def __init__(self, layer: Path) -> None:
        self._name = f"{layer.name}/{SOURCES}"
        self._content = pa.memory_map(str(layer / SOURCES)).read_buffer()
        places = read_arrow(layer / SOURCE_BATCHES)
        self.schema = pa.ipc.read_schema(pa.py_buffer(places.schema.metadata[COLUMNS]))
        self._starts, self._sizes, self._unpacked, self._sums = (
            places.column(name).to_numpy() for name in BATCHES.names
        )

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return map(self.read, range(len(self._starts)))

    def read(self, number: int) -> pa.RecordBatch:
        """Return a batch."""
        packed = self._content.slice(int(self._starts[number]), int(self._sizes[number]))
        if xxhash.xxh3_64_intdigest(packed) != int(self._sums[number]):
            raise pa.ArrowInvalid(f"{self._name} has changed")
        message = pa.decompress(packed, int(self._unpacked[number]), codec=PACKING)
        return pa.ipc.read_record_batch(message, self.schema)
