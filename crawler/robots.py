"""What a robots.txt says: the groups that hold for one product, and whether they let a path be fetched (RFC 9309).

Rule: any bytes parse, in time linear in their length, and no rule set can make a look-up explode: rules without
wildcards are dictionary entries, and a wildcard rule is matched segment by segment, without backtracking.
Whether the file could be had at all, and how long it holds, is `crawler.robots_policy`'s.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from operator import attrgetter
from typing import Final, NamedTuple

MAX_BYTES: Final = 512 * 1024
"""What is parsed of a longer file, cut at the last whole line; RFC 9309 section 2.5 asks for at least 500 KiB."""

INDEX_FROM_RULES: Final = 32
"""Wildcard rules with one head from which an index beats trying them all: 7 us for any number, not 0.5 us a rule."""

KEY_CHARS: Final = 8
"""How much of a rule's longest literal its index key has: enough to tell rules apart, few enough sizes to look up."""


class _Field(Enum):
    AGENT = "user-agent"
    ALLOW = "allow"
    DISALLOW = "disallow"
    DELAY = "crawl-delay"
    SITEMAP = "sitemap"


_FIELDS: Final = {
    "user-agent": _Field.AGENT,
    "allow": _Field.ALLOW,
    "disallow": _Field.DISALLOW,
    "crawl-delay": _Field.DELAY,
    "sitemap": _Field.SITEMAP,
    # What authors write instead, as other crawlers read it; obeying a misspelt rule harms nobody.
    "useragent": _Field.AGENT,
    "user agent": _Field.AGENT,
    "dissallow": _Field.DISALLOW,
    "dissalow": _Field.DISALLOW,
    "disalow": _Field.DISALLOW,
    "diasllow": _Field.DISALLOW,
    "disallaw": _Field.DISALLOW,
    "crawldelay": _Field.DELAY,
    "crawl delay": _Field.DELAY,
    "site-map": _Field.SITEMAP,
}

_BLANK: Final = " \t\x0b\x0c"
_UTF8_BOM: Final = b"\xef\xbb\xbf"
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_BARE_LINE = re.compile(r"(user[- ]agent|useragent|allow|disallow)[ \t]+(.*)", re.IGNORECASE | re.DOTALL)
_TOKEN = re.compile(r"[A-Za-z0-9_-]+")  # RFC 9309 knows no digits here; names like "360Spider" do
_SECONDS = re.compile(r"(\d{1,9}(?:\.\d*)?|\.\d+)(?![\w.])", re.ASCII)
_INDEX_PAGE = re.compile(r"(.*/)index\.html?", re.DOTALL)
"""To allow a folder's index page is meant to allow the folder: Google's matcher does so, and others followed it."""
_PLAIN: Final = r"A-Za-z0-9\-._~!&'()+,;=:@/?#\[\]"
_ODD_IN_PATH = re.compile(rf"[^{_PLAIN}]")
_ODD_IN_RULE = re.compile(rf"[^{_PLAIN}*]")
_OCTET_IN_PATH = re.compile(rf"%[0-9A-Fa-f]{{2}}|[^{_PLAIN}]")
_OCTET_IN_RULE = re.compile(rf"%[0-9A-Fa-f]{{2}}|[^{_PLAIN}*]")
_DATA_IN_QUERY = re.compile("%(?:2F|3A|3F|40|5B|5D)")


class _Wildcard(NamedTuple):
    """A rule with a `*` in it: its head, then `middles` in this order, then `tail` at the very end."""

    rank: int
    chars: int
    """Characters a path has at least when it matches."""
    middles: tuple[str, ...]
    tail: str

    def matches(self, path: str, head_chars: int) -> bool:
        """Tell whether the rest of a path that starts with the rule's head matches; leftmost finds suffice."""
        end = len(path) - len(self.tail)
        if self.chars > len(path) or not path.endswith(self.tail):
            return False
        at = head_chars
        for middle in self.middles:
            at = path.find(middle, at, end)
            if at < 0:
                return False
            at += len(middle)
        return at <= end


@dataclass(frozen=True, slots=True)
class _Bucket:
    """The wildcard rules with one head, highest rank first; many of them under what a path must contain."""

    wildcards: tuple[_Wildcard, ...]
    index: dict[str, list[_Wildcard]] = field(default_factory=dict)
    key_sizes: tuple[int, ...] = ()

    @classmethod
    def of(cls, wildcards: Iterable[_Wildcard]) -> _Bucket:
        """Arrange the rules of one head."""
        ranked = tuple(sorted(wildcards, key=attrgetter("rank"), reverse=True))
        if len(ranked) < INDEX_FROM_RULES:
            return cls(ranked)
        index: dict[str, list[_Wildcard]] = {}
        for wildcard in ranked:
            needle = max((*wildcard.middles, wildcard.tail), key=len)
            index.setdefault(needle[:KEY_CHARS], []).append(wildcard)
        return cls(ranked, index, tuple(sorted({len(key) for key in index})))

    def best(self, path: str, head_chars: int, best: int) -> int:
        """Return the highest rank above `best` of a rule that matches, or `best`."""
        if not self.index:
            return _first_match(self.wildcards, path, head_chars, best)
        for size in self.key_sizes:
            last = len(path) - size
            for key in {path[at : at + size] for at in range(head_chars, last + 1)} & self.index.keys():
                best = _first_match(self.index[key], path, head_chars, best)
        return best


def _first_match(ranked: Iterable[_Wildcard], path: str, head_chars: int, best: int) -> int:
    for wildcard in ranked:
        if wildcard.rank <= best:
            return best
        if wildcard.matches(path, head_chars):
            return wildcard.rank
    return best


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules one product must keep to at one origin. Immutable.

    A rule's rank is twice its length in octets, plus one when it allows: the highest one that matches decides, so the
    longest rule wins and allow wins a tie (RFC 9309 section 2.2.2); an odd rank allows.
    """

    crawl_delay_s: float | None = None
    """Seconds between requests that the file asks for; no part of RFC 9309, but widely meant."""
    sitemaps: tuple[str, ...] = ()
    """The raw values of all Sitemap lines of the file, each once; they belong to no group."""
    _prefixes: dict[str, int] = field(default_factory=dict)
    _whole: dict[str, int] = field(default_factory=dict)
    _buckets: dict[str, _Bucket] = field(default_factory=dict)
    _prefix_sizes: tuple[int, ...] = ()
    _head_sizes: tuple[int, ...] = ()

    def allowed(self, path_and_query: str) -> bool:
        """Tell whether a path, with its query if it has one, may be fetched; `/robots.txt` always may."""
        path = path_and_query or "/"
        if path == "/robots.txt":
            return True
        if _ODD_IN_PATH.search(path) is not None:
            path = _OCTET_IN_PATH.sub(_canonical_octet, _octets(path))
        rank = self._rank(path)
        opened = _open_query(path)
        if opened is not path:
            rank = max(rank, self._rank(opened))
        return rank % 2 == 1

    def _rank(self, path: str) -> int:
        best = max(1, self._whole.get(path, 1))
        for size in self._prefix_sizes:
            if size > len(path):
                break
            best = max(best, self._prefixes.get(path[:size], 1))
        for size in self._head_sizes:
            if size > len(path):
                break
            bucket = self._buckets.get(path[:size])
            if bucket is not None:
                best = bucket.best(path, size, best)
        return best


ALLOW_ALL: Final = Rules()
DISALLOW_ALL: Final = Rules(_prefixes={"": 2}, _prefix_sizes=(0,))


def parse(body: bytes, product: str) -> Rules:
    """Return what a robots.txt says to `product` (`Linkmill`, `Linkmill/1.0`); any bytes are accepted.

    Groups that name the product are merged; when there is none, those for `*` hold (RFC 9309 section 2.2.1).
    """
    token = _TOKEN.match(product)
    own, everyone = _Group(token[0].lower() if token else ""), _Group("*")
    reading = _Reading((own, everyone))
    for kind, value in _lines(body):
        reading.take(kind, value)
    group = own if own.named else everyone
    delay_s = reading.orphan_delay_s if group.delay_s is None else group.delay_s
    return _compile(group.rules, delay_s, tuple(reading.sitemaps))


def _lines(body: bytes) -> Iterator[tuple[_Field, str]]:
    """Yield the lines that mean something, each octet of their values as one character."""
    if len(body) > MAX_BYTES:
        body = body[:MAX_BYTES]
        body = body[: max(body.rfind(b"\n"), body.rfind(b"\r")) + 1]
    text = body.removeprefix(_UTF8_BOM).decode("latin-1")
    for line in text.replace("\r", "\n").split("\n"):
        if not line:
            continue
        name, colon, value = line.partition("#")[0].partition(":")
        if not colon:
            bare = _BARE_LINE.match(name.strip(_BLANK))
            if bare is None:
                continue
            name, value = bare.groups()
        kind = _FIELDS.get(name.strip(_BLANK).lower())
        if kind is not None:
            yield kind, value.strip(_BLANK)


@dataclass(slots=True)
class _Group:
    """All groups of one agent, merged while the file is read."""

    agent: str
    named: bool = False
    takes_rules: bool = False
    takes_delay: bool = False
    delay_s: float | None = None
    rules: dict[str, bool] = field(default_factory=dict)
    """Whether a pattern allows; a pattern that both allows and disallows allows."""


class _Reading:
    """The state between the lines of a file: which groups the next rule belongs to."""

    def __init__(self, groups: tuple[_Group, ...]) -> None:
        self._groups = groups
        self._rules_begun = False
        self._delay_begun = False
        self._agents = 0
        self.orphan_delay_s: float | None = None
        self.sitemaps: dict[str, None] = {}

    def take(self, kind: _Field, value: str) -> None:
        """Add one line."""
        if kind is _Field.ALLOW or kind is _Field.DISALLOW:
            self._take_rule(value, kind is _Field.ALLOW)
        elif kind is _Field.AGENT:
            self._take_agent(value)
        elif kind is _Field.DELAY:
            self._take_delay(value)
        elif value:
            self.sitemaps[value.encode("latin-1").decode("utf-8", "replace")] = None

    def _take_rule(self, pattern: str, allow: bool) -> None:
        self._rules_begun = self._delay_begun = True
        if pattern:
            for group in self._groups:
                if group.takes_rules:
                    group.rules[pattern] = allow or group.rules.get(pattern, False)

    def _take_agent(self, value: str) -> None:
        self._agents += 1
        found = _TOKEN.match(value)
        agent = "*" if value.startswith("*") else found[0].lower() if found else None
        for group in self._groups:
            if agent == group.agent:
                group.named = group.takes_rules = group.takes_delay = True
            else:
                group.takes_rules = group.takes_rules and not self._rules_begun
                group.takes_delay = group.takes_delay and not self._delay_begun
        self._rules_begun = self._delay_begun = False

    def _take_delay(self, value: str) -> None:
        """Note a Crawl-delay for the agents named since the last one: unlike a rule, it ends no group."""
        self._delay_begun = True
        seconds = _SECONDS.match(value)
        if seconds is None:
            return
        delay_s = float(seconds[1])
        if not self._agents:  # outside of any group it can only be meant for all
            self.orphan_delay_s = max(delay_s, self.orphan_delay_s or 0.0)
        for group in self._groups:
            if group.takes_delay:
                group.delay_s = max(delay_s, group.delay_s or 0.0)


def _compile(rules: dict[str, bool], crawl_delay_s: float | None, sitemaps: tuple[str, ...]) -> Rules:
    prefixes: dict[str, int] = {}
    whole: dict[str, int] = {}
    heads: dict[str, list[_Wildcard]] = {}
    for pattern, allow in rules.items():
        anchored = pattern.endswith("$")
        literal = _canonical(pattern[:-1] if anchored else pattern)
        rank = (len(literal) + anchored) * 2 + allow
        anchored = anchored and not literal.endswith("*")
        stem = literal if anchored else literal.rstrip("*")
        if "*" in stem:
            head, wildcard = _wildcard(rank, stem, anchored)
            heads.setdefault(head, []).append(wildcard)
        elif anchored:
            whole[stem] = max(rank, whole.get(stem, 0))
        else:
            prefixes[stem] = max(rank, prefixes.get(stem, 0))
            if allow and (index_page := _INDEX_PAGE.fullmatch(stem)) is not None:
                folder = index_page[1]
                whole[folder] = max((len(folder) + 1) * 2 + 1, whole.get(folder, 0))
    buckets = {head: _Bucket.of(wildcards) for head, wildcards in heads.items()}
    return Rules(crawl_delay_s, sitemaps, prefixes, whole, buckets, _sizes(prefixes), _sizes(buckets))


def _wildcard(rank: int, stem: str, anchored: bool) -> tuple[str, _Wildcard]:
    head, *rest = stem.split("*")
    tail = rest.pop() if anchored else ""
    middles = tuple(filter(None, rest))
    return head, _Wildcard(rank, len(stem) - stem.count("*"), middles, tail)


def _sizes(keys: Iterable[str]) -> tuple[int, ...]:
    return tuple(sorted({len(key) for key in keys}))


# Percent-encoding, RFC 9309 section 2.2.2: both sides are brought to one form, then compared octet by octet.


def _octets(text: str) -> str:
    """Return the UTF-8 octets of a text as one character each."""
    return text if text.isascii() else text.encode("utf-8", "surrogatepass").decode("latin-1")


def _canonical(pattern: str) -> str:
    if _ODD_IN_RULE.search(pattern) is None:
        return pattern
    return _open_query(_OCTET_IN_RULE.sub(_canonical_octet, pattern))


def _canonical_octet(odd: re.Match[str]) -> str:
    """Decode an encoded unreserved octet; encode one that no URI has raw, and a `*` or `$` that means itself."""
    text = odd[0]
    if len(text) == 1:
        return f"%{ord(text):02X}"
    octet = chr(int(text[1:], 16))
    return octet if octet in _UNRESERVED else text.upper()


def _open_query(text: str) -> str:
    """Return a text whose query has `:/?@[]` raw, the same object when nothing was encoded.

    There they are data, and the RFC's table makes `?u=http://x` and `?u=http%3A%2F%2Fx` one; in a path they are not.
    """
    if "%" not in text or "?" not in text:
        return text
    path, _, query = text.partition("?")
    opened = _DATA_IN_QUERY.sub(lambda data: chr(int(data[0][1:], 16)), query)
    return text if opened == query else f"{path}?{opened}"
