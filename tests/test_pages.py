"""The page row and the links of one attempt, from its request and its outcome."""

from __future__ import annotations

from typing import Any

import pytest
from xxhash import xxh3_128_digest

from crawler.extract import ExtractSettings
from crawler.outcome import Answer, Failed, Fetched, Outcome, Redirected, Request
from crawler.pages import VALUE_CHARACTERS_MAX, Attempt, Record, record
from storage.records import (
    CanonicalSource,
    CharsetSource,
    Failure,
    Kind,
    RedirectKind,
    Robots,
    RobotsSource,
    Truncated,
    Via,
)
from tests.crawling import answered

URL = "https://www.shop.example.co.uk/dir/page"
REQUEST = Request(URL, "www.shop.example.co.uk", 3, 9, 2, Via.LINK, 42, 5.0, 0, 0)
HTML = ("content-type", "text/html; charset=utf-8")


def recorded(outcome: Outcome, **settings: Any) -> Record:
    return record(Attempt(7, 99, REQUEST, 12.5), outcome, ExtractSettings(**settings))


def html(text: str, *fields: tuple[str, str], status: int = 200, **settings: Any) -> Record:
    return recorded(Fetched(answered(status, HTML, *fields), text.encode()), **settings)


def moved(location: str) -> Record:
    return recorded(Redirected(answered(301, ("location", location)), location, RedirectKind.MOVED_301))


def test_row_opens_with_what_the_request_and_the_clock_say() -> None:
    row = html("<a href=/>x</a>").row
    assert (row.run, row.fetch, row.url, row.depth, row.via, row.discovered_from) == (7, 99, URL, 2, Via.LINK, 42)
    assert (row.host, row.domain, row.domain_private) == ("www.shop.example.co.uk", "example.co.uk", "example.co.uk")
    assert (row.fetched_at, row.fetch_ms, row.queue_ms, row.ip) == (10_250_000, 250.0, 12.5, "127.0.0.1")
    assert 0 <= row.shard < 4096
    assert row.parser and row.psl and row.normaliser


def test_private_suffix_makes_a_domain_of_its_own() -> None:
    request = Request("http://user.github.io/", "user.github.io", 3, 9, 0, Via.SEED, None, 5.0, 0, 0)
    row = record(Attempt(1, 1, request, 0.0), Failed(Failure.DNS, ""), ExtractSettings()).row
    assert (row.domain, row.domain_private) == ("github.io", "user.github.io")


@pytest.mark.parametrize(
    ("answer", "status", "ip"),
    [
        pytest.param(None, None, "192.0.2.1", id="before an answer"),
        pytest.param(answered(503, ("server", "x")), 503, "127.0.0.1", id="with an answer"),
    ],
)
def test_failure_is_recorded_with_what_is_known(answer: Answer | None, status: int | None, ip: str) -> None:
    found = recorded(Failed(Failure.RESET, "gone", answer, 1.5, "192.0.2.1", 20.0))
    row = found.row
    assert (row.failure, row.status, row.ip, row.fetched_at, row.fetch_ms) == (
        Failure.RESET,
        status,
        ip,
        20_000_000,
        1500.0,
    )
    assert (found.links, row.links, found.page_nofollow) == ([], 0, False)


@pytest.mark.parametrize(
    ("location", "target", "counted"),
    [
        pytest.param("https://other.example/x#top", "https://other.example/x", None, id="absolute"),
        pytest.param("../up", "https://www.shop.example.co.uk/up", None, id="relative"),
        pytest.param("//other.example", "https://other.example/", None, id="without a scheme"),
        pytest.param("https://[broken", None, "bad_href", id="bad"),
        pytest.param("mailto:x@example.org", None, "other_scheme", id="another scheme"),
        pytest.param("#here", None, "same_document", id="the same document"),
        pytest.param("", None, "same_document", id="empty"),
    ],
)
def test_redirect_has_one_link_or_a_count(location: str, target: str | None, counted: str | None) -> None:
    row, links, *_ = moved(location)
    assert (row.status, row.redirect_to, row.redirect_kind) == (301, target, RedirectKind.MOVED_301)
    assert [(link.target, link.kind, link.ordinal) for link in links] == (
        [(target, Kind.REDIRECT, 0)] if target else []
    )
    counts = {name: getattr(row, name) for name in ("bad_href", "same_document", "other_scheme")}
    assert {name for name, number in counts.items() if number} == ({counted} if counted else set())


@pytest.mark.parametrize(
    ("location", "internal", "external"),
    [
        pytest.param("https://example.co.uk/", 1, 0, id="same registered domain"),
        pytest.param("https://other.co.uk/", 0, 1, id="another domain"),
    ],
)
def test_redirect_is_counted_by_where_it_leads(location: str, internal: int, external: int) -> None:
    row = moved(location).row
    assert (row.links, row.internal, row.external, row.external_domains) == (1, internal, external, external)


def test_fragment_of_a_location_is_kept_with_the_link() -> None:
    assert [link.fragment for link in moved("/x#part").links] == ["part"]


@pytest.mark.parametrize(
    ("value", "target", "delay_s"),
    [
        pytest.param("5; url=/next", "https://www.shop.example.co.uk/next", 5.0, id="with a delay"),
        pytest.param("0;url='https://other.example/'", "https://other.example/", 0.0, id="quoted"),
        pytest.param("5", None, None, id="the page itself"),
        pytest.param("soon", None, None, id="not understood"),
        pytest.param("0; url=https://[broken", None, None, id="bad"),
    ],
)
def test_refresh_header_is_the_last_link(value: str, target: str | None, delay_s: float | None) -> None:
    row, links, *_ = html("<a href=/a>a</a>", ("refresh", value))
    assert (row.redirect_to, row.redirect_delay_s) == (target, delay_s)
    assert [link.kind for link in links] == ([Kind.A, Kind.META_REFRESH] if target else [Kind.A])
    assert row.links == len(links) == links[-1].ordinal + 1
    assert row.redirect_kind == (RedirectKind.REFRESH_HEADER if target else None)
    assert row.bad_href == (1 if "broken" in value else 0)


def test_meta_refresh_wins_over_the_header() -> None:
    row, links, *_ = html("<meta http-equiv=refresh content='1; url=/meta'>", ("refresh", "0; url=/header"))
    assert (row.redirect_to, row.redirect_kind) == ("https://www.shop.example.co.uk/meta", RedirectKind.META_REFRESH)
    assert [link.kind for link in links] == [Kind.META_REFRESH]


@pytest.mark.parametrize(
    ("head", "header", "canonical", "source"),
    [
        pytest.param("", "<other>; rel=canonical", URL.replace("page", "other"), CanonicalSource.HEADER, id="header"),
        pytest.param(
            "<base href='https://base.example/'>",
            "<other>; rel=canonical",
            URL.replace("page", "other"),
            CanonicalSource.HEADER,
            id="a header does not know the base",
        ),
        pytest.param(
            "<link rel=canonical href=/html>",
            "</header>; rel=canonical",
            "https://www.shop.example.co.uk/html",
            CanonicalSource.HTML,
            id="the element wins",
        ),
        pytest.param(
            "",
            "<https://[broken>; rel=canonical, </b>; rel='x canonical', </c>; rel=canonical",
            "https://www.shop.example.co.uk/c",
            CanonicalSource.HEADER,
            id="the first that can be read",
        ),
        pytest.param("", "</x>; rel=next", None, CanonicalSource.NONE, id="another relation"),
    ],
)
def test_canonical_comes_from_the_page_or_its_header(
    head: str, header: str, canonical: str | None, source: CanonicalSource
) -> None:
    row = html(f"{head}<title>t</title>", ("link", header)).row
    assert (row.canonical, row.canonical_source) == (canonical, source)


NOINDEX, NOFOLLOW = Robots.NOINDEX, Robots.NOFOLLOW
META, HEADER = RobotsSource.META, RobotsSource.HEADER


@pytest.mark.parametrize(
    ("head", "tags", "robots", "source"),
    [
        pytest.param("", ["noindex"], NOINDEX, HEADER, id="header"),
        pytest.param("", ["noindex", "nofollow"], NOINDEX | NOFOLLOW, HEADER, id="header twice"),
        pytest.param("", ["linkmill: nofollow"], NOFOLLOW, HEADER, id="header for us"),
        pytest.param("", ["otherbot: none"], Robots.NONE, RobotsSource.NONE, id="header for another"),
        pytest.param("<meta name=robots content=nofollow>", [], NOFOLLOW, META, id="meta"),
        pytest.param("<meta name=robots content=all>", [], Robots.NONE, META, id="meta without effect"),
        pytest.param(
            "<meta name=robots content=noindex>", ["nofollow"], NOINDEX | NOFOLLOW, META | HEADER, id="both add up"
        ),
    ],
)
def test_robots_directives_of_page_and_header_add_up(
    head: str, tags: list[str], robots: Robots, source: RobotsSource
) -> None:
    found = html(f"{head}<a href=/x>x</a>", *(("x-robots-tag", tag) for tag in tags))
    assert (found.row.robots, found.row.robots_source) == (robots, source)
    assert found.page_nofollow == bool(robots & NOFOLLOW)
    assert len(found.links) == 1, "record is not follow"


PAGE = b"<title>t</title><a href=/x>x</a>"


@pytest.mark.parametrize(
    ("status", "content_type", "links"),
    [
        pytest.param(200, "text/html", 1, id="HTML"),
        pytest.param(203, "Application/XHTML+xml ; charset=x", 1, id="XHTML, spelled freely"),
        pytest.param(200, None, 1, id="a page that does not say what it is"),
        pytest.param(200, "", 1, id="an empty type"),
        pytest.param(200, "text/plain", 0, id="text"),
        pytest.param(200, "application/pdf", 0, id="a document"),
        pytest.param(404, "text/html", 0, id="not found"),
        pytest.param(410, "text/html", 0, id="gone"),
        pytest.param(301, "text/html", 0, id="a redirect without a location"),
    ],
)
def test_links_are_read_from_good_answers_that_are_html(status: int, content_type: str | None, links: int) -> None:
    fields = [("content-type", content_type)] if content_type is not None else []
    row, found, *_ = recorded(Fetched(answered(status, *fields), PAGE))
    assert (row.status, row.links, len(found)) == (status, links, links)
    assert (row.title, row.body_bytes, row.body_hash) == ("t" if links else None, len(PAGE), xxh3_128_digest(PAGE))


def test_empty_body_has_no_hash_and_no_charset() -> None:
    row = recorded(Fetched(answered(200, HTML), b"")).row
    assert (row.body_bytes, row.body_hash, row.charset, row.charset_source) == (0, None, None, CharsetSource.NONE)


@pytest.mark.parametrize("cap", [Truncated.WIRE, Truncated.BODY], ids=["wire", "body"])
def test_cut_page_says_so_and_keeps_its_links(cap: Truncated) -> None:
    row, links, *_ = recorded(Fetched(answered(200, HTML, wire_bytes=50), PAGE + b"<a href=/cu", cap))
    assert (row.truncated, row.wire_bytes, len(links)) == (cap, 50, 1)


def test_head_of_the_answer_is_kept_within_bounds() -> None:
    fields = [
        ("etag", "e"),
        ("etag", "second"),
        ("last-modified", "l"),
        ("server", "s" * 9999),
        ("content-encoding", "br"),
    ]
    row = recorded(Fetched(answered(304, *fields), b"")).row
    assert (row.etag, row.last_modified, row.content_encoding, row.http_version) == ("e", "l", "br", "1.1")
    assert row.server == "s" * VALUE_CHARACTERS_MAX
    assert row.not_modified


def test_counts_of_the_page_are_those_of_its_links() -> None:
    text = (
        "<a href=/x>1</a><a href=https://b.example/ rel=nofollow>2</a><a href=#x>3</a><a href=mailto:x>4</a>"
        "<a href='https://[x'>5</a><a href=/over>6</a>"
    )
    row, links, *_ = html(text, max_links=2)
    assert (row.links, row.internal, row.external, row.external_domains, row.nofollow) == (2, 1, 1, 1, 1)
    assert (row.same_document, row.other_scheme, row.bad_href, row.links_dropped) == (1, 1, 1, 1)
    assert [link.anchor for link in links] == ["1", "2"]


PDF = ("content-type", "application/pdf")


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        pytest.param(PDF, b"%PDF", id="a document"),
        pytest.param(HTML, b"", id="an empty page"),
        pytest.param(HTML, PAGE, id="a page"),
    ],
)
def test_header_of_a_good_answer_is_read_whatever_its_body(answer: tuple[str, str], body: bytes) -> None:
    fields = [
        answer,
        ("link", '<https://b.example/c>; rel="canonical"'),
        ("x-robots-tag", "noindex, nofollow"),
        ("refresh", "3; url=/later"),
    ]
    found = recorded(Fetched(answered(200, *fields), body))
    row = found.row
    assert (row.canonical, row.canonical_source) == ("https://b.example/c", CanonicalSource.HEADER)
    assert (row.robots, row.robots_source) == (Robots.NOINDEX | Robots.NOFOLLOW, RobotsSource.HEADER)
    assert found.page_nofollow
    assert row.redirect_to == "https://www.shop.example.co.uk/later"
    kinds = [link.kind for link in found.links]
    assert kinds == [Kind.HEADER_LINK, *([Kind.A] if body == PAGE else []), Kind.META_REFRESH]
    assert (row.links, row.external, row.internal) == (len(kinds), 1, len(kinds) - 1)


def test_kinds_that_are_not_stored_are_counted_and_followed_all_the_same() -> None:
    text = "<link rel=next href=/n><a href=/a>a</a><img src=/i><script src=/s></script><form action=/f></form>"
    followed = frozenset({Kind.A, Kind.LINK_NEXT})
    found = html(text, kinds=frozenset({Kind.EMBED, Kind.LINK_NEXT}), followed=followed)
    assert [link.kind for link in found.links] == [Kind.LINK_NEXT, Kind.EMBED]
    assert [link.kind for link in found.links_to_follow] == [Kind.A]
    assert (found.row.links, found.row.internal, found.links_unwanted) == (2, 2, 3)
