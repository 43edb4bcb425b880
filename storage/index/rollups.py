"""Counts backlinks per target URL, host, domain, pair of domains and anchor, exactly.

Rule: live hyperlinks from outside of what is counted are its backlinks; the rest is counted apart. A count of distinct
things sorts integers made of the group and the thing. While a link is live its source is its page's last reading,
so distinct sources are distinct pages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from storage.index.layout import MOMENT, Column, Rows, Texts, coded, column, compact, texts, unpacked
from storage.index.numbers import Bools, Ints, Moments, Readings
from storage.index.policy import EMBED, HYPERLINK, INDIRECT, REFERENCE, RESOURCE, ROLES
from storage.index.turning import EXTERNAL, SAME_HOST, Turned, World, seen
from storage.records import Kind

ROLE_NAMES: Final = (HYPERLINK, INDIRECT, EMBED, RESOURCE, REFERENCE)
ROLE_OF: Final = np.array(
    [ROLE_NAMES.index(ROLES[Kind(kind)]) if kind in set(Kind) else len(ROLE_NAMES) for kind in range(256)], np.uint8
)
ORDER: Final = (
    "backlinks follow nofollow pages hosts domains ips external inside indirect embeds resources others lost unknown"
    " links first_seen last_seen"
).split()
"""Columns of a roll-up."""

APART: Final = {INDIRECT: "indirect", EMBED: "embeds", RESOURCE: "resources", REFERENCE: "others"}

Counts = npt.NDArray[np.int64]
Codes = npt.NDArray[np.uint8]

LIVE, LOST, UNKNOWN = range(3)
STATES: Final = ("live", "lost", "unknown")


@dataclass(frozen=True)
class Facts:
    """What the roll-ups count, a row per link."""

    target: Ints
    """From 0."""
    host: Ints
    source: Ints
    anchor: Ints
    scope: Codes
    nofollow: Bools
    role: Codes
    state: Codes
    first_seen: Moments
    last_seen: Moments

    @classmethod
    def of(cls, found: Turned, world: World) -> Facts:
        """Return the facts of sorted links."""
        links = found.links
        return cls(
            links.column("target").to_numpy() - np.int32(found.first_target),
            found.hosts,
            links.column("source").to_numpy(),
            coded(links.column("anchor")).indices.to_numpy(),
            found.scope,
            found.nofollow,
            ROLE_OF[unpacked(links.column("traits").to_numpy(), "kind")],
            states_of(links),
            *seen(links, world.sources),
        )

    @property
    def counts(self) -> Bools:
        """Live and a hyperlink."""
        counts: Bools = (self.state == LIVE) & (self.role == 0)
        return counts

    def only(self, chosen: Bools | Rows) -> Facts:
        """Return some of the facts, by a choice or by their numbers in order."""
        rows = np.flatnonzero(chosen) if chosen.dtype == np.bool_ else chosen
        if len(rows) == len(self.source):
            return self
        names = [name for name in self.__dataclass_fields__ if name != "last_seen"]
        taken = {name: getattr(self, name)[rows] for name in names}
        same = self.last_seen is self.first_seen
        return Facts(**taken, last_seen=taken["first_seen"] if same else self.last_seen[rows])


def states_of(links: pa.Table) -> Codes:
    """Return the state of each link; a null is live: its page was visited once."""
    if "state" not in links.column_names:
        return np.zeros(links.num_rows, np.uint8)
    states = coded(links.column("state"))
    names = states.dictionary.to_pylist()
    if not set(names) <= set(STATES):
        raise pa.ArrowInvalid("a link has a state that does not exist")
    number = np.array([STATES.index(name) for name in names] or [LIVE], np.uint8)
    known = number[states.indices.fill_null(0).to_numpy()]
    return np.where(states.is_null().to_numpy(zero_copy_only=False), np.uint8(LIVE), known)


def distinct(group: Ints, thing: Ints, groups: int, ordered: bool = False) -> Counts:
    """Return how many different things each group has; `ordered` things of a group lie together."""
    if not len(group):
        return np.zeros(groups, np.int64)
    new = (group[1:] != group[:-1]) | (thing[1:] != thing[:-1])
    if ordered:
        return np.bincount(group[np.concatenate(([True], new))], minlength=groups)
    bits = int(thing.max()).bit_length()
    # Neighbours are often alike: without them there is half as much to sort.
    key = ((group.astype(np.int64) << bits) | thing)[np.concatenate(([True], new))]
    key.sort()
    first = np.concatenate(([True], key[1:] != key[:-1]))
    return np.bincount((key[first] >> bits).astype(np.int64), minlength=groups)


def earliest(group: Ints, times: Moments, groups: int) -> Column:
    """Return the first moment of each group, null for an empty one."""
    found = np.full(groups, np.iinfo(np.int64).max)
    np.minimum.at(found, group, times)
    return moments(found, found == np.iinfo(np.int64).max)


def latest(group: Ints, times: Moments, groups: int) -> Column:
    """Return the last moment of each group, null for an empty one."""
    found = np.full(groups, np.iinfo(np.int64).min)
    np.maximum.at(found, group, times)
    return moments(found, found == np.iinfo(np.int64).min)


def moments(found: Moments, empty: Bools) -> Column:
    """Return moments as a column, with nulls where there are none."""
    made: Column = pa.array(found, mask=empty)
    return made.cast(MOMENT)


def figures(
    outside: Facts, group: Ints, groups: int, sources: Readings, ordered: bool = False
) -> dict[str, Counts | Column]:
    """Return columns of a roll-up of links from outside; `group` numbers what each of them leads to.

    `ordered`: the links of a group are sorted by domain and page of their source.
    """
    counted = outside.counts
    inner, to = outside.only(counted), group if counted.all() else group[counted]
    ip = sources.ip[inner.source]
    known = ip > 0
    backlinks, nofollow = np.bincount(to, minlength=groups), np.bincount(to[inner.nofollow], minlength=groups)
    rest, apart = outside.only(~counted), group[~counted]
    columns: dict[str, Counts | Column] = {
        "backlinks": backlinks,
        "follow": backlinks - nofollow,
        "nofollow": nofollow,
        "pages": distinct(to, inner.source, groups, ordered),
        "hosts": distinct(to, sources.host[inner.source], groups),
        "domains": distinct(to, sources.domain[inner.source], groups, ordered),
        "ips": distinct(to, ip, groups) if known.all() else distinct(to[known], ip[known], groups),
        "external": np.bincount(to[inner.scope == EXTERNAL], minlength=groups),
    }
    for name, title in APART.items():
        other = (rest.state == LIVE) & (rest.role == ROLE_NAMES.index(name))
        columns[title] = np.bincount(apart[other], minlength=groups)
    for state in (LOST, UNKNOWN):
        columns[STATES[state]] = np.bincount(apart[(rest.state == state) & (rest.role == 0)], minlength=groups)
    columns["first_seen"] = earliest(to, inner.first_seen, groups)
    columns["last_seen"] = latest(to, inner.last_seen, groups)
    return columns


def _rolled_up(columns: dict[str, Counts | Column], inside: Counts, links: Counts) -> dict[str, Column]:
    """Return the columns of a roll-up in their order."""
    columns |= {"inside": inside, "links": links}
    return {name: made if isinstance(made := columns[name], pa.Array) else column(made) for name in ORDER}


def targets(facts: Facts, groups: int, world: World) -> dict[str, Column]:
    """Return the counts per target URL. Every page that links to it counts, those of its own host included."""
    found = figures(facts, facts.target, groups, world.sources, ordered=True)
    return _rolled_up(found, np.zeros(groups, np.int64), np.bincount(facts.target, minlength=groups))


def hosts(facts: Facts, first_target: int, world: World) -> pa.Table:
    """Return the roll-up per target host, with the range of its targets; facts are sorted by host."""
    named, group = used_numbers(facts.host, len(world.hosts.domain))
    starts = np.searchsorted(group, np.arange(len(named)))
    ends = np.append(starts[1:], len(group)) - 1 if len(named) else starts
    outside = facts.scope != SAME_HOST
    found = figures(facts.only(outside), group[outside], len(named), world.sources)
    inside = np.bincount(group[facts.counts & ~outside], minlength=len(named))
    of = world.hosts
    return pa.table(
        {
            "target_host_reversed": of.reversed_names.take(column(named)),
            "target_host": of.names.take(column(named)),
            "target_domain": of.domains.take(column(of.domain[named])),
            "first_target": column(facts.target[starts] + np.int32(first_target)),
            "last_target": column(facts.target[ends] + np.int32(first_target)),
            **_rolled_up(found, inside, np.bincount(group, minlength=len(named))),
        }
    )


def domains(facts: Facts, world: World) -> pa.Table:
    """Return the roll-up per target domain, in the order of their names."""
    named, group = used_numbers(world.hosts.domain[facts.host], len(world.hosts.domains))
    outside = facts.scope == EXTERNAL
    found = figures(facts.only(outside), group[outside], len(named), world.sources)
    inside = np.bincount(group[facts.counts & ~outside], minlength=len(named))
    links = np.bincount(group, minlength=len(named))
    return pa.table({"target_domain": world.hosts.domains.take(column(named)), **_rolled_up(found, inside, links)})


def used_numbers(things: Ints, most: int) -> tuple[Ints, Ints]:
    """Return the things in use in their order, and the place of each row's thing among them."""
    used = np.bincount(things, minlength=most) > 0
    return np.flatnonzero(used).astype(np.int32), (np.cumsum(used, dtype=np.int32) - np.int32(1))[things]


def domain_pairs(external: Facts, world: World) -> pa.Table:
    """Return who links to whom, by registered domain: of each target those with most links first."""
    hosts, sources = world
    target, source, group = _pairs(hosts.domain[external.host], sources.domain[external.source])
    counts = _counts(external, group, len(target))
    made = {
        "target_domain": texts(hosts.domains, target),
        "source_domain": texts(hosts.domains, source),
        "links": counts.pop("links"),
        "pages": counts.pop("pages"),
        "hosts": column(distinct(group, sources.host[external.source], len(target))),
        **counts,
    }
    links = np.asarray(made["links"])
    return pa.table(made).take(column(np.lexsort((source, -links, target))))


def anchors(facts: Facts, anchor: Texts, level: str, world: World) -> pa.Table:
    """Return the anchors of the domains, or hosts, that links lead to: of each those with most links first."""
    hosts, sources = world
    used = compact(texts(anchor.dictionary, facts.anchor))
    by_text = np.empty(len(used.dictionary), np.int64)
    by_text[pc.sort_indices(used.dictionary).to_numpy()] = np.arange(len(used.dictionary))
    of, names = (hosts.domain[facts.host], hosts.domains) if level == "domain" else (facts.host, hosts.names)
    name, code, group = _pairs(of, used.indices.to_numpy())
    counts = _counts(facts, group, len(name))
    made = {
        "level": texts(pa.array([level]), np.zeros(len(name), np.int32)),
        "name": texts(names, name),
        "anchor": texts(used.dictionary, code),
        "links": counts.pop("links"),
        "pages": counts.pop("pages"),
        "domains": column(distinct(group, sources.domain[facts.source], len(name))),
        **counts,
    }
    links = np.asarray(made["links"])
    return pa.table(made).take(column(np.lexsort((by_text[code], -links, _rank(names, name)))))


def _pairs(first: Ints, second: Ints) -> tuple[Ints, Ints, Ints]:
    """Return the different pairs, and which of them each row is."""
    bits = int(second.max(initial=0)).bit_length()
    pair, group = np.unique((first.astype(np.int64) << bits) | second, return_inverse=True)
    return (pair >> bits).astype(np.int32), (pair & ((1 << bits) - 1)).astype(np.int32), group.astype(np.int32)


def _counts(facts: Facts, group: Ints, groups: int) -> dict[str, Column]:
    """Return what pairs of domains and anchors both count."""
    links, nofollow = np.bincount(group, minlength=groups), np.bincount(group[facts.nofollow], minlength=groups)
    return {
        "links": column(links),
        "pages": column(distinct(group, facts.source, groups)),
        "follow": column(links - nofollow),
        "nofollow": column(nofollow),
        "first_seen": earliest(group, facts.first_seen, groups),
        "last_seen": latest(group, facts.last_seen, groups),
    }


def _rank(names: Column, number: Ints) -> Counts:
    """Return the place of each name among those in use, by its text."""
    used, at = np.unique(number, return_inverse=True)
    rank = np.empty(len(used), np.int64)
    rank[pc.sort_indices(names.take(column(used))).to_numpy()] = np.arange(len(used))
    return rank[at]
