"""The one normal form of a URL, the resolver of hrefs, and what is derived from a URL: host, registered domain, shard.

Rule: the URL Standard decides, through ada; the fast path answers only where ada would answer the same.
A normal form is http or https, serialised by the URL Standard, without fragment and userinfo. Functions that take a
`url` or a `host` expect parts of normal forms and do not check them again. Which URLs are wanted is `crawler.scope`'s.
"""

from __future__ import annotations

import re
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote

from ada_url import idna_to_ascii, join_url, normalize_url
from publicsuffixlist import PSLFILE, PublicSuffixList
from xxhash import xxh3_64_intdigest

from crawler.doubles import double_of

SHARDS: Final = 4096
HOSTS_REMEMBERED: Final = 65_536
"""Hosts whose domains are kept: about 20 MB; a crawl meets the same hosts again and again."""

URL_BYTES_MAX: Final = 8192
"""Longest URL and longest fragment of an href, its base not counted: what servers take. A longer href is a bad one."""

_UNCHANGED: Final = rf"[A-Za-z0-9_!$&()*+,;=:@|~./?%\[\]-]{{0,{URL_BYTES_MAX}}}"
"""Characters that the URL Standard leaves as they are in a path, in a query and in a fragment alike."""

_PATH: Final = re.compile(rf"/(?!/){_UNCHANGED}").fullmatch
_ABSOLUTE: Final = re.compile(rf"https?://([a-z0-9._-]+)/{_UNCHANGED}").fullmatch
_RELATIVE: Final = re.compile(
    rf"[A-Za-z0-9_]{_UNCHANGED.replace(':', '').replace('?', '')}(?:\?{_UNCHANGED})?"
).fullmatch
"""A path from the base's directory; a `:` before the query would end a scheme."""

_CLIMBING: Final = re.compile(rf"((?:\.\./)+)([A-Za-z0-9_]{_UNCHANGED})?").fullmatch
_FRAGMENT: Final = re.compile(_UNCHANGED).fullmatch

_PLAIN_HOST: Final = re.compile(r"(?:[a-z0-9_-]+\.)*+[a-z][a-z0-9_-]*").fullmatch
"""No empty label, and a last label that cannot be read as a number; punycode is looked for apart."""

_OPAQUE: Final = re.compile(
    r"(?!(?:https?|wss?|ftp|file):)[a-z][a-z0-9+.-]*:(?![/\t\n\r])", re.ASCII | re.IGNORECASE
).match
"""`javascript:`, `mailto:`, `tel:`, `data:` and the like: never a failure, never http. What the URL parser removes may
stand before a slash."""

_STRIPPED: Final = "".join(map(chr, range(0x21)))
"""C0 controls and space: the URL parser takes them off both ends."""

_REMOVED: Final = dict.fromkeys(map(ord, "\t\n\r"))
"""The URL parser drops these wherever they stand."""

_QUERY_SAFE: Final = "!$%&()*+,-./:;=?@[\\]^_`{|}~"
"""ASCII outside the special-query percent-encode set (URL Standard section 1.3), beyond letters and digits."""


Parts = tuple[str, str, str | None]
"""A target as a plain tuple, where one is made for every link: 0.1 us less than the named one."""


class Target(NamedTuple):
    """Where an href leads: a normal form, its host, and the fragment without `#` (None when absent or empty)."""

    url: str
    host: str
    fragment: str | None


class Refusal(Enum):
    """Why an href is no link to another document."""

    SAME_DOCUMENT = "same_document"
    OTHER_SCHEME = "other_scheme"
    BAD = "bad"


class Domains(NamedTuple):
    """The registered domain by the PSL's ICANN section, and by the whole list."""

    domain: str
    domain_private: str


def normalise(text: str, base: str | None = None) -> str | None:
    """Return the normal form of `text`, resolved against `base` if given; None when it is not a crawlable URL."""
    try:
        href = normalize_url(text) if base is None else join_url(base, text)
    except ValueError:
        return None
    target = _target(href)
    return None if isinstance(target, Refusal) else target[0]


OTHER: Final = 0
PATH: Final = 1
RELATIVE: Final = 2
QUERY: Final = 3
"""Sorts of hrefs; for an absolute one the place where its host ends stands instead, which is a larger number."""


def sort_of(href: str, characters_max: int) -> int:
    """Return the sort of an href: how it resolves if no parser is needed for that, OTHER where one may be.

    Path, query and what follows a host may have `characters_max` characters.
    """
    assert characters_max == URL_BYTES_MAX  # the expressions have it built in
    if "/." in href or "%2" in href:  # dot segments, which `%2e` can spell too
        return OTHER
    first = href[:1]
    if first == "/":
        return PATH if _PATH(href) is not None else OTHER
    if first == "?":
        return QUERY if _FRAGMENT(href) is not None else OTHER
    if first == "h" and href.startswith(("http://", "https://")):
        absolute = _ABSOLUTE(href)
        return absolute.end(1) if absolute is not None else OTHER
    return RELATIVE if _RELATIVE(href) is not None else OTHER


_sort_of: Final = double_of(sort_of)
_join_url: Final = double_of(join_url)


class Resolver:
    """Resolves the hrefs of one page.

    `base_url` and `page_url` are normal forms; the page is its own base unless it declared another. `encoding` is a
    Python codec name: queries outside ASCII are encoded with it (URL Standard section 5.3); None is UTF-8.
    """

    __slots__ = ("_base", "_encoding", "_scheme", "directory", "host", "known", "origin", "page", "path")

    def __init__(self, base_url: str, page_url: str | None = None, encoding: str | None = None) -> None:
        self._base = base_url
        self.page = page_url or base_url
        self._encoding = encoding
        self.path = base_url.partition("?")[0]
        self.directory = self.path[: self.path.rindex("/") + 1]
        self.origin = origin_of(base_url)
        self._scheme = base_url[: base_url.index("/")]
        self.host = host_of(base_url)
        self.known: dict[str, Parts | Refusal] = {}
        """What `parts` found before, by href: 0.03 us for a repeated one (navigation, tags), against 0.5 and up."""

    def resolve(self, href: str) -> Target | Refusal:
        """Return the target of one raw href, or why it has none. Never raises."""
        found = self.known.get(href) or self.parts(href)
        return Target(*found) if isinstance(found, tuple) else found

    def parts(self, href: str) -> Parts | Refusal:
        """Answer like `resolve`, whether the href is known or not."""
        found = self.known[href] = self._find(href)
        return found

    def _find(self, href: str) -> Parts | Refusal:
        """Answer plain hrefs by concatenation: 0.5 us for nine hrefs in ten, against 3.3 us through ada."""
        sort = _sort_of(href, URL_BYTES_MAX)
        if sort == PATH:
            return self.origin + href, self.host, None
        if sort == RELATIVE:
            return self.directory + href, self.host, None
        if sort > QUERY:
            return self._find_absolute(href, sort, href)
        if sort == QUERY:
            return self.path + href, self.host, None
        if href.startswith("."):
            return self._climb(href)
        if href.startswith("//"):
            url = self._scheme + href
            return self._find_absolute(url, _sort_of(url, URL_BYTES_MAX), href)
        return self._find_other(href)

    def _find_absolute(self, url: str, host_end: int, href: str) -> Parts | Refusal:
        """Answer with the URL that an href spells out, but for its scheme: 0.8 us against 3.3 through ada."""
        if host_end > QUERY:
            host = url[8 if url[4] == "s" else 7 : host_end]
            if host in plain_hosts or is_plain(host):
                return url, host, None
        return self._find_other(href)

    def _climb(self, href: str) -> Parts | Refusal:
        """Answer `../name`: 1.2 us against 3.5 through ada; most links of Sphinx and javadoc trees are such."""
        climbing = _CLIMBING(href)
        if climbing is None or "/." in (name := climbing[2] or "") or "%2" in name:
            return self._find_other(href)
        start = self.directory.rfind("/", 0, -1)
        for _ in range(climbing.end(1) // 3 - 1):
            start = self.directory.rfind("/", 0, start)
        return self.directory[: max(start, len(self.origin)) + 1] + name, self.host, None

    def _find_other(self, href: str) -> Parts | Refusal:
        """Answer fragments and opaque schemes without ada."""
        before, mark, fragment = href.partition("#")
        if not before:
            return Refusal.SAME_DOCUMENT
        if not mark:
            return self._join(href) if _OPAQUE(href) is None else Refusal.OTHER_SCHEME
        if before[-1] <= " " or _FRAGMENT(fragment) is None:
            return self._join(href)
        target = self.known.get(before) or self.parts(before)
        if isinstance(target, Refusal):
            return target
        url, host, _ = target
        return Refusal.SAME_DOCUMENT if url == self.page else (url, host, fragment or None)

    def _join(self, href: str) -> Parts | Refusal:
        """Ask ada; the longest way, 3.3 us, natively 0.9."""
        stripped = href.strip(_STRIPPED)
        if len(stripped) < len(href):
            return self._find(stripped)
        if self._encoding is not None and not href.isascii():
            href = _encode_query(href, self._encoding)
        try:
            joined = _join_url(self._base, href)
        except ValueError:
            return Refusal.BAD
        target = _target(joined)
        if not isinstance(target, Refusal) and target[0] == self.page and "#" in joined:
            return Refusal.SAME_DOCUMENT
        return target


plain_hosts: Final[set[str]] = set()
"""Hosts that ada leaves as they are: 0.05 us for a host met before, 0.5 for a new one, 4 if ada has to be asked."""


def is_plain(host: str) -> bool:
    """Tell whether ada leaves a host as it is; a host of letters that `_ABSOLUTE` takes."""
    if ("xn--" in host or _PLAIN_HOST(host) is None) and normalise(f"http://{host}/") != f"http://{host}/":
        return False
    if len(plain_hosts) >= HOSTS_REMEMBERED:
        plain_hosts.clear()
    plain_hosts.add(host)
    return True


def _target(href: str) -> Parts | Refusal:
    """Split a serialised URL into normal form, host and fragment."""
    if not href.startswith(("http://", "https://")):
        return Refusal.OTHER_SCHEME
    url, _, fragment = href.partition("#")
    start = 8 if url[4] == "s" else 7
    end = url.index("/", start)
    if len(href) > URL_BYTES_MAX and max(len(url), len(href) - len(url)) > URL_BYTES_MAX:
        return Refusal.BAD
    userinfo = url.rfind("@", start, end)
    if userinfo >= 0:
        url = url[:start] + url[userinfo + 1 :]
    return url, host_of(url), fragment or None


def _encode_query(href: str, encoding: str) -> str:
    """Percent-encode the query of `href` in the page's encoding, as servers of legacy pages expect it."""
    before, mark, fragment = href.translate(_REMOVED).partition("#")
    path, question, query = before.partition("?")
    try:
        encoded = quote(query.encode(encoding), safe=_QUERY_SAFE)
    except UnicodeEncodeError:
        encoded = "".join(_encode_character(character, encoding) for character in query)
    return path + question + encoded + mark + fragment


def _encode_character(character: str, encoding: str) -> str:
    try:
        return quote(character.encode(encoding), safe=_QUERY_SAFE)
    except UnicodeEncodeError:
        return f"%26%23{ord(character)}%3B"


_USERINFO: Final = re.compile(r"(https?:[/\\\s]*|[/\\]{2})[^/\\?#]*@", re.IGNORECASE)
USERINFO_CHARACTERS: Final = 4096
"""How much of a text is kept when user names are taken out of it: what is shown of it is shorter."""


def without_userinfo(text: str) -> str:
    """Return the start of a text for people, without the user names and passwords of the URLs in it."""
    return _USERINFO.sub(r"\1", text[:USERINFO_CHARACTERS])


def host_of(url: str) -> str:
    """Return the host of a normal form, without port; IPv6 addresses keep their brackets."""
    start = 8 if url[4] == "s" else 7
    authority = url[start : url.index("/", start)]
    if ":" not in authority or authority[-1] == "]":
        return authority
    return authority[: authority.rindex(":")]


def origin_of(url: str) -> str:
    """Return `scheme://host[:port]` of a normal form: the scope of one robots.txt."""
    return url[: url.index("/", 8)]


def path_of(url: str) -> str:
    """Return path and query of a normal form: what a request line asks for."""
    return url[url.index("/", 8) :]


_domains: Final[dict[str, Domains]] = {}


def domains_of(host: str) -> Domains:
    """Return both registered domains of a host; addresses and hosts without one stand for themselves.

    0.05 us for a host met before, 7 us for a new one; the first call reads the list (24 ms).
    """
    known = _domains.get(host)
    if known is None:
        if len(_domains) >= HOSTS_REMEMBERED:
            _domains.clear()
        known = _domains[host] = _find_domains(host)
    return known


def _find_domains(host: str) -> Domains:
    if host[-1:] == "]" or host.rpartition(".")[2].isdecimal():
        return Domains(host, host)
    icann, _ = _suffix_lists()
    return Domains(icann.privatesuffix(host) or host, registered_domain(host) or host)


def registered_domain(host: str) -> str | None:
    """Return the registered domain by the whole Public Suffix List; None when the host is itself a public suffix."""
    _, whole = _suffix_lists()
    return whole.privatesuffix(host)


@cache
def _suffix_lists() -> tuple[PublicSuffixList, PublicSuffixList]:
    """Return the ICANN section of the Public Suffix List, and the whole list."""
    # Read once, without its comments, and only those names encoded that are not ASCII: 24 ms for both lists instead
    # of 75, in every worker and each build of the index.
    icann, _, private = Path(PSLFILE).read_text(encoding="utf-8").partition("// ===END ICANN DOMAINS===")
    rules = _suffix_rules(icann)
    whole = rules + _suffix_rules(private)
    return PublicSuffixList(rules, accept_encoded_idn=False), PublicSuffixList(whole, accept_encoded_idn=False)


def _suffix_rules(section: str) -> list[str]:
    """Return the rules of a section of the list, those that are not ASCII also as they stand in normal forms."""
    rules = [line.split(" ")[0] for line in section.splitlines() if line and not line.startswith("//")]
    return rules + [idna_to_ascii(rule).decode() for rule in rules if not rule.isascii()]


def shard_of(domain: str) -> int:
    """Return the shard (0 to 4095) that owns a registered domain."""
    return xxh3_64_intdigest(domain.encode()) & (SHARDS - 1)


def fingerprint(url: str) -> int:
    """Return the 64-bit fingerprint of a normal form, unsigned."""
    return xxh3_64_intdigest(url.encode())
