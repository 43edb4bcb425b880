"""Pages of kept layers that were fetched again: which, and all that their visits recorded.

Rule: their records are read from the segments once more, so that the new layer tells their whole history; the kept
layers are told apart from it by what the new one covers.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from storage.index.layout import parts
from storage.schemas import LINKS, PAGES
from storage.statements import text_of

COVERS: Final = "covers.parquet"
"""Which pages of older layers a layer covers, and which of their sources."""


class Segments(NamedTuple):
    """The files a build reads, as the manifest lists them."""

    pages: Sequence[Path]
    links: Sequence[Path]


COVERED: Final = pa.schema({"layer": pa.int32(), "first_source": pa.int32(), "last_source": pa.int32()}).append(
    pa.field("url", pa.string())
)


def view(connection: duckdb.DuckDBPyConnection, name: str, files: Sequence[Path], schema: pa.Schema) -> None:
    """Make a view of some segments; without files it is empty."""
    if files:
        # Folders named `run=000001` would become columns.
        connection.read_parquet([str(file) for file in files], hive_partitioning=False).create_view(name)
    else:
        connection.from_arrow(schema.empty_table()).create(name)


def view_layers(connection: duckdb.DuckDBPyConnection, layers: Sequence[Path]) -> None:
    """Make the view `layer_pages` of the pages of some layers, and the table `layer_files` of whose they are."""
    files = [(str(file), number) for number, layer in enumerate(layers) for file in parts(layer, "pages")]
    rows = pa.table({"file": [file for file, _ in files], "layer": pa.array([n for _, n in files], pa.int32())})
    connection.from_arrow(rows).create("layer_files")
    connection.read_parquet([file for file, _ in files], filename=True, hive_partitioning=False).create_view(
        "layer_pages"
    )


def gather(
    connection: duckdb.DuckDBPyConnection, new_pages: Sequence[Path], before: Segments, folders: tuple[Path, Path]
) -> tuple[list[Path], list[Path]]:
    """Write down what a new layer covers; return files of the earlier records of its pages: of pages, of links.

    `before` is what the layers that `view_layers` shows were built of; `folders` are scratch and the new layer's.
    """
    scratch, layer = folders
    view(connection, "new_pages", new_pages, PAGES)
    covered = _select(connection, "covered").to_arrow_table().cast(COVERED)
    pq.write_table(covered, layer / COVERS, compression="zstd")
    if not covered.num_rows:
        return [], []
    connection.from_arrow(covered.select(["url"])).create("covered")
    pages, links = scratch / "old-pages.parquet", scratch / "old-links.parquet"
    view(connection, "old_pages", before.pages, PAGES)
    view(connection, "old_links", before.links, LINKS)
    _select(connection, "old_pages_again").write_parquet(str(pages), compression="uncompressed")
    view(connection, "again_pages", [pages], PAGES)
    _select(connection, "old_links_again").write_parquet(str(links), compression="uncompressed")
    return [pages], [links]


def covers_of(layers: Sequence[Path]) -> pa.Table:
    """Return what all layers cover of each other."""
    files = [layer / COVERS for layer in layers if (layer / COVERS).exists()]
    return pa.concat_tables([COVERED.empty_table(), *(pq.read_table(file) for file in files)])


def _select(connection: duckdb.DuckDBPyConnection, name: str) -> duckdb.DuckDBPyRelation:
    return connection.sql(text_of("storage.index.sql", name))
