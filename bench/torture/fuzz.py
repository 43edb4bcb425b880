"""Mutated pages, header fields, hrefs and robots.txt files through the crawler's readers: nothing raises, breaks a rule
of the records, or takes long. `python -m bench.torture.fuzz`.

Every case is read in a child process that dies when it takes too long, so that a fault in C is one case, not the end.
`python -m bench.torture.fuzz pages 4711` reads one case here and raises what it raises.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import astuple
from functools import cache
from multiprocessing import get_context
from random import Random
from signal import ITIMER_VIRTUAL, SIG_DFL, SIGVTALRM, setitimer, signal
from typing import Final, NamedTuple

import ada_url

from bench.torture.figures import Figure, table
from bench.torture.mutants import (
    FIELD_PIECES,
    HREF_PIECES,
    MARKUP,
    OCTETS,
    ROBOTS_PIECES,
    mutate,
    page_seeds,
    robots_seeds,
)
from crawler import fields, headers
from crawler.extract import ExtractSettings
from crawler.outcome import Answer, Fetched, Redirected, Request
from crawler.pages import Attempt, Record, record
from crawler.robots import parse
from crawler.url import Refusal, Resolver, Target, domains_of, host_of, normalise, path_of, shard_of
from storage.records import RedirectKind, Via

CASES: Final = 10_000
"""Of each sort, at scale 1."""
SLOW_S: Final = 2.0
"""CPU a case may take."""
KILLED_S: Final = 10.0
"""CPU at which a case is given up."""
BATCH: Final = 200
COMMAND: Final = "python -m bench.torture.fuzz"

PAGE: Final = "https://www.example.org/a/b/page.html?x=1"
HREF_CHARS: Final = 600
"""A longer one, percent-encoded, may be refused by its length (`crawler.url.URL_BYTES_MAX`): ada knows of no bound."""
NOW: Final = 1_700_000_000.0
PAGE_SETTINGS: Final = (ExtractSettings(), ExtractSettings(context=True, max_links=50, anchor_bytes=20))
BASES: Final = (PAGE, "http://a.example:8080/", "https://[2001:db8::1]/a/../b/", "http://192.0.2.1/?q")

FIELDS: Final = (
    '</a>; rel="next prefetch"; title="b, c", <https://a.example/b>; rel=canonical; title*=UTF-8\'en\'%e2%82%ac',
    'text/html; charset="utf-8"; boundary=x',
    "noindex, linkmill: nofollow, unavailable_after: 25 Jun 2030 15:00:00 PST",
    "Sun, 06 Nov 1994 08:49:37 GMT",
    "Sunday, 06-Nov-94 08:49:37 GMT",
    "Sun Nov  6 08:49:37 1994",
    "120",
    "5; URL='https://a.example/?a=b'",
    'max-age=3600, no-cache="set-cookie"',
)
FIELD_NAMES: Final = ("link", "content-type", "x-robots-tag", "refresh", "etag", "server", "last-modified")
HREFS: Final = (
    "https://www.example.org/a/b/page.html?x=1#top",
    "../c/d.html",
    "//cdn.example/x?y=z#f",
    "http://user:secret@a.example:81/p/%7Ea;b=c?d=e&f=g",
    "?page=2&sort=a%20b",
    "http://[::ffff:192.0.2.1]/",
    "https://bücher.example/ü?ö#ä",
    "javascript:void(0)",
    "mailto:a@a.example",
)


class Case(NamedTuple):
    """How one case went."""

    number: int
    cpu_s: float
    fault: str | None


@cache
def _pages() -> list[bytes]:
    return page_seeds()


@cache
def _robots() -> list[bytes]:
    return robots_seeds()


MARKUP_PIECES: Final = (*(piece.replace("\t", " ").encode() for piece in MARKUP), *OCTETS)


def read_page(number: int) -> None:
    """Read a mutated page with mutated header fields, as the worker does."""
    chance = Random(number)
    body = mutate(chance, _pages(), MARKUP_PIECES)
    kind = chance.choice(("text/html", "text/html; charset=utf-8", "application/xhtml+xml", None))
    given = [("content-type", kind)] if kind else []
    given += [(chance.choice(FIELD_NAMES), mutate(chance, FIELDS, FIELD_PIECES)) for _ in range(chance.randrange(4))]
    raw = [(name.encode(), value.encode("utf-8", "surrogatepass")[:16_384]) for name, value in given]
    answer = _answer(200, fields.decode(raw))
    settings = chance.choice(PAGE_SETTINGS)
    found = record(_attempt(), Fetched(answer, body), settings)
    check_record(found, settings)


def check_record(found: Record, settings: ExtractSettings) -> None:
    """Assert what holds for every record, whatever the page was."""
    row, links = found.row, found.links
    assert row.links == len(links) == row.internal + row.external
    assert [link.ordinal for link in links] == list(range(len(links)))
    for text in (*astuple(row), *(value for link in links for value in link)):
        if isinstance(text, str):
            text.encode()  # nothing that cannot be stored
    for link in links:
        assert host_of(link.target) == link.target_host
        assert "@" not in link.target[: link.target.index("/", 8)]
        assert len(link.anchor.encode()) <= settings.anchor_bytes
    for url in {row.canonical, row.base, row.redirect_to, *(link.target for link in links)} - {None}:
        assert url is not None and normalise(url) == url, url
        assert 0 <= shard_of(domains_of(host_of(url)).domain) < 1 << 12


def read_fields(number: int) -> None:
    """Give one mutated value to every reader of header fields."""
    chance = Random(number)
    value = mutate(chance, FIELDS, FIELD_PIECES)[:16_384]
    for link in headers.link_header([value]):
        assert isinstance(link.title, str | None)
        assert all(isinstance(rel, str) for rel in link.rels)
        headers.ext_value(value)
    mime, charset = headers.content_type(value)
    assert mime is not None or charset is None
    headers.robots_tag([value], "Linkmill")
    headers.http_date(value)
    refresh = headers.refresh(value)
    for seconds in (headers.retry_after(value, NOW), headers.max_age(value), refresh and refresh[0]):
        assert seconds is None or 0 <= seconds <= headers.MAX_SECONDS
    moved = Redirected(_answer(301, [("location", value)]), value, RedirectKind.MOVED_301)
    check_record(record(_attempt(), moved, PAGE_SETTINGS[0]), PAGE_SETTINGS[0])


def read_href(number: int) -> None:
    """Resolve a mutated href, and compare with what ada alone says."""
    chance = Random(number)
    href, base = mutate(chance, HREFS, HREF_PIECES)[:HREF_CHARS], chance.choice(BASES)
    base = normalise(base) or PAGE
    found = Resolver(base).resolve(href)
    assert found == by_ada(href, base), (href, base)
    if isinstance(found, Target):
        assert normalise(found.url) == found.url
        assert host_of(found.url) == found.host
        domains_of(found.host)


def by_ada(href: str, base: str) -> Target | Refusal:
    """Resolve as the resolver must, by ada alone."""
    stripped = href.strip("".join(map(chr, range(0x21))))
    if stripped[:1] in {"", "#"}:
        return Refusal.SAME_DOCUMENT
    try:
        parsed = ada_url.URL(href, base)
    except ValueError:
        return Refusal.BAD
    if parsed.protocol not in {"http:", "https:"}:
        return Refusal.OTHER_SCHEME
    fragment = parsed.hash.removeprefix("#") or None
    has_fragment = "#" in parsed.href
    parsed.hash = ""
    parsed.username = parsed.password = ""
    if has_fragment and parsed.href == base:
        return Refusal.SAME_DOCUMENT
    return Target(parsed.href, parsed.hostname, fragment)


def read_robots(number: int) -> None:
    """Parse a mutated robots.txt and ask about mutated paths."""
    chance = Random(number)
    pieces = (*(piece.encode() for piece in ROBOTS_PIECES), *OCTETS)
    rules = parse(mutate(chance, _robots(), pieces), chance.choice(("Linkmill", "", "*", "é")))
    for sitemap in rules.sitemaps:
        sitemap.encode()
    assert rules.crawl_delay_s is None or rules.crawl_delay_s >= 0
    for _ in range(5):
        url = normalise(mutate(chance, HREFS, HREF_PIECES), PAGE)
        assert isinstance(rules.allowed(path_of(url) if url else "/"), bool)
    assert rules.allowed("/robots.txt")


SORTS: Final[dict[str, Callable[[int], None]]] = {
    "pages": read_page,
    "fields": read_fields,
    "hrefs": read_href,
    "robots": read_robots,
}


def _attempt() -> Attempt:
    return Attempt(1, 1, Request(PAGE, host_of(PAGE), 1, 1, 0, Via.SEED, None, 0.0, 0, 0), 0.0)


def _answer(status: int, given: list[tuple[str, str]]) -> Answer:
    return Answer(status, given, "127.0.0.1", "1.1", 10.0, 10.25, 0.25)


def examine(sort: str, numbers: Iterable[int]) -> list[Case]:
    """Read cases one after the other."""
    read = SORTS[sort]
    cases = []
    for number in numbers:
        start = time.process_time()
        fault = None
        try:
            read(number)
        except Exception as error:  # noqa: BLE001, whatever it is, it is what is looked for
            fault = f"{type(error).__name__}: {error}"[:100]
        cases.append(Case(number, time.process_time() - start, fault))
    return cases


def _start_child() -> None:
    signal(SIGVTALRM, SIG_DFL)  # Python's own handling would wait for C code to return
    _pages()
    _robots()
    domains_of("www.example.org")  # reads the list of suffixes


def _examine_or_die(sort: str, numbers: range) -> list[Case]:
    """Read cases in the child, each within `KILLED_S`."""
    cases = []
    for number in numbers:
        setitimer(ITIMER_VIRTUAL, KILLED_S)
        cases += examine(sort, [number])
    setitimer(ITIMER_VIRTUAL, 0.0)
    return cases


def examine_apart(sort: str, numbers: range) -> list[Case]:
    """Read cases in a child; one that ends the child is found by halves, and has used `KILLED_S` for all we know."""
    try:
        with ProcessPoolExecutor(1, get_context("spawn"), _start_child) as child:
            parts = [numbers[at : at + BATCH] for at in range(0, len(numbers), BATCH)]
            return [case for part in child.map(_examine_or_die, [sort] * len(parts), parts) for case in part]
    except BrokenProcessPool:
        if len(numbers) == 1:
            return [Case(numbers[0], KILLED_S, "the process ended")]
        half = len(numbers) // 2
        return examine_apart(sort, numbers[:half]) + examine_apart(sort, numbers[half:])


def run(scale: float = 1.0) -> list[Figure]:
    """Read all sorts of cases; scale 1 takes about five minutes."""
    figures = []
    for sort in SORTS:
        cases = examine_apart(sort, range(max(1, round(CASES * scale))))
        faults = [f"{case.number}: {case.fault}" for case in cases if case.fault is not None]
        slowest = max(cases, key=lambda case: case.cpu_s)
        count, shown = f"{len(faults)} of {len(cases):,}", "; ".join(faults[:1])
        figures += [
            Figure(f"mutated {sort}: faults", f"{count} {shown}".strip(), "0", not faults, COMMAND),
            Figure(
                f"mutated {sort}: slowest",
                f"{slowest.cpu_s * 1000:.1f} ms (case {slowest.number})",
                f"under {SLOW_S:g} s",
                slowest.cpu_s < SLOW_S,
                f"{COMMAND} {sort} {slowest.number}",
            ),
        ]
    return figures


if __name__ == "__main__":
    if len(sys.argv) == 3:
        SORTS[sys.argv[1]](int(sys.argv[2]))
    else:
        print(table(run(float(sys.argv[1]) if len(sys.argv) == 2 else 1.0)))
