"""Exports carry names instead of numbers, stay whole, and start no formula in a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime
from enum import IntEnum, IntFlag
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storage.asking import Format
from storage.export import BITS, ENUMS, FORMULA, label, named, write
from storage.records import Kind, Rel
from tests.vectors import load

MOMENT = datetime(2026, 11, 21, 8, 30, 0, 250, tzinfo=UTC)

COLUMNS: dict[str, pa.DataType] = {
    "target": pa.string(),
    "kind": pa.uint8(),
    "rel": pa.uint16(),
    "nofollow": pa.bool_(),
    "target_path": pa.list_(pa.string()),
    "place": pa.uint8(),
    "target_failure": pa.uint8(),
    "links": pa.int64(),
    "first_seen": pa.timestamp("us", tz="UTC"),
}
SCHEMA = pa.schema(COLUMNS)

ROW: dict[str, Any] = {
    "target": "https://a.example/",
    "kind": int(Kind.LINK_CANONICAL),
    "rel": int(Rel.NOFOLLOW | Rel.UGC),
    "nofollow": True,
    "target_path": ["https://a.example/", "https://b.example/"],
    "place": 2,
    "target_failure": None,
    "links": -3,
    "first_seen": MOMENT,
}
EMPTY: dict[str, Any] = dict.fromkeys(ROW) | {"kind": 0, "rel": 0}


def written(rows: list[dict[str, Any]], form: Format, raw: bool = False) -> bytes:
    table = pa.Table.from_pylist(rows, SCHEMA)
    sink = io.BytesIO()
    assert write(table.to_reader(max_chunksize=1), form, sink, raw) == len(rows)
    return sink.getvalue()


def test_csv_has_a_header_names_and_crlf() -> None:
    head, row, empty, end = written([ROW, EMPTY], Format.CSV).split(b"\r\n")
    assert head == b"target,kind,rel,nofollow,target_path,place,target_failure,links,first_seen"
    assert row == (
        b"https://a.example/,link-canonical,nofollow ugc,true,https://a.example/ https://b.example/,nav,,-3,"
        b"2026-11-21T08:30:00.000250Z"
    )
    assert (empty, end) == (b",a,,,,,,,", b"")


def test_json_lines_keep_types() -> None:
    row, empty = (orjson.loads(line) for line in written([ROW, EMPTY], Format.JSONL).splitlines())
    assert row == ROW | {
        "kind": "link-canonical",
        "rel": ["nofollow", "ugc"],
        "place": "nav",
        "first_seen": "2026-11-21T08:30:00.000250Z",
    }
    assert empty == EMPTY | {"kind": "a", "rel": []}


def test_parquet_holds_names_and_the_other_columns_as_they_are() -> None:
    table = pq.read_table(io.BytesIO(written([ROW, EMPTY], Format.PARQUET)))
    assert table.schema.field("first_seen").type == SCHEMA.field("first_seen").type
    assert table.to_pylist()[0] == ROW | {"kind": "link-canonical", "rel": ["nofollow", "ugc"], "place": "nav"}


@pytest.mark.parametrize("form", [Format.CSV, Format.JSONL, Format.PARQUET])
def test_answer_without_rows_is_a_valid_file(form: Format) -> None:
    content = written([], form)
    if form is Format.PARQUET:
        assert pq.read_table(io.BytesIO(content)).schema.names == SCHEMA.names
    else:
        assert content == (b"" if form is Format.JSONL else ",".join(SCHEMA.names).encode() + b"\r\n")


def test_every_number_of_every_enum_has_a_name() -> None:
    numbered: dict[str, type[IntEnum] | type[IntFlag]] = {**ENUMS, **BITS}
    for column, numbers in numbered.items():
        values = [member.value for member in numbers]
        batch = pa.record_batch({column: pa.array(values, pa.uint16())})
        names = [label(member) for member in numbers]
        expected = (
            names if column in ENUMS else [[name] if value else [] for name, value in zip(names, values, strict=True)]
        )
        assert named(batch).to_pydict() == {column: expected}


def cell(value: str, raw: bool = False) -> str:
    """Return a cell as a reader of the CSV gets it."""
    content = written([EMPTY | {"target": value}], Format.CSV, raw).decode()
    _, row = csv.reader(io.StringIO(content, newline=""))
    return row[0]


TEXTS = [
    "=1",
    "+1",
    "-1",
    "@x",
    "\tx",
    "\rx",
    "\nx",
    "＝1",
    "'=1",
    "''=1",
    "plain",
    "a=1",
    "'tis",
    'say "x", y',
    "a\r\nb",
]


def injected() -> list[str]:
    return [case["value"] for case in load("injection.json") if case["kind"] == "csv_formula"]


def check_guard(value: str) -> None:
    shown = cell(value)
    assert shown[:1] not in set("=+-@\t\r\n＝＋－＠")
    assert (shown[1:] if re.match(FORMULA, shown) else shown) == value
    assert cell(value, raw=True) == value


@pytest.mark.parametrize("value", TEXTS)
def test_cell_starts_no_formula_and_can_be_read_back(value: str) -> None:
    check_guard(value)


def test_known_injections_start_no_formula_and_can_be_read_back() -> None:
    for value in injected():
        check_guard(value)


def test_numbers_below_zero_are_left_alone() -> None:
    assert b",-3," in written([ROW], Format.CSV)
