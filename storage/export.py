"""Answers as files: CSV, JSON Lines and Parquet, written batch by batch with names in place of numbers.

Rule: a cell of a CSV file never starts a formula in a spreadsheet, unless raw text was asked for.
Tables for people are `crawler.cli.output`'s.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from enum import IntEnum, IntFlag
from typing import Any, BinaryIO, Final, Protocol, cast

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.asking import Format
from storage.records import AnchorSource, Failure, Kind, Place, Rel, Robots


class Rows(Protocol):
    """Rows of one schema, batch by batch: an `Answer` or a `pa.Table`'s batches."""

    @property
    def schema(self) -> pa.Schema: ...

    def __iter__(self) -> Iterator[pa.RecordBatch]: ...


ENUMS: Final[dict[str, type[IntEnum]]] = {
    "kind": Kind,
    "anchor_source": AnchorSource,
    "place": Place,
    "target_failure": Failure,
}
"""Columns of numbers that are written as one name."""

BITS: Final[dict[str, type[IntFlag]]] = {"rel": Rel, "source_robots": Robots}
"""Columns of bit sets that are written as lists of names."""

FORMULA: Final = r"\A('*[=+\-@\t\r\n＝＋－＠])"
"""How a cell begins that a spreadsheet computes (OWASP, CSV Injection). Apostrophes before count, so that taking one
away from every cell that matches `'` + FORMULA gives back the original."""

GUARDED: Final = r"'\1"

MOMENT: Final = "%Y-%m-%dT%H:%M:%SZ"
"""Arrow writes %S with its microseconds."""


def label(member: IntEnum | IntFlag) -> str:
    """Return the name of a number as settings, filters and exports spell it: `link-canonical`."""
    return (member.name or "").lower().replace("_", "-")


def named(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the batch with the names of kinds, places, failures, rels and robots directives."""
    columns: list[pa.Array[Any]] = [_named(name, batch.column(at)) for at, name in enumerate(batch.schema.names)]
    return pa.record_batch(columns, names=batch.schema.names)


def write(rows: Rows, form: Format, sink: BinaryIO, raw: bool = False) -> int:
    """Write an answer to `sink` and return its rows; `raw` leaves CSV cells as they are. `form` is not TABLE."""
    writer = WRITERS[form]
    if form is Format.CSV and raw:
        return _write_csv(rows, sink, guard=False)
    return writer(rows, sink)


def _named(name: str, column: pa.Array[Any]) -> pa.Array[Any]:
    if name in ENUMS:
        members = {member.value: label(member) for member in ENUMS[name]}
        names = pa.array([members.get(value) for value in range(max(members) + 1)], pa.string())
        return names.take(column)
    if name in BITS:
        coded = column.dictionary_encode()
        flag = BITS[name]
        lists = [[label(bit) for bit in flag(value or 0)] for value in coded.dictionary.to_pylist()]
        return pa.array(lists, pa.list_(pa.string())).take(coded.indices)
    return column


def _write_csv(rows: Rows, sink: BinaryIO, guard: bool = True) -> int:
    """Write RFC 4180: CRLF after each row, a header row, quotes where needed; lists are joined by spaces."""
    writer = csv.writer(_Encoded(sink), lineterminator="\r\n")
    writer.writerow(rows.schema.names)
    written = 0
    for batch in rows:
        columns = [_cells(column, guard).to_pylist() for column in named(batch).columns]
        writer.writerows(zip(*columns, strict=True))
        written += batch.num_rows
    return written


class _Encoded:
    """What `csv` writes text to. Not a TextIOWrapper: where writing fails that closes the caller's sink."""

    def __init__(self, sink: BinaryIO) -> None:
        self._sink = sink

    def write(self, text: str) -> int:
        return self._sink.write(text.encode())


def _cells(column: pa.Array[Any], guard: bool) -> pa.Array[Any]:
    if pa.types.is_list(column.type):
        return _cells(cast("pa.Array[Any]", pc.binary_join(column, " ")), guard)
    if pa.types.is_timestamp(column.type):
        return pc.strftime(column, format=MOMENT)
    if pa.types.is_boolean(column.type):
        return column.cast(pa.string())
    if guard and pa.types.is_string(column.type):
        return pc.replace_substring_regex(column, pattern=FORMULA, replacement=GUARDED)
    return column


def _write_jsonl(rows: Rows, sink: BinaryIO) -> int:
    """Write one JSON object a line, moments as RFC 3339 in UTC."""
    written = 0
    for batch in rows:
        for row in named(batch).to_pylist():
            sink.write(orjson.dumps(row, option=orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE))
        written += batch.num_rows
    return written


def _write_parquet(rows: Rows, sink: BinaryIO) -> int:
    schema = named(pa.RecordBatch.from_pylist([], schema=rows.schema)).schema
    written = 0
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        for batch in rows:
            writer.write_batch(named(batch))
            written += batch.num_rows
    return written


WRITERS: Final[dict[Format, Callable[[Rows, BinaryIO], int]]] = {
    Format.CSV: _write_csv,
    Format.JSONL: _write_jsonl,
    Format.PARQUET: _write_parquet,
}
