"""Segments come back as they were written, appear whole or not at all, and stay small."""

from __future__ import annotations

import errno
from dataclasses import fields
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xxhash

from storage import segments
from storage.directory import DataDirectory, make_folder
from storage.records import PageRow
from storage.schemas import LINKS, PAGES
from storage.segments import SegmentFile, SegmentWriter, is_intact, read_links, read_pages, read_table
from tests.store_rows import link, page

FIRST = 1 << 40


@pytest.fixture
def writer(tmp_path: Path) -> SegmentWriter:
    return SegmentWriter(DataDirectory(tmp_path), compression_level=3)


def test_pages_and_links_come_back_as_written(tmp_path: Path, writer: SegmentWriter) -> None:
    pages = [
        page(FIRST, 2, queue_ms=0.25, redirect_delay_s=1.5, not_modified=True),
        page(FIRST + 1, 0, status=None, failure=4),
        page(FIRST + 2, 1, discovered_from=FIRST, via=1, truncated=2, robots=64, body_hash=None),
    ]
    links = [link(0), link(1, fragment=None, anchor="", hreflang=None, image=True), link(0, rel=65535, kind=17)]
    page_file, link_file = writer.write(1, 9, pages, links)
    assert read_pages(tmp_path / page_file.path) == pages
    assert read_links(tmp_path / link_file.path) == list(zip([FIRST, FIRST, FIRST + 2], links, strict=True))


def test_segment_is_described_for_the_manifest(tmp_path: Path, writer: SegmentWriter) -> None:
    pages = [page(FIRST + 5, 1), page(FIRST + 2, 0)]
    page_file, link_file = writer.write(3, 9, pages, [link()])
    content = (tmp_path / page_file.path).read_bytes()
    assert page_file == SegmentFile(
        kind="pages",
        path="segments/run=000003/pages-000000009.parquet",
        rows=2,
        size_bytes=len(content),
        min_fetch=FIRST + 2,
        max_fetch=FIRST + 5,
        checksum=xxhash.xxh3_128_digest(content),
        repaired=0,
    )
    assert (link_file.kind, link_file.rows, link_file.min_fetch) == ("links", 1, FIRST + 5)


@pytest.mark.parametrize(("kind", "schema"), [("pages", PAGES), ("links", LINKS)], ids=["pages", "links"])
def test_types_survive_the_file(tmp_path: Path, writer: SegmentWriter, kind: str, schema: pa.Schema) -> None:
    files = {file.kind: file for file in writer.write(1, 1, [page(FIRST, 1)], [link()])}
    stored = read_table(tmp_path / files[kind].path).schema  # type: ignore[index]
    assert stored.equals(schema)


def test_page_schema_follows_the_page_row() -> None:
    assert PAGES.names == [column.name for column in fields(PageRow)]


def test_no_pages_make_no_file(tmp_path: Path, writer: SegmentWriter) -> None:
    assert writer.write(1, 1, [], []) == []
    assert list(tmp_path.iterdir()) == []


def test_pages_without_links_make_one_file(writer: SegmentWriter) -> None:
    assert [file.kind for file in writer.write(1, 1, [page()], [])] == ["pages"]


def test_links_that_no_page_claims_are_a_bug(writer: SegmentWriter) -> None:
    with pytest.raises(AssertionError, match="every page says"):
        writer.write(1, 1, [page(links=2)], [link()])


@pytest.mark.parametrize(
    ("raw", "stored"),
    [
        ("caf\udce9", "caf\ufffd"),
        ("\udce9", "\ufffd"),
        ("\ud800x", "\ufffdx"),
        ("x\ud800", "x\ufffd"),
        ("\ud83d\udd17", "\U0001f517"),
        ("\ufeff\udce9", "\ufeff\ufffd"),
    ],
    ids=["header byte", "alone", "high before a letter", "high at the end", "pair", "after a BOM"],
)
def test_lone_surrogates_are_replaced_and_counted(tmp_path: Path, writer: SegmentWriter, raw: str, stored: str) -> None:
    (file,) = writer.write(1, 1, [page(server=raw), page(FIRST + 1, server="nginx"), page(FIRST + 2)], [])
    assert [row.server for row in read_pages(tmp_path / file.path)] == [stored, "nginx", None]
    assert file.repaired == 1


def test_failed_write_leaves_no_segment(tmp_path: Path, writer: SegmentWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("storage.segments.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        writer.write(1, 1, [page()], [])
    assert not list(tmp_path.rglob("*.parquet"))


def test_file_is_synced_before_it_gets_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    rename = Path.rename

    def renamed(source: Path, target: Path) -> Path:
        steps.append("rename")
        return rename(source, target)

    make_folder(DataDirectory(tmp_path).run_folder(1))
    monkeypatch.setattr("storage.segments.os.fsync", lambda _: steps.append("sync"))
    monkeypatch.setattr(Path, "rename", renamed)
    monkeypatch.setattr(segments, "sync_folder", lambda _: steps.append("sync folder"))
    SegmentWriter(DataDirectory(tmp_path), 3).write(1, 1, [page(links=1)], [link()])
    assert steps == ["sync", "rename", "sync", "rename", "sync folder"]


def test_changed_or_missing_file_is_not_intact(tmp_path: Path) -> None:
    path, content = tmp_path / "a", b"content"
    path.write_bytes(content)
    digest = xxhash.xxh3_128_digest(content)
    assert is_intact(path, len(content), digest)
    path.write_bytes(b"c0ntent")
    assert not is_intact(path, len(content), digest)
    path.unlink()
    assert not is_intact(path, len(content), digest)


def test_a_batch_is_one_row_group_without_statistics(tmp_path: Path, writer: SegmentWriter) -> None:
    _, file = writer.write(1, 1, [page(links=1000)], [link(at) for at in range(1000)])
    head = pq.ParquetFile(tmp_path / file.path).metadata
    assert head.num_row_groups == 1
    assert not any(head.row_group(0).column(at).is_stats_set for at in range(head.num_columns))


def test_links_of_a_site_take_under_25_bytes(writer: SegmentWriter) -> None:
    random = np.random.default_rng(1)
    links = [
        link(at % 60, target=f"https://h{at // 600}.example/{random.integers(1 << 32):x}/page", anchor=f"Page {at}")
        for at in range(30_000)
    ]
    _, file = writer.write(1, 1, [page(FIRST + at, 60) for at in range(500)], links)
    assert file.size_bytes / len(links) < 25
