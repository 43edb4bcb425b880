"""The Public Suffix List: the names below which anybody may register a domain, and the domain that a host belongs to.

Rule: the algorithm of publicsuffix.org; a wildcard's parent is a public suffix, too, as the list's own checker has it.
The list is the file that the package `publicsuffixlist` brings. Its class answers the same, and takes 36 ms where this
takes 7 to read the list for both questions: every worker and every sandbox reads it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from ada_url import idna_to_ascii
from publicsuffixlist import PSLFILE

_END_OF_ICANN: Final = "// ===END ICANN DOMAINS==="


class Suffixes:
    """The rules of the list, or of one of its sections."""

    def __init__(self, rules: frozenset[str]) -> None:
        self._rules = rules

    def registered_domain(self, host: str) -> str | None:
        """Return the public suffix of a host and the label before it; None when the host is itself a public suffix.

        A name that no rule knows ends in a public suffix of one label.
        """
        tail = host.lower().removesuffix(".")
        if "" in tail.split("."):
            return None
        rules = self._rules
        longer = longest = None  # by one label, and by two: the tails of the host are met from the longest on
        while True:
            if "!" + tail in rules:
                return tail
            if "*." + tail in rules:
                return longest
            if tail in rules or "." not in tail:
                return longer
            longest, longer, tail = longer, tail, tail[tail.index(".") + 1 :]


class SuffixLists(NamedTuple):
    """What can be asked."""

    icann: Suffixes
    """What registries and their rules say."""
    whole: Suffixes
    """That, and what companies say of names they give to their customers."""


@cache
def suffix_lists() -> SuffixLists:
    """Return the ICANN section of the list, and the whole list."""
    icann, private = Path(PSLFILE).read_text(encoding="utf-8").split(_END_OF_ICANN)
    rules = frozenset(_rules(icann))
    return SuffixLists(Suffixes(rules), Suffixes(rules.union(_rules(private))))


def _rules(section: str) -> Iterator[str]:
    """Yield the rules among some lines; those that are not ASCII as they stand in normal forms, too."""
    for line in section.splitlines():
        if line and not line.startswith("//"):
            yield line
            if not line.isascii():
                yield idna_to_ascii(line).decode()
