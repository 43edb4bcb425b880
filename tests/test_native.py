"""The native doubles answer like the functions in Python, on every page."""

from __future__ import annotations

import gc
from typing import Any

import ada_url
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.micro import PROFILES, make_page
from bench.torture.html import BOMBS, body_of
from crawler import guard, url
from crawler.extract import ExtractSettings, Page
from crawler.extract.elements import Reading, read
from crawler.extract.rows import Rows, count_slowly
from crawler.extract.tree import TAGS, Node, parse
from crawler.extract.walk import Element, tagged, walk, walk_slowly
from crawler.url import Resolver
from storage.records import Kind, LinkRow, Rel
from tests.vectors import load

native: Any = pytest.importorskip("crawler.native", reason="not compiled: make compile", exc_type=ImportError)

SETTINGS = ExtractSettings(anchor_bytes=24)
PAGE = "http://h.example:81/a/b/c?d"

PIECES = (
    *(
        "<a href=x>",
        "<a href='y#z' rel=nofollow title=' t  u '>",
        "<A name=n>",
        "</a>",
        "<a aria-label=l xlink:href=v>",
    ),
    *("<img src=i alt=' an  image '>", "<img>", "<picture>", "</picture>", "<svg>", "</svg>", "<title>T  t</title>"),
    *(
        "<nav>",
        "</nav>",
        "<main role=none>",
        "</main>",
        "<div role='x BANNER'>",
        "<html role=main>",
        "<svg role=figure xlink:role=form>",
        "<p role>",
        "<li role=' '>",
        "</div>",
        "<table role=presentation>",
    ),
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
        found, expected = walk(root, SETTINGS, anchors), walk_slowly(root, SETTINGS, anchors)
        assert list(found) == expected
        assert len(found) == len(expected)
        assert tagged(found, TAGS["a"]) == tagged(expected, TAGS["a"])
    assert_same_links(root)
    return list(walk(root, SETTINGS))


def assert_same_links(root: Node, settings: ExtractSettings = SETTINGS, page_url: str = PAGE) -> Page:
    pages = []
    for elements, is_native in ((walk(root, settings), True), (walk_slowly(root, settings), False)):
        page = Page()
        rows = Rows(page, Resolver(page_url), settings)
        read(Reading(page, page_url, rows, settings), elements)
        rows.finish()
        count = native.count_links if is_native else count_slowly
        count(page, url.host_of(page_url), url.domains_of, int(Rel.NOFOLLOW))
        pages.append(page)
    assert pages[0] == pages[1]
    assert [type(row) for row in pages[0].links] == [LinkRow] * len(pages[1].links)
    assert [list(map(type, row)) for row in pages[0].links] == [list(map(type, row)) for row in pages[1].links]
    return pages[0]


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
    | st.lists(
        st.sampled_from([b"<", b"<b", b"<B", b"em", b"<eM", b"BODY", b" ", b"\n", b"/", b"x", b"1", b"\xff"])
    ).map(b"".join)
)
def test_marks_are_the_same_in_any_bytes(body: bytes) -> None:
    assert native.find_marks(body, guard.PAIRS, guard.COUNTED) == guard.find_marks(body)


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


@given(HREF | st.text(max_size=8))
def test_a_joined_url_is_the_same(href: str) -> None:
    try:
        expected = ada_url.join_url(PAGE, href)
    except ValueError:
        with pytest.raises(ValueError):
            native.join_url(PAGE, href)
    else:
        assert native.join_url(PAGE, href) == expected


@pytest.mark.parametrize("href", ["\ud800", "http://[", "http://h:99999/"])
def test_an_href_that_leads_nowhere_is_refused(href: str) -> None:
    with pytest.raises(ValueError):
        native.join_url(PAGE, href)


ATTRIBUTES = st.lists(
    st.sampled_from(
        [
            *(
                "rel=nofollow",
                "rel='me NoFollow'",
                "rel",
                "title=t",
                "title=' '",
                "title='a  b'",
                "aria-label=l",
                "alt=w",
            ),
            *("alt='ä\xa0 b c'", "srcset='i 1x, j 2x'", "poster=p", "hreflang=de", "role=main", "xlink:href=x"),
            "title='longer than it may be, by far'",
        ]
    ),
    max_size=3,
).map(" ".join)

STARTS = ("a href", "img src", "script src", "iframe src", "video src", "q cite", "area href", "svg><a href")
HREFS = (
    *("", "#", "#a", "/x", "/x#y", "../x", "../../../../x/../y", "../", "../#f", "../?q", "x?y", "//j.example/"),
    *("http://h.example:81/a/b/c?d#e", "http://h.example/x", "http://i.example/x", "https://127.0.0.1/"),
)
TEXTS = ("", "t", "u  v", "<img alt=i>", "<img alt=i src=/x>t", "a text that is longer than it may be")
LINK = st.tuples(st.sampled_from(STARTS), HREF | st.sampled_from(HREFS), ATTRIBUTES, st.sampled_from(TEXTS))


@given(st.lists(LINK, max_size=12), st.sampled_from([0, 1, 3, 20_000]), st.sampled_from([frozenset(), {Kind.A}]))
def test_the_links_are_the_same_of_any_elements(
    links: list[tuple[str, str, str, str]], most: int, kinds: frozenset[Kind]
) -> None:
    body = "".join(
        f'<{start}="{href.replace(chr(34), "&quot;")}" {attributes}>{text}</a></svg></script></iframe>'
        for start, href, attributes, text in links
    )
    root = parse(body.encode(), "utf-8").root
    assert root is not None
    settings = ExtractSettings(anchor_bytes=24, max_links=most, kinds=frozenset(kinds))
    assert_same_links(root, settings)


@pytest.mark.parametrize("tail", ["", "#f", "?q", "#" + "f" * url.URL_BYTES_MAX])
def test_the_links_are_the_same_around_the_longest(tail: str) -> None:
    for start in ("/", "../", "a", "http://i.example/", "#"):
        for size in range(url.URL_BYTES_MAX - 3, url.URL_BYTES_MAX + 3):
            root = parse(f"<a href='{start}{'c' * size}{tail}'>t</a>".encode(), "utf-8").root
            assert root is not None
            assert_same_links(root)


def test_elements_outlive_the_parser() -> None:
    elements = walk(parse(b"<a href=x title=y>t</a>", "utf-8").root, SETTINGS)  # type: ignore[arg-type]
    gc.collect()
    assert list(elements) == [(TAGS["a"], {"href": "x", "title": "y"}, 0, "t", False, None, None, None)]


def test_a_base_that_is_no_normal_form_is_refused() -> None:
    root = parse(b"<a href=x>t</a>", "utf-8").root
    assert root is not None
    with pytest.raises(ValueError, match="is no part of a normal form"):
        assert_same_links(root, page_url="http://\u00e4.example/")


@pytest.mark.parametrize("start", ["/", "a", "?", "http://h/", "https://h.example/a", "a?", f"a{'b' * 8192}?"])
@pytest.mark.parametrize("end", ["", "?", "?b"])
def test_the_sort_is_the_same_around_the_longest(start: str, end: str) -> None:
    for size in range(url.URL_BYTES_MAX - 4, url.URL_BYTES_MAX + 4):
        href = start + "c" * size + end
        assert native.sort_of(href, url.URL_BYTES_MAX) == url.sort_of(href, url.URL_BYTES_MAX)


def test_marks_need_a_whole_table() -> None:
    with pytest.raises(ValueError, match="65,536"):
        native.find_marks(b"<", b"\1", guard.COUNTED)
