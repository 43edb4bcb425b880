"""What DuckDB raises for a full disk, damaged files and an interrupt becomes what the operator is told."""

from __future__ import annotations

import errno
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from storage.asking import Mode, Target
from storage.errors import DataCorrupt, DiskFull
from storage.index.build import ScratchUnusable, _scratch
from storage.index.faults import interruptible
from storage.index.publish import build_index
from storage.manifest import Manifest
from storage.query import Index, IndexDamaged
from storage.sqlite import CrawlStore
from tests.index_web import LIMITS, name_hosts
from tests.store_rows import NOW, fetched
from tests.test_query import URL

DAMAGES = 60


@pytest.fixture
async def data_dir(tmp_path: Path) -> Path:
    """Return a data directory with one page, its links and a published index of them."""
    async with CrawlStore.open(tmp_path, compression_level=3) as store:
        await store.start_run("test", "{}", fresh=False, now=NOW)
        await store.commit(fetched(1 << 40, 2), NOW)
    build_index(tmp_path, name_hosts, LIMITS)
    return tmp_path


@pytest.mark.parametrize("kind", ["pages", "links"])
@pytest.mark.parametrize("damage", ["random bytes", "one byte", "cut", "missing"])
def test_no_index_is_built_of_a_segment_that_is_not_the_one_written(data_dir: Path, kind: str, damage: str) -> None:
    (file,) = (data_dir / "segments").rglob(f"{kind}-*.parquet")
    content = bytearray(file.read_bytes())
    match damage:
        case "random bytes":
            file.write_bytes(random.Random(1).randbytes(len(content)))
        case "one byte":
            content[len(content) // 2] ^= 1
            file.write_bytes(content)
        case "cut":
            file.write_bytes(content[:-1])
        case _:
            file.unlink()
    state = "missing" if damage == "missing" else "changed"
    with pytest.raises(DataCorrupt, match=rf"{file.name}: Stored data is damaged; .* \({state}\)"):
        build_index(data_dir, name_hosts, LIMITS)
    with Manifest.open(data_dir) as manifest:
        current = manifest.current()
    assert current is not None
    assert current.id == 1


def damage_is_told(data_dir: Path) -> bool:
    """Ask every question; any other error than IndexDamaged is the test's failure."""
    try:
        with Index.open(data_dir) as opened:
            for question in (opened.backlinks, opened.outlinks, opened.domains, opened.anchors):
                question(URL).table()
            opened.summary(URL)
    except IndexDamaged:
        return True
    return False


def test_damaged_index_says_how_to_mend_it(data_dir: Path) -> None:
    drawn = random.Random(1)
    (generation,) = (data_dir / "index").glob("generation=*")
    files = sorted(generation.rglob("*.parquet"))
    whole = {file: file.read_bytes() for file in files}
    told = 0
    for number in range(DAMAGES):
        file = files[number % len(files)]
        content = bytearray(whole[file])
        at = drawn.randrange(len(content) - 8)
        content[at : at + 8] = drawn.randbytes(8)
        file.write_bytes(content)
        told += damage_is_told(data_dir)
        file.write_bytes(whole[file])
    assert told > DAMAGES // 4


def test_index_that_was_removed_is_told_to_be_built_anew(data_dir: Path) -> None:
    (generation,) = (data_dir / "index").glob("generation=*")
    generation.rename(data_dir / "elsewhere")
    with pytest.raises(IndexDamaged, match="`linkmill index` builds it anew"), Index.open(data_dir):
        pass
    assert build_index(data_dir, name_hosts, LIMITS).generation.id == 2
    with Index.open(data_dir) as opened:
        assert opened.number == 2


def links_of(data_dir: Path) -> list[list[dict[str, Any]]] | None:
    """Return all links from and to a page, None when the index is told to be damaged."""
    try:
        with Index.open(data_dir) as opened:
            return [question(URL).table().to_pylist() for question in (opened.backlinks, opened.outlinks)]
    except IndexDamaged:
        return None


@pytest.mark.parametrize("table", ["backlinks", "outlinks"])
def test_damaged_links_are_no_answer(data_dir: Path, table: str) -> None:
    drawn = random.Random(2)
    (file,) = (data_dir / "index").glob(f"generation=*/*/{table}/part-*.parquet")
    whole, right = file.read_bytes(), links_of(data_dir)
    assert right is not None
    for _ in range(DAMAGES // 2):
        content = bytearray(whole)
        at = drawn.randrange(len(content) - 4)
        content[at : at + 4] = drawn.randbytes(4)
        file.write_bytes(content)
        assert links_of(data_dir) in (None, right), at
    file.write_bytes(whole[:-1])
    assert links_of(data_dir) is None


@pytest.mark.parametrize("table", ["backlinks", "targets"])
def test_damaged_page_is_told_by_its_file(data_dir: Path, table: str) -> None:
    (file,) = (data_dir / "index").glob(f"generation=*/*/{table}/part-*.parquet")
    content, metadata = bytearray(file.read_bytes()), pq.read_metadata(file)
    for at in range(metadata.num_columns):
        chunk = metadata.row_group(0).column(at)
        content[chunk.data_page_offset + chunk.total_compressed_size - 1 - _dictionary_bytes(chunk)] ^= 1
    file.write_bytes(content)
    with pytest.raises(IndexDamaged, match=rf"layer=000/{table}/part-\w+\.parquet: "), Index.open(data_dir) as opened:
        opened.backlinks(Target(Mode.DOMAIN, "b.example", "example.b"))


def _dictionary_bytes(chunk: pq.ColumnChunkMetaData) -> int:
    return chunk.data_page_offset - chunk.dictionary_page_offset if chunk.dictionary_page_offset else 0


def answers_of(data_dir: Path) -> list[Any] | None:
    """Return the answers to all questions, None when the index is told to be damaged."""
    found: list[Any] = []
    try:
        with Index.open(data_dir) as opened:
            for about in (
                URL,
                Target(Mode.HOST, "b.example", "example.b"),
                Target(Mode.DOMAIN, "b.example", "example.b"),
            ):
                questions = (opened.backlinks, opened.outlinks, opened.domains, opened.anchors)
                found += [question(about).table().to_pylist() for question in questions]
                found.append([table.to_pylist() for table in opened.summary(about)])
    except IndexDamaged:
        return None
    return found


def test_flipped_bit_in_any_file_is_never_another_answer(data_dir: Path) -> None:
    drawn = random.Random(3)
    (generation,) = (data_dir / "index").glob("generation=*")
    right, told = answers_of(data_dir), 0
    assert right is not None
    for file in sorted(path for path in generation.rglob("*") if path.is_file()):
        whole = file.read_bytes()
        for _ in range(3):
            content = bytearray(whole)
            content[drawn.randrange(len(content))] ^= 1 << drawn.randrange(8)
            file.write_bytes(content)
            found = answers_of(data_dir)
            assert found in (None, right), file
            told += found is None
        file.write_bytes(whole)
    assert told > 30


def test_damage_of_the_sources_is_told_by_their_file(data_dir: Path) -> None:
    (sources,) = (data_dir / "index").glob("generation=*/layer=000/sources.packed")
    sources.write_bytes(bytes(sources.stat().st_size))
    with Index.open(data_dir) as opened, pytest.raises(IndexDamaged, match=r"layer=000/sources\.packed has changed"):
        opened.backlinks(Target(Mode.DOMAIN, "b.example", "example.b")).table()


@pytest.mark.parametrize(
    "missing",
    [
        "contents.json",
        "layers.json",
        "known.arrow",
        "layer=000/sources.packed",
        "layer=000/backlinks/columns.parquet",
        "layer=000/outlinks/part-00000.parquet",
        "layer=000/targets/part-00000.parquet",
    ],
)
def test_index_of_another_layout_is_told_to_be_built_anew(data_dir: Path, missing: str) -> None:
    (generation,) = (data_dir / "index").glob("generation=*")
    (generation / missing).unlink()
    with pytest.raises(IndexDamaged, match="`linkmill index` builds it anew"), Index.open(data_dir):
        pass


NO_ROOM = os.strerror(errno.ENOSPC)


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        pytest.param(duckdb.TransactionException(f'Could not write file "x": {NO_ROOM}'), DiskFull, id="commit_full"),
        pytest.param(duckdb.IOException(f'Could not write file "x": {NO_ROOM}'), DiskFull, id="write_full"),
        pytest.param(
            duckdb.TransactionException('Could not write file "x": File too large'), ScratchUnusable, id="commit"
        ),
        pytest.param(duckdb.IOException('Cannot open file "x": Permission denied'), ScratchUnusable, id="open"),
        pytest.param(duckdb.CatalogException("no such table"), duckdb.CatalogException, id="bug"),
    ],
)
def test_fault_of_a_build_is_told_by_its_cause(tmp_path: Path, raised: duckdb.Error, expected: type[Exception]) -> None:
    with pytest.raises(expected), _scratch(tmp_path, LIMITS):
        raise raised


INTERRUPTED = """
import os, signal, threading, duckdb
from storage.index.faults import interruptible
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs start with it ignored
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    with duckdb.connect() as connection, interruptible():
        connection.sql("SELECT count(*) FROM range(100000000) a, range(100) b").to_arrow_table()
except KeyboardInterrupt:
    os._exit(7)
"""


def test_signal_that_duckdb_takes_is_an_interrupt_again() -> None:
    command = [sys.executable, "-c", INTERRUPTED]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (7, "")


def test_other_errors_of_the_run_time_are_no_interrupt() -> None:
    with pytest.raises(RuntimeError, match="else"), interruptible():
        raise RuntimeError("something else")
