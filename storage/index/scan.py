"""Reads links of a range of targets, or sources, straight from the row groups that hold them, in the files' order.

Rule: the bounds of all row groups are read when the table is opened; a question then unpacks two columns of the groups
in its range, and the others only where a row is wanted. It ends with the last row wanted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from storage.index.facts import STATES, states_of
from storage.index.layout import LINKS, TEXT, TRAITS, Rows, TableFile, column, parts, unpacked
from storage.index.numbers import Bools

SCOPES: Final = ("same host", "same domain", "external")
"""Names of the trait, by number."""

TEXTS: Final = [field.name for field in LINKS if field.type == TEXT]

KINDS: Final[dict[str, npt.DTypeLike]] = {
    "kind": np.uint8,
    "place": np.uint8,
    "anchor_source": np.uint8,
    "rel": np.uint16,
    "anchor_cut": np.bool_,
    "image": np.bool_,
    "nofollow": np.bool_,
}
"""Types of the traits."""

TARGET_COLUMNS: Final = pa.schema(
    {
        "target_host_reversed": pa.string(),
        "target": pa.string(),
        "target_host": pa.string(),
        "target_domain": pa.string(),
    }
)
"""What a link shows of its target, and by what it is sorted."""

PART_BITS: Final = 40
"""A position is the number of a part, and in the bits below that of the row."""


class Wanted(NamedTuple):
    """Which links are wanted."""

    first: int
    last: int
    gaps: Sequence[Sequence[int]]
    """Numbers within these bounds, both included, that are not wanted."""
    kinds: Sequence[int]
    scopes: Sequence[str]
    states: Sequence[str]
    nofollow: bool | None


class Group(NamedTuple):
    """A row group."""

    part: int
    number: int
    start: int
    """Number of its first row in the part."""
    rows: int
    first: int
    last: int


class LinkTable:
    """Backlinks or outlinks of one layer, without those of covered sources."""

    def __init__(self, layer: Path, table: str, by: str, covered: Bools | None) -> None:
        self._by = by
        self._covered = covered
        self._judged = {by, "traits", "state"} if covered is None else {by, "traits", "state", "source"}
        """Columns that tell whether a link is wanted."""
        self._files = [_opened(file) for file in parts(layer, table)]
        self._groups = [group for number, file in enumerate(self._files) for group in groups_of(number, file, by)]
        # Readings of one page lie mixed, and may cross the end of a group.
        self._firsts = np.minimum.accumulate(np.array([group.first for group in reversed(self._groups)], np.int64))[
            ::-1
        ]
        self._lasts = np.maximum.accumulate(np.array([group.last for group in self._groups], np.int64))

    def read(self, wanted: Wanted, after: int, limit: int) -> pa.Table:
        """Return so many links after a position, with their own."""
        found: list[pa.Table] = []
        for group in self._in_range(wanted, after):
            judged = self._of_group(group, self._judged)
            rows = self._rows(group, judged, wanted, after)[:limit]
            if len(rows):
                found.append(self._read(group, judged, rows))
                limit -= len(rows)
            if not limit:
                break
        empty = pa.table(
            {**{field.name: pa.array([], field.type) for field in LINKS}, "position": pa.array([], pa.int64())}
        )
        links = pa.concat_tables([empty, *found], promote_options="default").unify_dictionaries().combine_chunks()
        return _named(links)

    def _in_range(self, wanted: Wanted, after: int) -> Iterator[Group]:
        start = int(np.searchsorted(self._lasts, wanted.first))
        end = int(np.searchsorted(self._firsts, wanted.last, side="right"))
        for group in self._groups[start:end]:
            if (group.part << PART_BITS) + group.start + group.rows - 1 > after:
                yield group

    def pieces(self, wanted: Wanted, columns: Sequence[str]) -> Iterator[tuple[pa.Table, Rows]]:
        """Yield some columns of row groups, as they are stored, with the rows of each that are wanted."""
        for group in self._in_range(wanted, -1):
            table = self._of_group(group, {*self._judged, *columns})
            rows = np.flatnonzero(self._chosen(table, wanted))
            if len(rows):
                yield table, rows

    def count(self, wanted: Wanted) -> int:
        """Return how many links are wanted."""
        return sum(
            int(np.count_nonzero(self._chosen(self._of_group(group, self._judged), wanted)))
            for group in self._in_range(wanted, -1)
        )

    def _of_group(self, group: Group, names: Set[str]) -> pa.Table:
        """Return those of the columns that the group's file has."""
        file = self._files[group.part]
        present = [name for name in file.schema_arrow.names if name in names]
        return file.group(group.number, present)

    def _rows(self, group: Group, judged: pa.Table, wanted: Wanted, after: int) -> Rows:
        """Return the wanted rows of a group."""
        chosen = self._chosen(judged, wanted)
        chosen[: max(after + 1 - ((group.part << PART_BITS) + group.start), 0)] = False
        return np.flatnonzero(chosen)

    def _chosen(self, table: pa.Table, wanted: Wanted) -> Bools:
        """Tell of each row of a group whether it is wanted."""
        number, traits = table.column(self._by).to_numpy(), table.column("traits").to_numpy()
        chosen: Bools = (number >= wanted.first) & (number <= wanted.last)
        if self._covered is not None:
            chosen &= ~self._covered[table.column("source").to_numpy()]
        for low, high in wanted.gaps:
            chosen &= (number < low) | (number > high)
        chosen &= _among(wanted.kinds, "kind")[unpacked(traits, "kind")]
        chosen &= _among([SCOPES.index(name) for name in wanted.scopes], "scope")[unpacked(traits, "scope")]
        if wanted.nofollow is not None:
            chosen &= (unpacked(traits, "nofollow") == 1) == wanted.nofollow
        if "state" in table.column_names or "live" not in wanted.states:
            chosen &= np.isin(states_of(table), [STATES.index(name) for name in wanted.states])
        return chosen

    def _read(self, group: Group, judged: pa.Table, rows: Rows) -> pa.Table:
        """Return some rows of a group, of which the columns that were judged are known."""
        file = self._files[group.part]
        names = [name for name in file.schema_arrow.names if name not in judged.column_names]
        others = file.group(group.number, names)
        columns = {name: table.column(name) for table in (judged, others) for name in table.column_names}
        table = pa.table(columns).take(column(rows))
        return table.append_column("position", column(rows + (group.part << PART_BITS) + group.start))


class TargetTable:
    """The targets of one layer, open for look-ups by number."""

    def __init__(self, layer: Path) -> None:
        self._files = [TableFile(file) for file in parts(layer, "targets")]
        self._groups = [group for number, file in enumerate(self._files) for group in groups_of(number, file, "id")]
        self._firsts = np.array([group.first for group in self._groups], np.int64)

    def take(self, numbers: pa.ChunkedArray[Any]) -> pa.Table:
        """Return the rows of some targets, in the order asked for, under the names of links."""
        wanted, back = np.unique(numbers.to_numpy(), return_inverse=True)
        group_of = np.searchsorted(self._firsts, wanted, side="right") - 1
        found = [TARGET_COLUMNS.empty_table()]
        for at in np.unique(group_of):
            group = self._groups[at]
            rows = self._files[group.part].group(group.number, TARGET_COLUMNS.names)
            found.append(rows.take(column(wanted[group_of == at] - group.first)))
        return pa.concat_tables(found, promote_options="permissive").combine_chunks().take(column(back))


def _among(values: Sequence[int], trait: str) -> Bools:
    """Tell of each value of a trait whether it is one of these: looked up, that is a tenth of `numpy.isin`'s time."""
    found = np.zeros(1 << TRAITS[trait][1], np.bool_)
    found[list(values)] = True
    return found


def _opened(file: Path) -> TableFile:
    metadata = pq.read_metadata(file)
    present = set(metadata.schema.names)
    texts = [name for name in TEXTS if name in present]
    return TableFile(file, metadata, texts)


def groups_of(part: int, file: pq.ParquetFile, by: str) -> Iterator[Group]:
    """Yield the row groups of a part, with the bounds of the column it is sorted by."""
    metadata = file.metadata
    at, start = file.schema_arrow.names.index(by), 0
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        bounds = group.column(at).statistics
        if bounds is None or bounds.min is None or bounds.max is None:
            raise pa.ArrowInvalid(f"a row group lacks the bounds of {by}")
        yield Group(part, number, start, group.num_rows, int(bounds.min), int(bounds.max))
        start += group.num_rows


def _named(links: pa.Table) -> pa.Table:
    """Return links with their traits as columns."""
    traits = links.column("traits").to_numpy()
    for name, kind in KINDS.items():
        links = links.append_column(name, column(unpacked(traits, name).astype(kind)))
    scope = pa.array(SCOPES).take(column(unpacked(traits, "scope")))
    return links.drop_columns("traits").append_column("scope", scope)
