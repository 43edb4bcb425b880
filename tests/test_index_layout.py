"""How a generation lies on disk: what its columns say of themselves, and how rows are looked up by their numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storage.index.layout import column, looked_up, part, parts, rows_of, texts


@pytest.mark.parametrize("kind", [np.bool_, np.uint8, np.int32, np.int64])
@pytest.mark.parametrize("number", [np.uint16, np.int32, np.int64])
def test_looking_up_gives_what_numpy_gives(kind: type[np.generic], number: type[np.integer]) -> None:
    values, rows = np.arange(600).astype(kind), np.array([599, 0, 0, 7, 256], number)
    found = looked_up(values, rows)
    assert found.dtype == values.dtype
    assert found.tolist() == values[rows].tolist()
    assert looked_up(values, rows[:0]).tolist() == []


def test_rows_keep_their_nulls_and_the_dictionary_of_their_texts() -> None:
    table = pa.table(
        {
            "number": pa.array([1, None, 3], pa.int32()),
            "text": texts(pa.array(["a", "b"]), np.array([1, 0, 1])),
            "flag": pa.array([True, False, None]),
        }
    )
    found = rows_of(table, np.array([2, 1, 1]))
    assert found.to_pydict() == {"number": [3, None, None], "text": ["b", "a", "a"], "flag": [None, False, False]}
    assert rows_of(table, np.empty(0, np.int64)).schema == table.schema


def test_only_what_may_be_missing_is_stored_as_such(tmp_path: Path) -> None:
    rows = pa.table(
        {"source": column(np.arange(3)), "fragment": pa.array(["a", None, None]), "last_seen": pa.array([1, None, 3])}
    )
    with part(tmp_path, "backlinks", 0, rows.schema) as file:
        file.write(rows)
    (written,) = parts(tmp_path, "backlinks")
    assert {field.name: field.nullable for field in pq.read_schema(written)} == {
        "source": False,
        "fragment": True,
        "last_seen": True,
    }
    assert pq.read_table(written).to_pydict() == rows.to_pydict()


def test_a_column_that_must_be_there_cannot_be_written_with_holes(tmp_path: Path) -> None:
    rows = pa.table({"source": pa.array([1, None], pa.int32())})
    with part(tmp_path, "backlinks", 0, rows.schema) as file, pytest.raises(ValueError, match="non-nullable"):
        file.write(rows)
