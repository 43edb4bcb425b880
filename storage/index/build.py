"""Builds one generation: pages and links segments in, sorted Parquet out, in stages of bounded memory.

Rule: each stage is one SELECT of `sql/`, its result a table of the scratch database or a sorted file of the generation.
What is wide is read once, sorted and written; the roll-ups read the written backlinks. No URL is parsed here: the
caller names the domain of each host. Directories and publication are `storage.index.publish`'.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import duckdb
import pyarrow as pa

from storage.errors import DiskFull, StorageError
from storage.index.faults import first_line, interruptible, is_full_disk, is_unwritable
from storage.index.inputs import HOST_DOMAINS, KINDS, POLICY
from storage.schemas import LINKS, PAGES
from storage.statements import text_of

NameHosts = Callable[[Sequence[str]], pa.Table]
"""Hosts in, rows of `inputs.HOST_DOMAINS` out, one for each."""

STAGES: Final = ("visits", "latest", "finals", "repeated", "effects", "histories", "replaced")
"""Tables of the scratch database, in the order they need each other."""

SLICED: Final = {"backlinks": "target_slices", "outlinks": "source_slices"}
ROLL_UPS: Final = ("pages", "targets", "hosts", "domains", "domain_pairs", "anchors")
TABLES: Final = (*SLICED, *ROLL_UPS)

SORTED_LINK_BYTES: Final = 2_048
"""Memory that sorting one link may take. Links beyond it are sorted in slices of hosts, for a sort that spills is slow:
an index of 1M links in 128 MiB took 38 s of CPU at once, and 17 s in slices (bench/index.py)."""

ROW_GROUP_ROWS: Final = 20_480
"""A look-up reads one or two row groups: small ones answer fast, smaller ones grow the footer (bench/index.py)."""

HOSTS_A_CALL: Final = 50_000
"""Hosts named at a time: bounds what Python holds of them."""


class OutOfMemory(StorageError):
    """The index cannot be built within its memory; raise storage.index_memory, or lower storage.index_threads."""


class ScratchUnusable(StorageError):
    """The index cannot write its files here; check the free space and the permissions of the data directory."""


class Limits(NamedTuple):
    """What a build may use."""

    memory_bytes: int
    threads: int


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
    with _scratch(scratch, limits) as connection:
        _open_segments(connection, segments, limits)
        _name_hosts(connection, name_hosts)
        for stage in STAGES:
            _select(connection, stage).create(stage)
        rows = {table: _write_slices(connection, table, out) for table in SLICED}
        _select(connection, "facts").create_view("facts")
        rows |= {table: _write(connection, table, out) for table in ROLL_UPS}
    return Counts(rows["backlinks"], rows["pages"], rows["targets"], rows["hosts"], rows["domains"])


@contextmanager
def _scratch(directory: Path, limits: Limits) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the scratch database; DuckDB's refusals become the operator's errors."""
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
    except duckdb.OutOfMemoryException as error:
        raise OutOfMemory(place, first_line(error)) from error
    except duckdb.Error as error:
        if is_full_disk(error):
            raise DiskFull(place, first_line(error)) from error
        if is_unwritable(error):
            raise ScratchUnusable(place, first_line(error)) from error
        raise


def _select(connection: duckdb.DuckDBPyConnection, name: str) -> duckdb.DuckDBPyRelation:
    return connection.sql(text_of("storage.index.sql", name))


def _read(connection: duckdb.DuckDBPyConnection, files: Sequence[Path]) -> duckdb.DuckDBPyRelation:
    # Folders named `run=000001` would become columns.
    return connection.read_parquet([str(file) for file in files], hive_partitioning=False)


def _open_segments(connection: duckdb.DuckDBPyConnection, segments: Segments, limits: Limits) -> None:
    """Make the views `raw_pages` and `raw_links` and the tables of the policy; without files the views are empty."""
    for view, files, schema in (("raw_pages", segments.pages, PAGES), ("raw_links", segments.links, LINKS)):
        if files:
            _read(connection, files).create_view(view)
        else:
            connection.from_arrow(schema.empty_table()).create(view)
    slice_links = max(limits.memory_bytes // SORTED_LINK_BYTES, 1)
    policy = POLICY.append_column("slice_links", pa.array([slice_links], pa.int64()))
    for table, rows in (("kinds", KINDS), ("policy", policy), ("host_domains", HOST_DOMAINS.empty_table())):
        connection.from_arrow(rows).create(table)


def _name_hosts(connection: duckdb.DuckDBPyConnection, name_hosts: NameHosts) -> None:
    """Fill `host_domains` with every host of the segments, some thousands at a time."""
    _select(connection, "all_hosts").create("all_hosts")
    with connection.cursor() as reader:
        for batch in reader.table("all_hosts").to_arrow_reader(HOSTS_A_CALL):
            connection.register("named_hosts", name_hosts(batch.column(0).to_pylist()))
            connection.execute(text_of("storage.index.sql", "add_hosts"))
            connection.unregister("named_hosts")


def _write_slices(connection: duckdb.DuckDBPyConnection, table: str, out: Path) -> int:
    """Write a table slice by slice, a part each, in the order of the hosts."""
    slices = SLICED[table]
    _select(connection, slices).create(slices)
    connection.table(slices).create_view("slices", replace=True)
    ((last,),) = connection.table(slices).max("slice").fetchall()
    (out / table).mkdir()
    for number in range((last or 0) + 1):
        connection.execute(text_of("storage.index.sql", "take_slice"), {"slice": number})
        _write_part(connection, table, out, number)
    return _show(connection, table, out)


def _write(connection: duckdb.DuckDBPyConnection, table: str, out: Path) -> int:
    """Write one sorted table."""
    (out / table).mkdir()
    _write_part(connection, table, out, 0)
    return _show(connection, table, out)


def _write_part(connection: duckdb.DuckDBPyConnection, table: str, out: Path, number: int) -> None:
    file = out / table / f"part-{number:05}.parquet"
    _select(connection, table).write_parquet(str(file), compression="zstd", row_group_size=ROW_GROUP_ROWS)


def _show(connection: duckdb.DuckDBPyConnection, table: str, out: Path) -> int:
    """Make a written table readable as a view of its name, and return its rows."""
    written = _read(connection, parts(out, table))
    written.create_view(table)
    return len(written)


def parts(generation: Path, table: str) -> list[Path]:
    """Return the files of a generation's table; one after the other they are sorted."""
    return sorted((generation / table).glob("part-*.parquet"))
