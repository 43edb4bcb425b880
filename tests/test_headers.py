from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from crawler.headers import (
    MAX_SECONDS,
    content_type,
    ext_value,
    http_date,
    link_header,
    max_age,
    refresh,
    retry_after,
    robots_directives,
    robots_tag,
)
from storage.records import Robots
from tests.vectors import load

NOW = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC).timestamp()


# Link.


def flat_links(row: dict[str, Any]) -> list[dict[str, Any]]:
    """Return our links as the node suite lists them: one entry for each relation, with its other parameters."""
    values = [row["header"]] if isinstance(row["header"], str) else row["header"]
    listed = []
    for link in link_header(values):
        for rel in link.rels or (None,):
            entry: dict[str, Any] = {"uri": link.target, **link.params}
            extended = ext_value(entry.get("title*", ""))
            if extended is not None:
                entry["title*"] = {"language": extended.language, "encoding": None, "value": extended.text}
            listed.append({**entry, "rel": rel} if rel is not None else entry)
    return listed


def as_listed(row: dict[str, Any]) -> list[dict[str, Any]]:
    """Bring a row of any suite to that form; what a suite makes of the target's query or base URL is left out."""
    expected = row["expected"].values() if isinstance(row["expected"], dict) else row["expected"]
    listed = []
    for entry in expected:
        uri = entry.get("uri", entry.get("url")).removeprefix(row.get("base_url", "").rstrip("/") or "no base")
        listed.append({"uri": uri, **{key: entry[key] for key in entry if key in PARAMS}})
    return listed


PARAMS = {"rel", "title", "title*", "anchor", "type"}


def test_reference_links_are_read() -> None:
    for row in load("link_header.json"):
        ours = flat_links(row)
        if isinstance(row["expected"], dict):  # this suite lists links by their relation and drops the others
            ours = [link for link in ours if "rel" in link]
        assert ours == as_listed(row), row["id"]


@pytest.mark.parametrize(
    ("value", "links"),
    [
        pytest.param(r'</a>; title="a \"b\", c; d"', [("/a", {"title": 'a "b", c; d'})], id="quoted string"),
        pytest.param("</a>; rel=x; rel=y; REL=z", [("/a", {"rel": "x"})], id="the first of repeated ones"),
        pytest.param("</a>;rel , ,</b> ;; rel = b", [("/a", {"rel": ""}), ("/b", {"rel": "b"})], id="empty parts"),
        pytest.param('</a>; title="open, </b>', [("/a", {"title": "open, </b>"})], id="unclosed string"),
        pytest.param('</a>; title="x"y, </b>', [("/a", {"title": "x"}), ("/b", {})], id="rubbish after a string"),
        pytest.param("rubbish, </a>, more </b>", [("/a", {}), ("/b", {})], id="rubbish before links"),
        pytest.param("</a", [], id="unclosed target"),
        pytest.param("<  /a >", [("/a", {})], id="blanks in the target"),
    ],
)
def test_link_field_is_read(value: str, links: list[tuple[str, dict[str, str]]]) -> None:
    assert link_header([value]) == links


def test_extended_title_wins_where_it_can_be_read() -> None:
    good, bad = link_header(["</a>; title=plain; title*=UTF-8''%C3%BC, </b>; title=plain; title*=what"])
    assert (good.title, bad.title) == ("ü", "plain")


# Content-Type; its reference rows are in test_charset.py, for they name encodings.


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text/html", ("text/html", None)),
        ("Text/HTML ; Charset=UTF-8", ("text/html", "UTF-8")),
        ('text/html; a="x;charset=no"; charset=yes', ("text/html", "yes")),
        ("text/html; charset=a; charset=b", ("text/html", "a")),
        ("text/html, text/plain", (None, None)),
        ("charset=utf-8", (None, None)),
    ],
)
def test_content_type_is_read(value: str, expected: tuple[str | None, str | None]) -> None:
    assert content_type(value) == expected


# Robots directives.


def found_directives(row: dict[str, Any]) -> int:
    if row["carrier"] == "meta":
        node = LexborHTMLParser(row["html"]).css_first("meta[name=robots]")
        assert node is not None
        return robots_directives(node.attributes.get("content") or "")
    values = [line.partition(":")[2] for line in row["headers"] if line.lower().startswith("x-robots-tag:")]
    return robots_tag(values, row["user_agent"] or "")


def test_reference_directives_are_read() -> None:
    bits = {
        "noindex": Robots.NOINDEX,
        "nofollow": Robots.NOFOLLOW,
        "nocache": Robots.NOARCHIVE,
        "noarchive": Robots.NOARCHIVE,
    }
    for row in load("robots_directives.json"):
        found = found_directives(row)
        for name, bit in bits.items():
            if row.get(name) is not None:
                assert bool(found & bit) == row[name], row
        for name in set(row.get("directives", ())) & bits.keys():
            assert found & bits[name], row


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("linkmill: noindex, nofollow", Robots.NOINDEX | Robots.NOFOLLOW, id="our name"),
        pytest.param("otherbot: noindex, nofollow", Robots.NONE, id="another's name"),
        pytest.param("otherbot: noindex, linkmill: nofollow", Robots.NOFOLLOW, id="two names in a field"),
        pytest.param("nosnippet, otherbot: noindex", Robots.NOSNIPPET, id="before any name"),
        pytest.param("*: noimageindex", Robots.NOIMAGEINDEX, id="everyone"),
        pytest.param("max-image-preview: none", Robots.NONE, id="the value of a directive"),
        pytest.param("max-snippet: 5, noarchive", Robots.NOARCHIVE, id="after a value"),
        pytest.param("unavailable_after: 2030-01-01T10:00:00", Robots.UNAVAILABLE_AFTER, id="a date"),
        pytest.param(
            "unavailable_after: Wed, 25 Jun 2030 15:00:00 PST, noindex",
            Robots.UNAVAILABLE_AFTER | Robots.NOINDEX,
            id="a date with a comma",
        ),
        pytest.param("linkmill: unavailable_after: 25 Jun 2030", Robots.UNAVAILABLE_AFTER, id="a date for us"),
        pytest.param("NoIndex , IndexIfEmbedded", Robots.NOINDEX | Robots.INDEXIFEMBEDDED, id="any case"),
    ],
)
def test_robots_tag_is_read(value: str, expected: Robots) -> None:
    assert robots_tag([value], "Linkmill/1.0") == expected


def test_a_name_holds_for_its_own_field_alone() -> None:
    assert robots_tag(["otherbot: noindex", "nofollow"], "Linkmill") == Robots.NOFOLLOW


# Retry-After.


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("9" * 5000, MAX_SECONDS),
        ("Sun, 06 Nov 1994 08:50:37 GMT", 60.0),
        ("Sunday, 06-Nov-94 08:50:37 GMT", 60.0),
        ("Sun Nov  6 08:50:37 1994", 60.0),
        ("Sun, 06 Nov 1994 08:48:37 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", MAX_SECONDS),
        ("Sun, 31 Feb 1994 08:49:37 GMT", None),
        ("Sun, 06 Nov 1994 24:49:37 GMT", None),
        ("Sun, 06 Foo 1994 08:49:37 GMT", None),
        ("-5", None),
        ("1.5", None),
        ("²", None),
        ("", None),
    ],
)
def test_retry_after_is_read(value: str, seconds: float | None) -> None:
    assert retry_after(value, NOW) == seconds


def test_leap_second_is_read() -> None:
    assert http_date("Sat, 31 Dec 2016 23:59:60 GMT") == datetime(2017, 1, 1, tzinfo=UTC).timestamp()


# Refresh.


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("5", (5.0, None)),
        ("0; url=/x", (0.0, "/x")),
        ("0;URL = '/x y' z", (0.0, "/x y")),
        ('3,url="/x', (3.0, "/x")),
        ("1 /x", (1.0, "/x")),
        ("1;/x", (1.0, "/x")),
        (".5; url=/x", (0.0, "/x")),
        (" 1.9.9 ; url=/x", (1.0, "/x")),
        ("2; urls=/x", (2.0, "urls=/x")),
        ("2; url", (2.0, "url")),
        ("2; url=", (2.0, None)),
        ("2;;url=/x", (2.0, ";url=/x")),
        ("9" * 5000 + ";url=x", (MAX_SECONDS, "x")),
        ("5x", None),
        ("x", None),
        ("-1; url=/x", None),
        ("; url=/x", None),
        ("", None),
    ],
)
def test_refresh_is_read(value: str, expected: tuple[float, str | None] | None) -> None:
    assert refresh(value) == expected


# Cache-Control.


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("max-age=60", 60.0),
        ("public, MAX-AGE = 60", 60.0),
        ('max-age="60"', 60.0),
        ("max-age=60, max-age=10", 60.0),
        ("max-age=60, no-cache", 0.0),
        ("no-store", 0.0),
        ("s-maxage=60", None),
        ("max-age=-1", None),
        ("max-age=" + "9" * 5000, MAX_SECONDS),
        ("", None),
    ],
)
def test_max_age_is_read(value: str, seconds: float | None) -> None:
    assert max_age(value) == seconds


# Laws.


@given(st.text() | st.text("<>;=\"'\\, \tabUurl0123456789:/.*-\n", max_size=60))
def test_any_value_is_read_without_an_error(value: str) -> None:
    for link in link_header([value]):
        assert link.title is None or isinstance(link.title, str)
    content_type(value)
    robots_tag([value], value)
    max_age(value)
    for seconds in (retry_after(value, NOW), (refresh(value) or (None,))[0]):
        assert seconds is None or 0 <= seconds <= MAX_SECONDS


@given(st.text("/ab;,=", min_size=1), st.text(st.characters(codec="latin-1", exclude_categories=["Cc"])))
def test_quoted_parameter_comes_back(target: str, title: str) -> None:
    quoted = re.sub(r'(["\\])', r"\\\1", title)
    assert link_header([f'<{target}>; title="{quoted}"; rel=x']) == [(target, {"title": title, "rel": "x"})]


@given(st.integers(0, 2**34))
def test_date_comes_back(seconds: int) -> None:
    assert http_date(f"{datetime.fromtimestamp(seconds, UTC):%a, %d %b %Y %H:%M:%S GMT}") == seconds
