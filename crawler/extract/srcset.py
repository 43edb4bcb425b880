"""Image candidates: the URLs of a srcset attribute (HTML standard, section 4.8.4.3.10 "parse a srcset attribute").

Rule: a candidate with descriptors the standard calls an error is left out, as a browser leaves it out.
"""

from __future__ import annotations

import re
from typing import Final

_URL: Final = re.compile("[\t\n\f\r ,]*([^\t\n\f\r ]+)").match
_DESCRIPTORS: Final = re.compile(r"((?:[^,(]|\([^)]*\)?)*),?").match
"""Up to the next comma outside parentheses."""

_WIDTH: Final = re.compile(r"[0-9]*[1-9][0-9]*w").fullmatch
_HEIGHT: Final = re.compile(r"[0-9]*[1-9][0-9]*h").fullmatch
_DENSITY: Final = re.compile(r"-?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?x").fullmatch


def candidates(srcset: str) -> list[str]:
    """Return the URLs of a srcset attribute in order, raw."""
    urls: list[str] = []
    position = 0
    while (found := _URL(srcset, position)) is not None:
        raw = found[1]
        position = found.end()
        url = raw.rstrip(",")
        if url == raw:
            described = _DESCRIPTORS(srcset, position)
            assert described is not None  # the expression matches the empty string
            position = described.end()
            if not _are_valid(described[1].split()):
                continue
        if url:
            urls.append(url)
    return urls


def _are_valid(descriptors: list[str]) -> bool:
    """Accept nothing, one density, or one width that may have one height beside it."""
    if len(descriptors) < 2:
        return all(_WIDTH(text) or (_DENSITY(text) and text[0] != "-") for text in descriptors)
    return len(descriptors) == 2 and any(
        _WIDTH(width) and _HEIGHT(height) for width, height in (descriptors, descriptors[::-1])
    )
