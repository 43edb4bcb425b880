"""The hosts, and the domains, that the links of a slice lead to, in the order in which slices come.

Rule: they are told by their first target, so that what a slice has of them is a part of the index as it stands,
whatever their names are; a question has that number anyhow, for it asks first where the links lie.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from storage.index.numbers import Hosts, Ints
from storage.index.sums import Linkers

LEVELS: Final = ("domain", "host")
"""Names by their numbers in the table of anchors."""


@dataclass(frozen=True)
class Level:
    """What links are counted by: hosts or domains."""

    name: str
    numbers: Ints
    """Among all hosts, or domains."""
    first_target: Ints
    """The lowest number of a target of each."""
    of_host: Ints
    """Of each host among all, if links lead to it: the place here of it, or of its domain."""


def levels(linkers: Linkers, hosts: Hosts) -> tuple[Level, Level]:
    """Return the domains and the hosts."""
    return _level("domain", hosts.domain[linkers.hosts], linkers, hosts), _level("host", linkers.hosts, linkers, hosts)


def _level(name: str, group: Ints, linkers: Linkers, hosts: Hosts) -> Level:
    """Return the groups in their order, of which each linked host is in one."""
    numbers, first, back = np.unique(group, return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.empty(len(order), np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    of_host = np.zeros(len(hosts.names), np.int32)
    of_host[linkers.hosts] = place[back]
    return Level(name, numbers[order], linkers.first_target[first[order]], of_host)
