"""Segments: the immutable Parquet files that hold the pages and links of one batch.

Rule: a segment appears under its name only when it is whole and synced, and exists for readers only when the
manifest lists it. Files are small (one a commit) and hold a single row group: nothing is looked up in them, the index
reads them whole. So they carry no statistics; the manifest has the range of fetches and a checksum.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from storage.columns import table_of
from storage.directory import UNFINISHED, DataDirectory, make_folder, sync_folder
from storage.records import PAGE_COLUMNS, LinkRow, PageRow
from storage.schemas import LINKS, PAGES

SegmentKind = Literal["pages", "links"]

PLAIN: Final = frozenset({"fetch", "ordinal", "anchor"})
"""Columns without a dictionary: counters compress better as they are, and most anchors are unique in a batch
(17.1 bytes a link against 17.3, and 10 % less time)."""

DICTIONARY_BYTES: Final = 8 << 20
"""A dictionary may hold the targets of a whole batch: 17.3 bytes a link against 18.7 with the default 1 MiB."""

PAGE_VALUES: Final = attrgetter(*PAGE_COLUMNS)


@dataclass(frozen=True, slots=True)
class SegmentFile:
    """One segment as written."""

    kind: SegmentKind
    path: str
    """Relative to the data directory."""
    rows: int
    size_bytes: int
    min_fetch: int
    max_fetch: int
    checksum: bytes
    """xxh3_128 of the file, 16 bytes."""
    repaired: int
    """Texts whose lone surrogates were replaced by U+FFFD."""


class SegmentWriter:
    """Writes the segments of a run. Blocking: call it in a thread."""

    def __init__(self, directory: DataDirectory, compression_level: int) -> None:
        self._directory = directory
        self._level = compression_level

    def write(self, run: int, batch: int, pages: Sequence[PageRow], links: Sequence[LinkRow]) -> list[SegmentFile]:
        """Write a batch's segments durably and describe them; no pages, no files. Faults of the disk are OSErrors."""
        assert sum(page.links for page in pages) == len(links), "every page says how many of the links are its own"
        if not pages:
            return []
        folder = self._directory.run_folder(run)
        make_folder(folder)
        fetches = np.array([page.fetch for page in pages], dtype=np.int64)
        tables: list[tuple[SegmentKind, pa.Table, int]] = [("pages", *page_table(pages))]
        if links:
            tables.append(("links", *link_table(np.repeat(fetches, [page.links for page in pages]), links)))
        written = [
            self._write_one(folder / f"{kind}-{batch:09}.parquet", kind, table, repaired)
            for kind, table, repaired in tables
        ]
        sync_folder(folder)
        # What Arrow keeps for the next time grows from batch to batch: 0.2 MB a 100,000 pages (`bench.torture.soak`).
        del tables
        pa.default_memory_pool().release_unused()
        return written

    def _write_one(self, path: Path, kind: SegmentKind, table: pa.Table, repaired: int) -> SegmentFile:
        content = encode(table, self._level)
        place(path, content)
        fetches = table.column("fetch").to_numpy()
        return SegmentFile(
            kind=kind,
            path=path.relative_to(self._directory.root).as_posix(),
            rows=table.num_rows,
            size_bytes=len(content),
            min_fetch=int(fetches.min()),
            max_fetch=int(fetches.max()),
            checksum=xxhash.xxh3_128_digest(content),
            repaired=repaired,
        )


def encode(table: pa.Table, compression_level: int) -> memoryview:
    """Return `table` as the bytes of a Parquet file (zstd)."""
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        row_group_size=max(1, table.num_rows),
        compression="zstd",
        compression_level=compression_level,
        use_dictionary=[name for name in table.column_names if name not in PLAIN],  # type: ignore[arg-type]  # stubs: bool
        dictionary_pagesize_limit=DICTIONARY_BYTES,
        write_statistics=False,
        store_schema=False,
    )
    return memoryview(sink.getvalue())


def place(path: Path, content: memoryview) -> None:
    """Write a file so that it is seen whole or not at all; the caller syncs the folder."""
    unfinished = path.with_name(path.name + UNFINISHED)
    with unfinished.open("wb", buffering=0) as file:
        left = content
        while left:
            left = left[file.write(left) :]
        os.fsync(file.fileno())
    unfinished.rename(path)


def page_table(pages: Sequence[PageRow]) -> tuple[pa.Table, int]:
    """Return the Arrow table of `pages` and the number of texts repaired."""
    return table_of(PAGES, [PAGE_VALUES(page) for page in pages])


def link_table(fetches: np.ndarray[tuple[int], np.dtype[np.int64]], links: Sequence[LinkRow]) -> tuple[pa.Table, int]:
    """Return the Arrow table of `links`, the source page of each in `fetches`, and the number of texts repaired."""
    table, repaired = table_of(LINKS.remove(0), links)
    # Not pa.array, which would load numpy.ma to look for a mask: 20 ms of every worker.
    column = pa.Array.from_buffers(pa.int64(), len(fetches), [None, pa.py_buffer(fetches.data)])
    return table.add_column(0, LINKS.field("fetch"), column), repaired


def read_table(path: Path) -> pa.Table:
    """Return a segment as one Arrow table, with the types of its schema."""
    # Not pq.read_table: that would add a column for the folder's name, `run=000001`.
    return pq.ParquetFile(path).read()


def read_pages(path: Path) -> list[PageRow]:
    """Return the rows of a segment of pages."""
    table = read_table(path)
    at = table.column_names.index("fetched_at")
    moments = table.column("fetched_at").cast(pa.int64())
    return [PageRow(**row) for row in table.set_column(at, "fetched_at", moments).to_pylist()]


def read_links(path: Path) -> list[tuple[int, LinkRow]]:
    """Return the rows of a segment of links, each with the fetch number of its source page."""
    columns = [column.to_pylist() for column in read_table(path).columns]
    return [(fetch, LinkRow(*values)) for fetch, *values in zip(*columns, strict=True)]


def is_intact(path: Path, size_bytes: int, checksum: bytes) -> bool:
    """Tell whether a segment's file is there and is the one that was written."""
    if not path.is_file() or path.stat().st_size != size_bytes:
        return False
    with path.open("rb") as file:
        return xxhash.xxh3_128_digest(file.read()) == checksum
