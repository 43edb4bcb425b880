"""The native doubles answer like the functions in Python, on every page."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.micro import PROFILES, make_page
from bench.torture.html import BOMBS, body_of
from crawler import guard, url
from crawler.extract import ExtractSettings
from crawler.extract.tree import parse
from crawler.extract.walk import Element, walk, walk_slowly
from tests.vectors import load

native: Any = pytest.importorskip("crawler.native", reason="not compiled: make compile", exc_type=ImportError)

SETTINGS = ExtractSettings(anchor_bytes=24)

PIECES = (
    *(
        "<a href=x>",
        "<a href='y#z' rel=nofollow title=' t  u '>",
        "<A name=n>",
        "</a>",
        "<a aria-label=l xlink:href=v>",
    ),
    *("<img src=i alt=' an  image '>", "<img>", "<picture>", "</picture>", "<svg>", "</svg>", "<title>T  t</title>"),
    *("<nav>", "</nav>", "<main role=none>", "</main>", "<div role='x BANNER'>", "</div>", "<table role=presentation>"),
    *("<tr><td>", "</table>", "<p>", "<section>", "</section>", "<footer>", "<form action=f>", "<body role=main>"),
    *("<script>s<a href=q>", "</script>", "<style>b</style>", "<iframe src=f>", "</iframe>", "<noframes>n</noframes>"),
    *(
        "<template>",
        "</template>",
        "<map><area href=a alt=w>",
        "<object data=d>",
        "<base href=b>",
        "<meta name=robots>",
    ),
    *("<link rel=icon href=k>", "<unknown-element role=article>", "<b>", "</b>", "<!-- c -->", "<select><option>"),
    *(
        " plain text ",
        "\n\t  spaced \f\r out",
        "a no-break\u00a0space",
        "\x0b\x1c",
        "ein längerer Text, ägyptisch",
        "&amp;\0",
    ),
)
"""What decides how anchors are read: images, hidden text, places, foreign content, tables that move things."""


def assert_same(body: bytes) -> list[Element]:
    root = parse(body, "utf-8").root
    assert root is not None
    for anchors in (True, False):
        assert walk(root, SETTINGS, anchors) == walk_slowly(root, SETTINGS, anchors)
    return walk(root, SETTINGS)


@given(
    st.lists(st.sampled_from(PIECES), max_size=40), st.sampled_from([b"", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf"])
)
def test_the_walk_is_the_same_on_any_soup(pieces: list[str], bad: bytes) -> None:
    assert_same(bad + bad.join(piece.encode() for piece in pieces))


@pytest.mark.parametrize("name", ["html5lib_anchors.json", "link_extraction.json"])
def test_the_walk_is_the_same_on_the_reference_cases(name: str) -> None:
    found = [assert_same(row["html"].encode(errors="surrogatepass")) for row in load(name) if "html" in row]
    assert sum(map(len, found)) > 50


@pytest.mark.parametrize("size", PROFILES)
def test_the_walk_is_the_same_on_a_page_of_any_size(size: str) -> None:
    assert len(assert_same(make_page(*PROFILES[size]))) > 10


@pytest.mark.parametrize("name", BOMBS)
def test_the_walk_is_the_same_on_a_small_bomb(name: str) -> None:
    assert_same(body_of(name, 0.001)[:20_000])


def test_context_is_read_in_python() -> None:
    root = parse(b"<p>before <a href=x>t</a> after", "utf-8").root
    assert root is not None
    (element,) = walk(root, ExtractSettings(context=True))
    assert element[6:] == ("before", "after")


@given(
    st.binary(max_size=64)
    | st.lists(st.sampled_from([b"<", b"b", b"B", b"em", b" ", b"/", b"x", b"\xff"])).map(b"".join)
)
def test_marks_are_the_same_in_any_bytes(body: bytes) -> None:
    assert native.find_marks(body, guard.PAIRS) == guard.find_marks(body, guard.PAIRS)


HREF = st.lists(
    st.sampled_from(
        [
            *"/?#.%:@2a_Z0- é\t\x7f\"'",
            "..",
            "//",
            "/.",
            "%2e",
            "http://",
            "https://",
            "http:",
            "ftp://",
            "a.example",
            "x/",
        ]
    ),
    max_size=12,
).map("".join)


@given(HREF)
def test_the_sort_is_the_same_of_any_href(href: str) -> None:
    assert native.sort_of(href, url.URL_BYTES_MAX) == url.sort_of(href, url.URL_BYTES_MAX)


@pytest.mark.parametrize("start", ["/", "a", "?", "http://h/", "https://h.example/a", "a?", f"a{'b' * 8192}?"])
@pytest.mark.parametrize("end", ["", "?", "?b"])
def test_the_sort_is_the_same_around_the_longest(start: str, end: str) -> None:
    for size in range(url.URL_BYTES_MAX - 4, url.URL_BYTES_MAX + 4):
        href = start + "c" * size + end
        assert native.sort_of(href, url.URL_BYTES_MAX) == url.sort_of(href, url.URL_BYTES_MAX)


def test_marks_need_a_whole_table() -> None:
    with pytest.raises(ValueError, match="65,536"):
        native.find_marks(b"<", b"\1")
