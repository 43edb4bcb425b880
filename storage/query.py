"""Questions about the links of one published generation: backlinks, outlinks, referring domains, anchors, summaries.

Rule: a question reads the sorted range of its target; row groups outside it are skipped by their statistics.
A generation never changes, so a position in an answer is a place to go on from: that is what a cursor holds.
Targets come in normal form: no URL is parsed here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa

from storage.asking import DEFAULT, EVERYTHING, WHOLE, Filters, Mode, Page, Target
from storage.cursor import Place
from storage.errors import DataCorrupt, DataMissing, StorageError
from storage.index import contents, counting
from storage.index.build import Limits
from storage.index.counting import Backlinks, Found, Linkers, Links, Said
from storage.index.faults import first_line, is_damage, is_gone
from storage.index.known import Known
from storage.index.layer import NOWHERE, Layer, Span
from storage.index.layout import Column, read_arrow
from storage.index.merged import POSITION, Merged, after
from storage.index.numbers import DOMAINS, Readings
from storage.index.scan import Wanted
from storage.index.stack import Stack
from storage.index.sums import Sums
from storage.index.turning import EXTERNAL, SAME_DOMAIN, SAME_HOST
from storage.manifest import Manifest

CHUNK_ROWS: Final = 50_000
"""Rows of an answer held at a time."""

ANCHORS: Final = ("anchor",)
"""Texts of links that are counted by."""

TOP: Final = 10
"""Anchors and referring domains in a summary."""

WHOLE_HOSTS: Final = (Mode.HOST, Mode.DOMAIN)

FIRST_OUTSIDE: Final = {Mode.URL: SAME_HOST, Mode.PREFIX: SAME_HOST, Mode.HOST: SAME_DOMAIN, Mode.DOMAIN: EXTERNAL}
"""The lowest scope of links that come from outside of what is asked about."""

WIDE: Final = (
    "source_url source_host source_domain source_title source_status source_language source_robots source_ip"
    " target target_host target_domain target_status target_failure target_final target_final_status target_path"
    " kind rel nofollow scope anchor anchor_source anchor_cut image place ordinal repeats fragment text_before"
    " text_after hreflang state first_seen prev_seen last_seen_live observations found_as lost_at lost_as position"
).split()
"""Columns of an answer of links."""

Read = Callable[[tuple[int, ...], int], pa.Table]
"""Return so many rows after a position in each layer, with their own."""

Ranking = Callable[[int, int], pa.Table]
"""Return so many rows after the first ones, with their positions."""

LIMITS: Final = Limits(memory_bytes=1024**3, threads=2)


class IndexMissing(DataMissing):
    """There is no index here yet; build one with `linkmill index`."""


class IndexDamaged(DataCorrupt):
    """The index is damaged; `linkmill index` builds it anew from what was crawled."""


class GenerationGone(StorageError):
    """The index was built anew twice while it was read; ask again."""


class Answer:
    """The rows of an answer, read once; `cursor` is known when they have been read."""

    def __init__(self, read: Read, start: Place, limit: int | None) -> None:
        self._read = read
        self._place = start
        self._left = limit
        self._chunk = self._next_chunk()
        self.schema: pa.Schema = self._chunk.schema.remove(self._chunk.schema.get_field_index(POSITION))
        self.cursor: str | None = None
        """Where the answer goes on; None when it is complete."""

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        while True:
            wanted = self._wanted()
            rows = self._chunk.slice(0, wanted)
            if rows.num_rows:
                self._place = self._place.at(after(self._place.positions, rows))
                yield from rows.drop_columns(POSITION).to_batches()
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
        return self._read(self._place.positions, self._wanted() + 1)


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

    def __init__(self, directory: Path, number: int, limits: Limits) -> None:
        self.directory = directory
        self.number = number
        self._held_links = max(limits.memory_bytes // counting.HELD // counting.LINK_BYTES, 1)
        self._readings = Readings.open(directory)
        self._known = Known(directory)
        self._layers: list[Layer] = []
        sources = 0
        for layer in Stack.read(directory).layers:
            self._layers.append(Layer(layer.path(directory), sources, layer.sources, self._readings))
            sources += layer.sources

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
        """Open the generation that lies in `directory`; raises IndexDamaged when a file is missing or has changed."""
        with _told(directory):
            if (damage := contents.damage(directory)) is not None:
                raise IndexDamaged(*damage)
            if not Stack.read(directory).layers:
                raise IndexDamaged(directory, "of another format")
            opened = cls(directory, number, limits)
        yield opened

    def backlinks(self, target: Target, filters: Filters = DEFAULT, page: Page = WHOLE) -> Answer:
        """Return the links that lead to `target`."""
        return self._links("backlinks", target, filters, page)

    def outlinks(self, source: Target, filters: Filters = DEFAULT, page: Page = WHOLE) -> Answer:
        """Return the links that `source` has."""
        return self._links("outlinks", source, filters, page)

    def domains(self, target: Target, filters: Filters = DEFAULT, page: Page = WHOLE) -> Answer:
        """Return the domains that link to `target`, those with most links first."""
        if filters == DEFAULT and target.mode is Mode.DOMAIN and (known := self._only(target)) is not None:
            layer, span = known
            ranking: Ranking = partial(layer.pairs, span.first)
        elif filters == DEFAULT and target.mode in WHOLE_HOSTS:
            ranking = self._linkers(target).ranked
        else:
            ranking = self._linkers_of(self._found(target, filters)).ranked
        return self._by_rank("domains", ranking, (target, filters), page)

    def anchors(self, target: Target, filters: Filters = DEFAULT, page: Page = WHOLE) -> Answer:
        """Return the anchors of the links to `target`, those used most first; without a text the anchor is empty."""
        of_roll_up = filters == DEFAULT and target.mode in WHOLE_HOSTS
        if of_roll_up and (known := self._only(target)) is not None:
            layer, span = known
            ranking: Ranking = partial(layer.anchors, target.mode.value, span.first)
        else:
            ranking = self._said(self._found(target, filters, ANCHORS)).ranked
        return self._by_rank("anchors", ranking, (target, filters), page)

    def summary(self, target: Target) -> Summary:
        """Return the counts of the links to `target`, with the domains and anchors behind most of them."""
        if target.mode not in WHOLE_HOSTS:
            return self._summed(target)
        top, known = Page(limit=TOP), self._only(target)
        anchors = self.anchors(target, page=top).table()
        if known is not None and target.mode is Mode.DOMAIN:
            layer, span = known
            with _told(self.directory):
                figures = layer.figures(span.first)
            return Summary(figures, self.domains(target, page=top).table(), anchors)
        linkers = self._linkers(target)
        with _told(self.directory):
            domains = linkers.ranked(0, TOP).drop_columns(POSITION)
            return Summary(_named(linkers.figures(), target), domains, anchors)

    def _only(self, target: Target) -> tuple[Layer, Span] | None:
        """Return the layer whose roll-ups tell all about a target: none when several know it, or pages are covered.

        With no links at all, any layer may say so whose pages are not covered.
        """
        by_url = _by_url(target)
        with _told(self.directory):
            among = [(layer, layer.span_of_targets(target.bounds, by_url)) for layer in self._layers]
        among = [(layer, span) for layer, span in among if span != NOWHERE] or among[-1:]
        return among[0] if len(among) == 1 and not among[0][0].is_covered else None

    def _summed(self, target: Target) -> Summary:
        """Return the summary of a URL, or of all that begin with it: its links are gone through."""
        found = self._found(target, EVERYTHING, ANCHORS)
        with _told(self.directory):
            linkers = Linkers(self._readings, self._source_domains, FIRST_OUTSIDE[target.mode])
            for links in found:
                linkers.add(Sums.of_links(links.facts))
            figures = self._described(target, _named(linkers.figures(), target))
            domains = linkers.ranked(0, TOP).drop_columns(POSITION)
            said = self._said(Backlinks(found)).ranked(0, TOP).drop_columns(POSITION)
        return Summary(figures, domains, said)

    def _described(self, target: Target, figures: pa.Table) -> pa.Table:
        """Return the figures of a URL with what is known of the URL itself."""
        if target.mode is not Mode.URL:
            return figures
        known = self._known.take(figures.column("name"))
        for at, name in enumerate(("status", "final", "final_status"), 1):
            figures = figures.add_column(at, name, known.column(f"target_{name}"))
        return figures

    def links_to(self, target: Target) -> int:
        """Return how many links of any kind, scope and state lead to `target`."""
        by_url, found = _by_url(target), 0
        with _told(self.directory):
            for layer in self._layers:
                if layer.is_covered:
                    found += layer.count("backlinks", _wanted(layer, "backlinks", target, EVERYTHING))
                else:
                    found += layer.links_to(target.bounds, by_url)
        return found

    def links_from(self, source: Target) -> int:
        """Return how many links of any kind, scope and state `source` has."""
        with _told(self.directory):
            wanted = [(layer, _wanted(layer, "outlinks", source, EVERYTHING)) for layer in self._layers]
            return sum(layer.count("outlinks", links) for layer, links in wanted)

    def _links(self, table: str, about: Target, filters: Filters, page: Page) -> Answer:
        question = (table, about.bounds, filters.parameters(about.mode))
        start = Place.of(self.number, question, page.cursor, len(self._layers))
        with _told(self.directory):
            readers = [partial(layer.read, table, _wanted(layer, table, about, filters)) for layer in self._layers]
        merged = Merged(readers, table)

        def read(positions: tuple[int, ...], limit: int) -> pa.Table:
            with _told(self.directory):
                links = merged.read(positions, limit)
                known = self._known.take(links.column("target"))
            columns = {name: rows.column(name) for rows in (links, known) for name in rows.column_names}
            return pa.table({name: columns[name] for name in WIDE})

        return Answer(read, start, page.limit)

    def _by_rank(self, question: str, ranked: Ranking, about: tuple[Target, Filters], page: Page) -> Answer:
        """Answer with rows whose positions are their ranks, from 1."""
        target, filters = about

        def read(positions: tuple[int, ...], limit: int) -> pa.Table:
            with _told(self.directory):
                return ranked(max(positions[0], 0), limit)

        asked = (question, target.bounds, filters.parameters(target.mode))
        return Answer(read, Place.of(self.number, asked, page.cursor), page.limit)

    @cached_property
    def _source_domains(self) -> Column:
        return read_arrow(self.directory / DOMAINS).column(0).combine_chunks()

    def _linkers(self, target: Target) -> Linkers:
        """Return who links to a host or domain, from outside of it."""
        with _told(self.directory):
            linkers = Linkers(self._readings, self._source_domains, FIRST_OUTSIDE[target.mode])
            for layer in self._layers:
                for sums in layer.sums(target.bounds):
                    linkers.add(sums)
            return linkers

    def _linkers_of(self, found: Found) -> Linkers:
        """Return whose links these are."""
        with _told(self.directory):
            linkers = Linkers(self._readings, self._source_domains, SAME_HOST)
            for links in found:
                linkers.add(Sums.of_chosen(links.facts))
            return linkers

    def _said(self, found: Iterable[Links]) -> Said:
        with _told(self.directory):
            return Said(found, self._readings, self._held_links)

    def _found(self, target: Target, filters: Filters, texts: Sequence[str] = ()) -> Found:
        """Return the links to a target, to be counted."""

        def read() -> Iterator[Links]:
            for layer in self._layers:
                wanted = _wanted(layer, "backlinks", target, filters)
                for links, rows in layer.pieces(wanted, [*counting.COUNTED, *texts]):
                    yield counting.links_of(links, rows, self._readings)

        return Found(read, self._held_links)


def _wanted(layer: Layer, table: str, about: Target, filters: Filters) -> Wanted:
    """Return which links of a layer are about a target, or a source."""
    if table == "outlinks":
        span = layer.span_of_sources(about.bounds)
    else:
        span = layer.span_of_targets(about.bounds, _by_url(about))
    choice: dict[str, Any] = {**span._asdict(), **filters.parameters(about.mode)}
    return Wanted(**choice)


def _named(figures: pa.Table, target: Target) -> pa.Table:
    """Return figures with the name of what they are of."""
    return figures.add_column(0, "name", pa.array([target.name] * figures.num_rows, pa.string()))


def _by_url(target: Target) -> bool:
    return target.mode in (Mode.URL, Mode.PREFIX)


@contextmanager
def _told(directory: Path) -> Iterator[None]:
    """Raise the operator's error in place of a file's fault while a generation is read."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as error:
        if is_gone(error):
            raise GenerationGone(directory) from error
        if is_damage(error):
            raise IndexDamaged(directory, first_line(error)) from error
        raise
