"""One crawl holds a data directory; foreign, lost and other versions' data is refused, never changed."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from storage.directory import DataDirectory, free_bytes, is_held, locked, make_folder, prepare_database, remove_orphans
from storage.errors import (
    DatabaseMissing,
    DataCorrupt,
    DataDirectoryBusy,
    DataGone,
    FolderExpected,
    ForeignDatabase,
    NotWritable,
    SchemaMismatch,
)
from storage.manifest import connected
from storage.records import SCHEMA_VERSION


@pytest.fixture
def directory(tmp_path: Path) -> DataDirectory:
    return DataDirectory(tmp_path)


def change(directory: DataDirectory, sql: str) -> None:
    with closing(sqlite3.connect(directory.database)) as database:
        database.execute(sql)
        database.commit()


def test_second_crawl_is_refused_and_told_who_holds_the_directory(directory: DataDirectory) -> None:
    with (
        locked(directory),
        pytest.raises(DataDirectoryBusy, match=rf"Another crawl.*\(process {os.getpid()}\)"),
        locked(directory),
    ):
        pass


def test_lock_is_free_again_after_a_crawl(directory: DataDirectory) -> None:
    for _ in range(2):
        with locked(directory):
            assert directory.lock_file.read_text() == f"{os.getpid()}\n"


def test_lock_is_looked_at_without_being_taken(directory: DataDirectory) -> None:
    assert not is_held(directory)
    assert not directory.lock_file.exists()
    with locked(directory):
        assert is_held(directory)
    assert not is_held(directory)


HOLDER = """
import sys
from pathlib import Path
from storage.directory import DataDirectory, locked
with locked(DataDirectory(Path(sys.argv[1]))):
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_lock_goes_with_a_killed_process(directory: DataDirectory) -> None:
    command = [sys.executable, "-c", HOLDER, str(directory.root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        with pytest.raises(DataDirectoryBusy, match=f"process {holder.pid}"), locked(directory):
            pass
        holder.kill()
    with locked(directory):
        pass


def test_new_directory_gets_a_database_of_this_version_once(directory: DataDirectory) -> None:
    prepare_database(directory)
    before = directory.database.stat()
    prepare_database(directory)
    assert directory.database.stat().st_size == before.st_size
    with closing(sqlite3.connect(directory.database)) as database:
        meta = dict(database.execute("SELECT key, value FROM meta"))
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert meta["schema_version"] == SCHEMA_VERSION
    assert meta["incarnation"] == 0
    assert meta["created_at"] > 1.7e9


@pytest.mark.parametrize(("value", "told"), [("999", 999), ("x'ff'", 0)])
def test_other_version_is_refused_naming_both(directory: DataDirectory, value: str, told: int) -> None:
    prepare_database(directory)
    change(directory, f"UPDATE meta SET value = {value} WHERE key = 'schema_version'")
    with pytest.raises(SchemaMismatch, match=f"version is {told}, this Linkmill's is {SCHEMA_VERSION}"):
        prepare_database(directory)


def test_foreign_database_is_refused_and_left_alone(directory: DataDirectory) -> None:
    change(directory, "CREATE TABLE theirs (x)")
    content = directory.database.read_bytes()
    with pytest.raises(ForeignDatabase):
        prepare_database(directory)
    assert directory.database.read_bytes() == content


def test_file_that_is_no_database_is_refused(directory: DataDirectory) -> None:
    directory.database.write_bytes(b"not a database at all, only some text" * 100)
    with pytest.raises(DataCorrupt):
        prepare_database(directory)


def test_segments_without_their_database_are_never_taken_for_orphans(directory: DataDirectory) -> None:
    make_folder(directory.run_folder(1))
    (directory.run_folder(1) / "pages-000000001.parquet").touch()
    with pytest.raises(DatabaseMissing):
        prepare_database(directory)
    assert not directory.database.exists()
    with pytest.raises(DatabaseMissing), connected(directory.root):
        pass


def test_tables_that_are_not_as_they_were_made_are_damage(directory: DataDirectory) -> None:
    prepare_database(directory)
    change(directory, "ALTER TABLE robots RENAME COLUMN expires_at TO expires_it")
    with pytest.raises(DataCorrupt, match="tables are not those"):
        prepare_database(directory)


def test_nothing_is_taken_for_an_orphan_while_a_listed_segment_is_missing(directory: DataDirectory) -> None:
    make_folder(directory.run_folder(1))
    segment = directory.run_folder(1) / "pages-000000001.parquet"
    segment.touch()
    with pytest.raises(DataCorrupt, match=r"pages-000000009\.parquet is missing"):
        remove_orphans(directory, {"segments/run=000001/pages-000000009.parquet"})
    assert segment.exists()


def test_interrupted_creation_is_started_again(directory: DataDirectory) -> None:
    directory.database.touch()
    prepare_database(directory)
    prepare_database(directory)


def test_orphans_and_unfinished_files_are_removed_and_counted(directory: DataDirectory) -> None:
    folder = directory.run_folder(2)
    make_folder(folder)
    for name in ("pages-000000001.parquet", "links-000000001.parquet", "links-000000002.parquet.tmp", "notes.txt"):
        (folder / name).touch()
    assert remove_orphans(directory, {"segments/run=000002/pages-000000001.parquet"}) == 2
    assert sorted(path.name for path in folder.iterdir()) == ["notes.txt", "pages-000000001.parquet"]


def test_nothing_to_remove_before_the_first_segment(directory: DataDirectory) -> None:
    assert remove_orphans(directory, set()) == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind the superuser")
def test_unwritable_place_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(NotWritable, match="not writable"), locked(DataDirectory(tmp_path / "data")):
        pass


def test_free_space_is_that_of_the_disk(directory: DataDirectory) -> None:
    assert free_bytes(directory) == pytest.approx(shutil.disk_usage(directory.root).free, rel=0.1)


def test_free_space_of_a_directory_that_is_gone_is_no_number(directory: DataDirectory) -> None:
    with pytest.raises(DataGone, match="went away"):
        free_bytes(DataDirectory(directory.root / "gone"))


def test_file_in_place_of_the_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(FolderExpected, match="data: A file stands"), locked(DataDirectory(tmp_path / "data")):
        pass
