"""Writes the tables of links and their roll-ups: slice by slice of target hosts, then of sources.

Rule: a slice fits in memory. Of one slice nothing is laid aside; with more, links wait on disk in files of their slice,
first raw by target, then turned by source. The roll-ups of a host or domain that was cut are merged at the end.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa

from storage.index import rollups, sums
from storage.index.facts import Facts
from storage.index.layout import (
    HANDED_ROWS,
    LINK_TABLES,
    LINKS,
    TEXT,
    Texts,
    coded,
    column,
    compacted,
    joined,
    part,
    rows_of,
    texts,
    used,
    write_columns,
)
from storage.index.levels import Level, levels
from storage.index.merging import Merging
from storage.index.numbers import Ints
from storage.index.slices import MOST_SLICES, Slices, cut, memory_of
from storage.index.turning import EXTERNAL, RAW, SAME_HOST, Turned, World, back, numbered, raw_links, turned
from storage.statements import text_of

SHARE: Final = 3
"""A slice takes so small a share of the memory: the rest is the database's and that of links that wait, and what lies
closer together is turned faster (0.20 us a link in slices of 1.7 million, 0.33 in slices of 5 million)."""

WAITING: Final = 2
"""Raw links wait in memory until there are as many as in so many slices: their texts are put together for all of them,
and a slice comes in fewer pieces."""


class LinkWriter:
    """Writes one generation's links. Used once."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        folders: tuple[Path, Path],
        world: World,
        tell: Callable[[str], None],
    ) -> None:
        self._connection = connection
        self._scratch, self._out = folders
        self._world = world
        self._tell = tell
        self._links = 0
        self._targets = 0
        self._per_source = np.zeros(len(world.sources.place), np.int64)
        self._laid_aside: Aside | None = None
        """Backlinks that wait to be written as outlinks; None while one slice holds all."""
        self._source_slices: Ints = np.empty(0, np.int32)
        self._merging: Merging | None = None
        """What is cut; None while nothing is."""

    def write(self, files: Sequence[Path], memory_bytes: int) -> int:
        """Write all tables of links, and how many each source has; return how many there are."""
        keep_in_database(self._connection, memory_bytes // 2)
        for table in LINK_TABLES:
            write_columns(self._out, table)
        self._write_tables(self._raw(files), memory_bytes)
        self._world.sources.write(self._out, self._per_source)
        return self._links

    def _write_tables(self, raw: Iterator[pa.Table], memory_bytes: int) -> None:
        """Turn all links at once if memory holds them, else in slices."""
        self._tell("reading links")
        held: deque[pa.Table] = deque()
        taken = 0
        for links in raw:
            held.append(links)
            taken += memory_of(links)
            if taken > memory_bytes:
                slice_links = max(memory_bytes * sum(table.num_rows for table in held) // (taken * SHARE), 1)
                self._write_slices(chain(_drained(held), raw), slice_links, memory_bytes)
                return
        self._tell("turning links")
        self._write_slice(turned(_drained(held), self._world, 0), 0)

    def _write_slices(self, raw: Iterable[pa.Table], slice_links: int, memory_bytes: int) -> None:
        self._tell("laying links aside")
        slices = self._slices(slice_links)
        aside = self._lay_aside(raw, slices, slice_links * WAITING)
        page = self._world.sources.page
        # The readings of one page stay together: they are shown in the order of the document.
        source_slices = cut(self._per_source, slice_links, np.append(page[1:] != page[:-1], True))
        self._laid_aside = Aside(self._scratch / "outlinks", int(source_slices.max(initial=0)) + 1, 1)
        self._source_slices = source_slices
        if slices.cut_domains.any():
            self._merging = Merging(self._scratch, slices, self._world)
        keep_in_database(self._connection, memory_bytes // 4)
        for number in range(aside.count):
            self._tell(f"turning links, slice {number + 1} of {aside.count}")
            self._write_slice(turned(aside.take(number), self._world, self._targets), number)
        self._tell("outlinks")
        for number in range(self._laid_aside.count):
            links = joined([*self._laid_aside.take(number)] or [LINKS.empty_table()])
            self._write_part("outlinks", number, back(links, self._world))
        if self._merging is not None:
            self._tell("roll-ups")
            keep_in_database(self._connection, memory_bytes // 2)
            for table in self._merging.open(self._connection):
                write_rows(self._out, table, _select(self._connection, f"merged_{table}"), aside.count)

    def _raw(self, files: Sequence[Path]) -> Iterator[pa.Table]:
        """Yield all links, counted by their source."""
        for links in chain(raw_links(files, self._world), self._links_again()):
            np.add.at(self._per_source, links.column("source").to_numpy(), 1)
            yield links

    def _links_again(self) -> Iterator[pa.Table]:
        """Yield the links of pages visited more than once; their tables are not needed any more then."""
        again = _select(self._connection, "again").to_arrow_table()
        for at, field in enumerate(again.schema):
            if RAW.field(field.name).type == TEXT if field.name in RAW.names else field.name == "target_host":
                again = again.set_column(at, field.name, again.column(at).dictionary_encode())
        # Sorted here, not by the statement: that would sort rows of texts, twice the time of all the rest.
        self._connection.execute(text_of("storage.index.sql", "drop_histories"))
        order = np.lexsort((again.column("ordinal").to_numpy(), again.column("fetch").to_numpy()))
        yield numbered(rows_of(again, order), self._world, once=False)

    def _slices(self, slice_links: int) -> Slices:
        """Return the slices of targets."""
        counted = _select(self._connection, "target_hosts").to_arrow_table()
        links = np.zeros(len(self._world.hosts.domain), np.int64)
        links[counted.column("id").to_numpy()] = counted.column("links").to_numpy()
        slice_links = max(slice_links, int(links.sum()) // MOST_SLICES)
        starts: dict[int, list[str]] = {}
        large = np.flatnonzero(links > slice_links)
        if len(large):
            self._connection.register("large_hosts", pa.table({"id": large}))
            query = self._connection.sql(
                text_of("storage.index.sql", "target_cuts"), params={"slice_links": slice_links}
            )
            for number, url in query.fetchall():
                starts.setdefault(number, []).append(url)
            self._connection.unregister("large_hosts")
        return Slices.of(links, self._world.hosts, {number: urls[1:] for number, urls in starts.items()}, slice_links)

    def _lay_aside(self, raw: Iterable[pa.Table], slices: Slices, most_links: int) -> Aside:
        """Lay all raw links aside by the slice of their host."""
        aside = Aside(self._scratch / "backlinks", slices.count, most_links)
        for table in raw:
            aside.put(table, slices.of_links(table))
        return aside

    def _write_slice(self, found: Turned, number: int) -> None:
        """Write a slice of backlinks with its roll-ups, and its outlinks now or later."""
        self._tell("backlinks")
        self._write_part("backlinks", number, found.links)
        self._links += found.links.num_rows
        if self._laid_aside is None:
            self._tell("outlinks")
            self._write_part("outlinks", number, back(found.links, self._world))
            self._tell("roll-ups")
        else:
            self._laid_aside.put(found.links, self._source_slices[found.links.column("source").to_numpy()])
        facts = Facts.of(found, self._world)
        self._write_part("targets", number, self._target_rows(found, facts))
        self._targets += len(found.targets)
        linkers = sums.Linkers.of(facts, found.first_target, self._world.sources)
        self._write_part(sums.TABLE, number, linkers.table(self._world.sources))
        made: defaultdict[str, list[pa.Table]] = defaultdict(list)
        for name, level, rows in self._roll_ups(facts, linkers, coded(found.links.column("anchor"))):
            made[name].append(rows if self._merging is None else self._merging.kept(name, level, rows))
        for name, tables in made.items():
            self._write_part(name, number, pa.concat_tables(tables))

    def _roll_ups(self, facts: Facts, linkers: sums.Linkers, anchor: Texts) -> Iterator[tuple[str, Level, pa.Table]]:
        """Yield rows of roll-ups, and what they are about."""
        world, merging = self._world, self._merging
        of_domains, of_hosts = (
            level if merging is None else merging.begun(level) for level in levels(linkers, world.hosts)
        )
        yield "hosts", of_hosts, rollups.hosts(linkers, of_hosts, world)
        yield "domains", of_domains, rollups.domains(linkers, of_domains, world)
        yield "domain_pairs", of_domains, rollups.domain_pairs(linkers, of_domains, world)
        to_hosts = facts.only(facts.counts & (facts.scope != SAME_HOST))
        for level, outside in ((of_domains, to_hosts.only(to_hosts.scope == EXTERNAL)), (of_hosts, to_hosts)):
            if merging is not None:
                merging.add(level, outside, anchor)
            yield "anchors", level, rollups.anchors(outside, anchor, level, world)

    def _target_rows(self, found: Turned, facts: Facts) -> pa.Table:
        """Return the roll-up per target URL."""
        hosts, host = self._world.hosts, found.target_hosts
        number = np.arange(len(found.targets), dtype=np.int32)
        return pa.table(
            {
                "id": column(number + np.int32(found.first_target)),
                "target_host_reversed": texts(hosts.reversed_names, host),
                "target": found.targets,
                "target_host": texts(hosts.names, host),
                "target_domain": texts(hosts.domains, hosts.domain[host]),
                **rollups.targets(facts, self._world),
            }
        )

    def _write_part(self, table: str, number: int, rows: pa.Table) -> None:
        if table in LINK_TABLES:
            rows = used(rows)
        with part(self._out, table, number, rows.schema) as file:
            file.write(rows)


def keep_in_database(connection: duckdb.DuckDBPyConnection, memory_bytes: int) -> None:
    """Share memory between the database and the columns of links."""
    connection.execute(text_of("storage.index.sql", "set_memory"), {"memory": f"{memory_bytes // 1024}KiB"})


def write_rows(out: Path, table: str, rows: duckdb.DuckDBPyRelation, number: int = 0) -> int:
    """Write the rows of a statement as one part of a table; return how many there are."""
    reader = rows.to_arrow_reader(HANDED_ROWS)
    count = 0
    with part(out, table, number, reader.schema) as file:
        for batch in reader:
            file.write(pa.Table.from_batches([batch]))
            count += batch.num_rows
    return count


def _drained(held: deque[pa.Table]) -> Iterator[pa.Table]:
    """Yield tables that nobody holds any more."""
    while held:
        yield held.popleft()


class Aside:
    """Links that wait on disk, in a file for each slice; up to `most_links` wait in memory to be written together."""

    def __init__(self, folder: Path, count: int, most_links: int) -> None:
        folder.mkdir()
        self.count = count
        self._files = [folder / f"{number:05}.arrow" for number in range(self.count)]
        self._most_links = most_links
        self._waiting: list[tuple[pa.Table, Ints]] = []
        self._waiting_links = 0

    def put(self, table: pa.Table, by: Ints) -> None:
        """Add links to their slices."""
        self._waiting.append((table, by.astype(np.uint16)))
        self._waiting_links += len(by)
        if self._waiting_links >= self._most_links:
            self._write()

    def _write(self) -> None:
        """Write what waits; numpy sorts 16 bits by radix."""
        waiting, self._waiting, self._waiting_links = self._waiting, [], 0
        if not waiting:
            return
        table, slices = joined([table for table, _ in waiting]), np.concatenate([by for _, by in waiting])
        waiting.clear()
        order = np.argsort(slices, kind="stable")
        ends = np.cumsum(np.bincount(slices, minlength=self.count))
        for number, (start, end) in enumerate(zip((0, *ends), ends, strict=False)):
            if start < end:
                self._append(number, rows_of(table, order[start:end]))

    def _append(self, number: int, rows: pa.Table) -> None:
        """Append one stream to a slice's file: each has dictionaries of its own, and no file stays open."""
        with self._files[number].open("ab") as file, pa.ipc.new_stream(file, rows.schema) as writer:
            writer.write_table(compacted(rows))

    def take(self, number: int) -> Iterator[pa.Table]:
        """Yield a slice, and remove its file."""
        self._write()
        path = self._files[number]
        if not path.exists():
            return
        with path.open("rb") as file:
            size = path.stat().st_size
            while file.tell() < size:
                yield pa.ipc.open_stream(file).read_all()
        path.unlink()


def _select(connection: duckdb.DuckDBPyConnection, name: str) -> duckdb.DuckDBPyRelation:
    return connection.sql(text_of("storage.index.sql", name))
