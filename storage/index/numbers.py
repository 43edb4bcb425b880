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

from storage.index.layout import column, write_sources

Ints = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]
Moments = npt.NDArray[np.int64]
"""Microseconds since the epoch."""

TEXTS: Final = 11
"""The first columns of `sql/sources.sql` are stored, the others numbered."""


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
class Sources:
    """All sources, in the order of their numbers."""

    fetches: Moments
    """All fetches, sorted."""
    numbers: Ints
    """The source of each of them."""
    once: Bools
    """The page was visited once."""
    host: Ints
    domain: Ints
    ip: Ints
    """0 for sources without an address."""
    nofollow: Bools
    place: Ints
    """Order by domain and URL."""
    page: Ints
    """Order by host and URL; readings of one page share it."""
    fetched_at: Moments

    @classmethod
    def of(cls, reader: pa.RecordBatchReader, out: Path) -> Sources:
        """Store the rows of `sql/sources.sql` and return their numbers."""
        kept: list[pa.RecordBatch] = []
        schema = pa.schema(list(reader.schema)[:TEXTS])
        write_sources(out, _stored(reader, schema, kept), schema)
        table = pa.Table.from_batches(kept, pa.schema(list(reader.schema)[TEXTS - 2 :]))
        fetch = table.column("fetch").to_numpy()
        order = np.argsort(fetch)
        return cls(
            fetch[order],
            order.astype(np.int32),
            table.column("once").to_numpy(),
            table.column("host_id").to_numpy(),
            table.column("domain_id").to_numpy(),
            table.column("ip_id").to_numpy(),
            table.column("nofollow").to_numpy(),
            table.column("place").to_numpy(),
            table.column("page").to_numpy(),
            table.column("fetched_at").cast(pa.int64()).to_numpy(),
        )

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
