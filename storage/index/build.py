"""Builds one generation: layers that stay are linked, the segments after them become a new one, in bounded memory.

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
from storage.index import contents, refetched
from storage.index.faults import first_line, interruptible, is_full_disk, is_unwritable
from storage.index.inputs import HOST_DOMAINS, KINDS, POLICY
from storage.index.known import write_known
from storage.index.layout import HANDED_ROWS
from storage.index.numbers import Hosts, Sources, write_numbers
from storage.index.refetched import Segments
from storage.index.stack import Layer, Stack, link_layer
from storage.index.turning import World
from storage.index.writing import LinkWriter, keep_in_database, write_rows
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
    "shown",
    "repeated",
    "effects",
    "histories",
    "replaced",
    "names",
)
"""Tables of the scratch database, in the order they need each other."""

IN_DATABASE: Final = 0.625
"""Share of the memory that the scratch database takes for pages: it goes beyond its limit by a third when it sorts, and
what links are numbered by is made meanwhile. With all of it 100 million links peaked at 1.7 times the memory."""

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

    @property
    def database_bytes(self) -> int:
        """What the scratch database may hold while no links are turned."""
        return int(self.memory_bytes * IN_DATABASE)


NOTHING: Final = Segments((), ())


class Counts(NamedTuple):
    """What a generation has."""

    links: int
    """Of all pages, those counted once that were fetched again."""
    pages: int
    """URLs fetched."""
    layers: int


class Plan(NamedTuple):
    """What a generation is made of."""

    segments: Segments
    """Of the new layer; without pages there is none."""
    kept: Sequence[Layer] = ()
    generation: Path = Path()
    """Where the layers are that are kept."""
    before: Segments = NOTHING
    """What they were built of."""
    naming: str = ""
    """What `name_hosts` depends on."""
    last_segment: int = 0


def write_generation(plan: Plan, scratch: Path, out: Path, name_hosts: NameHosts, limits: Limits) -> Counts:
    """Write a generation below `out`; `scratch` holds what does not fit in memory.

    Both directories exist and are empty. Raises OutOfMemory, DiskFull or ScratchUnusable.
    """
    with _one_allocator(), _scratch(scratch, limits) as connection:
        layers = [*plan.kept]
        for layer in layers:
            link_layer(layer.path(plan.generation), layer.path(out))
        if plan.segments.pages:
            folder = out / f"layer={len(layers):03}"
            folder.mkdir()
            history = _history(connection, plan, out, (scratch, folder), limits) if layers else NOTHING
            limits.tell("hosts")
            _open_segments(connection, [plan.segments, history])
            _name_hosts(connection, name_hosts)
            made = _write_layer(connection, plan.segments.links, (scratch, folder), limits)
            layers.append(made._replace(last_segment=plan.last_segment))
        elif layers:
            layers[-1] = layers[-1]._replace(last_segment=plan.last_segment)
        pages, layers = _write_overall(connection, layers, out, limits)
    Stack(plan.naming, tuple(layers)).write(out)
    limits.tell("checksums")
    contents.write(out)
    return Counts(sum(layer.links - layer.covered_links for layer in layers), pages, len(layers))


def _history(
    connection: duckdb.DuckDBPyConnection, plan: Plan, out: Path, folders: tuple[Path, Path], limits: Limits
) -> Segments:
    """Return the earlier visits to pages of a new layer that were fetched again."""
    limits.tell("pages fetched again")
    with _part(connection):
        refetched.view_layers(connection, [layer.path(out) for layer in plan.kept])
        return Segments(*refetched.gather(connection, plan.segments.pages, plan.before, folders))


def _write_layer(
    connection: duckdb.DuckDBPyConnection, links_of: Sequence[Path], folders: tuple[Path, Path], limits: Limits
) -> Layer:
    """Write all tables of a layer, one directory each; `links_of` are the new segments of links."""
    scratch, out = folders
    for stage in STAGES:
        limits.tell(stage)
        _select(connection, stage).create(stage)
    limits.tell("sources")
    hosts = Hosts.of(_select(connection, "names").to_arrow_table())
    sources = Sources.of(_select(connection, "sources").to_arrow_reader(HANDED_ROWS), hosts, out)
    limits.tell("pages")
    connection.register("numbered_sources", sources.numbered())
    pages = write_rows(out, "pages", _select(connection, "pages"))
    connection.unregister("numbered_sources")
    connection.execute(text_of("storage.index.sql", "drop_visits"))
    writer = LinkWriter(connection, (scratch, out), World(hosts, sources), limits.tell)
    # No page of the history was visited once: its links come from `repeated`.
    links = writer.write(links_of, limits.memory_bytes)
    return Layer(out.name, 0, pages, links, len(sources.place), 0)


def _write_overall(
    connection: duckdb.DuckDBPyConnection, layers: Sequence[Layer], out: Path, limits: Limits
) -> tuple[int, list[Layer]]:
    """Write what concerns all layers; return the pages fetched, and the layers with the links that are covered."""
    paths = [layer.path(out) for layer in layers]
    covers = refetched.covers_of(paths)
    limits.tell("known pages")
    keep_in_database(connection, limits.database_bytes)
    with _part(connection):
        pages = write_known(connection, paths, covers, out)
    limits.tell("numbers of sources")
    covered = write_numbers(paths, covers, out)
    return pages, [layer._replace(covered_links=links) for layer, links in zip(layers, covered, strict=True)]


@contextmanager
def _part(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Have what the block makes in the database go with it; to open another database takes 16 ms."""
    connection.execute(text_of("storage.index.sql", "begin_part"))
    yield
    connection.execute(text_of("storage.index.sql", "end_part"))


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
    """Open the scratch database; refusals of memory and disk become the operator's errors.

    Its tables lie in memory, and on disk beyond that: a file of its own would be packed table by table, 4 % of the CPU
    of a build and 15 % of one with pages that were fetched again (bench/index.py).
    """
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": f"{limits.database_bytes // 1024}KiB",
        "threads": limits.threads,
        "temp_directory": str(directory / "spill"),
        # Every output is sorted, so the order of what is read need not be kept, which costs memory.
        "preserve_insertion_order": False,
        "autoinstall_known_extensions": False,
        "TimeZone": "UTC",
    }
    place = directory.parent
    try:
        with interruptible(), duckdb.connect(":memory:", config=config) as connection:
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


def _open_segments(connection: duckdb.DuckDBPyConnection, segments: Sequence[Segments]) -> None:
    """Make the views `raw_pages` and `raw_links` and the tables of the policy; without files the views are empty."""
    refetched.view(connection, "raw_pages", [file for each in segments for file in each.pages], PAGES)
    refetched.view(connection, "raw_links", [file for each in segments for file in each.links], LINKS)
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
