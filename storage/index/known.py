"""What is known of targets that were fetched: how the last attempt ended, and where they lead over all redirects.

Rule: written for a whole generation, since any layer may link to a page of another. A URL is found by its fingerprint
of 128 bits, the rest is columns of fixed width: 23 bytes a page, mapped into memory.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

from storage.index.inputs import POLICY
from storage.index.layout import column, read_arrow, write_arrow
from storage.index.refetched import view_layers
from storage.statements import text_of

KNOWN: Final = "known.arrow"
MOVES: Final = "moves.arrow"
FINGERPRINTS: Final = ("high", "low")

KNOWN_ROWS: Final = pa.schema(
    {"high": pa.uint64(), "low": pa.uint64(), "status": pa.int16(), "failure": pa.uint8(), "move": pa.int32()}
)
MOVE_ROWS: Final = (
    pa.schema({"final": pa.string()})
    .append(pa.field("final_status", pa.int16()))
    .append(pa.field("path", pa.list_(pa.string())))
)
BATCH_ROWS: Final = 50_000

Prints = npt.NDArray[np.uint64]


def fingerprints(urls: pa.Array[Any]) -> tuple[Prints, Prints]:
    """Return both halves of each URL's fingerprint."""
    digests = b"".join([xxhash.xxh3_128_digest(url) for url in urls.cast(pa.binary()).to_pylist() if url is not None])
    halves = np.frombuffer(digests, ">u8").astype(np.uint64)
    return halves[::2], halves[1::2]


def write_known(connection: duckdb.DuckDBPyConnection, layers: list[Path], covers: pa.Table, out: Path) -> int:
    """Write what is known of all pages of some layers but those that newer ones cover; return how many there are."""
    view_layers(connection, layers)
    connection.from_arrow(covers).create("covers")
    connection.from_arrow(POLICY).create("policy")
    _select(connection, "known_pages").create_view("known_pages")
    _select(connection, "moving").create("moving")
    _select(connection, "finals").create("moves")
    moves = connection.table("moves").order("number").to_arrow_table().select(MOVE_ROWS.names)
    write_arrow(out / MOVES, [moves.column(name).combine_chunks() for name in MOVE_ROWS.names], MOVE_ROWS)
    highs, lows, rest = [np.empty(0, np.uint64)], [np.empty(0, np.uint64)], []
    for batch in _select(connection, "known").to_arrow_reader(BATCH_ROWS):
        high, low = fingerprints(batch.column("url"))
        highs.append(high)
        lows.append(low)
        rest.append(batch.select(["status", "failure", "move"]))
    high, low = np.concatenate(highs), np.concatenate(lows)
    order = np.lexsort((low, high))
    others = pa.Table.from_batches(rest, None if rest else pa.schema(list(KNOWN_ROWS)[2:])).take(column(order))
    columns = [column(high[order]), column(low[order]), *(each.combine_chunks() for each in others.columns)]
    write_arrow(out / KNOWN, columns, KNOWN_ROWS)
    return len(order)


class Known:
    """What is known of fetched pages, open for look-ups by URL."""

    def __init__(self, generation: Path) -> None:
        self._pages = read_arrow(generation / KNOWN).combine_chunks()
        self._moves = read_arrow(generation / MOVES)
        self._high, self._low = (self._pages.column(name).to_numpy() for name in FINGERPRINTS)

    def take(self, urls: pa.ChunkedArray[Any]) -> pa.Table:
        """Return what links show of some targets, in the order asked for; nulls for those that were not fetched."""
        coded = urls.combine_chunks().dictionary_encode()
        place = self._places(*fingerprints(coded.dictionary))[coded.indices.to_numpy()]
        rows = self._pages.take(pa.array(place, mask=place < 0))
        moves = self._moves.take(rows.column("move"))
        return pa.table(
            {
                "target_status": rows.column("status"),
                "target_failure": rows.column("failure"),
                "target_final": moves.column("final"),
                "target_final_status": moves.column("final_status"),
                "target_path": moves.column("path"),
            }
        )

    def _places(self, high: Prints, low: Prints) -> npt.NDArray[np.int64]:
        """Return the row of each fingerprint, -1 where there is none."""
        if not len(self._high):
            return np.full(len(high), -1)
        last = len(self._high) - 1
        place = np.minimum(np.searchsorted(self._high, high), last)
        while True:
            other = (self._high[place] == high) & (self._low[place] < low) & (place < last)
            if not other.any():
                break
            place = place + other
        return np.where((self._high[place] == high) & (self._low[place] == low), place, -1)


def _select(connection: duckdb.DuckDBPyConnection, name: str) -> duckdb.DuckDBPyRelation:
    return connection.sql(text_of("storage.index.sql", name))
