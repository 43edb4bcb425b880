"""Turns pydantic's errors into problems an operator can mend: key, value found, allowed values, nearest known key.

Rule: what is allowed is read from the models, so that a message cannot differ from them.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from config.errors import Problem, quoted, shown
from config.models import Override, Settings
from config.units import size_text

SECTIONS: Final[Mapping[str, frozenset[str]]] = {
    name: frozenset(field.annotation.model_fields)
    for name, field in Settings.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
}
"""Section to the keys it knows."""

_WORDING: Final = {
    "bool_type": "is not true or false",
    "dict_type": "is not a table",
    "finite_number": "is not a finite number",
    "greater_than": "is too small; it must be more than {gt}",
    "greater_than_equal": "is too small; it must be {ge} or more",
    "int_type": "is not a whole number",
    "less_than_equal": "is too large; it must be {le} or less",
    "literal_error": "is not known; use {expected}",
    "missing": "is missing",
    "model_type": "is not a table",
    "path_type": "is not a path; write it in quotes",
    "string_type": "is not text; write it in quotes",
    "tuple_type": "is not a list; write it in [ ]",
    "value_error": "{error}",
}
"""Pydantic's error type to the end of the sentence that the value begins."""

_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")


def diagnose(error: ValidationError) -> Iterator[Problem]:
    """Yield a problem for each error of the settings."""
    for details in error.errors(include_url=False):
        place = tuple(part for part in details["loc"] if part != "[key]")
        yield Problem(dotted(place), _sentence(details, place))


def dotted(place: tuple[str | int, ...]) -> str:
    """Return the key as TOML writes it: `politeness.overrides[1].delay`, `network.hosts."*.test"`."""
    text = ""
    for part in place:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if _BARE_KEY.fullmatch(part) else f".{quoted(part)}"
    return text.removeprefix(".")


def _sentence(details: ErrorDetails, place: tuple[str | int, ...]) -> str:
    if details["type"] == "extra_forbidden":
        return f"is not a known key; {_advice(place)}"
    if details["type"] == "missing":
        return _WORDING["missing"]
    wording = _WORDING.get(details["type"], details["msg"])
    bounds = details.get("ctx", {})
    if details["type"] == "greater_than_equal" and isinstance(details["input"], str):
        bounds = {"ge": size_text(bounds["ge"])}  # a number written with its unit and with a least value is a size
    return f"{shown(details['input'])} {wording.format_map(bounds)}"


def _advice(place: tuple[str | int, ...]) -> str:
    """Return the nearest known key: of the same table first, then one of that name in another section."""
    section, name = str(place[0]), str(place[-1])
    if len(place) == 1:
        known, prefix = frozenset(SECTIONS), ""
    elif section == "politeness" and len(place) > 2:
        known, prefix = frozenset(Override.model_fields), f"{dotted(place[:-1])}."
    else:
        known, prefix = SECTIONS[section], f"{section}."
    near = [prefix + key for key in difflib.get_close_matches(name, sorted(known), n=1)]
    elsewhere = [f"{other}.{name}" for other, keys in SECTIONS.items() if name in keys]
    if near or elsewhere:
        return f"did you mean {(near or elsewhere)[0]}?"
    return f"known are {', '.join(sorted(known))}"
