"""Questions about the links of one published generation: backlinks, outlinks, referring domains, anchors, summaries.

Rule: a question reads the sorted range of its target; row groups outside it are skipped by their statistics.
A generation never changes, so a position in an answer is a place to go on from: that is what a cursor holds.
Targets come in normal form: no URL is parsed here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import duckdb
import pyarrow as pa

from storage.asking import DEFAULT, EVERYTHING, WHOLE, Filters, Mode, Page, Target
from storage.cursor import Place
from storage.errors import DataCorrupt, DataMissing, StorageError
from storage.index import contents, counting, wide
from storage.index.build import Limits
from storage.index.counting import Ranked
from storage.index.faults import first_line, interruptible, is_damage, is_gone
from storage.index.layout import ROLL_UPS, Column, coded, column, parts
from storage.index.numbers import Ints, Readings
from storage.index.rollups import Facts
from storage.index.scan import LinkTable, TargetTable, Wanted
from storage.manifest import Manifest
from storage.statements import text_of

CHUNK_ROWS: Final = 50_000
"""Rows of an answer held at a time."""

ANCHORS: Final = ("anchor",)
"""Texts of links that are counted by."""

TOP: Final = 10
"""Anchors and referring domains in a summary."""

SORTED_BY: Final = {"backlinks": "target", "outlinks": "source"}

URL_BOUNDS: Final = "host_from host_to url_from url_to"
HOST_BOUNDS: Final = "host_from host_to domain"
"""What a range is asked for with."""

WIDE: Final = (
    "source_url source_host source_domain source_title source_status source_language source_robots source_ip"
    " target target_host target_domain target_status target_failure target_final target_final_status target_path"
    " kind rel nofollow scope anchor anchor_source anchor_cut image place ordinal repeats fragment text_before"
    " text_after hreflang state first_seen prev_seen last_seen_live observations found_as lost_at lost_as position"
).split()
"""Columns of an answer of links."""

LIMITS: Final = Limits(memory_bytes=1024**3, threads=2)


class IndexMissing(DataMissing):
    """There is no index here yet; build one with `linkmill index`."""


class IndexDamaged(DataCorrupt):
    """The index is damaged; `linkmill index` builds it anew from what was crawled."""


class GenerationGone(StorageError):
    """The index was built anew twice while it was read; ask again."""


class AnswerTooLarge(StorageError):
    """This answer needs more memory; raise storage.index_memory, or ask about less."""


class Answer:
    """The rows of an answer, read once; `cursor` is known when they have been read."""

    def __init__(self, read: Callable[[int, int], pa.Table], start: Place, limit: int | None) -> None:
        self._read = read
        self._place = start
        self._left = limit
        self._chunk = self._next_chunk()
        self.schema: pa.Schema = self._chunk.schema.remove(self._chunk.schema.get_field_index("position"))
        self.cursor: str | None = None
        """Where the answer goes on; None when it is complete."""

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        while True:
            wanted = self._wanted()
            rows = self._chunk.slice(0, wanted)
            if rows.num_rows:
                self._place = self._place.at(rows.column("position")[-1].as_py())
                yield from rows.drop_columns("position").to_batches()
            self._left = None if self._left is None else self._left - rows.num_rows
            if self._chunk.num_rows <= wanted:
                return
            if self._left == 0:
                self.cursor = self._place.sealed()
                return
            self._chunk = self._next_chunk()

    def table(self) -> pa.Table:
        """Return all rows at once."""
        return pa.Table.from_batches(list(self), self.schema)

    def _wanted(self) -> int:
        return CHUNK_ROWS if self._left is None else min(CHUNK_ROWS, self._left)

    def _next_chunk(self) -> pa.Table:
        """Read one row more than wanted: it tells whether the answer goes on."""
        return self._read(self._place.position, self._wanted() + 1)


class Summary(NamedTuple):
    """What the index knows of a target, in tables."""

    figures: pa.Table
    """One row of counts, or none when no link leads there."""
    domains: pa.Table
    """The domains that link most."""
    anchors: pa.Table
    """The anchors used most."""

    def whole(self) -> pa.Table:
        """Return all of it as one row: the figures, then `top_domains` and `top_anchors` as lists of rows."""
        row = self.figures
        for name, table in (("top_domains", self.domains), ("top_anchors", self.anchors)):
            rows = pa.array([table.to_pylist()] * row.num_rows, pa.list_(pa.struct(list(table.schema))))
            row = row.append_column(name, rows)
        return row


class Index:
    """One generation, open for questions. Not for use by two threads at once."""

    def __init__(self, directory: Path, number: int, connection: duckdb.DuckDBPyConnection, limits: Limits) -> None:
        self.directory = directory
        self.number = number
        self._connection = connection
        self._most_links = limits.memory_bytes // counting.LINK_BYTES
        self._readings = Readings.open(directory)
        self._sources = wide.Sources(directory)
        self._targets = TargetTable(directory)
        self._links_of = {table: LinkTable(directory, table, by) for table, by in SORTED_BY.items()}
        self._source_domains = wide.Sources(directory, ["source_domain"])

    @classmethod
    @contextmanager
    def open(cls, data_dir: Path, limits: Limits = LIMITS) -> Iterator[Index]:
        """Open the published generation of a data directory; raises IndexMissing, DataMissing or IndexDamaged."""
        with Manifest.open(data_dir) as manifest:
            generation = manifest.current()
        if generation is None:
            raise IndexMissing(data_dir)
        with cls.open_generation(data_dir / generation.path, generation.id, limits) as index:
            yield index

    @classmethod
    @contextmanager
    def open_generation(cls, directory: Path, number: int, limits: Limits = LIMITS) -> Iterator[Index]:
        """Open the generation that lies in `directory`; raises IndexDamaged when a table of it is missing."""
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": f"{limits.memory_bytes // 1024}KiB",
            "threads": limits.threads,
            # Answers do not spill: the data may be on a read-only disk, and the default is the current directory.
            "temp_directory": "",
            "autoinstall_known_extensions": False,
            "TimeZone": "UTC",
        }
        with duckdb.connect(config=config) as connection:
            connection.execute(text_of("storage.queries", "connect"))
            with _told(directory):
                if (damage := contents.damage(directory)) is not None:
                    raise IndexDamaged(*damage)
                for table in ROLL_UPS:
                    _open_table(connection, directory, table)
                opened = cls(directory, number, connection, limits)
            yield opened

    def backlinks(self, target: Target, filters: Filters = DEFAULT, page: Page = WHOLE) -> Answer:
        """Return the links that lead to `target`."""
        return self._links("backlinks", target, filters, page)

    def outlinks(self, source: Target, filters: Filters = DEFAULT, page: Page = WHOLE) -> Answer:
        """Return the links that `source` has."""
        return self._links("outlinks", source, filters, page)

    def domains(self, target: Target, filters: Filters = DEFAULT, page: Page = WHOLE) -> Answer:
        """Return the domains that link to `target`, those with most links first."""
        if filters == DEFAULT and target.mode is Mode.DOMAIN:
            return self._answer("domains_rolled_up", {"name": target.name}, page)
        return self._counted("domains", target, filters, page)

    def anchors(self, target: Target, filters: Filters = DEFAULT, page: Page = WHOLE) -> Answer:
        """Return the anchors of the links to `target`, those used most first; without a text the anchor is empty."""
        if filters == DEFAULT and target.mode in (Mode.HOST, Mode.DOMAIN):
            return self._answer("anchors_rolled_up", {"level": target.mode.value, "name": target.name}, page)
        return self._counted("anchors", target, filters, page)

    def summary(self, target: Target) -> Summary:
        """Return the counts of the links to `target`, with the domains and anchors behind most of them."""
        values: dict[str, object] = {"name": target.name}
        if target.mode in (Mode.URL, Mode.HOST):
            values["host"] = target.host_reversed
        if target.mode is Mode.PREFIX:
            return self._summed(target)
        figures = self._table(f"summary_{target.mode.value}", values)
        if target.mode is Mode.DOMAIN:
            top = Page(limit=TOP)
            return Summary(figures, self.domains(target, page=top).table(), self.anchors(target, page=top).table())
        return self._topped(figures, *self._facts(target, DEFAULT, ANCHORS))

    def _summed(self, target: Target) -> Summary:
        """Return the summary of URLs that begin alike: no roll-up has it, so their links are counted now."""
        facts, anchors = self._facts(target, EVERYTHING, ANCHORS)
        with _told(self.directory):
            figures = counting.summed(facts, self._readings)
        name = pa.array([target.name] * figures.num_rows, pa.string())
        return self._topped(figures.add_column(0, "name", name), facts.only(facts.counts), anchors)

    def _topped(self, figures: pa.Table, facts: Facts, texts: pa.Table) -> Summary:
        """Return figures with the first domains and anchors of the links counted."""
        with _told(self.directory):
            top = [self._ranked(question, facts, texts).read(0, TOP) for question in ("domains", "anchors")]
        domains, anchors = (table.drop_columns("position") for table in top)
        return Summary(figures, domains, anchors)

    def links_to(self, target: Target) -> int:
        """Return how many links of any kind, scope and state lead to `target`."""
        of, bounds = ("urls", URL_BOUNDS) if _by_url(target) else ("hosts", HOST_BOUNDS)
        values = {name: target.bounds[name] for name in bounds.split()}
        return int(self._table(f"links_to_{of}", values).column(0)[0].as_py())

    def links_from(self, source: Target) -> int:
        """Return how many links of any kind, scope and state `source` has."""
        choice: dict[str, Any] = self._range("outlinks", source) | EVERYTHING.parameters(source.mode)
        with _told(self.directory):
            return self._links_of["outlinks"].count(Wanted(**choice))

    def _range(self, table: str, about: Target) -> dict[str, Any]:
        """Return the numbers between which the rows about a target, or a source, lie, and the gaps there."""
        bounds = about.bounds
        if table == "outlinks":
            found = self._table("range_of_sources", bounds)
        elif _by_url(about):
            found = self._table("range_of_urls", {name: bounds[name] for name in URL_BOUNDS.split()})
        else:
            found = self._table("range_of_hosts", {name: bounds[name] for name in HOST_BOUNDS.split()})
        values: dict[str, Any]
        (values,) = found.to_pylist()
        return values if values["first"] is not None else {"first": -1, "last": -1, "gaps": []}

    def _links(self, table: str, about: Target, filters: Filters, page: Page) -> Answer:
        values = filters.parameters(about.mode)
        start = Place.of(self.number, (table, about.bounds, values), page.cursor)
        choice: dict[str, Any] = self._range(table, about) | values
        wanted = Wanted(**choice)

        def read(after: int, limit: int) -> pa.Table:
            with _told(self.directory):
                links = self._links_of[table].read(wanted, after, limit)
            return self._widened(links)

        return Answer(read, start, page.limit)

    def _widened(self, links: pa.Table) -> pa.Table:
        """Return links with the columns of both their ends."""
        with _told(self.directory):
            sources = self._sources.take(links.column("source"))
            targets = self._targets.take(links.column("target"))
            links = wide.with_history(links, sources.column("fetched_at"))
        columns = {name: table.column(name) for table in (links, sources, targets) for name in table.column_names}
        return pa.table({name: _plain(columns[name]) for name in WIDE})

    def _counted(self, question: str, target: Target, filters: Filters, page: Page) -> Answer:
        """Answer a question that counts the links to a target."""
        start = Place.of(self.number, (question, target.bounds, filters.parameters(target.mode)), page.cursor)

        facts, texts = self._facts(target, filters, ANCHORS if question == "anchors" else ())
        ranked = self._ranked(question, facts, texts)

        def read(after: int, limit: int) -> pa.Table:
            with _told(self.directory):
                return ranked.read(after, limit)

        return Answer(read, start, page.limit)

    def _ranked(self, question: str, facts: Facts, texts: pa.Table) -> Ranked:
        if question == "anchors":
            return counting.ranked_anchors(facts, coded(texts.column("anchor")), self._readings)
        return counting.ranked_domains(facts, self._readings, self._domains_of)

    def _facts(self, target: Target, filters: Filters, texts: Sequence[str]) -> tuple[Facts, pa.Table]:
        """Return what is counted of the links to a target, and their texts."""
        choice: dict[str, Any] = self._range("backlinks", target) | filters.parameters(target.mode)
        with _told(self.directory):
            links = self._links_of["backlinks"].every(Wanted(**choice), [*counting.COUNTED, *texts], self._most_links)
            return counting.facts_of(links, self._readings), links.select(texts)

    def _domains_of(self, sources: Ints) -> Column:
        """Return the domain of each source."""
        names = self._source_domains.take(pa.chunked_array([column(sources)])).column(0)
        return _plain(names).combine_chunks()

    def _answer(self, question: str, values: Mapping[str, object], page: Page) -> Answer:
        def read(after: int, limit: int) -> pa.Table:
            return self._table(question, {**values, "after": after, "limit": limit})

        return Answer(read, Place.of(self.number, (question, values), page.cursor), page.limit)

    def _table(self, name: str, values: Mapping[str, object]) -> pa.Table:
        with _told(self.directory):
            question = self._connection.sql(text_of("storage.queries", name), params=dict(values))
            rows: pa.Table = question.to_arrow_table()
        return rows


def _plain(values: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    """Return texts as they are."""
    return values.cast(pa.string()) if pa.types.is_dictionary(values.type) else values


def _by_url(target: Target) -> bool:
    return target.mode in (Mode.URL, Mode.PREFIX)


@contextmanager
def _told(directory: Path) -> Iterator[None]:
    """Raise the operator's error in place of DuckDB's while a generation is read."""
    try:
        with interruptible():
            yield
    except (duckdb.OutOfMemoryException, MemoryError) as error:
        raise AnswerTooLarge(directory) from error
    except (duckdb.Error, RuntimeError, pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if is_gone(error):
            raise GenerationGone(directory) from error
        if is_damage(error):
            raise IndexDamaged(directory, first_line(error)) from error
        raise


def _open_table(connection: duckdb.DuckDBPyConnection, directory: Path, table: str) -> None:
    """Make a roll-up of the generation a view."""
    files = parts(directory, table)
    connection.read_parquet([str(file) for file in files], hive_partitioning=False).create_view(table)
