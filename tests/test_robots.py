from __future__ import annotations

import base64
import re
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.torture import robots as hostile
from crawler.robots import MAX_BYTES, parse
from crawler.robots_rules import Rules
from tests.known_differences import ROBOTS_DELAY_SITEMAPS, ROBOTS_MATCH
from tests.vectors import load


def body_of(row: dict[str, Any]) -> bytes:
    if row.get("robots_txt") is not None:
        return str(row["robots_txt"]).encode()
    return base64.b64decode(row["robots_txt_b64"])


def path_of(url: str) -> str:
    """Cut a reference row's URL down to path and query, leaving every octet as the row has it."""
    text = url.partition("#")[0]
    if "://" in text:
        found = re.search("[/?]", text.partition("://")[2])
        text = text.partition("://")[2][found.start() :] if found else "/"
    return text


def for_everyone(*lines: str) -> Rules:
    return parse("\n".join(("User-agent: *", *lines)).encode(), "Linkmill")


def test_reference_rows_are_matched_as_the_suites_agree() -> None:
    missed = {
        row["id"]
        for row in load("robots_match.json")
        if parse(body_of(row), row["user_agent"]).allowed(path_of(row["url"])) != row["allowed"]
    }
    assert missed == ROBOTS_MATCH.keys()


def test_reference_rows_of_crawl_delay_and_sitemaps_are_read() -> None:
    missed = set()
    for row in load("robots_delay_sitemaps.json"):
        rules = parse(body_of(row), row.get("user_agent", ""))
        same_delay = rules.crawl_delay_s == row.get("crawl_delay_s", rules.crawl_delay_s)
        if not same_delay or list(rules.sitemaps) != row.get("sitemaps", list(rules.sitemaps)):
            missed.add(f"{row['test']}:{row.get('line')}")
    assert missed == ROBOTS_DELAY_SITEMAPS.keys()


def test_product_is_its_token_alone() -> None:
    body = b"User-agent: linkmill/0.9 beta\nDisallow: /a\n\nUser-agent: *\nDisallow: /b\n"
    for product in ("Linkmill", "LINKMILL/1.0", "linkmill (+https://example.org/)"):
        assert not parse(body, product).allowed("/a")
        assert parse(body, product).allowed("/b")
    assert parse(body, "Link").allowed("/a")
    assert not parse(body, "").allowed("/b")


def test_longest_delay_of_a_group_holds() -> None:
    assert for_everyone("Crawl-delay: 2", "Crawl-delay: 5", "Crawl-delay: 3").crawl_delay_s == 5.0


def test_sitemaps_of_all_groups_are_kept_once_and_raw() -> None:
    body = "Sitemap: /a.xml\nUser-agent: x\nSitemap: https://e.example/ü.xml\nDisallow: /\nSitemap: /a.xml\n".encode()
    assert parse(body, "y").sitemaps == ("/a.xml", "https://e.example/ü.xml")


def test_rules_before_the_cap_are_kept_and_the_line_it_cuts_is_dropped() -> None:
    start = b"User-agent: *\nDisallow: /first\n#"
    cut = b"\nAllow: /first/cut-here\nDisallow: /last\n"
    body = start + b"x" * (MAX_BYTES - len(start) - 15) + cut
    assert body[:MAX_BYTES].endswith(b"\nAllow: /first/")
    rules = parse(body, "x")
    assert not rules.allowed("/first/cut-here")
    assert rules.allowed("/last")


def test_500_kib_are_parsed() -> None:
    start = b"User-agent: *\n#"
    assert not parse(start + b"x" * (500 * 1024) + b"\nDisallow: /last\n", "x").allowed("/last")


@pytest.fixture(scope="module")
def hostile_files() -> dict[str, bytes]:
    return hostile.files()


def test_hostile_files_parse_quickly(hostile_files: dict[str, bytes]) -> None:
    slow = {
        name: ms for name, body in hostile_files.items() if (ms := hostile.best_ms(partial(parse, body, "x"), 1)) > 400
    }
    assert slow == {}  # the bound is 100 ms, which a machine busy with tests may not keep: bench.torture.robots does


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\n\r\n"])
def test_lines_end_in_any_way(end: str) -> None:
    rules = parse(end.join(["User-agent: *", "Disallow: /a # why", "", "#", "Allow: /a/b"]).encode(), "x")
    assert [rules.allowed(path) for path in ("/a", "/a/b", "/b")] == [False, True, True]


@pytest.mark.parametrize(
    ("line", "means"),
    [
        pytest.param(" \x0bDISALLOW\t: /a ", True, id="blanks and capitals"),
        pytest.param("Disallow /a", True, id="no colon"),
        pytest.param("\tdisallow \x0c /a\t", True, id="no colon, blanks"),
        pytest.param("Disallow\x0b/a", False, id="no colon, no blank"),
        pytest.param("Disallow#: /a", False, id="a comment instead of a value"),
        pytest.param("Disallow: #/a", False, id="a comment as value"),
    ],
)
def test_line_is_a_rule(line: str, means: bool) -> None:
    assert for_everyone(line).allowed("/a") is not means


def test_bare_word_without_a_value_ends_no_group() -> None:
    rules = parse(b"User-agent: x\nDisallow \nUser-agent: y\nDisallow: /a\n", "x")
    assert not rules.allowed("/a")


def test_group_of_the_product_holds_wherever_it_stands() -> None:
    own, others = b"User-agent: x\nDisallow: /own\n", b"User-agent: *\nDisallow: /others\n"
    for body in (own + others, others + own, own + others + own, b"User-agent: x\n" + others + own):
        assert not parse(body, "x").allowed("/own")
    assert parse(own + others, "x").allowed("/others")
    assert not parse(b"User-agent: x\n" + others, "x").allowed("/others")


@settings(max_examples=40)
@given(st.binary(max_size=300), st.text(max_size=20), st.text(max_size=50))
def test_anything_parses_and_answers(body: bytes, product: str, path: str) -> None:
    rules = parse(b"User-agent: *\nDisallow: /" + body, product)
    assert rules.allowed(path) in (True, False)
