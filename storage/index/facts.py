"""What is counted of each link: where it leads, who has it, what it is, and whether it lives.

Rule: columns of numbers in the order of the links, so that counting reads no texts. While a link is live its source is
its page's last reading, so distinct sources are distinct pages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage.index.layout import MOMENT, Column, Rows, coded, looked_up, unpacked
from storage.index.numbers import Bools, Ints, Moments
from storage.index.policy import EMBED, HYPERLINK, INDIRECT, REFERENCE, RESOURCE, ROLES
from storage.index.turning import Turned, World, seen
from storage.records import Kind

ROLE_NAMES: Final = (HYPERLINK, INDIRECT, EMBED, RESOURCE, REFERENCE)
ROLE_OF: Final = np.array(
    [ROLE_NAMES.index(ROLES[Kind(kind)]) if kind in set(Kind) else len(ROLE_NAMES) for kind in range(256)], np.uint8
)
APART: Final = {INDIRECT: "indirect", EMBED: "embeds", RESOURCE: "resources", REFERENCE: "others"}

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
            looked_up(ROLE_OF, unpacked(links.column("traits").to_numpy(), "kind")),
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
        rows: npt.NDArray[Any] = np.flatnonzero(chosen) if chosen.dtype == np.bool_ else chosen
        if len(rows) == len(self.source):
            return self
        names = [name for name in self.__dataclass_fields__ if name != "last_seen"]
        taken = {name: looked_up(getattr(self, name), rows) for name in names}
        same = self.last_seen is self.first_seen
        return Facts(**taken, last_seen=taken["first_seen"] if same else looked_up(self.last_seen, rows))


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


def moments(found: Moments, empty: Bools) -> Column:
    """Return moments as a column, with nulls where there are none."""
    made: Column = pa.array(found, mask=empty)
    return made.cast(MOMENT)
