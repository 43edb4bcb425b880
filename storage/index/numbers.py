"""Hosts, domains and sources as numbers: what the turning of links looks up for each row, held in memory.

Rule: 45 bytes a source, a few hundred a host; the texts of sources go to disk as they come.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from storage.index.layout import (
    MOMENT,
    SOURCE_NUMBERS,
    TEXT,
    Column,
    Texts,
    coded,
    column,
    read_arrow,
    whole,
    write_arrow,
)
from storage.index.prints import Prints
from storage.index.sourcefile import SourceFile, write_sources

Ints = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.uint8]
Moments = npt.NDArray[np.int64]
"""Microseconds since the epoch."""

STORED: Final = 11
"""The first columns of `sql/sources.sql` are stored."""

KEPT: Final = pa.schema(
    {
        "fetch": pa.int64(),
        "fetched_at": MOMENT,
        "host_id": pa.int32(),
        "source_ip": TEXT,
        "once": pa.bool_(),
        "nofollow": pa.bool_(),
        "begins": pa.bool_(),
    }
)
"""What is numbered of them; a row may be the first one of its page."""

NUMBERS: Final = pa.schema(
    {
        "host": pa.int32(),
        "domain": pa.int32(),
        "ip": pa.int32(),
        "page": pa.int32(),
        "fetched_at": MOMENT,
        "covered": pa.uint8(),
    }
)
"""Columns of the file of numbers of a generation: the sources of all its layers, one after the other."""

READINGS: Final = "readings.arrow"
OF_LAYER: Final = pa.schema({"page": pa.int32(), "fetched_at": MOMENT, "links": pa.int32()})
"""What a layer keeps of each source: numbers that do not depend on other layers."""

NAMED: Final = ("source_host", "source_domain", "source_ip")
DOMAINS: Final = "source_domains.arrow"
DOMAIN_NAMES: Final = pa.schema({"domain": pa.string()})


@dataclass(frozen=True)
class Hosts:
    """All hosts, in the order of the index: by their reversed names."""

    names: pa.Array[Any]
    reversed_names: pa.Array[Any]
    domain: Ints
    """Number of the domain of each host."""
    domains: pa.Array[Any]
    """Names of the domains, sorted."""
    prints: Prints
    """Fingerprints of the names, sorted."""
    by_print: Ints
    """Number of the host of each fingerprint, and at the end that of a host that is not there: -1."""

    @classmethod
    def of(cls, table: pa.Table) -> Hosts:
        """Return the rows of `sql/names.sql`."""
        domain = table.column("domain_id").to_numpy().astype(np.int32)
        count = int(domain.max()) + 1 if len(domain) else 0
        first = np.zeros(count, np.int64)
        first[domain] = np.arange(len(domain))
        named = table.column("domain").combine_chunks().take(column(first))
        host = table.column("host").combine_chunks()
        prints = Prints.of(host)
        order = prints.order()
        reversed_host = table.column("reversed_host").combine_chunks()
        return cls(host, reversed_host, domain, named, prints.only(order), np.append(order, -1).astype(np.int32))

    def numbers(self, names: pa.Array[Any]) -> Ints:
        """Return the number of each host, -1 where it is not there."""
        return self.by_print[self.prints.places(Prints.of(names))]


@dataclass(frozen=True)
class Readings:
    """What is counted by of all sources, in the order of their numbers."""

    host: Ints
    domain: Ints
    ip: Ints
    """0 for sources without an address."""
    page: Ints
    """Order by host and URL; readings of one page share it."""
    fetched_at: Moments
    covered: Codes
    """1 for a source in whose place a newer layer has another."""

    @classmethod
    def open(cls, generation: Path) -> Readings:
        """Map the numbers of a generation's sources; nothing is read before it is looked up."""
        table = read_arrow(generation / SOURCE_NUMBERS)
        columns = {name: whole(table.column(name)) for name in NUMBERS.names}
        moments = columns.pop("fetched_at").cast(pa.int64())
        return cls(**{name: of.to_numpy() for name, of in columns.items()}, fetched_at=moments.to_numpy())

    def check(self, source: Ints) -> None:
        """Raise ArrowInvalid when a source cannot be; the numbers of sources were checked when they were opened."""
        if len(source) and (source.min() < 0 or source.max() >= len(self.fetched_at)):
            raise pa.ArrowInvalid("a link has a source that does not exist")


@dataclass(frozen=True)
class Sources(Readings):
    """All sources, in the order of their numbers."""

    fetches: Moments
    """All fetches, sorted."""
    numbers: Ints
    """The source of each of them."""
    once: Bools
    """The page was visited once."""
    nofollow: Bools
    place: Ints
    """Order by domain and URL."""

    @classmethod
    def of(cls, reader: pa.RecordBatchReader, hosts: Hosts, out: Path) -> Sources:
        """Store the rows of `sql/sources.sql`, which come in the order of their numbers, and return these."""
        kept: list[pa.RecordBatch] = []
        schema = pa.schema(list(reader.schema)[:STORED])
        write_sources(out, _stored(reader, schema, kept), schema)
        table = pa.Table.from_batches(kept, KEPT).unify_dictionaries()
        host, fetch = table.column("host_id").to_numpy(), table.column("fetch").to_numpy()
        domain, order = hosts.domain[host], np.argsort(fetch)
        return cls(
            host=host,
            domain=domain,
            ip=_ips(coded(table.column("source_ip"))),
            page=np.cumsum(table.column("begins").to_numpy(), dtype=np.int32) - np.int32(1),
            fetched_at=table.column("fetched_at").cast(pa.int64()).to_numpy(),
            covered=np.zeros(len(fetch), np.uint8),
            fetches=fetch[order],
            numbers=order.astype(np.int32),
            once=table.column("once").to_numpy(),
            nofollow=table.column("nofollow").to_numpy(),
            place=_places(domain, host, out),
        )

    def numbered(self) -> pa.Table:
        """Return the number of the source that each fetch is."""
        return pa.table({"fetch": self.fetches, "number": self.numbers})

    def write(self, layer: Path, links: npt.NDArray[np.int64]) -> None:
        """Store what a layer keeps of its sources; `links` of each."""
        write_arrow(layer / READINGS, [self.page, column(self.fetched_at), column(links)], OF_LAYER)

    def of_fetches(self, fetches: Moments, once: bool) -> Ints:
        """Return the source of each fetch, -1 where it is none or its page was not visited once as asked.

        The links of a page lie together, so only the first row of each is looked up.
        """
        if not len(fetches) or not len(self.fetches):
            return np.full(len(fetches), -1, np.int32)
        starts = np.flatnonzero(np.concatenate(([True], fetches[1:] != fetches[:-1])))
        wanted = fetches[starts]
        at = np.minimum(np.searchsorted(self.fetches, wanted), len(self.fetches) - 1)
        number = self.numbers[at]
        number = np.where((self.fetches[at] == wanted) & (self.once[number] == once), number, -1).astype(np.int32)
        return np.repeat(number, np.diff(np.append(starts, len(fetches))))


def write_numbers(layers: Sequence[Path], covers: pa.Table, out: Path) -> list[int]:
    """Number the sources of all layers anew; return how many links of each layer newer ones cover.

    `covers` are rows of `refetched.COVERED`.
    """
    read = [read_arrow(layer / READINGS) for layer in layers]
    counts = [table.num_rows for table in read]
    firsts = np.concatenate(([0], np.cumsum(counts)))
    pages = [table.column("page").to_numpy() for table in read]
    first_pages = np.concatenate(([0], np.cumsum([int(page.max(initial=-1)) + 1 for page in pages])))
    covered = _covered(covers, firsts)
    codes = {name: _codes(layers, name) for name in NAMED}
    write_arrow(out / DOMAINS, [codes["source_domain"].dictionary], DOMAIN_NAMES)
    numbers = {
        "host": codes["source_host"].indices,
        "domain": codes["source_domain"].indices,
        "ip": column(_ips(codes["source_ip"])),
        "page": column(np.concatenate([page + first for page, first in zip(pages, first_pages, strict=False)])),
        "fetched_at": pa.concat_tables(read).column("fetched_at").combine_chunks(),
        "covered": column(covered),
    }
    write_arrow(out / SOURCE_NUMBERS, [numbers[name] for name in NUMBERS.names], NUMBERS)
    return [
        int(table.column("links").to_numpy()[covered[first : first + table.num_rows] > 0].sum())
        for table, first in zip(read, firsts.tolist(), strict=False)
    ]


def _covered(covers: pa.Table, firsts: npt.NDArray[np.int64]) -> Codes:
    """Return of each source whether a newer layer covers its page, whose sources lie together."""
    changes = np.zeros(int(firsts[-1]) + 1, np.int32)
    rows = covers.filter(covers.column("first_source").is_valid())
    first = firsts[rows.column("layer").to_numpy()]
    np.add.at(changes, first + rows.column("first_source").to_numpy(), 1)
    np.add.at(changes, first + rows.column("last_source").to_numpy() + 1, -1)
    return (np.cumsum(changes[:-1]) > 0).astype(np.uint8)


def _codes(layers: Sequence[Path], name: str) -> Texts:
    """Return one column of all sources, coded over all layers."""
    batches = [batch for layer in layers for batch in _texts(layer, name)]
    return coded(pa.chunked_array(batches, pa.string()).dictionary_encode())


def _ips(ips: Texts) -> Ints:
    """Return the number of each address, from 1; 0 where there is none."""
    numbers: Ints = ips.indices.fill_null(-1).to_numpy() + np.int32(1)
    return numbers


def _places(domain: Ints, host: Ints, layer: Path) -> Ints:
    """Return the order of a layer's sources by domain and URL.

    URLs are compared only where a domain has several hosts: sources are numbered by the URLs of each host.
    """
    order = np.argsort(domain, kind="stable")
    other_host = (np.diff(domain[order]) == 0) & (np.diff(host[order]) != 0)
    shared = np.zeros(int(domain.max(initial=-1)) + 1, np.bool_)
    shared[domain[order[1:][other_host]]] = True
    rows = np.flatnonzero(shared[domain])
    by_url = rows[pc.sort_indices(_urls(layer, shared[domain])).to_numpy()]
    order[shared[domain[order]]] = by_url[np.argsort(domain[by_url], kind="stable")]
    place = np.empty(len(order), np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    return place


def _urls(layer: Path, chosen: Bools) -> pa.ChunkedArray[Any]:
    """Return the URLs of some sources."""
    found, start = [], 0
    for urls in _texts(layer, "source_url"):
        found.append(urls.filter(column(chosen[start : start + len(urls)])))
        start += len(urls)
    return pa.chunked_array(found, pa.string())


def _texts(layer: Path, name: str) -> Iterator[Column]:
    """Yield one column of a layer's sources."""
    for batch in SourceFile(layer):
        yield batch.column(name)


def _stored(
    batches: Iterable[pa.RecordBatch], schema: pa.Schema, kept: list[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Yield the columns that are stored, and keep copies as rows of KEPT: DuckDB frees a batch as a whole."""
    last = None
    for batch in batches:
        urls = batch.column("source_url")
        before = pa.concat_arrays([pa.array([last], pa.string()), urls.slice(0, len(urls) - 1)])
        last = urls[-1].as_py()
        made = {
            "source_ip": batch.column("source_ip").dictionary_encode(),
            "begins": pc.not_equal(urls, before).fill_null(True),
        }
        numbers = batch.select([name for name in KEPT.names if name not in made])
        copy = pa.ipc.read_record_batch(numbers.serialize(), numbers.schema)
        kept.append(pa.record_batch(dict(zip(copy.schema.names, copy.columns, strict=True)) | made, schema=KEPT))
        yield pa.RecordBatch.from_arrays(batch.columns[:STORED], schema=schema)
