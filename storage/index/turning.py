"""Turns links around: raw links of some target hosts in, numbered targets and sorted backlinks out.

Rule: texts are compared once per distinct text, links are sorted as integers. The links of a page lie together and in
order, so pages are put in order first, and one sort by (target, position) of a 64-bit key does the rest:
25 ns a link, against 1.6 us for sorting rows of texts (bench/index.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.index.layout import (
    EVIDENCE,
    HISTORY,
    TEXT,
    TRAITS,
    Column,
    Rows,
    coded,
    column,
    joined,
    looked_up,
    packed,
    rows_of,
    used,
)
from storage.index.numbers import Bools, Hosts, Ints, Moments, Readings, Sources
from storage.index.policy import NOFOLLOW_RELS

TARGET: Final = ("target", "target_host")
SEEN: Final = ("kind", "place", "anchor_source", "anchor_cut", "image", "rel")
"""Traits of a raw link."""

TEXTS: Final = [*TARGET, *(name for name, kind in EVIDENCE.items() if kind == TEXT)]
"""Columns whose texts are read as dictionaries."""

RAW: Final = pa.schema({"source": pa.int32(), "host": pa.int32(), "target": TEXT, **EVIDENCE, **HISTORY})

NOFOLLOW: Final = int(NOFOLLOW_RELS) << TRAITS["rel"][0]

READ_TOGETHER: Final = 32_768
"""Links that are numbered at once, at least: a table of them costs 1 ms, however small (bench/index.py)."""

SAME_HOST, SAME_DOMAIN, EXTERNAL = range(3)

NEVER: Final = int(np.iinfo(np.int64).min)
"""Before all moments."""


class World(NamedTuple):
    """What links are numbered by."""

    hosts: Hosts
    sources: Sources


@dataclass(frozen=True)
class Turned:
    """The links to some hosts, sorted, and their targets."""

    targets: pa.Array[Any]
    """URLs in the order of their numbers."""
    target_hosts: Ints
    first_target: int
    """Number of the first one."""
    links: pa.Table
    """Rows of `layout.LINKS`, sorted as backlinks."""
    hosts: Ints
    """Target host of each link."""
    scope: npt.NDArray[np.uint8]
    nofollow: Bools


def raw_links(files: Sequence[Path], world: World) -> Iterator[pa.Table]:
    """Yield the links of pages that were visited once, those of small files together, as rows of RAW."""
    waiting: list[pa.Table] = []
    for file in files if world.sources.once.any() else ():
        waiting.append(pq.ParquetFile(file, read_dictionary=TEXTS).read(use_threads=False))
        if sum(table.num_rows for table in waiting) >= READ_TOGETHER:
            yield numbered(pa.concat_tables(waiting), world, once=True)
            waiting.clear()
    if waiting:
        yield numbered(pa.concat_tables(waiting), world, once=True)


def numbered(table: pa.Table, world: World, once: bool) -> pa.Table:
    """Return the links of known sources with numbers for source and target host."""
    source = world.sources.of_fetches(table.column("fetch").to_numpy(), once)
    hosts = coded(table.column("target_host").unify_dictionaries())
    host = world.hosts.numbers(hosts.dictionary)[hosts.indices.to_numpy()]
    columns: dict[str, Column | pa.ChunkedArray[Any]] = {"source": column(source), "host": column(host)}
    columns["traits"] = column(packed({name: table.column(name).to_numpy() for name in SEEN}))
    columns |= {field.name: table.column(field.name) for field in RAW if field.name in table.column_names}
    made = used(pa.table(dict(columns)))
    kept = np.flatnonzero(source >= 0)
    return made if len(kept) == len(source) else rows_of(made.unify_dictionaries().combine_chunks(), kept)


def turned(tables: Iterable[pa.Table], world: World, first_target: int) -> Turned:
    """Number the targets of some links from `first_target`, and sort the links as backlinks."""
    rows = joined([table for table in tables if table.num_rows] or [RAW.empty_table()])
    order, target, urls, url_hosts = _sorted(rows, world)
    rows = rows.drop_columns(["target", "host"])
    return _judged(rows, order, (target, urls, url_hosts, first_target), world)


def _sorted(rows: pa.Table, world: World) -> tuple[Rows, Ints, pa.Array[Any], Ints]:
    """Return the rows by target and position, the number of the target of each, and all targets with their hosts."""
    source, host = rows.column("source").to_numpy(), rows.column("host").to_numpy()
    target_urls = coded(rows.column("target"))
    code = target_urls.indices.to_numpy()
    urls, url_hosts, rank = _ordered_targets(target_urls.dictionary, code, host)
    order = _in_order_of_pages(rows, looked_up(world.sources.place, source))
    bits = max(int(rows.num_rows).bit_length(), 1)
    key = looked_up(rank, looked_up(code, order)).astype(np.int64)
    key <<= bits
    key |= np.arange(len(order))
    key.sort()
    target = (key >> bits).astype(np.int32)
    key &= (1 << bits) - 1
    return looked_up(order, key), target, urls, url_hosts


def _ordered_targets(urls: pa.Array[Any], code: Ints, host: Ints) -> tuple[pa.Array[Any], Ints, Ints]:
    """Return the URLs in use by host and text, the host of each, and the place of each entry of the dictionary."""
    host_of = np.full(len(urls), -1, np.int32)
    host_of[code] = host
    by_text = pc.sort_indices(urls).to_numpy()
    by_text = by_text[host_of[by_text] >= 0]
    order = by_text[np.argsort(host_of[by_text], kind="stable")]
    rank = np.empty(len(urls), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return urls.take(column(order)), host_of[order], rank


def _in_order_of_pages(rows: pa.Table, place: Ints) -> Rows:
    """Return the rows by (place, ordinal)."""
    ordinal = rows.column("ordinal").to_numpy()
    if not len(place):
        return np.empty(0, np.int64)
    new = place[1:] != place[:-1]
    if np.any((ordinal[1:] < ordinal[:-1]) & ~new):
        return np.lexsort((ordinal, place))
    starts = np.flatnonzero(np.concatenate(([True], new)))
    pages = np.argsort(place[starts], kind="stable")
    lengths = np.diff(np.append(starts, len(place)))[pages]
    ends = np.cumsum(lengths)
    order = np.repeat(starts[pages] - ends + lengths, lengths)
    order += np.arange(len(order))
    return order


def _judged(rows: pa.Table, order: Rows, targets: tuple[Ints, pa.Array[Any], Ints, int], world: World) -> Turned:
    """Put the rows in order, and add what follows from both ends of a link."""
    target, urls, url_hosts, first = targets
    hosts, sources = world
    links = rows_of(rows, order)
    source, host = links.column("source").to_numpy(), looked_up(url_hosts, target)
    traits = links.column("traits").to_numpy()
    nofollow = looked_up(sources.nofollow, source) | (traits & NOFOLLOW != 0)
    # A host has one domain, so the sum tells: 0 for the same host, 1 for the same domain, 2 for another.
    scope = (looked_up(sources.host, source) != host).astype(np.uint8)
    scope += looked_up(sources.domain, source) != looked_up(hosts.domain, host)
    columns = {
        "source": links.column("source"),
        "target": column(target + np.int32(first)),
        "traits": column(traits | packed({"nofollow": nofollow, "scope": scope})),
        **{name: links.column(name) for name in links.column_names if name not in ("source", "traits")},
    }
    return Turned(urls, url_hosts, first, pa.table(columns), host, scope, nofollow)


def back(links: pa.Table, world: World) -> pa.Table:
    """Return backlinks as outlinks: sorted by source, each page in the order of the document."""
    source, ordinal = links.column("source").to_numpy(), links.column("ordinal").to_numpy()
    order = _by_page(looked_up(world.sources.page, source), ordinal)
    return rows_of(links, order)


def _by_page(page: Ints, ordinal: Ints) -> Rows:
    """Return the rows by (page, ordinal, position)."""
    if not len(page):
        return np.empty(0, np.int64)
    low, high = int(page.min()), int(page.max())
    row_bits = len(page).bit_length()
    ordinal_bits = int(ordinal.max()).bit_length()
    if (high - low).bit_length() + ordinal_bits + row_bits > 63 or ordinal.min() < 0:
        return np.lexsort((ordinal, page))
    key = (page - low).astype(np.int64) << (ordinal_bits + row_bits)
    key |= ordinal.astype(np.int64) << row_bits
    key |= np.arange(len(page))
    key.sort()
    return key & ((1 << row_bits) - 1)


def seen(links: pa.Table, sources: Readings) -> tuple[Moments, Moments]:
    """Return when each link was seen first, and last alive (NEVER if it was not)."""
    moments = looked_up(sources.fetched_at, links.column("source").to_numpy())
    if "observations" not in links.column_names:
        return moments, moments
    once = links.column("observations").is_null().to_numpy()
    first, last = (
        np.where(once, moments, links.column(name).cast(pa.int64()).combine_chunks().fill_null(NEVER).to_numpy())
        for name in ("first_seen", "last_seen_live")
    )
    return first, last
