"""Counts links for a question that no roll-up answers: as columns of numbers, in memory, exactly.

Rule: counts what the statements of the roll-ups count, with the same functions. All things are ranked by their links;
the rest is counted of those on the page that is shown. 0.2 to 0.3 us of CPU a link (docs/performance.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storage.index.layout import Column, Texts, coded, column, unpacked
from storage.index.numbers import Ints, Readings
from storage.index.rollups import (
    ORDER,
    ROLE_OF,
    Counts,
    Facts,
    distinct,
    earliest,
    figures,
    latest,
    states_of,
    used_numbers,
)
from storage.index.turning import seen

COUNTED: Final = ("source", "traits", "state", "first_seen", "last_seen_live", "observations")
"""Columns of links that are counted."""

LINK_BYTES: Final = 200
"""Memory that counting one link takes at most (60 to 210 were measured)."""


def facts_of(links: pa.Table, sources: Readings) -> Facts:
    """Return the facts of found links, whose targets are of no matter; without an anchor column all anchors are 0.

    Raises ArrowInvalid for sources that do not exist.
    """
    source, traits = links.column("source").to_numpy(), links.column("traits").to_numpy()
    sources.check(source)
    nowhere = np.zeros(len(source), np.int32)
    return Facts(
        target=nowhere,
        host=nowhere,
        source=source,
        anchor=coded(links.column("anchor")).indices.to_numpy() if "anchor" in links.column_names else nowhere,
        scope=unpacked(traits, "scope").astype(np.uint8),
        nofollow=unpacked(traits, "nofollow") != 0,
        role=ROLE_OF[unpacked(traits, "kind")],
        state=states_of(links),
        **dict(zip(("first_seen", "last_seen"), seen(links, sources), strict=True)),
    )


def summed(facts: Facts, sources: Readings, outside: int) -> pa.Table:
    """Return the figures of all links as one row, or none when there are no links.

    Links whose scope is below `outside` come from within what is asked about, and are counted apart.
    """
    if not len(facts.source):
        return pa.table({name: pa.array([], pa.int64()) for name in ORDER})
    beyond = facts.only(facts.scope >= outside)
    counts = figures(beyond, np.zeros(len(beyond.source), np.int32), 1, sources)
    inside = np.count_nonzero(facts.counts & (facts.scope < outside))
    counts |= {"inside": np.array([inside]), "links": np.array([len(facts.source)])}
    return pa.table({name: _column(counts[name]) for name in ORDER})


@dataclass(frozen=True)
class Ranked:
    """Things that link, or are said of a target, those with most links first. Positions count from 1."""

    name: str
    """Title of the column of names."""
    facts: Facts
    group: Ints
    """The thing of each link."""
    links: Counts
    """Links of each thing."""
    named: Callable[[Ints], Column]
    """Return the names of some things."""
    counts: dict[str, Ints]
    """What is counted distinctly, a number per link."""

    def read(self, after: int, limit: int) -> pa.Table:
        """Return so many things after a position."""
        skipped = max(after, 0)
        shown = self._first(skipped + limit)[skipped:]
        place = np.full(len(self.links), -1, np.int32)
        place[shown] = np.arange(len(shown), dtype=np.int32)
        at = place[self.group]
        rows = np.flatnonzero(at >= 0)
        at, facts, groups = at[rows], self.facts.only(rows), len(shown)
        links, nofollow = self.links[shown], np.bincount(at[facts.nofollow], minlength=groups)
        return pa.table(
            {
                self.name: self.named(shown),
                "links": column(links),
                **{name: column(distinct(at, thing[rows], groups)) for name, thing in self.counts.items()},
                "follow": column(links - nofollow),
                "nofollow": column(nofollow),
                "first_seen": earliest(at, facts.first_seen, groups),
                "last_seen": latest(at, facts.last_seen, groups),
                "position": column(np.arange(len(shown)) + skipped + 1),
            }
        )

    def _first(self, most: int) -> Ints:
        """Return the things of the first positions; only those that may be among them are sorted by name."""
        among = np.arange(len(self.links), dtype=np.int32)
        if most < len(among):
            least = np.partition(self.links, len(among) - most)[len(among) - most]
            among = among[self.links >= least]
        by_name = np.empty(len(among), np.int64)
        by_name[pc.sort_indices(self.named(among)).to_numpy()] = np.arange(len(among))
        return among[np.lexsort((by_name, -self.links[among]))][:most]


def ranked_domains(facts: Facts, sources: Readings, names: Column) -> Ranked:
    """Return the domains that link; `names` are those of all domains with sources."""
    used, group = used_numbers(sources.domain[facts.source], len(names))
    things = {"pages": sources.page[facts.source], "hosts": sources.host[facts.source]}
    return Ranked(
        "source_domain",
        facts,
        group,
        np.bincount(group, minlength=len(used)),
        lambda of: names.take(column(used[of])),
        things,
    )


def ranked_anchors(facts: Facts, anchor: Texts, sources: Readings) -> Ranked:
    """Return the anchors in use; the facts hold their codes."""
    used, group = used_numbers(facts.anchor, len(anchor.dictionary))
    texts = anchor.dictionary.take(column(used)).cast(pa.string())
    things = {"pages": sources.page[facts.source], "domains": sources.domain[facts.source]}
    return Ranked(
        "anchor", facts, group, np.bincount(group, minlength=len(used)), lambda of: texts.take(column(of)), things
    )


def _column(values: Counts | Column) -> Column:
    return values if isinstance(values, pa.Array) else column(values)
