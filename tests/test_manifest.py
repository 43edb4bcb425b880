"""Readers see the listed segments and one published generation, beside a running crawl and after it."""

from __future__ import annotations

import errno
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from storage.errors import DataMissing, ForeignDatabase, NotWritable
from storage.manifest import Generation, Manifest
from storage.sqlite import CrawlStore
from tests.store_rows import NOW, fetched


@pytest.fixture
async def data_dir(tmp_path: Path) -> Path:
    async with CrawlStore.open(tmp_path, compression_level=3) as store:
        await store.start_run("test", "{}", fresh=False, now=NOW)
        await store.commit(fetched(1, 2), NOW)
        await store.commit(fetched(2, 0), NOW + 5)
    return tmp_path


def test_segments_are_listed_in_order_of_commit(data_dir: Path) -> None:
    with Manifest.open(data_dir) as manifest:
        first, second = manifest.segments("pages")
        assert [segment.rows for segment in manifest.segments("links")] == [2]
        assert manifest.segments("pages", after=first.id) == [second]
        assert manifest.last_segment() == second.id
    assert (first.kind, first.run, first.min_fetch, first.max_fetch, first.committed_at) == ("pages", 1, 1, 1, NOW)
    assert (data_dir / first.path).stat().st_size == first.size_bytes


def test_statement_of_the_readme_lists_the_segments(data_dir: Path) -> None:
    readme = (Path(__file__).parent.parent / "README.md").read_text("utf-8")
    statement = re.search(r'crawl\.db "(SELECT .*)"', readme)
    assert statement is not None
    with closing(sqlite3.connect(data_dir / "crawl.db")) as database, Manifest.open(data_dir) as manifest:
        listed = [path for (path,) in database.execute(statement[1])]
        assert listed == [segment.path for segment in manifest.segments("links")]


def test_generation_is_seen_once_it_is_published(data_dir: Path) -> None:
    with Manifest.open(data_dir, write=True) as builder, Manifest.open(data_dir) as reader:
        begun = builder.begin_generation(NOW)
        assert begun == Generation(1, "index/generation=000001", NOW, None, None)
        assert reader.current() is None
        builder.publish(begun.id, 3, NOW + 60)
        assert reader.current() == Generation(1, "index/generation=000001", NOW, NOW + 60, 3)


def test_next_generation_takes_the_place_of_the_last(data_dir: Path) -> None:
    with Manifest.open(data_dir, write=True) as manifest:
        first, second = manifest.begin_generation(NOW), manifest.begin_generation(NOW)
        manifest.publish(first.id, 1, NOW)
        manifest.publish(second.id, 3, NOW)
        published = manifest.current()
        assert published is not None
        assert published.id == second.id
        manifest.forget(first.id)
        assert [generation.id for generation in manifest.generations()] == [second.id]


def test_published_generation_cannot_be_forgotten(data_dir: Path) -> None:
    with Manifest.open(data_dir, write=True) as manifest:
        begun = manifest.begin_generation(NOW)
        manifest.publish(begun.id, 1, NOW)
        with pytest.raises(sqlite3.IntegrityError):
            manifest.forget(begun.id)


def test_number_of_a_forgotten_generation_is_not_used_again(data_dir: Path) -> None:
    with Manifest.open(data_dir, write=True) as manifest:
        manifest.forget(manifest.begin_generation(NOW).id)
        assert manifest.begin_generation(NOW).id == 2


def test_reader_cannot_write(data_dir: Path) -> None:
    with Manifest.open(data_dir) as manifest, pytest.raises(sqlite3.OperationalError, match="readonly"):
        manifest._database.execute("DELETE FROM segments")


async def test_publishing_goes_beside_a_running_crawl(data_dir: Path) -> None:
    async with CrawlStore.open(data_dir, compression_level=3) as store:
        await store.start_run("test", "{}", fresh=False, now=NOW)
        with Manifest.open(data_dir, write=True) as manifest:
            manifest.publish(manifest.begin_generation(NOW).id, manifest.last_segment(), NOW)
            await store.commit(fetched(3, 1), NOW)
            assert len(manifest.segments("pages")) == 3


def test_place_without_a_crawl_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match="no crawl here"), Manifest.open(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_foreign_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "crawl.db").touch()
    with pytest.raises(ForeignDatabase), Manifest.open(tmp_path):
        pass


def test_data_directory_that_may_not_be_read_is_told(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", refuse)
    with pytest.raises(NotWritable, match="not readable"), Manifest.open(data_dir):
        pass
