"""Whether the HTML parser may be trusted with a page: here, in a process that can be killed, or not at all.

Rule: counting only, a few passes over the bytes in C. A page is parsed here when even the worst page with its counts
would be harmless; all else is left to `crawler.sandbox`, which finds out. What lexbor takes for the worst there is
(selectolax 1.0.2, one core of a shared 2-core machine; n and bytes as given by the tests and `bench/torture/html.py`):

* open elements are searched one by one: 8,000 `<ul><li>` 0.33 s, 20,000 `<div>` 0.9 s, 100,000 over 25 s
* attributes of one tag, and of <body> all together, are compared in pairs: 8,000 take 0.08 s, 13,000 0.23, 100,000 22
* names of attributes and elements share hash chains: 40,000 distinct ones 0.1 s, 100,000 1.6 s
* formatting elements are opened again in every paragraph, attributes and all: 340 ns and 336 bytes each, 76 bytes an
  attribute; 2,000 `<font>` and `<p>` in 31 KB make 0.75 GB in 0.9 s
* the texts of <a> in <a> are read once for each: 1,500 deep 0.1 s, 8,000 3 s
"""

from __future__ import annotations

import math
import re
from enum import Enum
from typing import Final

import numpy as np

from crawler.doubles import double_of
from crawler.encodings import NOT_ASCII


class Verdict(Enum):
    """Where a page may be parsed."""

    HERE = "here"
    ISOLATE = "isolate"
    REFUSE = "refuse"


SMALL_BYTES: Final = 24 << 10
"""Pages that cannot hold 8,192 attributes; also the longest stretch that may be one tag (0.08 s)."""
BYTES_MAX: Final = 1 << 20
"""Longest page parsed here: most that are longer have too many tags, and the looks below stay short."""
SMALL_MARKS: Final = 1_000
"""`<` of a small page: 1,000 make at most 250,000 copies of formatting elements (0.09 s, 84 MB)."""
SMALL_COPIES: Final = 4 << 20
"""Bytes times `<` of a small page: each may copy the attributes of all (25 bytes a byte: 100 MB)."""

MARKS_MAX: Final = 3_000
"""`<` of a page parsed here: the stack search of 3,000 takes 0.01 s, the texts of 1,500 nested <a> 0.1 s."""
COPIES_MAX: Final = 400_000
"""Copies of formatting elements: 0.14 s and 134 MB."""
ATTRIBUTES_MAX: Final = 8_192
"""Attributes of one tag: 0.08 s."""
NAMES_MAX: Final = 40_000
"""Distinct names: 0.1 s."""
NAME_BYTES: Final = 4
"""Length of a name with what separates it, when names are many."""

STARTS_REFUSED: Final = 1_000_000
"""Elements that take more than the sandbox may have (190 bytes each at least), and longer than it waits to build."""

IDENTICAL_MAX: Final = 3
"""Formatting elements with equal attributes that are kept open (HTML Standard section 13.2.4.3)."""
PLAIN_FORMATTING: Final = 14 * IDENTICAL_MAX + 1
"""Formatting elements without attributes that can be open at once; of <a> there is only one."""
ELEMENT_BYTES: Final = 336
ATTRIBUTES_AN_ELEMENT: Final = 4
"""Attributes that take as much as an element."""
COPY_BYTES: Final = 12
"""Bytes of a tag that may hold so many attributes."""

_ATTRIBUTE: Final = (
    rb"""[\t\n\f\r /]*+[^\t\n\f\r />="'<]++"""
    rb"""(?:[\t\n\f\r ]*+=[\t\n\f\r ]*+(?:"[^"]*+"|'[^']*+'|[^\t\n\f\r >"'][^\t\n\f\r >]*+|(?=>)))?+"""
)
_EACH: Final = re.compile(_ATTRIBUTE)
_FORMATTING: Final = b"b big code em font i nobr s small strike strong tt u".split()
_NAME: Final = re.compile(rb"<([A-Za-z]++)[\t\n\f\r /]")
_FRAME: Final = (b"html", b"body")
COUNTED: Final = (*_FRAME, *_FORMATTING)
_WHOLE: Final = re.compile(rb"<([A-Za-z]++)((?:" + _ATTRIBUTE + rb")*+)[\t\n\f\r /]*+>")
"""A tag in which nothing is out of order, so that its end is certain."""

_BLANKS: Final = b"\t\n\f\r "
BLANKS: Final = 64
"""White space looked past between `=` and a quote."""
TRIES: Final = 8
"""Places looked at in one stretch."""


def _pairs() -> bytes:
    """Return a byte for each two bytes after a `<`: 1 where they can begin a tag to be looked at."""
    table = bytearray(1 << 16)
    for name in COUNTED:
        for end in b"\t\n\f\r /" if len(name) == 1 else name[1:2] + name[1:2].upper():
            for first in name[:1] + name[:1].upper():
                table[first | end << 8] = 1
    return bytes(table)


PAIRS: Final = _pairs()
_PICKED: Final = np.frombuffer(PAIRS, np.bool_)


def find_marks(body: bytes, pairs: bytes = PAIRS, names: tuple[bytes, ...] = COUNTED) -> tuple[int, list[int]]:
    """Return the number of `<` in a page, and the places of those that open elements with these names and attributes.

    `pairs` has a byte for each two bytes, the first one the lower half of the index: 1 where these can follow it.
    """
    picked = _PICKED if pairs is PAIRS else np.frombuffer(pairs, np.bool_)
    marks = np.flatnonzero(np.frombuffer(body, np.uint8) == ord("<"))
    whole = marks[: np.searchsorted(marks, len(body) - 2)]
    if not len(whole):
        return len(marks), []
    # The two bytes from each place on, without a copy: 3 us for 40 KB where shifting and adding takes 15.
    twos: np.ndarray[tuple[int], np.dtype[np.uint16]] = np.ndarray((len(body) - 1,), "<u2", body, strides=(1,))
    places = whole[picked[twos[whole + 1]]].tolist()
    return len(marks), [at for at in places if (named := _NAME.match(body, at)) and named[1].lower() in names]


_find_marks: Final = double_of(find_marks)


def judge(body: bytes, encoding: str) -> Verdict:
    """Say where a page may be parsed; `encoding` is the name `crawler.charset.sniff` gave.

    2 us for 4 KB, 37 for 40 KB, 80 for 130 KB (`python -m bench.micro`).
    """
    return Verdict.HERE if is_small(body) else judge_larger(body, encoding)


def judge_larger(body: bytes, encoding: str) -> Verdict:
    """Say where a page may be parsed that is not small."""
    if encoding in NOT_ASCII or len(body) > BYTES_MAX:
        return Verdict.REFUSE if _starts(body) >= STARTS_REFUSED else Verdict.ISOLATE
    marks, places = _find_marks(body, PAIRS, COUNTED)
    if marks > MARKS_MAX:
        return Verdict.ISOLATE
    opened = _opened(body, places)
    # What is left of the copies goes to one <a>: its tag is not looked at, so it may be the longest there is.
    left = COPIES_MAX // max(1, marks) - opened if opened is not None else 0
    if left <= 0 or not _tags_are_short(body, left) or not _names_are_few(body):
        return Verdict.ISOLATE
    return Verdict.HERE


def is_small(body: bytes) -> bool:
    """Tell whether a page is harmless for its size alone, in any encoding."""
    if len(body) > SMALL_BYTES:
        return False
    # 3 us for 20 KB, where `count`, which looks at byte after byte, takes 16.
    marks = int(np.count_nonzero(np.frombuffer(body, np.uint8) == ord("<")))
    return marks <= SMALL_MARKS and marks * len(body) <= SMALL_COPIES


def _starts(body: bytes) -> int:
    """Count what looks like a start tag, a piece at a time to spare memory: 20 ms for 16 MiB."""
    starts = 0
    for at in range(0, len(body), BYTES_MAX):
        piece = np.frombuffer(body, np.uint8, min(BYTES_MAX, len(body) - at), at)
        letters = (piece[1:] | 0x20) - np.uint8(ord("a")) < 26  # what is below "a" wraps around
        starts += int(np.count_nonzero(letters & (piece[:-1] == ord("<"))))
    return starts


def _opened(body: bytes, places: list[int]) -> int | None:
    """Return how many formatting elements can be open at once, in elements without attributes; <a> counts as one.

    None where that is not certain, or <body> may collect too many attributes.
    """
    formatting: set[tuple[bytes, bytes]] = set()
    frame_bytes = 0
    for at in places:
        tag = _WHOLE.match(body, at)
        if tag is None:
            return None
        if (name := tag[1].lower()) in _FRAME:
            frame_bytes += len(tag[0])
        else:
            formatting.add((name, tag[2]))
    if frame_bytes > SMALL_BYTES:
        return None
    return PLAIN_FORMATTING + IDENTICAL_MAX * math.ceil(sum(_weight(attributes) for _, attributes in formatting))


def _weight(attributes: bytes) -> float:
    """Return what an element with these attributes takes, in elements without any."""
    return 1.0 + len(_EACH.findall(attributes)) / ATTRIBUTES_AN_ELEMENT + len(attributes) / ELEMENT_BYTES


def _tags_are_short(body: bytes, weight: int) -> bool:
    """Tell whether no tag weighs more than so many elements, by finding places that are certainly outside of tags.

    What lies between two such places is one tag at worst. 0.6 us a stretch where they are where they should be.
    """
    at = 0
    step = min(SMALL_BYTES, COPY_BYTES * weight)
    # Pages have many of a quote or none: the look back for the last one is short, or left out.
    quotes = [(quote, first) for quote in (b'"', b"'") if (first := body.find(quote)) >= 0]
    while len(body) - at > step:
        end = _last_outside(body, at, at + step, quotes)
        if end == at:
            end = _next_outside(body, at + step, quotes)
            attributes = _separators(body[at:end])
            takes = attributes / ATTRIBUTES_AN_ELEMENT + (end - at) / ELEMENT_BYTES
            if attributes > ATTRIBUTES_MAX or takes > weight:
                return False
        at = end
    return True


Quotes = list[tuple[bytes, int]]
"""The quotes that a page holds, each with its first place."""


def _last_outside(body: bytes, start: int, end: int, quotes: Quotes) -> int:
    """Return the last place before `end` that is certainly outside of tags, `start` when a short search finds none."""
    for _ in range(TRIES):
        place = body.rfind(b">", start, end)
        if place <= start:
            return start
        value = _value_around(body, place, quotes)
        if value is None:
            return place
        end = value
    return start


def _next_outside(body: bytes, start: int, quotes: Quotes) -> int:
    """Return the next such place, the end of the page when a short search finds none."""
    for _ in range(TRIES):
        place = body.find(b">", start)
        if place < 0:
            break
        value = _value_around(body, place, quotes)
        if value is None:
            return place
        start = body.find(body[value : value + 1], place)
        if start < 0:
            break
    return len(body)


def _value_around(body: bytes, place: int, quotes: Quotes) -> int | None:
    """Return where the value may begin that the `>` at `place` stands in, None when it stands in none.

    Everywhere but in the quoted value of an attribute `>` ends the tag (HTML Standard section 13.2.5); such a value
    begins at the last quote of its kind.
    """
    for quote, first in quotes:
        if first < place:
            last = body.rfind(quote, first, place)
            if _begins_value(body, last):
                return last
    return None


def _begins_value(body: bytes, quote: int) -> bool:
    """Tell whether a quote may begin the value of an attribute."""
    before = body[max(0, quote - BLANKS) : quote].rstrip(_BLANKS)
    return not before or before.endswith(b"=")


def _separators(stretch: bytes) -> int:
    """Count what may stand between two attributes."""
    return len(stretch) - len(stretch.translate(None, _BLANKS + b"/\"'"))


def _names_are_few(body: bytes) -> bool:
    """Bound the distinct names of a page by its length, and by what can separate them."""
    if len(body) <= NAMES_MAX * NAME_BYTES:
        return True
    # All separators and some marks stand up to "/" in ASCII: 12 us for 160 KB, where counting the separators takes 130.
    low = int(np.count_nonzero(np.frombuffer(body, np.uint8) <= ord("/")))
    return low <= NAMES_MAX or _separators(body) <= NAMES_MAX
