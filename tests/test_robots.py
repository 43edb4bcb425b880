from __future__ import annotations

import base64
import re
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.robots import ALLOW_ALL, DISALLOW_ALL, INDEX_FROM_RULES, MAX_BYTES, Rules, parse
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


@pytest.mark.parametrize(
    ("rule", "path", "matched"),
    [
        pytest.param("/a%2fb", "/a%2Fb", True, id="hex digits in any case"),
        pytest.param("/a%2Fb", "/a/b", False, id="an encoded slash is no slash"),
        pytest.param("/%7Ejoe", "/~joe", True, id="unreserved octets are decoded"),
        pytest.param("/a b", "/a%20b", True, id="a raw space is an encoded one"),
        pytest.param("/q?u=http://x", "/q?u=http%3A%2F%2Fx", True, id="encoded data in a query"),
        pytest.param("/q?u=http%3A%2F%2Fx", "/q?u=http://x", True, id="encoded data in a rule's query"),
        pytest.param("/*%2Fx", "/q?u=%2Fx", True, id="encoded as the rule has it, no question mark there"),
        pytest.param("/100%", "/100%25", True, id="a stray percent sign"),
        pytest.param("/a$b", "/a$b", True, id="a dollar inside is a dollar"),
        pytest.param("/a%24", "/a$", True, id="an encoded dollar is a dollar"),
        pytest.param("/a%24", "/a", False, id="an encoded dollar ends nothing"),
        pytest.param("/*$", "/anything", True, id="star dollar is everything"),
        pytest.param("/a*$", "/a", True, id="a star may be empty"),
        pytest.param("/a*a", "/a", False, id="two letters are not one"),
        pytest.param("/*ab*ab$", "/ab", False, id="the tail does not overlap the middle"),
        pytest.param("/*ab$", "/abab", True, id="the tail is the last one"),
        pytest.param("a", "/a", False, id="no slash in front"),
    ],
)
def test_rule_matches_path(rule: str, path: str, matched: bool) -> None:
    assert for_everyone(f"Disallow: {rule}").allowed(path) is not matched


@pytest.mark.parametrize(
    ("lines", "path", "allowed"),
    [
        pytest.param(["Disallow: /a/*", "Allow: /a/"], "/a/b", False, id="a trailing star is an octet"),
        pytest.param(["Disallow: /a/b", "Allow: /a/*b"], "/a/b", True, id="a wildcard is longer"),
        pytest.param(["Disallow: /a*b", "Allow: /a*b"], "/a/b", True, id="allow on a tie of wildcards"),
        pytest.param(["Allow: /a", "Disallow: /a$"], "/a", False, id="an anchor is an octet"),
        pytest.param(["Disallow: /", "Allow: /dir/index.html"], "/dir/", True, id="the index page is its folder"),
        pytest.param(["Disallow: /", "Allow: /dir/index.html"], "/dir/x", False, id="but not what is in it"),
    ],
)
def test_longest_rule_decides(lines: list[str], path: str, allowed: bool) -> None:
    assert for_everyone(*lines).allowed(path) is allowed


def test_robots_txt_itself_is_always_allowed() -> None:
    assert DISALLOW_ALL.allowed("/robots.txt")
    assert not DISALLOW_ALL.allowed("/robots.txt2")
    assert not DISALLOW_ALL.allowed("/")
    assert not DISALLOW_ALL.allowed("")
    assert ALLOW_ALL.allowed("/x?y")


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


HOSTILE = {
    "100,000 plain rules": b"".join(b"Disallow: /path/%d\n" % i for i in range(100_000)),
    "100,000 wildcards": b"".join(b"Disallow: /*%d.html$\n" % i for i in range(100_000)),
    "10,000 stars": b"Disallow: /" + b"*" * 10_000 + b"x$",
    "10,000 stars and letters": b"Disallow: /" + b"*a" * 10_000 + b"b",
    "nested prefixes": b"".join(b"Disallow: /" + b"a" * i + b"\n" for i in range(1000)),
    "many star rules": b"".join(b"Disallow: /" + b"*a" * 100 + b"*b%d\n" % i for i in range(2000)),
    "empty lines": b"\n" * MAX_BYTES,
    "one line": b"Disallow: " + b" " * MAX_BYTES,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_file_costs_bounded_time(name: str) -> None:
    start = time.process_time()
    rules = parse(b"User-agent: *\n" + HOSTILE[name], "x")
    parsed = time.process_time()
    for _ in range(10):
        rules.allowed("/" + "a" * 2000)
    matched = time.process_time()
    # Some ten times what they take here, for slow and busy machines.
    assert parsed - start < 1.5
    assert (matched - parsed) / 10 < 0.03


@given(st.binary(max_size=300), st.text(max_size=20), st.text(max_size=50))
def test_anything_parses_and_answers(body: bytes, product: str, path: str) -> None:
    rules = parse(b"User-agent: *\nDisallow: /" + body, product)
    assert rules.allowed(path) in (True, False)


PATTERN = st.text("ab*$/", max_size=7).map(lambda text: "/" + text)


def naive_allowed(rules: list[tuple[bool, str]], path: str) -> bool:
    """Decide as RFC 9309 section 2.2.2 reads, by regular expressions; `$` inside a rule is never in these paths."""
    best = (0, True)
    for allow, rule in rules:
        literal = rule.removesuffix("$")
        expression = ".*".join(map(re.escape, literal.split("*"))) + ("$" if rule.endswith("$") else "")
        if re.match(expression, path) is not None:
            length = len(rule) + 2 * literal.count("$")  # it is compared as %24
            best = max(best, (length, allow))
    return best[1]


@settings(max_examples=300)
@given(st.lists(st.tuples(st.booleans(), PATTERN), max_size=8), st.text("ab/", max_size=9))
def test_matcher_agrees_with_a_naive_one(rules: list[tuple[bool, str]], rest: str) -> None:
    lines = [f"{'Allow' if allow else 'Disallow'}: {pattern}" for allow, pattern in rules]
    assert for_everyone(*lines).allowed("/" + rest) == naive_allowed(rules, "/" + rest)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text("ab*$", min_size=1, max_size=6), min_size=1), st.text("ab", max_size=9))
def test_many_wildcards_are_found_by_their_index(tails: list[str], rest: str) -> None:
    filler = [(False, f"/*{number}c") for number in range(INDEX_FROM_RULES)]
    rules = [*((number % 2 == 0, f"/*{tail}") for number, tail in enumerate(tails)), *filler]
    lines = [f"{'Allow' if allow else 'Disallow'}: {pattern}" for allow, pattern in rules]
    assert for_everyone(*lines).allowed("/" + rest) == naive_allowed(rules, "/" + rest)
