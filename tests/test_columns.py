"""Rows become the same Arrow columns whether pyarrow or the native double makes them."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage import columns
from storage.records import LinkRow
from storage.schemas import LINKS

LINK = LINKS.remove(0)

TEXT = st.text(max_size=6) | st.sampled_from(["", "a\x00b", "ä\u20ac\U0001f600", "x" * 300])
VALUES = {
    pa.string(): TEXT,
    pa.bool_(): st.booleans(),
    pa.uint8(): st.integers(0, 255),
    pa.uint16(): st.integers(0, 65_535),
    pa.int32(): st.integers(-(2**31), 2**31 - 1),
}
ROW = st.tuples(*(VALUES[field.type] | st.none() if field.nullable else VALUES[field.type] for field in LINK))

native = pytest.mark.skipif(columns.NATIVE is None, reason="not compiled: make compile")


def made_by_pyarrow(rows: list[tuple[object, ...]]) -> pa.Table:
    return pa.table([[row[at] for row in rows] for at in range(len(LINK))], schema=LINK)


@given(st.lists(ROW, max_size=20))
def test_columns_are_those_of_pyarrow(rows: list[tuple[object, ...]]) -> None:
    table, repaired = columns.table_of(LINK, rows)
    table.validate(full=True)
    expected = made_by_pyarrow(rows)
    assert table.equals(expected)
    for name in LINK.names:
        assert table.column(name).null_count == expected.column(name).null_count
    assert repaired == 0


def row(**changes: object) -> tuple[object, ...]:
    plain = LinkRow("http://a/", "a", None, 0, 0, "t", 1, False, True, 0, 0, 0, None, None, None)
    return tuple((plain._asdict() | changes).values())


@pytest.mark.parametrize("count", [1, 7, 8, 9, 64, 65])
def test_named_tuples_and_any_number_of_rows_do(count: int) -> None:
    rows: list[tuple[object, ...]] = [LinkRow(*row(ordinal=number, image=number % 3 == 0)) for number in range(count)]  # type: ignore[arg-type]
    assert columns.table_of(LINK, rows)[0].equals(made_by_pyarrow(rows))


def test_a_lone_surrogate_spoils_its_text_alone() -> None:
    table, repaired = columns.table_of(LINK, [row(anchor="a\ud800b"), row(anchor="ä"), row(fragment="\udfff")])
    assert table.column("anchor").to_pylist() == ["a\ufffdb", "ä", "t"]
    assert table.column("fragment").to_pylist() == [None, None, "\ufffd"]
    assert repaired == 2


@native
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"kind": 256}, OverflowError),
        ({"rel": -1}, OverflowError),
        ({"ordinal": 1 << 31}, OverflowError),
        ({"place": None}, TypeError),
        ({"place": "1"}, TypeError),
        ({"image": 1}, TypeError),
        ({"image": None}, TypeError),
        ({"target": b"http://a/"}, TypeError),
    ],
    ids=str,
)
def test_values_of_another_kind_are_refused(changes: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error):
        columns.table_of(LINK, [row(), row(**changes)])


@native
def test_rows_that_are_too_short_or_none_are_refused() -> None:
    assert columns.NATIVE is not None
    for rows in ([("a",)], [["a", "b"]]):
        with pytest.raises(TypeError, match="row 0 has no column 1"):
            columns.NATIVE.texts(rows, 1)
    with pytest.raises(ValueError, match="1, 2 or 4 bytes"):
        columns.NATIVE.numbers([(1,)], 0, 8)
