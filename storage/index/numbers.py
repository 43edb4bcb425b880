"""Hosts, domains and sources as numbers: what the turning of links looks up for each row, held in memory.

Rule: 45 bytes a source, a few hundred a host; the texts of sources go to disk as they come.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage.index.layout import MOMENT, SOURCE_NUMBERS, column, write_sources

Ints = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]
Moments = npt.NDArray[np.int64]
"""Microseconds since the epoch."""

TEXTS: Final = 11
"""The first columns of `sql/sources.sql` are stored, the others numbered."""

NUMBERS: Final = pa.schema(
    {"host": pa.int32(), "domain": pa.int32(), "ip": pa.int32(), "page": pa.int32(), "fetched_at": MOMENT}
)
"""Columns of the file of numbers."""


@dataclass(frozen=True)
class Hosts:
    """All hosts, in the order of the index: by their reversed names."""

    names: pa.Array[Any]
    reversed_names: pa.Array[Any]
    domain: Ints
    """Number of the domain of each host."""
    domains: pa.Array[Any]
    """Names of the domains, sorted."""

    @classmethod
    def of(cls, table: pa.Table) -> Hosts:
        """Return the rows of `sql/names.sql`."""
        domain = table.column("domain_id").to_numpy().astype(np.int32)
        count = int(domain.max()) + 1 if len(domain) else 0
        first = np.zeros(count, np.int64)
        first[domain] = np.arange(len(domain))
        named = table.column("domain").combine_chunks().take(column(first))
        host = table.column("host").combine_chunks()
        return cls(host, table.column("reversed_host").combine_chunks(), domain, named)


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

    @classmethod
    def open(cls, generation: Path) -> Readings:
        """Map the numbers of a generation's sources; nothing is read before it is looked up."""
        table = pa.ipc.open_file(pa.memory_map(str(generation / SOURCE_NUMBERS))).read_all()
        columns = {name: table.column(name).combine_chunks() for name in NUMBERS.names}
        moments = columns.pop("fetched_at").cast(pa.int64())
        return cls(**{name: of.to_numpy() for name, of in columns.items()}, fetched_at=moments.to_numpy())

    def check(self, source: Ints) -> None:
        """Raise ArrowInvalid when a source, or a number of one, cannot be."""
        known = len(self.fetched_at)
        if not len(source):
            return
        if source.min() < 0 or source.max() >= known:
            raise pa.ArrowInvalid("a link has a source that does not exist")
        for numbers in (self.host, self.domain, self.ip, self.page):
            used = numbers[source]
            if used.min() < 0 or used.max() > known:
                raise pa.ArrowInvalid("a source has a number that does not exist")

    def write(self, out: Path) -> None:
        """Store the numbers as they lie in memory; hosts and domains are numbered anew, without those of targets."""
        columns: dict[str, npt.NDArray[Any]] = {
            "host": np.unique(self.host, return_inverse=True)[1].astype(np.int32),
            "domain": np.unique(self.domain, return_inverse=True)[1].astype(np.int32),
            "ip": self.ip,
            "page": self.page,
            "fetched_at": self.fetched_at,
        }
        batch = pa.record_batch([pa.array(columns[field.name]).cast(field.type) for field in NUMBERS], schema=NUMBERS)
        with pa.ipc.new_file(str(out / SOURCE_NUMBERS), NUMBERS) as writer:
            writer.write_batch(batch)


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
    def of(cls, reader: pa.RecordBatchReader, out: Path) -> Sources:
        """Store the rows of `sql/sources.sql` and return their numbers."""
        kept: list[pa.RecordBatch] = []
        schema = pa.schema(list(reader.schema)[:TEXTS])
        write_sources(out, _stored(reader, schema, kept), schema)
        table = pa.Table.from_batches(kept, pa.schema(list(reader.schema)[TEXTS - 2 :]))
        fetch = table.column("fetch").to_numpy()
        order = np.argsort(fetch)
        made = cls(
            host=table.column("host_id").to_numpy(),
            domain=table.column("domain_id").to_numpy(),
            ip=table.column("ip_id").to_numpy(),
            page=table.column("page").to_numpy(),
            fetched_at=table.column("fetched_at").cast(pa.int64()).to_numpy(),
            fetches=fetch[order],
            numbers=order.astype(np.int32),
            once=table.column("once").to_numpy(),
            nofollow=table.column("nofollow").to_numpy(),
            place=table.column("place").to_numpy(),
        )
        made.write(out)
        return made

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


def _stored(
    batches: Iterable[pa.RecordBatch], schema: pa.Schema, kept: list[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Yield the columns that are stored, and keep the others."""
    for batch in batches:
        kept.append(
            pa.RecordBatch.from_arrays(batch.columns[TEXTS - 2 :], schema=pa.schema(list(batch.schema)[TEXTS - 2 :]))
        )
        yield pa.RecordBatch.from_arrays(batch.columns[:TEXTS], schema=schema)
