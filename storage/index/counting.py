"""Counts links for a question that no roll-up answers, exactly: some thousands at a time, which are then forgotten.

Rule: what is held grows with sources (a byte each), their domains (32 bytes) and the texts said, never with links. All
things are ranked by their links; the texts on the page that is shown are gone through once more for the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storage.index.facts import ROLE_OF, Facts, moments, states_of
from storage.index.layout import Column, Rows, Texts, coded, column, unpacked
from storage.index.numbers import Bools, Ints, Readings
from storage.index.ordering import Counts, distinct, starts_of
from storage.index.rollups import ADDED, ORDER, used_numbers
from storage.index.sums import EVER, NEVER, Sums, Whole
from storage.index.turning import EXTERNAL, seen

HISTORY: Final = ("state", "first_seen", "last_seen_live", "observations")

COUNTED: Final = ("source", "traits", *HISTORY)
"""Columns of links that are counted."""

LINK_BYTES: Final = 250
"""Memory that holding one link takes at most, its texts aside."""

HELD: Final = 8
"""A question may hold links in one part in so many of its memory; more are read again each time they are needed."""

PENDING: Final = 65_536
"""Texts that are counted one by one before they are put to the others."""


class Links(NamedTuple):
    """Some links to a target."""

    facts: Facts
    texts: Column
    """What the codes of their anchors mean."""

    def only(self, chosen: Bools | Rows) -> Links:
        """Return some of them."""
        return Links(self.facts.only(chosen), self.texts)


Read = Callable[[], Iterator[Links]]
"""Read the links to a target, from the first one."""


def links_of(links: pa.Table, rows: Rows, sources: Readings) -> Links:
    """Return some rows of links, whose targets are of no matter; without an anchor column all anchors are 0.

    Raises ArrowInvalid for sources that do not exist.
    """
    source, traits = links.column("source").to_numpy()[rows], links.column("traits").to_numpy()[rows]
    sources.check(source)
    nowhere = np.zeros(len(source), np.int32)
    said: Texts | None = coded(links.column("anchor")) if "anchor" in links.column_names else None
    told = {name: links.column(name).take(column(rows)) for name in HISTORY if name in links.column_names}
    history = pa.table([column(source), *told.values()], names=["source", *told])
    first, last = seen(history, sources)
    facts = Facts(
        target=nowhere,
        host=nowhere,
        source=source,
        anchor=nowhere if said is None else said.indices.to_numpy()[rows],
        scope=unpacked(traits, "scope").astype(np.uint8),
        nofollow=unpacked(traits, "nofollow") != 0,
        role=ROLE_OF[unpacked(traits, "kind")],
        state=states_of(history),
        first_seen=first,
        last_seen=last,
    )
    return Links(facts, pa.array([""]) if said is None else said.dictionary)


class Found:
    """The links to a target, to be gone through as often as needed; up to `most` are held from the first time on."""

    def __init__(self, read: Read, most: int) -> None:
        self._read = read
        self._most = most
        self._held: list[Links] | None = None

    def __iter__(self) -> Iterator[Links]:
        if self._held is not None:
            yield from self._held
            return
        held: list[Links] = []
        left = self._most
        for links in self._read():
            left -= len(links.facts.source)
            if left >= 0:
                held.append(links)
            else:
                held.clear()
            yield links
        self._held = held if left >= 0 else None


class Backlinks:
    """Those of found links that count as backlinks of a URL."""

    def __init__(self, found: Found) -> None:
        self._found = found

    def __iter__(self) -> Iterator[Links]:
        return (links.only(links.facts.counts) for links in self._found)


class Linkers:
    """Who links to a target: the sums of it all, and of each domain."""

    def __init__(self, readings: Readings, names: Column, outside: int) -> None:
        """Count links whose scope is below `outside` apart; `names` are those of all domains with sources."""
        self._readings = readings
        self._names = names
        self._outside = outside
        self._seen = np.zeros(len(readings.page), np.bool_)
        self._links = np.zeros(len(names), np.int64)
        self._nofollow = np.zeros(len(names), np.int64)
        self._first = np.full(len(names), EVER)
        self._last = np.full(len(names), NEVER)
        self._sums = dict.fromkeys(("inside", "external", "links", *ADDED), 0)

    def add(self, sums: Sums) -> None:
        """Add some links, which may be those of a source added before."""
        counted = sums.counts.get("backlinks", np.zeros(len(sums.source), np.bool_))
        beyond = sums.scope >= self._outside
        found = self._sums
        found["links"] += _sum(sums.counts.get("links"))
        found["inside"] += int(counted.sum()) - _sum(counted, beyond)
        found["external"] += _sum(counted, sums.scope == EXTERNAL)
        for name in ADDED:
            found[name] += _sum(sums.counts.get(name), beyond)
        rows = np.flatnonzero(beyond & (counted > 0))
        source = sums.source[rows]
        self._seen[source] = True
        domain = self._readings.domain[source]
        np.add.at(self._links, domain, counted[rows].astype(np.int64))
        if (nofollow := sums.counts.get("nofollow")) is not None:
            np.add.at(self._nofollow, domain, nofollow[rows].astype(np.int64))
        np.minimum.at(self._first, domain, sums.first_seen[rows])
        np.maximum.at(self._last, domain, sums.last_seen[rows])

    def figures(self) -> pa.Table:
        """Return the sums of it all as one row, or none when there are no links."""
        if not self._sums["links"]:
            return pa.table({name: pa.array([], pa.int64()) for name in ORDER})
        source = np.flatnonzero(self._seen)
        ips, links, nofollow = np.unique(self._readings.ip[source]), self._links.sum(), self._nofollow.sum()
        counts: dict[str, Any] = {
            **self._sums,
            "backlinks": links,
            "follow": links - nofollow,
            "nofollow": nofollow,
            "pages": len(np.unique(self._readings.page[source])),
            "hosts": len(np.unique(self._readings.host[source])),
            "domains": np.count_nonzero(self._links),
            "ips": np.count_nonzero(ips),
        }
        first, last = self._first.min(initial=EVER, keepdims=True), self._last.max(initial=NEVER, keepdims=True)
        times = {"first_seen": moments(first, first == EVER), "last_seen": moments(last, last == NEVER)}
        return pa.table({name: times[name] if name in times else column(np.array([counts[name]])) for name in ORDER})

    def ranked(self, after: int, limit: int) -> pa.Table:
        """Return so many domains after a position, those with most links first."""
        used = np.flatnonzero(self._links)
        shown = used[_ranked(self._links[used], lambda of: self._names.take(column(used[of])), after, limit)]
        place = np.full(len(self._links), -1, np.int32)
        place[shown] = np.arange(len(shown), dtype=np.int32)
        source = np.flatnonzero(self._seen)
        at = place[self._readings.domain[source]]
        source, at = source[at >= 0], at[at >= 0]
        links, nofollow = self._links[shown], self._nofollow[shown]
        first, last = self._first[shown], self._last[shown]
        return pa.table(
            {
                "source_domain": self._names.take(column(shown)),
                "links": column(links),
                "pages": column(distinct(at, self._readings.page[source], len(shown))),
                "hosts": column(distinct(at, self._readings.host[source], len(shown))),
                "follow": column(links - nofollow),
                "nofollow": column(nofollow),
                "first_seen": moments(first, first == EVER),
                "last_seen": moments(last, last == NEVER),
                "position": _positions(after, len(shown)),
            }
        )


class Said:
    """The texts of links to a target: how often each is used, and of those shown by whom."""

    def __init__(self, found: Iterable[Links], readings: Readings, at_once: int) -> None:
        """Go through `found` links, each of which counts; of the texts shown those of `at_once` links at a time."""
        self._found = found
        self._readings = readings
        self._at_once = at_once
        self._texts, self._links = _texts_of(found)

    def ranked(self, after: int, limit: int) -> pa.Table:
        """Return so many texts after a position, those used most first."""
        shown = _ranked(self._links, lambda of: self._texts.take(column(of)), after, limit)
        ends = np.cumsum(self._links[shown])
        batch = (ends - self._links[shown]) // self._at_once
        parts = [self._described(shown[batch == number]) for number in np.unique(batch)] or [self._described(shown)]
        rows = pa.concat_tables(parts).combine_chunks()
        return rows.append_column("position", _positions(after, len(shown)))

    def _described(self, shown: Rows) -> pa.Table:
        texts, links, pairs = self._texts.take(column(shown)), self._links[shown], Pairs(self._at_once)
        nofollow = np.zeros(len(shown), np.int64)
        first, last = np.full(len(shown), EVER), np.full(len(shown), NEVER)
        for some in self._found:
            of_text = pc.index_in(some.texts, value_set=texts).fill_null(-1).to_numpy()
            at = of_text[some.facts.anchor]
            rows = np.flatnonzero(at >= 0)
            at, facts = at[rows], some.facts.only(rows)
            np.add.at(nofollow, at[facts.nofollow], 1)
            np.minimum.at(first, at, facts.first_seen)
            np.maximum.at(last, at, facts.last_seen)
            pairs.add(at, facts.source)
        at, source = pairs.all()
        return pa.table(
            {
                "anchor": texts,
                "links": column(links),
                "pages": column(distinct(at, self._readings.page[source], len(shown))),
                "domains": column(distinct(at, self._readings.domain[source], len(shown))),
                "follow": column(links - nofollow),
                "nofollow": column(nofollow),
                "first_seen": moments(first, first == EVER),
                "last_seen": moments(last, last == NEVER),
            }
        )


class Pairs:
    """Different pairs of a text and a source."""

    def __init__(self, pending: int) -> None:
        """Sort as soon as there are twice as many as there were different ones, and `pending`."""
        self._pending = pending
        self._left = pending
        self._keys: list[Rows] = []

    def add(self, text: Ints, source: Ints) -> None:
        """Add some pairs."""
        self._keys.append((text.astype(np.int64) << 32) | source)
        self._left -= len(text)
        if self._left < 0:
            self._keys = [_different(self._keys)]
            self._left = max(self._pending, len(self._keys[0]))

    def all(self) -> tuple[Ints, Ints]:
        """Return both halves of all pairs."""
        keys = _different(self._keys)
        return (keys >> 32).astype(np.int32), (keys & 0xFFFFFFFF).astype(np.int32)


def _different(keys: Sequence[Rows]) -> Rows:
    """Return every key once, in order; `numpy.unique` would hash them, which takes six times as long."""
    made = np.concatenate([np.empty(0, np.int64), *keys])
    made.sort()
    return made[starts_of(made)]


def _texts_of(found: Iterable[Links]) -> tuple[Column, Counts]:
    """Return the different texts of links, and how many links have each."""
    texts: list[Column] = [pa.array([], pa.string())]
    counts: list[Counts] = [np.empty(0, np.int64)]
    pending, merged = 0, 0
    for some in found:
        used, codes = used_numbers(some.facts.anchor, len(some.texts))
        texts.append((some.texts if len(used) == len(some.texts) else some.texts.take(column(used))).cast(pa.string()))
        counts.append(np.bincount(codes, minlength=len(used)))
        pending += len(used)
        if pending > max(PENDING, merged):
            (texts[:], counts[:]), pending = _together(texts, counts), 0
            merged = len(counts[0])
    (text,), (count,) = _together(texts, counts)
    return text, count


def _together(texts: list[Column], counts: list[Counts]) -> tuple[list[Column], list[Counts]]:
    """Return each text once, with the sum of its counts."""
    different = coded(pa.chunked_array(texts, pa.string()).dictionary_encode())
    total = np.zeros(len(different.dictionary), np.int64)
    np.add.at(total, different.indices.to_numpy(), np.concatenate(counts))
    return [different.dictionary], [total]


def _ranked(links: Counts, named: Callable[[Rows], Column], after: int, limit: int) -> Rows:
    """Return the things of so many positions; only those that may be among them are sorted by name."""
    among, most = np.arange(len(links)), after + limit
    if most < len(among):
        least = np.partition(links, len(among) - most)[len(among) - most]
        among = among[links >= least]
    by_name = np.empty(len(among), np.int64)
    by_name[pc.sort_indices(named(among)).to_numpy()] = np.arange(len(among))
    return among[np.lexsort((by_name, -links[among]))][after:most]


def _positions(after: int, count: int) -> Column:
    return column(np.arange(after + 1, after + 1 + count))


def _sum(values: Whole | None, chosen: Bools | None = None) -> int:
    """Return the sum of some values; of none it is 0."""
    if values is None:
        return 0
    return int((values if chosen is None else values[chosen]).sum())
