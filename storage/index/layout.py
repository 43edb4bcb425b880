"""How a generation lies on disk: which tables it has, how links are narrowed to numbers, and how parts are written.

Rule: what belongs to a page or a target is stored once, in `sources` and `targets`; a link names both by number, so
that sorting, writing and reading a link moves small columns only. `storage.index.wide` puts the rows together again.
Numbers count the rows of `sources` (by reversed host, URL, fetch) and `targets` (by reversed host, URL) of a layer
from 0; `storage.index.stack` says what layers are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

Rows = npt.NDArray[np.int64]
"""Numbers of rows."""

Value = TypeVar("Value", bound=np.generic)

Column: TypeAlias = "pa.Array[Any]"
Texts: TypeAlias = "pa.DictionaryArray[Any, Any]"
"""Codes of texts."""

LINK_TABLES: Final = ("backlinks", "outlinks")
ROLL_UPS: Final = ("pages", "targets", "hosts", "domains", "domain_pairs", "anchors", "linkers")
TABLES: Final = (*LINK_TABLES, *ROLL_UPS)

SOURCE_NUMBERS: Final = "source_numbers.arrow"
"""What links are counted by of each source: 29 bytes a source, mapped into memory, so not compressed."""

ROW_GROUP_ROWS: Final = 16_384
ROLL_UP_ROWS: Final = 4_096
"""A look-up reads one or two row groups: small ones answer fast, smaller ones grow the footer (bench/index.py)."""

HANDED_ROWS: Final = 65_536
"""Rows that the scratch database hands over at a time; a million, which it takes by itself, are 350 MB of sources."""

COLUMNS: Final = "columns.parquet"
"""A file without rows in the folder of a table of links. It has all columns: parts lack those that are null throughout
(half of 26, and a quarter of the time of writing)."""

TEXT: Final = pa.dictionary(pa.int32(), pa.string())
MOMENT: Final = pa.timestamp("us", tz="UTC")

TRAITS: Final = {
    "kind": (0, 5),
    "place": (5, 4),
    "anchor_source": (9, 3),
    "anchor_cut": (12, 1),
    "image": (13, 1),
    "nofollow": (14, 1),
    "scope": (15, 2),
    "rel": (17, 16),
}
"""First bit and bits of what is packed into one number: eight columns in one are sorted, written and read in an
eighth of the time, 0.2 us a link."""

EVIDENCE: Final = {
    "traits": pa.int64(),
    "anchor": TEXT,
    "ordinal": pa.int32(),
    "repeats": pa.int32(),
    "fragment": TEXT,
    "text_before": TEXT,
    "text_after": TEXT,
    "hreflang": TEXT,
}
"""Columns of a raw link that are stored as they are, but for its traits."""

HISTORY: Final = {
    "state": TEXT,
    "first_seen": MOMENT,
    "prev_seen": MOMENT,
    "last_seen_live": MOMENT,
    "observations": pa.int64(),
    "found_as": TEXT,
    "lost_at": MOMENT,
    "lost_as": TEXT,
}
"""What several visits tell of a link. Observations are null for a link of a page that was visited once: it was seen
first and last when its page was fetched."""

OPTIONAL: Final = frozenset({"fragment", "text_before", "text_after", "hreflang", *HISTORY})
"""Columns of links that may be null."""

MOMENTS: Final = frozenset({"first_seen", "last_seen"})
"""Columns of roll-ups that may be null. All others are stored as never null: a tenth of the time of writing links and a
fifth of reading them is spent on which values are there (bench/index.py)."""

LINKS: Final = pa.schema({"source": pa.int32(), "target": pa.int32(), **EVIDENCE, **HISTORY})

BOUNDS: Final = frozenset(
    {
        "id", "source", "target", "target_host_reversed", "first_target", "level", "host_reversed", "url",
    }
)  # fmt: skip
"""Columns by which questions skip row groups."""

OF_LINKS: Final = (*LINK_TABLES, "linkers")
"""Tables that are read by the thousands of rows."""

PACKED: Final = "traits"
"""A number whose few different values are coded. All others are stored with their bytes plane by plane: most took a
third to two thirds of the time of coding them, and all together a link is 1.1 bytes less (bench/index.py)."""


def parts(generation: Path, table: str) -> list[Path]:
    """Return the files of a generation's table; one after the other they are sorted, but for a last one of what was
    cut."""
    return sorted((generation / table).glob("part-*.parquet"))


class TableFile(pq.ParquetFile):
    """A file of a table that is being read: its pages are checked, and an error names it."""

    def __init__(self, path: Path, metadata: pq.FileMetaData | None = None, texts: list[str] | None = None) -> None:
        super().__init__(path, metadata=metadata, read_dictionary=texts, page_checksum_verification=True)
        self._name = "/".join(path.parts[-3:])  # layer, table, part

    def group(self, number: int, columns: list[str] | None = None) -> pa.Table:
        """Return a row group, or some of its columns; raises what Arrow raises, with the file's name before it."""
        try:
            return self.read_row_group(number, columns, use_threads=False)
        except (pa.ArrowException, OSError) as error:
            raise type(error)(f"{self._name}: {error}") from error


class Part:
    """A file of a table that is being written, some rows at a time."""

    def __init__(self, writer: pq.ParquetWriter, schema: pa.Schema, group_rows: int) -> None:
        self._writer = writer
        self._schema = schema
        self._group_rows = group_rows

    def write(self, table: pa.Table) -> None:
        """Append rows, in row groups of their own."""
        table = table.cast(self._schema)
        for start in range(0, table.num_rows, self._group_rows):
            self._writer.write_table(compacted(table.slice(start, self._group_rows)))


@contextmanager
def part(out: Path, table: str, number: int, schema: pa.Schema) -> Iterator[Part]:
    """Open the next file of a table; `schema` names the columns in their order."""
    (out / table).mkdir(exist_ok=True)
    schema = schema if table == "pages" else pa.schema([_as_stored(field) for field in schema])
    spread = [field.name for field in schema if _is_number(field.type) and field.name != PACKED]
    plain = [field.name for field in schema if field.name in spread or pa.types.is_boolean(field.type)]
    settings: dict[str, Any] = {
        "compression": "zstd",
        "compression_level": 1,
        "use_dictionary": [_leaf(field) for field in schema if field.name not in plain],
        "column_encoding": dict.fromkeys(spread, "BYTE_STREAM_SPLIT"),
        "store_schema": False,
        "write_page_checksum": True,
        # Of a question's bounds alone: those of every column cost a fifth of writing.
        "write_statistics": [name for name in schema.names if name in BOUNDS],
        "dictionary_pagesize_limit": 8 << 20,
    }
    with pq.ParquetWriter(out / table / f"part-{number:05}.parquet", schema, **settings) as writer:
        yield Part(writer, schema, ROW_GROUP_ROWS if table in OF_LINKS else ROLL_UP_ROWS)


def write_columns(out: Path, table: str) -> None:
    """Start a table of links with the file of its columns."""
    (out / table).mkdir()
    pq.write_table(LINKS.empty_table(), out / table / COLUMNS)


def _as_stored(field: pa.Field[Any]) -> pa.Field[Any]:
    """Return a column of links or of a roll-up of them; of pages most columns may be null."""
    return field.with_nullable(field.name in OPTIONAL | MOMENTS)


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_timestamp(kind)


def _leaf(field: pa.Field[Any]) -> str:
    return f"{field.name}.list.element" if pa.types.is_list(field.type) else field.name


def compacted(table: pa.Table) -> pa.Table:
    """Return the rows with dictionaries of the texts they use alone: a writer stores the whole of a dictionary."""
    for at, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            table = table.set_column(at, field, compact(coded(table.column(at))))
    return table


def compact(texts: Texts) -> Texts:
    """Return the same texts over a dictionary without unused entries."""
    size = len(texts.dictionary)
    if texts.null_count == len(texts):
        return pa.DictionaryArray.from_arrays(texts.indices, texts.dictionary.slice(0, 0))
    nulls = texts.null_count > 0
    codes = (texts.indices.fill_null(0) if nulls else texts.indices).to_numpy()
    used = np.zeros(size, np.bool_)
    used[codes] = True
    kept = np.flatnonzero(used)
    if len(kept) == size:
        return texts
    moved = np.empty(size, np.int32)
    moved[kept] = np.arange(len(kept), dtype=np.int32)
    mask = texts.is_null().to_numpy(zero_copy_only=False) if nulls else None
    return pa.DictionaryArray.from_arrays(pa.array(moved[codes], mask=mask), texts.dictionary.take(column(kept)))


def used(table: pa.Table) -> pa.Table:
    """Return the table without the optional columns that are null throughout."""
    unused = [name for name in table.column_names if name in OPTIONAL and _empty(table.column(name))]
    return table.drop_columns(unused) if unused else table


def _empty(column: pa.ChunkedArray[Any]) -> bool:
    return column.null_count == len(column)


def rows_of(table: pa.Table, rows: Rows) -> pa.Table:
    """Return some rows of a table of one chunk; all numbers must be those of rows."""
    # Half the time of looking numbers up with numpy, and a third less than with the check of their bounds.
    found: pa.Table = pc.take(table.combine_chunks(), column(rows), boundscheck=False)
    return found


def looked_up(values: npt.NDArray[Value], rows: npt.NDArray[np.integer]) -> npt.NDArray[Value]:
    """Return some values, which cannot be written to; all numbers must be those of values.

    1.0 ns each where numpy, which takes numbers of 64 bits alone and checks them, takes 3.9.
    """
    flags = values.dtype == np.bool_
    found: Column = pc.take(column(values.view(np.uint8) if flags else values), column(rows), boundscheck=False)
    taken = found.to_numpy()
    return taken.view(np.bool_) if flags else taken


def column(values: npt.NDArray[Any]) -> Column:
    """Return an array as a column."""
    made: Column = pa.array(values)
    return made


def coded(texts_of: pa.ChunkedArray[Any]) -> Texts:
    """Return a column of coded texts as one array."""
    made = whole(texts_of)
    assert isinstance(made, pa.DictionaryArray)
    return made


def whole(chunks: pa.ChunkedArray[Any]) -> Column:
    """Return a column as one array; Arrow's `combine_chunks` copies even what is one, with its dictionary."""
    made = chunks.chunk(0) if chunks.num_chunks == 1 else chunks.combine_chunks()
    assert isinstance(made, pa.Array)
    return made


def packed(columns: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.int64]:
    """Return traits as one number. Those of the lower 16 bits are put together in so many: a quarter of the time."""
    low: npt.NDArray[np.uint16] | None = None
    high: list[npt.NDArray[np.int64]] = []
    for name, values in columns.items():
        first, bits = TRAITS[name]
        if first + bits <= 16:
            placed = values.astype(np.uint16) << np.uint16(first)
            low = placed if low is None else low | placed
        else:
            high.append(values.astype(np.int64) << first)
    made = high.pop() if low is None else low.astype(np.int64)
    for placed_high in high:
        made |= placed_high
    return made


def unpacked(traits: npt.NDArray[np.int64], name: str) -> npt.NDArray[np.uint16]:
    """Return one trait, of 16 bits at most; in so many the lower ones take a third of the time."""
    first, bits = TRAITS[name]
    shift = 0 if first + bits <= 16 else first
    low = (traits >> shift if shift else traits).astype(np.uint16)
    return (low >> np.uint16(first - shift)) & np.uint16((1 << bits) - 1)


def texts(values: Column, codes: npt.NDArray[Any]) -> Texts:
    """Return the text of each code."""
    return pa.DictionaryArray.from_arrays(column(codes.astype(np.int32, copy=False)), values)


def joined(tables: Sequence[pa.Table]) -> pa.Table:
    """Return the rows of all tables over common dictionaries."""
    return pa.concat_tables(tables, promote_options="default").unify_dictionaries().combine_chunks()


def write_arrow(file: Path, columns: Iterable[Any], schema: pa.Schema) -> None:
    """Write one batch as an Arrow file that can be mapped into memory."""
    arrays = [made if isinstance(made, pa.Array) else pa.array(made) for made in columns]
    typed = [made.cast(field.type) for made, field in zip(arrays, schema, strict=True)]
    with pa.ipc.new_file(str(file), schema) as writer:
        writer.write_batch(pa.record_batch(typed, schema=schema))


def read_arrow(file: Path) -> pa.Table:
    """Map such a file into memory."""
    return pa.ipc.open_file(pa.memory_map(str(file))).read_all()
