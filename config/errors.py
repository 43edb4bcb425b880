"""What is said when settings cannot be used: one line a problem, all problems at once.

Rule: a line names the file, the dotted key, the value found and what to write instead.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final, NamedTuple

_LONGEST_VALUE: Final = 80
"""Characters of a value shown: enough to find it in the file."""


class ConfigError(Exception):
    """The settings cannot be used; `lines` has a line for each problem."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))


class Problem(NamedTuple):
    """One thing that is wrong with the settings."""

    key: str
    """Dotted, with positions in arrays: `politeness.overrides[1].delay`."""
    text: str
    """The rest of the line: the value and what is wrong with it."""
    others: tuple[str, ...] = ()
    """Further keys it follows from: where one of them is wrong itself, this is not worth telling."""


def quoted(value: object) -> str:
    """Return `value` about as TOML writes it; what a terminal would obey or not show is written as escapes."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)


def shown(value: object) -> str:
    """Return the same, cut to a length that fits a line."""
    text = quoted(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 3]}..."
