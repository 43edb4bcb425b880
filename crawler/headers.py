"""What the header fields of an answer say: Link, Content-Type, X-Robots-Tag, Retry-After, Refresh, Cache-Control.

Rule: any text is accepted in time linear in its length; what a field's grammar does not allow is passed over or None.
The HTML twins of two of them, `<meta name=robots>` and `<meta http-equiv=refresh>`, share their parsers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from storage.records import Robots

MAX_SECONDS: Final = 2.0**31
"""What a larger number of seconds is read as (RFC 9111 section 1.2.2)."""

_TOKEN: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_WEEKDAY: Final = r"[A-Za-z]{3,9}"


# Link, RFC 8288.


class HeaderLink(NamedTuple):
    """One link of a Link field."""

    target: str
    """Raw URI reference, to be resolved against the URL of the answer."""
    params: dict[str, str]
    """By name in lower case, of repeated ones the first (section 3); a name with `*` keeps its raw `ext_value`."""

    @property
    def rels(self) -> tuple[str, ...]:
        """The relation types, as written."""
        return tuple(self.params.get("rel", "").split())

    @property
    def title(self) -> str | None:
        """The title; the extended form wins where it can be read."""
        extended = ext_value(self.params.get("title*", ""))
        return extended.text if extended is not None else self.params.get("title")


class ExtValue(NamedTuple):
    """A parameter value with its language."""

    language: str
    text: str


_FOLD = re.compile(r"\r?\n[ \t]+")
_LINK_TARGET = re.compile(r"[^<]*<([^>]*)>")
_LINK_PARAM = re.compile(
    r"""[ \t]*;[ \t]*
    (?P<name>[^\s=;,]*)[ \t]*
    (?:=[ \t]*(?:"(?P<quoted>(?:[^"\\]|\\.)*+)(?:"[^,;]*|\\?$)|(?P<bare>[^;,]*)))?""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_EXT_VALUE = re.compile(r"(utf-8|iso-8859-1)'([^']*)'([!#$%&+\-.^_`|~0-9A-Za-z]*)", re.IGNORECASE)


def link_header(values: Iterable[str]) -> list[HeaderLink]:
    """Return the links of an answer's Link fields in order; rubbish between is skipped (RFC 8288 appendix B.2)."""
    return [link for value in values for link in _links(_FOLD.sub("", value))]


def _links(value: str) -> Iterator[HeaderLink]:
    at = 0
    while (target := _LINK_TARGET.match(value, at)) is not None:
        at = target.end()
        params: dict[str, str] = {}
        while (param := _LINK_PARAM.match(value, at)) is not None:
            at = param.end()
            if param["name"]:
                params.setdefault(param["name"].lower(), _param_value(param))
        yield HeaderLink(target[1].strip(), params)


def _param_value(param: re.Match[str]) -> str:
    if param["quoted"] is not None:
        return _ESCAPED.sub(r"\1", param["quoted"])
    return (param["bare"] or "").strip()


def ext_value(value: str) -> ExtValue | None:
    """Read `UTF-8'en'na%C3%AFve` (RFC 8187 section 3.2); None when it is not of that form."""
    found = _EXT_VALUE.fullmatch(value)
    if found is None:
        return None
    return ExtValue(found[2], unquote_to_bytes(found[3]).decode(found[1].lower(), "replace"))


# Content-Type, MIME Sniffing Standard section 4.4.

_MIME = re.compile(rf"[\t\n\r ]*({_TOKEN}/{_TOKEN})[\t\n\r ]*(?=;|$)")
_MIME_PARAM = re.compile(
    r""";[\t\n\r ]*(?P<name>[^;=]*)(?:=(?:"(?P<quoted>(?:[^"\\]|\\.)*+)[^;]*|(?P<bare>[^;]*)))?""", re.DOTALL
)
_MIME_VALUE = re.compile(r"[\t -~\x80-\xff]*")


def content_type(value: str) -> tuple[str | None, str | None]:
    """Return the MIME type, in lower case, and the raw charset; (None, None) when it is no MIME type at all."""
    mime = _MIME.match(value)
    if mime is None:
        return None, None
    for param in _MIME_PARAM.finditer(value, mime.end()):
        if param["name"].lower() == "charset":
            charset = _mime_value(param)
            if charset:
                return mime[1].lower(), charset
    return mime[1].lower(), None


def _mime_value(param: re.Match[str]) -> str | None:
    if param["quoted"] is not None:
        value = _ESCAPED.sub(r"\1", param["quoted"])
    else:
        value = (param["bare"] or "").rstrip("\t\n\r ")
    return value if _MIME_VALUE.fullmatch(value) is not None else None


# Robots directives, in X-Robots-Tag and in meta elements.

# Bits as plain numbers: one `|` of a flag takes 0.5 us.
_DIRECTIVES: Final = {
    "noindex": int(Robots.NOINDEX),
    "nofollow": int(Robots.NOFOLLOW),
    "none": int(Robots.NOINDEX | Robots.NOFOLLOW),
    "noarchive": int(Robots.NOARCHIVE),
    "nocache": int(Robots.NOARCHIVE),  # the same, as Bing calls it
    "nosnippet": int(Robots.NOSNIPPET),
    "noimageindex": int(Robots.NOIMAGEINDEX),
    "indexifembedded": int(Robots.INDEXIFEMBEDDED),
    "unavailable_after": int(Robots.UNAVAILABLE_AFTER),
}
_VALUED: Final = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})
"""Directives with a value after a colon: these names are no agents."""

_AGENT = re.compile(r"\s*([A-Za-z][A-Za-z0-9_-]*|\*)\s*:(.*)", re.DOTALL)


def robots_directives(content: str) -> int:
    """Return the bits (`Robots`) of a `<meta name=robots>`; unknown directives and defaults (all, index) set none."""
    bits = 0
    for directive in content.split(","):
        name = directive.partition(":")[0].strip().lower()
        bits |= _DIRECTIVES.get(name, 0)
    return bits


def robots_tag(values: Iterable[str], product: str) -> int:
    """Return the bits (`Robots`) of all X-Robots-Tag fields of one answer that hold for `product`, or for everyone.

    An agent's name holds for the rest of its field, or until the next name.
    """
    product = product.partition("/")[0].strip().lower()
    bits = 0
    for value in values:
        meant = True
        for piece in value.split(","):
            directive = piece
            agent = _AGENT.match(piece)
            if agent is not None and agent[1].lower() not in _VALUED:
                meant = agent[1].lower() in ("*", product)
                directive = agent[2]
            if meant:
                bits |= robots_directives(directive)
    return bits


# Retry-After, RFC 9110 section 10.2.3.

_MONTHS: Final = {
    name: number for number, name in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)
}
_HTTP_DATE = re.compile(
    rf"{_WEEKDAY}, ?(?P<day>\d\d)[ -](?P<month>[A-Za-z]{{3}})[ -](?P<year>\d{{4}}|\d\d) (?P<time>\d\d:\d\d:\d\d) GMT"
    rf"|{_WEEKDAY} (?P<month2>[A-Za-z]{{3}}) (?P<day2>[ \d]\d) (?P<time2>\d\d:\d\d:\d\d) (?P<year2>\d{{4}})",
    re.ASCII,
)


def retry_after(value: str, now: float) -> float | None:
    """Return the seconds to wait, 0.0 for a date gone by, or None; `now` is UTC, seconds since the epoch."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return _seconds(value)
    at = http_date(value)
    return min(max(at - now, 0.0), MAX_SECONDS) if at is not None else None


def http_date(value: str) -> float | None:
    """Return a date of any of the three forms of RFC 9110 section 5.6.7 as UTC seconds since the epoch, or None."""
    found = _HTTP_DATE.fullmatch(value)
    if found is None:
        return None
    month = _MONTHS.get((found["month"] or found["month2"]).lower())
    year = int(found["year"] or found["year2"])
    if year < 100:  # the obsolete form: the standard's fifty-year rule, as fixed years
        year += 1900 if year >= 70 else 2000
    hour, minute, second = map(int, (found["time"] or found["time2"]).split(":"))
    if month is None or hour > 23 or minute > 59 or second > 60 or year < 1:
        return None
    try:
        day = datetime(year, month, int(found["day"] or found["day2"]), tzinfo=UTC)
    except ValueError:
        return None
    return day.timestamp() + hour * 3600 + minute * 60 + second


def _seconds(digits: str) -> float:
    return min(float(digits), MAX_SECONDS)


# Refresh, HTML Standard, shared declarative refresh steps (section 4.2.5.3).

_REFRESH = re.compile(
    r"""[\t\n\f\r ]*+
    (?:(?P<delay>[0-9]+)|(?=\.))[0-9.]*+
    (?:(?P<end>$)|(?:[\t\n\f\r ]*[;,]|[\t\n\f\r ])[\t\n\f\r ]*+(?P<rest>.*))""",
    re.VERBOSE | re.DOTALL,
)
_URL_KEY = re.compile(r"url[\t\n\f\r ]*=[\t\n\f\r ]*", re.IGNORECASE)


def refresh(value: str) -> tuple[float, str | None] | None:
    """Return the delay in seconds and the raw href of a Refresh field or `<meta>`, or None when it asks for nothing.

    No href means the page itself.
    """
    found = _REFRESH.fullmatch(value)
    if found is None:
        return None
    rest = found["rest"] or ""
    key = _URL_KEY.match(rest)
    href = rest[key.end() :] if key is not None else rest
    if href[:1] in ("'", '"'):
        href = href[1:].partition(href[0])[0]
    return _seconds(found["delay"] or "0"), href or None


# Cache-Control, RFC 9111 section 5.2.2.

_MAX_AGE = re.compile(r"""[ \t]*max-age[ \t]*=[ \t]*"?([0-9]+)"?[ \t]*""", re.IGNORECASE)
_AT_ONCE: Final = frozenset({"no-store", "no-cache"})


def max_age(value: str) -> float | None:
    """Return for how many seconds Cache-Control calls an answer fresh; 0.0 for not at all, None when unsaid."""
    age_s: float | None = None
    for directive in value.split(","):
        if directive.strip().lower() in _AT_ONCE:
            return 0.0
        found = _MAX_AGE.fullmatch(directive)
        if found is not None and age_s is None:
            age_s = _seconds(found[1])
    return age_s
