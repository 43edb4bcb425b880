"""Counts what links from outside have in common over all slices of a host or domain that was cut.

Rule: sums of slices add up; what is distinct does not. While a link is live its source is its page's last reading, so
the set of its sources, a bit for each, tells pages, hosts, domains and addresses. Rows and anchors wait on disk.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from storage.index.facts import Facts
from storage.index.layout import Column, Texts, coded, column, compact, compacted, texts
from storage.index.levels import LEVELS, Level
from storage.index.numbers import Bools
from storage.index.prints import Prints
from storage.index.slices import Slices
from storage.index.turning import World

SAID: Final = "said"
"""Who said which anchor."""

COUNTS: Final = ("pages", "hosts", "domains", "ips")
DISTINCT: Final = pa.schema([("first_target", pa.int32()), *((name, pa.int64()) for name in COUNTS)])
PAIRS: Final = pa.schema([pa.field("source_domain", pa.string()), *list(DISTINCT)[:3]])


class Merging:
    """What slices have of what was cut. Used once."""

    def __init__(self, scratch: Path, slices: Slices, world: World) -> None:
        self._scratch = scratch
        self._world = world
        self._cut = {"host": slices.cut_hosts, "domain": slices.cut_domains}
        self._first: dict[tuple[str, int], int] = {}
        self._seen: dict[tuple[str, int], Bools] = {}
        self._files: defaultdict[str, list[str]] = defaultdict(list)

    def begun(self, level: Level) -> Level:
        """Return the level of a slice where what was cut has the first target that slices before found."""
        first = level.first_target.copy()
        for row in np.flatnonzero(self._is_cut(level)).tolist():
            first[row] = self._first.setdefault((level.name, int(level.numbers[row])), int(first[row]))
        return replace(level, first_target=first)

    def add(self, level: Level, outside: Facts, anchor: Texts) -> None:
        """Add the links of a slice that count for a level."""
        rows = np.flatnonzero(self._is_cut(level)[level.of_host[outside.host]])
        place, source = level.of_host[outside.host[rows]], outside.source[rows]
        for at in np.unique(place).tolist():
            key = level.name, int(level.numbers[at])
            seen = self._seen.setdefault(key, np.zeros(len(self._world.sources.place), np.bool_))
            seen[source[place == at]] = True
        if len(rows):
            said = {
                "level": column(np.full(len(rows), LEVELS.index(level.name), np.int8)),
                "first_target": column(level.first_target[place]),
                **_prints(texts(anchor.dictionary, outside.anchor[rows])),
                "source": column(source),
                "domain": column(self._world.sources.domain[source]),
            }
            self._lay_aside(SAID, pa.table(said))

    def kept(self, table: str, level: Level, rows: pa.Table) -> pa.Table:
        """Lay a slice's rows of a roll-up about what was cut aside, and return the others."""
        is_cut = np.isin(rows.column("first_target").to_numpy(), level.first_target[self._is_cut(level)])
        if not is_cut.any():
            return rows
        aside = rows.filter(column(is_cut))
        if table == "anchors":
            for name, half in _prints(coded(aside.column("anchor"))).items():
                aside = aside.append_column(name, half)
        self._lay_aside(table, aside)
        return rows.filter(column(~is_cut))

    def open(self, connection: duckdb.DuckDBPyConnection) -> Sequence[str]:
        """Give statements what waits and what is distinct over all slices; return the tables with rows to merge."""
        for name, files in self._files.items():
            connection.read_parquet(files).create_view(f"cut_{name}")
        connection.register("whole_hosts", self._whole("host"))
        connection.register("whole_domains", self._whole("domain"))
        connection.register("whole_pairs", self._pairs())
        return [name for name in self._files if name != SAID]

    def _is_cut(self, level: Level) -> Bools:
        return self._cut[level.name][level.numbers]

    def _lay_aside(self, name: str, rows: pa.Table) -> None:
        files = self._files[name]
        files.append(str(self._scratch / f"cut_{name}-{len(files):05}.parquet"))
        pq.write_table(compacted(rows), files[-1], compression="zstd", use_dictionary=False, write_statistics=False)

    def _whole(self, level: str) -> pa.Table:
        """Return the distinct counts of the hosts, or domains, that were cut."""
        sources, found = self._world.sources, []
        for (of, number), seen in self._seen.items():
            if of == level:
                rows = np.flatnonzero(seen)
                distinct = [len(np.unique(things[rows])) for things in (sources.page, sources.host, sources.domain)]
                ips = np.count_nonzero(np.unique(sources.ip[rows]))
                found.append(dict(zip(DISTINCT.names, (self._first[of, number], *distinct, ips), strict=True)))
        return pa.Table.from_pylist(found, DISTINCT)

    def _pairs(self) -> pa.Table:
        """Return the distinct counts of the pairs of domains whose target was cut."""
        hosts, sources = self._world
        of_hosts = np.full(len(hosts.domain), -1, np.int32)
        of_hosts[sources.host] = sources.domain
        made = [PAIRS.empty_table()]
        for (level, number), seen in self._seen.items():
            if level == "domain":
                rows = np.flatnonzero(seen)
                pages = np.bincount(sources.domain[rows], minlength=len(hosts.domains))
                met = np.bincount(of_hosts[np.unique(sources.host[rows])], minlength=len(hosts.domains))
                used = np.flatnonzero(pages)
                first = np.full(len(used), self._first[level, number], np.int32)
                columns = [hosts.domains.take(column(used)), column(first), column(pages[used]), column(met[used])]
                made.append(pa.table(columns, schema=PAIRS))
        return pa.concat_tables(made)


def _prints(anchor: Texts) -> dict[str, Column]:
    """Return the fingerprint of each anchor: to count by it takes half the time that texts take."""
    used = compact(anchor)
    prints = Prints.of(used.dictionary).only(used.indices.to_numpy())
    return {"high": column(prints.high), "low": column(prints.low)}
