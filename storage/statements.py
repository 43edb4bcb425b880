"""SQL by name: reads `.sql` files whose statements each follow a line `-- name: <name>`.

Rule: Python never builds SQL from strings; values are parameters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final

NAME_LINE: Final = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


@cache
def text_of(package: str, name: str) -> str:
    """Return the whole file `<name>.sql` of a package."""
    return files(package).joinpath(f"{name}.sql").read_text(encoding="utf-8")


@cache
def load(package: str, name: str) -> Mapping[str, str]:
    """Return the statements of `<name>.sql` in a package by name; a name used twice is a ValueError."""
    _, *parts = NAME_LINE.split(text_of(package, name))
    names, bodies = parts[::2], parts[1::2]
    if len(set(names)) < len(names):
        raise ValueError(f"{package}/{name}.sql uses a name twice")
    return MappingProxyType(dict(zip(names, (body.strip() for body in bodies), strict=True)))
