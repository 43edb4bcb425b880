"""What is known of targets that were fetched: how the last attempt ended, and where they lead over all redirects.

Rule: written for a whole generation, since any layer may link to a page of another. A URL is found by its fingerprint
of 128 bits, the rest is columns of fixed width: 23 bytes a page, mapped into memory.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa

from storage.index.inputs import POLICY
from storage.index.layout import column, read_arrow, write_arrow
from storage.index.prints import Prints
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
    prints, rest = [Prints.of(pa.array([], pa.string()))], []
    for batch in _select(connection, "known").to_arrow_reader(BATCH_ROWS):
        prints.append(Prints.of(batch.column("url")))
        rest.append(batch.select(["status", "failure", "move"]))
    found = Prints(*map(np.concatenate, zip(*prints, strict=True)))
    order = found.order()
    others = pa.Table.from_batches(rest, None if rest else pa.schema(list(KNOWN_ROWS)[2:])).take(column(order))
    columns = [*map(column, found.only(order)), *(each.combine_chunks() for each in others.columns)]
    write_arrow(out / KNOWN, columns, KNOWN_ROWS)
    return len(order)


class Known:
    """What is known of fetched pages, open for look-ups by URL."""

    def __init__(self, generation: Path) -> None:
        self._pages = read_arrow(generation / KNOWN).combine_chunks()
        self._moves = read_arrow(generation / MOVES)
        self._prints = Prints(*(self._pages.column(name).to_numpy() for name in FINGERPRINTS))

    def take(self, urls: pa.ChunkedArray[Any]) -> pa.Table:
        """Return what links show of some targets, in the order asked for; nulls for those that were not fetched."""
        coded = urls.combine_chunks().dictionary_encode()
        place = self._prints.places(Prints.of(coded.dictionary))[coded.indices.to_numpy()]
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


def _select(connection: duckdb.DuckDBPyConnection, name: str) -> duckdb.DuckDBPyRelation:
    return connection.sql(text_of("storage.index.sql", name))
