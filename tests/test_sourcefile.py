"""The file of sources: batches of one size, packed, and checked when they are read."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from storage.index.sourcefile import SOURCE_ROWS, SOURCES, SourceFile, write_sources

COLUMNS: dict[str, pa.DataType] = {"url": pa.string(), "status": pa.int32()}
SCHEMA = pa.schema(COLUMNS)


def batch(first: int, count: int) -> pa.RecordBatch:
    numbers = range(first, first + count)
    return pa.record_batch([[f"http://h.example/{number}" for number in numbers], numbers], schema=SCHEMA)


@pytest.mark.parametrize("sizes", [[], [0], [1], [128], [127, 1, 1], [300, 0, 5], [1, 256]], ids=str)
def test_rows_are_found_by_their_number(tmp_path: Path, sizes: list[int]) -> None:
    given = [batch(sum(sizes[:at]), size) for at, size in enumerate(sizes)]
    write_sources(tmp_path, given, SCHEMA)
    file = SourceFile(tmp_path)
    assert pa.Table.from_batches(file, file.schema).equals(pa.Table.from_batches(given, SCHEMA))
    for number in range(sum(sizes)):
        assert file.read(number // SOURCE_ROWS).column("status")[number % SOURCE_ROWS].as_py() == number


def test_no_changed_byte_goes_unnoticed(tmp_path: Path) -> None:
    write_sources(tmp_path, [batch(0, 10)], SCHEMA)
    whole = (tmp_path / SOURCES).read_bytes()
    for at in range(len(whole)):
        (tmp_path / SOURCES).write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(pa.ArrowInvalid, match=f"^{tmp_path.name}/{SOURCES} has changed$"):
            SourceFile(tmp_path).read(0)
