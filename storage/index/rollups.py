"""Counts backlinks per target URL, host, domain, pair of domains and anchor, exactly.

Rule: live hyperlinks from outside of what is counted are its backlinks; the rest is counted apart. URLs and anchors are
counted link by link, all else by the sums of each source to a host, a fifth as many rows. A count of distinct things
sorts integers made of the group and the thing.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storage.index.facts import APART, LOST, STATES, UNKNOWN, Facts, moments
from storage.index.layout import Column, Rows, Texts, column, compact, looked_up, texts
from storage.index.levels import LEVELS, Level
from storage.index.numbers import Bools, Ints, Readings
from storage.index.ordering import (
    Counts,
    different,
    distinct,
    groups_of,
    keyed,
    neighbours,
    sort,
    starts_of,
    summed,
)
from storage.index.sums import EVER, NEVER, Linkers, Sums, Whole
from storage.index.turning import EXTERNAL, SAME_HOST, World

ORDER: Final = (
    "backlinks follow nofollow pages hosts domains ips external inside indirect embeds resources others lost unknown"
    " links first_seen last_seen"
).split()
"""Columns of a roll-up."""

ADDED: Final = (*APART.values(), STATES[LOST], STATES[UNKNOWN])
"""What is from outside and adds up, backlinks aside."""


def targets(facts: Facts, world: World) -> dict[str, Column]:
    """Return the counts per target URL. Every page that links to it counts, those of its own host included."""
    starts = starts_of(facts.target)
    sums = Sums.of_links(facts)
    columns = _sums(sums, starts, None) | {"inside": np.zeros(len(starts), np.int64)}
    rows = np.flatnonzero(sums.counts["backlinks"])
    group, source = neighbours(looked_up(facts.target, rows), looked_up(facts.source, rows))
    # Links to one URL are sorted by domain and page of their source.
    columns["domains"] = distinct(group, looked_up(world.sources.domain, source), len(starts), ordered=True)
    columns["hosts"] = distinct(group, looked_up(world.sources.host, source), len(starts))
    return _in_order(columns | _pages_and_ips(group, source, len(starts), world.sources))


def hosts(linkers: Linkers, level: Level, world: World) -> pa.Table:
    """Return the roll-up per target host, with the range of its targets."""
    of, named, sums = world.hosts, level.numbers, linkers.sums
    columns = _sums(sums, linkers.starts, sums.scope != SAME_HOST)
    rows = np.flatnonzero(sums.backlinks & (sums.scope != SAME_HOST))
    group, source = looked_up(groups_of(linkers.starts, len(sums.source)), rows), looked_up(sums.source, rows)
    columns["domains"] = distinct(group, looked_up(world.sources.domain, source), len(named))
    # Sources are numbered by their hosts.
    columns["hosts"] = distinct(group, looked_up(world.sources.host, source), len(named), ordered=True)
    return pa.table(
        {
            "target_host_reversed": of.reversed_names.take(column(named)),
            "target_host": of.names.take(column(named)),
            "target_domain": of.domains.take(column(of.domain[named])),
            "first_target": column(level.first_target),
            "last_target": column(linkers.last_target),
            **_in_order(columns | _pages_and_ips(group, source, len(named), world.sources)),
        }
    )


def domains(linkers: Linkers, level: Level, world: World) -> pa.Table:
    """Return the roll-up per target domain."""
    order, domain = sort(looked_up(level.of_host, linkers.host).astype(np.int64))
    sums, starts = linkers.sums.only(order), starts_of(domain)
    outside = sums.scope == EXTERNAL
    columns = _sums(sums, starts, outside)
    rows = np.flatnonzero(sums.backlinks & outside)
    group, source = different(looked_up(groups_of(starts, len(domain)), rows), looked_up(sums.source, rows))
    columns["domains"] = distinct(group, looked_up(world.sources.domain, source), len(starts))
    columns["hosts"] = distinct(group, looked_up(world.sources.host, source), len(starts), ordered=True)
    rest = _in_order(columns | _pages_and_ips(group, source, len(starts), world.sources))
    named = world.hosts.domains.take(column(level.numbers))
    return pa.table({"first_target": column(level.first_target), "target_domain": named, **rest})


def domain_pairs(linkers: Linkers, level: Level, world: World) -> pa.Table:
    """Return who links to whom, by registered domain: of each target those with most links first."""
    sources = world.sources
    external = np.flatnonzero(linkers.sums.backlinks & (linkers.sums.scope == EXTERNAL))
    sums, to = linkers.sums.only(external), looked_up(level.of_host, linkers.host[external])
    order, pair = sort(keyed(to, looked_up(sources.domain, sums.source)))
    sums, to, starts = sums.only(order), looked_up(to, order), starts_of(pair)
    group, source = different(groups_of(starts, len(pair)), sums.source)
    target, by = to[starts], sources.domain[sums.source[starts]]
    links, nofollow = summed(sums.counts["backlinks"], starts), summed(sums.of("nofollow"), starts)
    made = {
        "first_target": column(level.first_target[target]),
        "source_domain": texts(world.hosts.domains, by),
        "links": column(links),
        "pages": column(np.bincount(group, minlength=len(starts))),
        "hosts": column(distinct(group, looked_up(sources.host, source), len(starts), ordered=True)),
        **_follow(links, nofollow),
        **_seen(sums, starts, None),
    }
    return pa.table(made).take(column(_most_first(target, links)))


def anchors(facts: Facts, anchor: Texts, level: Level, world: World) -> pa.Table:
    """Return the anchors of the domains, or hosts, that links lead to: of each those with most links first."""
    sources = world.sources
    used = compact(texts(anchor.dictionary, facts.anchor))
    by_text = pc.sort_indices(used.dictionary).to_numpy()
    rank = np.empty(len(by_text), np.int32)
    rank[by_text] = np.arange(len(by_text), dtype=np.int32)
    of, said = looked_up(level.of_host, facts.host), looked_up(rank, used.indices.to_numpy())
    order, pair = sort(keyed(of, said))
    starts = starts_of(pair)
    to, text = of[order[starts]], said[order[starts]]
    group, source = different(groups_of(starts, len(pair)), looked_up(facts.source, order))
    links, nofollow = summed(np.ones(len(pair), np.bool_), starts), summed(looked_up(facts.nofollow, order), starts)
    made = {
        "level": column(np.full(len(to), LEVELS.index(level.name), np.int8)),
        "first_target": column(level.first_target[to]),
        "anchor": texts(used.dictionary, by_text[text]),
        "links": column(links),
        "pages": column(np.bincount(group, minlength=len(starts))),
        "domains": column(distinct(group, looked_up(sources.domain, source), len(starts))),
        **_follow(links, nofollow),
        **_seen(Sums.of_chosen(facts).only(order), starts, None),
    }
    return pa.table(made).take(column(_most_first(to, links)))


def used_numbers(things: Ints, most: int) -> tuple[Ints, Ints]:
    """Return the things in use in their order, and the place of each row's thing among them."""
    used = np.bincount(things, minlength=most) > 0
    return np.flatnonzero(used).astype(np.int32), (np.cumsum(used, dtype=np.int32) - np.int32(1))[things]


def _sums(sums: Sums, starts: Rows, outside: Bools | None) -> dict[str, Counts | Column]:
    """Return what adds up of groups of rows; `outside` tells those that are from outside, without it all are."""

    def from_outside(values: Whole) -> Counts:
        return summed(values if outside is None else values * outside, starts)

    backlinks, nofollow = from_outside(sums.counts["backlinks"]), from_outside(sums.of("nofollow"))
    every = backlinks if outside is None else summed(sums.counts["backlinks"], starts)
    return {
        "backlinks": backlinks,
        "follow": backlinks - nofollow,
        "nofollow": nofollow,
        "external": summed(sums.counts["backlinks"] * (sums.scope == EXTERNAL), starts),
        "inside": every - backlinks,
        **{name: from_outside(sums.of(name)) for name in ADDED},
        "links": summed(sums.of("links"), starts),
        **_seen(sums, starts, outside),
    }


def _seen(sums: Sums, starts: Rows, outside: Bools | None) -> dict[str, Column]:
    """Return when backlinks of each group were seen first and last; null where there are none."""
    counted = sums.backlinks if outside is None else sums.backlinks & outside
    all_counted = bool(counted.all())
    first, last = (
        moments_of if all_counted else np.where(counted, moments_of, none)
        for moments_of, none in ((sums.first_seen, EVER), (sums.last_seen, NEVER))
    )
    first, last = np.minimum.reduceat(first, starts), np.maximum.reduceat(last, starts)
    return {"first_seen": moments(first, first == EVER), "last_seen": moments(last, last == NEVER)}


def _pages_and_ips(group: Ints, source: Ints, groups: int, sources: Readings) -> dict[str, Counts | Column]:
    """Return the counts of pages and addresses; the pairs of group and source are all different."""
    ip = looked_up(sources.ip, source)
    known = ip > 0
    ips = distinct(group, ip, groups) if known.all() else distinct(group[known], ip[known], groups)
    return {"pages": np.bincount(group, minlength=groups), "ips": ips}


def _in_order(columns: dict[str, Counts | Column]) -> dict[str, Column]:
    """Return the columns of a roll-up in their order."""
    return {name: made if isinstance(made := columns[name], pa.Array) else column(made) for name in ORDER}


def _follow(links: Counts, nofollow: Counts) -> dict[str, Column]:
    return {"follow": column(links - nofollow), "nofollow": column(nofollow)}


def _most_first(to: Ints, links: Counts) -> Rows:
    """Return the rows of each target with most links first; those with as many keep their order."""
    return sort(keyed(to, links.max(initial=0) - links))[0]
