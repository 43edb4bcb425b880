"""Builds one generation: pages and links segments in, sorted files out, in stages of bounded memory.

Rule: what concerns pages is SQL: each stage is one SELECT of `sql/`, its result a table of the scratch database. Links,
sixty times as many, are numbered, turned and counted as columns (`turning`, `rollups`), some target hosts at a time.
No URL is parsed here: the caller names the domain of each host. Publication is `storage.index.publish`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import duckdb
import pyarrow as pa

from storage.errors import DiskFull, StorageError
from storage.index import contents
from storage.index.faults import first_line, interruptible, is_full_disk, is_unwritable
from storage.index.inputs import HOST_DOMAINS, KINDS, POLICY
from storage.index.layout import ROLL_UP_ROWS
from storage.index.numbers import Hosts, Sources
from storage.index.turning import World
from storage.index.writing import LinkWriter
from storage.schemas import LINKS, PAGES
from storage.statements import text_of

NameHosts = Callable[[Sequence[str]], pa.Table]
"""Hosts in, rows of `inputs.HOST_DOMAINS` out, one for each."""

Tell = Callable[[str], None]
"""Hears the name of each stage when it begins."""

STAGES: Final = (
    "fetched_again",
    "visits",
    "latest",
    "finals",
    "repeated",
    "effects",
    "histories",
    "replaced",
    "names",
    "sources",
)
"""Tables of the scratch database, in the order they need each other."""

SORTED_LINK_BYTES: Final = 640
"""Memory that turning one link may take. Links beyond it are turned in slices of target hosts."""

HOSTS_A_CALL: Final = 50_000
"""Hosts named at a time: bounds what Python holds of them."""


class OutOfMemory(StorageError):
    """The index cannot be built within its memory; raise storage.index_memory, or lower storage.index_threads."""


class ScratchUnusable(StorageError):
    """The index cannot write its files here; check the free space and the permissions of the data directory."""


def _silent(stage: str) -> None:
    """Tell nobody."""


class Limits(NamedTuple):
    """What a build may use, and who hears of it."""

    memory_bytes: int
    threads: int
    tell: Tell = _silent


class Segments(NamedTuple):
    """The files a build reads, as the manifest lists them."""

    pages: Sequence[Path]
    links: Sequence[Path]


class Counts(NamedTuple):
    """Rows of the tables a build wrote."""

    links: int
    pages: int
    targets: int
    hosts: int
    domains: int


def write_generation(segments: Segments, scratch: Path, out: Path, name_hosts: NameHosts, limits: Limits) -> Counts:
    """Write all tables of a generation below `out`, one directory each; `scratch` holds what does not fit in memory.

    Both directories exist and are empty. Raises OutOfMemory, DiskFull or ScratchUnusable.
    """
    with _one_allocator(), _scratch(scratch, limits) as connection:
        limits.tell("hosts")
        _open_segments(connection, segments)
        _name_hosts(connection, name_hosts)
        for stage in STAGES:
            limits.tell(stage)
            _select(connection, stage).create(stage)
        limits.tell("sources")
        hosts = Hosts.of(_select(connection, "names").to_arrow_table())
        world = World(hosts, Sources.of(connection.table("sources").order("number").to_arrow_reader(), out))
        pages = _write_pages(connection, out, limits)
        writer = LinkWriter(connection, (scratch, out), world, limits.tell)
        rows = writer.write(segments.links, max(limits.memory_bytes // SORTED_LINK_BYTES, 1), limits.memory_bytes)
    contents.write(out)
    return Counts(rows["backlinks"], pages, rows["targets"], rows["hosts"], rows["domains"])


@contextmanager
def _one_allocator() -> Iterator[None]:
    """Let Arrow take memory from where numpy gives it back: 5 % less CPU, 15 % less memory (bench/index.py)."""
    before = pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(before)


@contextmanager
def _scratch(directory: Path, limits: Limits) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the scratch database; refusals of memory and disk become the operator's errors."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": f"{limits.memory_bytes // 1024}KiB",
        "threads": limits.threads,
        "temp_directory": str(directory / "spill"),
        # Every output is sorted, so the order of what is read need not be kept, which costs memory.
        "preserve_insertion_order": False,
        "autoinstall_known_extensions": False,
        "TimeZone": "UTC",
    }
    place = directory.parent
    try:
        with interruptible(), duckdb.connect(str(directory / "scratch.duckdb"), config=config) as connection:
            yield connection
    except (duckdb.OutOfMemoryException, MemoryError) as error:
        raise OutOfMemory(place, first_line(error)) from error
    except duckdb.Error as error:
        if is_full_disk(error):
            raise DiskFull(place, first_line(error)) from error
        if is_unwritable(error):
            raise ScratchUnusable(place, first_line(error)) from error
        raise


def _select(connection: duckdb.DuckDBPyConnection, name: str) -> duckdb.DuckDBPyRelation:
    return connection.sql(text_of("storage.index.sql", name))


def _open_segments(connection: duckdb.DuckDBPyConnection, segments: Segments) -> None:
    """Make the views `raw_pages` and `raw_links` and the tables of the policy; without files the views are empty."""
    for view, files, schema in (("raw_pages", segments.pages, PAGES), ("raw_links", segments.links, LINKS)):
        if files:
            # Folders named `run=000001` would become columns.
            connection.read_parquet([str(file) for file in files], hive_partitioning=False).create_view(view)
        else:
            connection.from_arrow(schema.empty_table()).create(view)
    for table, rows in (("kinds", KINDS), ("policy", POLICY), ("host_domains", HOST_DOMAINS.empty_table())):
        connection.from_arrow(rows).create(table)


def _name_hosts(connection: duckdb.DuckDBPyConnection, name_hosts: NameHosts) -> None:
    """Fill `host_domains` with every host of the segments, some thousands at a time."""
    _select(connection, "all_hosts").create("all_hosts")
    with connection.cursor() as reader:
        for batch in reader.table("all_hosts").to_arrow_reader(HOSTS_A_CALL):
            connection.register("named_hosts", name_hosts(batch.column(0).to_pylist()))
            connection.execute(text_of("storage.index.sql", "add_hosts"))
            connection.unregister("named_hosts")


def _write_pages(connection: duckdb.DuckDBPyConnection, out: Path, limits: Limits) -> int:
    """Write the table of pages and return its rows."""
    limits.tell("pages")
    (out / "pages").mkdir()
    file = out / "pages" / "part-00000.parquet"
    _select(connection, "pages").write_parquet(str(file), compression="zstd", row_group_size=ROLL_UP_ROWS)
    return len(connection.table("latest"))
