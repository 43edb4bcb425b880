"""Counts what links from outside have in common over all slices of a host or domain that was cut.

Rule: sums of slices add up; what is distinct does not. While a link is live its source is its page's last reading, so
the set of its sources, a bit for each, tells pages, hosts, domains and addresses. Anchors wait on disk.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from storage.index.facts import Facts
from storage.index.layout import Column, Texts, column, compact, texts
from storage.index.numbers import Bools, Ints
from storage.index.slices import Slices
from storage.index.turning import EXTERNAL, SAME_HOST, World

TEXT: Final = pa.string()
NONE_SAID: Final = (
    pa.schema({"level": pa.string(), "name": pa.string(), "anchor": pa.string()})
    .append(pa.field("source", pa.int32()))
    .append(pa.field("domain", pa.int32()))
)
NO_PAIRS: Final = (
    pa.schema({"target": pa.string(), "source": pa.string()})
    .append(pa.field("pages", pa.int64()))
    .append(pa.field("hosts", pa.int64()))
)


class Merging:
    """The sources of what was cut. Used once."""

    def __init__(self, scratch: Path, slices: Slices, world: World) -> None:
        self._folder = scratch / "said"
        self._folder.mkdir()
        self._world = world
        self._cut = {"host": slices.cut_hosts, "domain": slices.cut_domains}
        self._seen: dict[tuple[str, int], Bools] = {}

    def add(self, facts: Facts, anchor: Texts) -> None:
        """Add the links of a slice."""
        hosts, counts = self._world.hosts, facts.counts
        for level, inside in (("host", SAME_HOST + 1), ("domain", EXTERNAL)):
            group = facts.host if level == "host" else hosts.domain[facts.host]
            rows = np.flatnonzero(counts & (facts.scope >= inside) & self._cut[level][group])
            group, source = group[rows], facts.source[rows]
            for number in np.unique(group).tolist():
                seen = self._seen.setdefault((level, number), np.zeros(len(self._world.sources.place), np.bool_))
                seen[source[group == number]] = True
            if len(rows):
                self._say(level, group, source, texts(anchor.dictionary, facts.anchor[rows]))

    def _say(self, level: str, group: Ints, source: Ints, anchor: Texts) -> None:
        hosts = self._world.hosts
        columns = [
            texts(pa.array([level]), np.zeros(len(group), np.int32)),
            compact(texts(hosts.names if level == "host" else hosts.domains, group)),
            compact(anchor),
            column(source),
            column(self._world.sources.domain[source]),
        ]
        table = pa.table(columns, names=NONE_SAID.names)
        pq.write_table(table, self._folder / f"{len(list(self._folder.iterdir())):05}.parquet", compression="zstd")

    def said(self) -> list[str]:
        """Return the files of who said which anchor: at least one, which may be empty."""
        if not any(self._folder.iterdir()):
            pq.write_table(NONE_SAID.empty_table(), self._folder / "none.parquet")
        return sorted(str(file) for file in self._folder.iterdir())

    def whole(self, level: str) -> pa.Table:
        """Return the distinct counts of the hosts, or domains, that were cut."""
        sources, numbers, counts = self._world.sources, [], []
        for (of, number), seen in self._seen.items():
            if of == level:
                rows = np.flatnonzero(seen)
                ips = np.unique(sources.ip[rows])
                distinct = [len(np.unique(things[rows])) for things in (sources.page, sources.host, sources.domain)]
                numbers.append(number)
                counts.append([*distinct, np.count_nonzero(ips)])
        columns = np.array(counts, np.int64).reshape(-1, 4).T
        names = column(np.array(numbers, np.int32))
        named: Column = (self._world.hosts.names if level == "host" else self._world.hosts.domains).take(names)
        return pa.table([named, *(column(values) for values in columns)], ["name", "pages", "hosts", "domains", "ips"])

    def pairs(self) -> pa.Table:
        """Return the distinct counts of the pairs of domains whose target was cut."""
        hosts, sources = self._world
        of_hosts = np.full(len(hosts.domain), -1, np.int32)
        of_hosts[sources.host] = sources.domain
        made = [NO_PAIRS.empty_table()]
        for (level, number), seen in self._seen.items():
            if level == "domain":
                rows = np.flatnonzero(seen)
                pages = np.bincount(sources.domain[rows], minlength=len(hosts.domains))
                met = np.bincount(of_hosts[np.unique(sources.host[rows])], minlength=len(hosts.domains))
                used = np.flatnonzero(pages)
                target = hosts.domains.take(column(np.full(len(used), number)))
                columns = [target, hosts.domains.take(column(used)), column(pages[used]), column(met[used])]
                made.append(pa.table(columns, schema=NO_PAIRS))
        return pa.concat_tables(made)
