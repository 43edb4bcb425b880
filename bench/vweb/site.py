"""The hosts of the virtual web: names, domains, paths, charsets, and how each page answers.

Rule: every host is a pure function of the spec. What its pages say is `graph`'s, its robots.txt `robots`'.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from functools import cached_property
from itertools import accumulate
from random import Random
from typing import Final, NamedTuple

from bench.vweb.spec import Faults, WebSpec, chance
from storage.records import CharsetSource

DOMAIN_WORDS: Final = (
    "alpha bravo cedar delta ember fjord grove harbor xn--bcher-kva iris juniper kelp lumen maple nectar orbit "
    "pebble quartz raven saffron tundra umber velvet willow xenon yarrow zephyr"
).split()
UNICODE_LABEL: Final = ("xn--bcher-kva", "bücher")
"""The label that links of UTF-8 pages spell in Unicode."""
HOSTS_PER_DOMAIN: Final = 4
SLUGS: Final = (
    "about archive atlas blog books cities craft data essays events field forum gallery garden guide history ideas "
    "journal library maps music news notes papers people physics projects review rivers science shop stories tools "
    "travel wiki works"
).split()
PRIVATE: Final = "/private/"
"""Most robots.txt that disallow anything disallow this."""
PRIVATE_OPEN: Final = "/private/open/"
"""And allow this."""
RAW_LETTER: Final = ("%C3%A9", "é")
"""The one letter that some paths hold: as in the normal form, and as a link may spell it."""


class Fate(Enum):
    """How a page answers."""

    OK = "ok"
    REDIRECT = "redirect"
    MISSING = "missing"
    GONE = "gone"
    THROTTLED = "throttled"
    BROKEN = "broken"
    FLAKY = "flaky"
    SLOW = "slow"
    CUT = "cut"


class RobotsKind(Enum):
    """What a host's robots.txt is like; `robots` has the texts."""

    ABSENT = "absent"
    OPEN = "open"
    SOME = "some"
    GROUPS = "groups"
    DELAY = "delay"
    QUERY = "query"
    REDIRECTING = "redirecting"
    FORBIDDEN = "forbidden"
    BIG = "big"
    CLOSED = "closed"
    BROKEN = "broken"


_KINDS_IN_TURN: Final = (
    "ABSENT SOME OPEN GROUPS SOME REDIRECTING ABSENT QUERY OPEN FORBIDDEN "
    "SOME DELAY ABSENT BIG OPEN BROKEN SOME ABSENT CLOSED OPEN"
)
ROBOTS_ODD: Final = tuple(RobotsKind[name] for name in _KINDS_IN_TURN.split())
"""Dealt out to the hosts in turn, so that 20 hosts have them all."""
ROBOTS_PLAIN: Final = (RobotsKind.ABSENT, RobotsKind.OPEN, RobotsKind.SOME, RobotsKind.OPEN)


class Encoding(NamedTuple):
    """How the pages of a host are encoded, and where they say so."""

    name: str
    """WHATWG name in lower case: what a crawler should find."""
    codec: str
    label: str
    """As written by the page or its header."""
    source: CharsetSource
    language: str


_H, _M, _B, _D = CharsetSource.HEADER, CharsetSource.META, CharsetSource.BOM, CharsetSource.DEFAULT
ENCODINGS: Final = (
    Encoding("utf-8", "utf-8", "utf-8", _H, "en"),
    Encoding("utf-8", "utf-8", "UTF-8", _M, "de"),
    Encoding("windows-1252", "windows-1252", "iso-8859-1", _H, "fr"),
    Encoding("utf-8", "utf-8", "utf-8", _M, "en"),
    Encoding("shift_jis", "shift_jis", "Shift_JIS", _M, "ja"),
    Encoding("utf-8", "utf-8", "UTF-8", _H, "ru"),
    Encoding("koi8-r", "koi8-r", "koi8-r", _H, "ru"),
    Encoding("utf-8", "utf-8", "utf8", _M, "en"),
    Encoding("utf-8", "utf-8", "", _B, "fr"),
    Encoding("windows-1251", "windows-1251", "windows-1251", _M, "ru"),
    Encoding("utf-8", "utf-8", "UTF-8", _H, "ja"),
    Encoding("windows-1252", "windows-1252", "latin1", _M, "de"),
    Encoding("utf-8", "utf-8", "utf-8", _H, "en"),
    Encoding("windows-1252", "ascii", "", _D, "en"),
    Encoding("shift_jis", "shift_jis", "shift-jis", _H, "ja"),
)
"""Dealt out to the hosts in turn."""


def _mostly_utf_8() -> tuple[Encoding, ...]:
    """Return what 20 hosts of a benchmark are dealt: one is not in UTF-8.

    98.5 % of the web's sites are in UTF-8 (W3Techs, January 2025), and about half are in English.
    """
    languages = "en de en fr en ru en ja en de en fr en ru en ja en de en".split()
    places = (_H, _M, _H, _H)
    utf_8 = [Encoding("utf-8", "utf-8", "utf-8", places[at % 4], language) for at, language in enumerate(languages)]
    return (*utf_8, Encoding("windows-1252", "windows-1252", "iso-8859-1", _H, "fr"))


ENCODINGS_PLAIN: Final = _mostly_utf_8()


class Site:
    """One host: the paths of its pages by number, and how each answers."""

    def __init__(self, spec: WebSpec, number: int) -> None:
        rng = chance(spec.seed, number)
        self.number = number
        self.domain = _domain(spec, number)
        self.name = f"h{number:04d}.{self.domain}"
        self.scheme = "https" if spec.tls else "http"
        self.root = f"{self.scheme}://{self.name}"
        encodings = ENCODINGS if spec.faults.odd_charsets else ENCODINGS_PLAIN
        self.encoding = encodings[(number + spec.seed) % len(encodings)]
        kinds = ROBOTS_ODD if spec.faults.odd_robots else ROBOTS_PLAIN
        self.robots = kinds[(number * 3 + spec.seed) % len(kinds)]
        self.paths = ["/"] + [_path(rng, page) for page in range(1, spec.pages_per_host)]
        """Path and query of each page."""
        self.numbers = {path: page for page, path in enumerate(self.paths)}
        self.fates = [Fate.OK, *_fates(rng, spec.faults, spec.pages_per_host - 1)]

    def page_of(self, path: str) -> int | None:
        """Return the number of the page at a path, with or without a `?ref=` query, or None."""
        page = self.numbers.get(path)
        return page if page is not None else self.numbers.get(path.partition("?ref=")[0])


class Web:
    """All hosts of a spec, made when first asked for."""

    def __init__(self, spec: WebSpec) -> None:
        self.spec = spec
        self._sites: list[Site | None] = [None] * spec.hosts

    def site(self, number: int) -> Site:
        """Return the host with this number."""
        site = self._sites[number]
        if site is None:
            site = self._sites[number] = Site(self.spec, number)
        return site

    def find(self, host: str) -> Site | None:
        """Return the host of this name, or None."""
        digits = host.partition(".")[0][1:]
        if not (digits.isascii() and digits.isdecimal()) or int(digits) >= self.spec.hosts:
            return None
        site = self.site(int(digits))
        return site if site.name == host else None

    @cached_property
    def siblings(self) -> dict[str, list[int]]:
        """The numbers of the hosts of each registered domain."""
        found: dict[str, list[int]] = {}
        for number in range(self.spec.hosts):
            found.setdefault(_domain(self.spec, number), []).append(number)
        return found

    def seeds(self) -> list[str]:
        """Return the front page of every host."""
        return [self.site(number).root + "/" for number in range(self.spec.hosts)]


def host_map(spec: WebSpec, addresses: Sequence[str], port: int) -> dict[str, str]:
    """Return the static host map (`[network.hosts]`) that leads to a server: hosts are dealt out to its addresses."""
    if len(addresses) == 1:
        return {f"*.{suffix}": f"{addresses[0]}:{port}" for suffix in spec.suffixes}
    web = Web(spec)
    return {web.site(n).name: f"{addresses[n % len(addresses)]}:{port}" for n in range(spec.hosts)}


def _domain(spec: WebSpec, number: int) -> str:
    """Return the registered domain of a host: each has a first host, further hosts go more to the first domains."""
    domains = -(-spec.hosts // HOSTS_PER_DOMAIN)
    domain = number if number < domains else int(domains * chance(spec.seed, number, 1).random() ** 2)
    word, turn = DOMAIN_WORDS[domain % len(DOMAIN_WORDS)], domain // len(DOMAIN_WORDS)
    suffix = spec.suffixes[domain % len(spec.suffixes)]
    # With a number behind it the punycode would be another name's, so the further turns of that word are plain ASCII.
    return f"{word}.{suffix}" if not turn else f"{word.removeprefix('xn--')}-{turn}.{suffix}"


def _path(rng: Random, page: int) -> str:
    """Return the path and query of a page; its number makes it unique on its host."""
    shape = rng.random()
    first, second, third = rng.choices(SLUGS, k=3)
    if shape < 0.35:
        return f"/{first}/{second}-{page}.html"
    if shape < 0.55:
        return f"/{first}/{second}/{third}/{page}.html"
    if shape < 0.72:
        return f"/{first}/{page}/"
    if shape < 0.84:
        return f"/{first}/item?id={page}&view={second}"
    if shape < 0.88:
        return f"/{first}/caf{RAW_LETTER[0]}-{page}"
    return f"{PRIVATE}{second}-{page}.html" if shape < 0.97 else f"{PRIVATE_OPEN}{second}-{page}.html"


def _fates(rng: Random, faults: Faults, count: int) -> list[Fate]:
    """Return how each of `count` pages answers."""
    ill = [fate for fate in Fate if fate is not Fate.OK]
    shares = [getattr(faults, fate.value) for fate in ill]
    return rng.choices([*ill, Fate.OK], cum_weights=list(accumulate([*shares, 1.0 - sum(shares)])), k=count)
