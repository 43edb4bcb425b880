"""A small web to index: visits and their links as a crawl would store them, and the tables of a generation as rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storage.asking import EVERYTHING, LAST, Mode, Target
from storage.index import writing
from storage.index.build import Limits, Plan, write_generation
from storage.index.inputs import HOST_DOMAINS
from storage.index.layout import LINK_TABLES, parts
from storage.index.refetched import Segments
from storage.query import Index
from storage.records import Kind, LinkRow, PageRow
from storage.segments import link_table, page_table

LIMITS = Limits(memory_bytes=256 << 20, threads=2)
SECOND = 1_000_000
"""Microseconds."""


def host(url: str) -> str:
    """Return the host of a test's URL."""
    return url.split("/")[2]


def domain(name: str) -> str:
    """Return the registered domain of a test's host: its last two labels."""
    return ".".join(name.split(".")[-2:])


def name_hosts(hosts: Sequence[str]) -> pa.Table:
    """Return what a build wants to know of each host."""
    rows = [(name, domain(name), domain(name), ".".join(reversed(name.split(".")))) for name in hosts]
    columns = zip(*rows, strict=True)
    return pa.table([pa.array(column, pa.string()) for column in columns], schema=HOST_DOMAINS)


def link(target: str, anchor: str = "text", **columns: Any) -> LinkRow:
    """Return a link to `target`."""
    row = LinkRow(target, host(target), None, Kind.A, 0, anchor, 1, False, False, 3, 0, 0, None, None, None)
    return row._replace(**columns)


def links_take(patched: pytest.MonkeyPatch, each: int) -> None:
    """Have each raw link of a slice count as so many bytes, so that a small web is built in slices."""
    patched.setattr(writing, "memory_of", lambda links: links.num_rows * each / writing.SHARE)


class Everywhere(Target):
    """Stands for all links of a generation."""

    @property
    def bounds(self) -> dict[str, object]:
        return {"host_from": "", "host_to": LAST, "url_from": "", "url_to": LAST, "domain": None}


WORLD = Everywhere(Mode.PREFIX, "", "")


class Web:
    """Visits in the order of their fetch numbers, and their links."""

    def __init__(self) -> None:
        self.pages: list[PageRow] = []
        self.links: list[tuple[int, LinkRow]] = []

    def visit(self, url: str, *links: LinkRow, at: int = 0, **columns: Any) -> PageRow:
        """Add a fetch of `url` at second `at`, whose page has `links`."""
        fetch, name = len(self.pages) + 1, host(url)
        page = PageRow(1, fetch, url, name, domain(name), domain(name), 0, 0, None, 0, at * SECOND, status=200)
        for column, value in columns.items():
            setattr(page, column, value)
        page.links = len(links)
        self.pages.append(page)
        self.links += [(fetch, row._replace(ordinal=at)) for at, row in enumerate(links)]
        return page

    def build(self, folder: Path, limits: Limits = LIMITS) -> Generation:
        """Write segments and build a generation of them."""
        segments, scratch, out = folder / "run=000001", folder / "scratch", folder / "generation=000001"
        for created in (segments, scratch, out):
            created.mkdir()
        pages, links = segments / "pages.parquet", segments / "links.parquet"
        pq.write_table(page_table(self.pages)[0], pages)
        fetches = np.array([fetch for fetch, _ in self.links], dtype=np.int64)
        pq.write_table(link_table(fetches, [row for _, row in self.links])[0], links)
        plan = Plan(Segments([pages], [links] if self.links else []))
        write_generation(plan, scratch, out, name_hosts, limits)
        return Generation(out)


class Generation:
    """The tables of a built generation of one layer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.layer = folder / "layer=000"

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Return a table's rows in the order of its files, links with the columns of both their ends."""
        if table in LINK_TABLES:
            with Index.open_generation(self.folder, 1) as index:
                ask = index.backlinks if table == "backlinks" else index.outlinks
                rows: list[dict[str, Any]] = ask(WORLD, EVERYTHING).table().to_pylist()
            for row in rows:
                for end in ("source", "target"):
                    row[f"{end}_host_reversed"] = ".".join(reversed(row[f"{end}_host"].split(".")))
            return rows
        return [row for part in parts(self.layer, table) for row in pq.ParquetFile(part).read().to_pylist()]

    def only(self, table: str, **columns: Any) -> dict[str, Any]:
        """Return the one row of a table that has these values."""
        (row,) = [row for row in self.rows(table) if all(row[name] == value for name, value in columns.items())]
        return row
