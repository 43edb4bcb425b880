"""The guard lets through what is harmless for certain: real pages mostly, and no page that hurts the parser."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.micro import PROFILES, make_page
from bench.torture.html import BOMBS, body_of
from crawler.extract import ExtractSettings, extract
from crawler.guard import Verdict, is_small, judge
from tests.vectors import load

HERE_S = 0.4
"""What parsing here may take while a machine does other things too; `bench/torture/html.py` measures the promise."""

SHAPES: dict[str, Callable[[int], str]] = {
    "'<div>'*n": lambda n: "<div>" * n,
    "'<div>'*n+'</div>'*n": lambda n: "<div>" * n + "</div>" * n,
    "'<a '+' '.join('a%d=1'%i for i in range(n))+'>'": lambda n: f"<a {' '.join(f'a{i}=1' for i in range(n))}>",
    "'<a href=x><b><i>'*n": lambda n: "<a href=x><b><i>" * n,
    "''.join('<b %d>'%i for i in range(n))+''.join('<i %d>'%i for i in range(n))+'x</b>'*n": lambda n: (
        "".join(f"<b {i}>" for i in range(n)) + "".join(f"<i {i}>" for i in range(n)) + "x</b>" * n
    ),
    "'<ul><li>'*n": lambda n: "<ul><li>" * n,
    "'<a href=/p>x</a>'*n": lambda n: "<a href=/p>x</a>" * n,
    "'<span>'*n": lambda n: "<span>" * n,
    "'<table><tr><td>'*n": lambda n: "<table><tr><td>" * n,
    "'<svg>'*n": lambda n: "<svg>" * n,
    "'<a href=\"'+'&amp;'*n+'\">x</a>'": lambda n: f'<a href="{"&amp;" * n}">x</a>',
    "'<a href=x>y'*n": lambda n: "<a href=x>y" * n,
}
"""The generators of the reference cases; their text is Python, which nobody evaluates."""


def parse_s(body: bytes) -> float:
    began = time.process_time()
    extract(body, "utf-8", "http://a.test/", ExtractSettings())
    return time.process_time() - began


def test_known_bombs_are_not_parsed_here_unless_they_are_harmless() -> None:
    for case in load("html_bombs.json"):
        body = SHAPES[case["generator"]](case["n"]).encode()
        if judge(body, "utf-8") is Verdict.HERE:
            assert parse_s(body) < HERE_S, case["name"]


@pytest.mark.parametrize("name", [name for name in BOMBS if "million" not in name and "16 MiB" not in name])
def test_what_passes_the_guard_is_parsed_quickly_at_every_size(name: str) -> None:
    """Each shape is tried at the largest size that the guard lets through."""
    scales = [1.0 / 2**halvings for halvings in range(14)]
    body = next((body for scale in scales if judge(body := body_of(name, scale), "utf-8") is Verdict.HERE), b"")
    assert parse_s(body) < HERE_S


@pytest.mark.parametrize("size", PROFILES)
def test_pages_of_ordinary_make_are_parsed_here(size: str) -> None:
    body = make_page(*PROFILES[size])
    assert judge(body, "utf-8") is (Verdict.HERE if len(body) < 1_000_000 else Verdict.ISOLATE)


@pytest.mark.parametrize("package", ["sqlite3-doc", "postgresql-doc-15", "python3.11-doc"])
def test_no_page_of_a_documentation_tree_is_refused(package: str, doc_tree: Callable[[str], Path]) -> None:
    verdicts = [judge(path.read_bytes(), "utf-8") for path in doc_tree(package).rglob("*.html")]
    assert Verdict.REFUSE not in verdicts
    assert verdicts.count(Verdict.HERE) > len(verdicts) / 2


LONG = b"<p>some longer text</p>\n" * 1_400
"""Ordinary markup of 34 KB."""


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        pytest.param(b"", Verdict.HERE, id="nothing"),
        pytest.param(b"<", Verdict.HERE, id="one byte"),
        pytest.param(LONG, Verdict.HERE, id="paragraphs"),
        pytest.param(LONG + b"<", Verdict.HERE, id="a mark at the end"),
        pytest.param(b"x" * 200_000, Verdict.HERE, id="one long word"),
        pytest.param(b"<p>" + b"x y " * 80_000, Verdict.ISOLATE, id="more words than names may be"),
        pytest.param(b"<a " + b"".join(b"a%d " % n for n in range(12_000)) + b">", Verdict.ISOLATE, id="attributes"),
        pytest.param(
            b"<a " + b"".join(b"a%d='\">' " % n for n in range(9_000)) + b">",
            Verdict.ISOLATE,
            id="attributes between quoted ends",
        ),
        pytest.param(
            b"<a " + b"".join(b'a%d=">" ' % n for n in range(9_000)) + b">",
            Verdict.ISOLATE,
            id="attributes between ends in values",
        ),
        pytest.param(b"<p x='" + b"a=b " * 9_000 + b">", Verdict.ISOLATE, id="a value that does not end"),
        pytest.param(b"<script>" + b"x=1;" * 9_000 + b"</script>", Verdict.HERE, id="a script"),
        pytest.param(b"<BODY a=1>" * 3_000, Verdict.ISOLATE, id="many bodies"),
        pytest.param(b"<b a='" + b"<p>x" * 1_500, Verdict.ISOLATE, id="formatting that does not end"),
        pytest.param(b"<b>" * 1_000_001, Verdict.REFUSE, id="a million elements"),
        pytest.param(b"<" * 2_000_000, Verdict.ISOLATE, id="marks that begin nothing"),
    ],
)
def test_page_is_judged_by_its_counts(body: bytes, verdict: Verdict) -> None:
    assert judge(body, "utf-8") is verdict


def test_page_in_an_encoding_beyond_ascii_is_judged_by_its_size_alone() -> None:
    body = LONG.decode().encode("utf-16-le")
    assert judge(body, "utf-16le") is Verdict.ISOLATE
    assert is_small(body[:6_000])


def test_time_of_the_guard_grows_no_faster_than_the_page() -> None:
    """Pages made to hurt the guard itself: places that are never certain, tags that never end."""
    for piece in (b"='\">", b'<b a="', b"'\">", b'=">', b"<b a='1' ", b"<body x"):
        body = (piece * (1 << 20))[: 1 << 20]
        body = body.replace(b"<", b" ", max(0, body.count(b"<") - 4_000))
        began = time.process_time()
        judge(body, "utf-8")
        assert time.process_time() - began < 0.1, piece
