"""`crawler.extract`: what links, what is counted, what a page says, and that no markup at all breaks it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.extract import ExtractSettings, Refresh, extract, extract_header
from crawler.extract.head import BASE_BYTES_MAX
from storage.records import Kind, Rel, Robots
from tests.extraction import HERE, PAGE, only, read

KINDS = [
    ("anchor", "<a href=x>t</a>", Kind.A),
    ("SVG anchor", "<svg><a href=x><text>t</text></a></svg>", Kind.A),
    ("SVG anchor of old", "<svg><a xlink:href=x><text>t</text></a></svg>", Kind.A),
    ("area", "<map><area href=x></map>", Kind.AREA),
    ("canonical", "<link rel=canonical href=x>", Kind.LINK_CANONICAL),
    ("alternate", "<link rel=alternate hreflang=de href=x>", Kind.LINK_ALTERNATE),
    ("next", "<link rel=next href=x>", Kind.LINK_NEXT),
    ("prev", "<link rel=PREV href=x>", Kind.LINK_PREV),
    ("previous is prev", "<link rel=previous href=x>", Kind.LINK_PREV),
    ("amphtml", "<link rel=amphtml href=x>", Kind.LINK_AMPHTML),
    ("sitemap", "<link rel=sitemap type=application/xml href=x>", Kind.SITEMAP),
    ("other relation", "<link rel=author href=x>", Kind.LINK_OTHER),
    ("link without rel", "<link href=x>", Kind.LINK_OTHER),
    ("RSS feed", "<link rel=alternate type=application/rss+xml href=x>", Kind.FEED),
    ("Atom feed", "<link rel=alternate type='Application/Atom+XML; charset=utf-8' href=x>", Kind.FEED),
    ("JSON feed", "<link rel=alternate type=application/feed+json href=x>", Kind.FEED),
    ("API in JSON is no feed", "<link rel=alternate type=application/json href=x>", Kind.LINK_ALTERNATE),
    ("stylesheet", "<link rel=stylesheet href=x>", Kind.RESOURCE),
    ("alternate stylesheet", "<link rel='alternate stylesheet' href=x>", Kind.RESOURCE),
    ("icon", "<link rel='shortcut icon' href=x>", Kind.RESOURCE),
    ("touch icon", "<link rel=apple-touch-icon href=x>", Kind.RESOURCE),
    ("preload", "<link rel=preload href=x>", Kind.RESOURCE),
    ("module", "<link rel=modulepreload href=x>", Kind.RESOURCE),
    ("manifest", "<link rel=manifest href=x>", Kind.RESOURCE),
    ("script", "<script src=x></script>", Kind.RESOURCE),
    ("meta refresh", "<meta http-equiv=refresh content='3; url=x'>", Kind.META_REFRESH),
    ("iframe", "<iframe src=x></iframe>", Kind.FRAME),
    ("frame", "<frameset><frame src=x></frameset>", Kind.FRAME),
    ("form", "<form action=x></form>", Kind.FORM),
    ("image", "<img src=x>", Kind.EMBED),
    ("image candidates alone", "<img srcset='x 2x'>", Kind.EMBED),
    ("source of a picture", "<picture><source srcset=x></picture>", Kind.EMBED),
    ("video", "<video src=x></video>", Kind.EMBED),
    ("poster", "<video poster=x></video>", Kind.EMBED),
    ("audio", "<audio src=x></audio>", Kind.EMBED),
    ("track", "<video><track src=x></video>", Kind.EMBED),
    ("source of a video", "<video><source src=x></video>", Kind.EMBED),
    ("object", "<object data=x></object>", Kind.EMBED),
    ("embed", "<embed src=x>", Kind.EMBED),
    ("image button", "<input type=IMAGE src=x>", Kind.EMBED),
    ("blockquote", "<blockquote cite=x></blockquote>", Kind.CITE),
    ("quote", "<q cite=x></q>", Kind.CITE),
    ("insertion", "<ins cite=x></ins>", Kind.CITE),
    ("deletion", "<del cite=x></del>", Kind.CITE),
]


@pytest.mark.parametrize(("html", "kind"), [case[1:] for case in KINDS], ids=[case[0] for case in KINDS])
def test_element_is_a_link_of_its_kind(html: str, kind: Kind) -> None:
    link = only(html)
    assert (link.target, link.target_host, link.kind) == (HERE + "x", "www.example.org", kind)
    assert only(html, kinds=frozenset({kind})) == link
    assert read(html, kinds=frozenset(Kind) - {kind}).links == []


NO_LINKS = [
    ("anchor without href", "<a name=x>t</a>"),
    ("anchor in a template", "<template><a href=x>t</a></template>"),
    ("anchor in a comment", "<!-- <a href=x>t</a> -->"),
    ("anchor in a script", "<script>'<a href=x>t</a>'</script>"),
    ("anchor in a textarea", "<textarea><a href=x>t</a></textarea>"),
    ("anchor in an iframe's fallback", "<iframe><a href=x>t</a></iframe>"),
    ("lazy image", "<img data-src=x>"),
    ("text button with src", "<input type=text src=x>"),
    ("form sent to its own page", "<form></form>"),
    ("reload", "<meta http-equiv=refresh content=30>"),
    ("empty candidates", "<img srcset=' , '>"),
    ("base", "<base href=x>"),
]


@pytest.mark.parametrize("html", [case[1] for case in NO_LINKS], ids=[case[0] for case in NO_LINKS])
def test_is_no_link(html: str) -> None:
    page = read(html)
    assert page.links == []
    assert (page.bad_href, page.same_document, page.other_scheme, page.links_dropped) == (0, 0, 0, 0)


def test_noscript_holds_links_in_head_and_body() -> None:
    page = read("<head><noscript><link rel=icon href=i></noscript></head><noscript><a href=x>t</a></noscript>")
    assert [link.target for link in page.links] == [HERE + "i", HERE + "x"]


def test_identical_links_fold_and_others_do_not() -> None:
    links = read(
        "<a href=x>t</a><a href=y>t</a><a href=x#f>t</a><a href=x> t </a>"
        "<a href=x rel=me>t</a><nav><a href=x>t</a></nav>"
    ).links
    assert [(link.target, link.ordinal, link.repeats, link.fragment) for link in links] == [
        (HERE + "x", 0, 2, None),
        (HERE + "y", 1, 0, None),
        (HERE + "x", 2, 0, None),
        (HERE + "x", 3, 0, None),
    ]


def test_links_over_the_cap_are_counted() -> None:
    page = read("".join(f"<a href=x{n}>t</a><area href=y{n}>" for n in range(10)) + "<a href='#'>t</a>", max_links=5)
    assert (len(page.links), page.links_dropped, page.same_document) == (5, 15, 1)
    assert read("<a href=x>t</a>", max_links=0).links_dropped == 1


def test_what_is_no_link_is_counted() -> None:
    page = read(
        "<a href>t</a><a href=''>t</a><a href=#x>t</a><a href=page.html#x>t</a><a href=javascript:x>t</a>"
        "<a href=mailto:x>t</a><img src=data:image/gif;base64,AA><a href='http://[/'>t</a><a href=page.html>self</a>"
    )
    assert (page.same_document, page.other_scheme, page.bad_href) == (4, 3, 1)
    assert [link.target for link in page.links] == [PAGE]


def test_rows_are_counted_by_where_they_lead() -> None:
    page = read(
        "<a href=x>t</a><a href=x>t</a><a href=https://shop.example.org/ rel=nofollow>t</a>"
        "<a href=https://a.example/>t</a><a href=https://b.a.example/ rel='ugc nofollow'>t</a><a href=https://c.example/>t</a>"
    )
    assert (page.internal, page.external, page.external_domains, page.nofollow) == (2, 3, 2, 2)


HEADS: list[tuple[str, str, dict[str, object]]] = [
    ("title", "<title> A\n title &amp; more </title><title>second</title>", {"title": "A title & more"}),
    ("title of a drawing is not the page's", "<svg><title>s</title></svg><title>t</title>", {"title": "t"}),
    ("empty title", "<title> </title>", {"title": None}),
    ("language", "<html lang=de-AT>", {"lang": "de-AT"}),
    ("language by meta", "<meta http-equiv=content-language content='fr '>", {"lang": "fr"}),
    ("two languages are none", "<meta http-equiv=content-language content='fr, de'>", {"lang": None}),
    (
        "canonical",
        "<link rel=canonical href=/c#f><link rel=canonical href=d>",
        {"canonical": "https://www.example.org/c"},
    ),
    (
        "canonical in the base",
        "<link rel=canonical href=c><base href=/b/>",
        {"canonical": "https://www.example.org/b/c"},
    ),
    ("broken canonical", "<link rel=canonical href='http://['>", {"canonical": None, "bad_href": 1}),
    ("base", "<base target=x><base href=/b/c><base href=/d/>", {"base": "https://www.example.org/b/c"}),
    ("base without http", "<base href=data:,x>", {"base": None}),
    ("generator", "<meta name=Generator content=' W  1 '>", {"generator": "W 1"}),
    ("robots", "<meta name=ROBOTS content='NoIndex, nofollow'>", {"robots": Robots.NOINDEX | Robots.NOFOLLOW}),
    ("robots add up", "<meta name=robots content=noindex><meta name=linkmill content=noarchive>", {"robots": 5}),
    ("robots of others", "<meta name=otherbot content=noindex>", {"robots": 0, "has_robots": False}),
    ("robots that allow", "<meta name=robots content=all>", {"robots": 0, "has_robots": True}),
    ("refresh", "<meta http-equiv=Refresh content='5;URL=x#f'>", {"refresh": Refresh(5.0, HERE + "x")}),
    ("reload is no refresh", "<meta http-equiv=refresh content=5>", {"refresh": None}),
]


@pytest.mark.parametrize(("html", "expected"), [case[1:] for case in HEADS], ids=[case[0] for case in HEADS])
def test_page_says_about_itself(html: str, expected: dict[str, object]) -> None:
    page = read(html)
    assert {name: getattr(page, name) for name in expected} == expected


def test_head_is_read_whatever_kinds_are_kept() -> None:
    page = read(
        "<link rel=canonical href=c><meta http-equiv=refresh content='0;url=x'><a href=y>t</a>",
        kinds=frozenset({Kind.A}),
    )
    assert (page.canonical, page.refresh) == (HERE + "c", Refresh(0.0, HERE + "x"))
    assert [link.kind for link in page.links] == [Kind.A]


def test_base_resolves_links_before_and_after_it() -> None:
    page = read("<a href=x>t</a><base href=//cdn.example/b/><a href=y>t</a><a href=#z>t</a>")
    assert [link.target for link in page.links] == ["https://cdn.example/b/x", "https://cdn.example/b/y"]
    assert page.same_document == 1


def test_legacy_encoding_is_decoded_and_used_for_queries() -> None:
    page = read("<title>д</title><a href='/ж?q=ж'>ж</a>".encode("cp1251"), "windows-1251")
    assert (page.title, page.links[0].anchor) == ("д", "ж")
    assert page.links[0].target == "https://www.example.org/%D0%B6?q=%E6"


def test_byte_order_mark_is_no_text() -> None:
    assert read(b"\xef\xbb\xbf<html lang=en><title>t</title><p>x").lang == "en"


def test_base_that_is_too_long_to_repeat_is_none() -> None:
    for size, based in ((BASE_BYTES_MAX - len(HERE) - 1, True), (BASE_BYTES_MAX, False)):
        page = extract(f"<base href=/{'b' * size}/><a href=x>t</a>".encode(), "utf-8", PAGE, ExtractSettings())
        assert (page.base is not None) == based
        assert ("bbb" in page.links[0].target) == based


def test_link_header_comes_first_and_ignores_the_base() -> None:
    values = [
        '<x>; rel="next prefetch"; title="t", <mailto:a>; rel=x',
        "<y>; rel=alternate; hreflang=de",
        "<x>; rel=next",
    ]
    page = extract(b"<base href=/b/><a href=x>t</a>", "utf-8", PAGE, ExtractSettings(), values)
    assert [(link.target, link.kind, link.rel, link.anchor, link.ordinal, link.hreflang) for link in page.links] == [
        (HERE + "x", Kind.HEADER_LINK, Rel.NEXT | Rel.OTHER, "t", 0, None),
        (HERE + "y", Kind.HEADER_LINK, Rel.ALTERNATE, "", 1, "de"),
        (HERE + "x", Kind.HEADER_LINK, Rel.NEXT, "", 2, None),
        ("https://www.example.org/b/x", Kind.A, 0, "t", 3, None),
    ]
    assert (page.other_scheme, page.internal) == (1, 4)
    assert extract_header(values, PAGE, ExtractSettings()).links == page.links[:3]


HOSTILE = [
    ("nothing", b""),
    ("zeros", b"\0" * 100),
    ("unfinished tag", b"<a href="),
    ("unfinished entity", b"<a href=x>&#x"),
    ("frameset", b"<frameset><a href=x>t</a>"),
    ("select", b"<select><a href=x>t<option><selectedcontent>"),
    ("nested tables", b"<table><a href=x>" * 50),
    ("nested anchors", b"<a href=x><b>" * 100),
    ("huge number", b"<a href=x>&#99999999999999999999;</a>"),
    ("math", b"<math><a href=x><mi><a href=y>"),
]


@pytest.mark.parametrize("body", [case[1] for case in HOSTILE], ids=[case[0] for case in HOSTILE])
def test_hostile_markup_gives_a_page(body: bytes) -> None:
    page = extract(body, "utf-8", PAGE, ExtractSettings(context=True))
    for link in page.links:
        link.anchor.encode()


MARKUP = st.sampled_from(
    ["<a href=x>", "<a href='", "</a>", "<p>", "<table>", "<td>", "<b>", "</b>", "<svg>", "<template>", "<noscript>"]
    + [
        "<select>",
        "<img src=y alt=z>",
        "<base href=/b/>",
        "<script>",
        "</script>",
        "<!--",
        "-->",
        "<nav role=main>",
        "text",
    ]
    + [
        "&#xD800;",
        "\0",
        "<form action>",
        "<link rel=canonical href=c>",
        "<meta name=robots content=none>",
        "<frameset>",
    ]
    + [
        "<math>",
        "<style>",
        "</svg>",
        "<object>",
        "<iframe src=f>",
        "<title>",
        "\x80",
        "<area href=#>",
        "<video poster=p>",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(MARKUP | st.text(max_size=5), max_size=30).map("".join), st.booleans(), st.integers(0, 3))
def test_any_markup_keeps_the_rules(html: str, context: bool, max_links: int) -> None:
    body = html.encode("utf-8", "surrogatepass")
    page = extract(body, "utf-8", PAGE, ExtractSettings(max_links=max_links, context=context))
    whole = extract(body, "utf-8", PAGE, ExtractSettings(context=context))
    assert [link.ordinal for link in whole.links] == list(range(len(whole.links)))
    assert len({(link.target, link.kind, link.anchor, link.rel, link.place) for link in whole.links}) == len(
        whole.links
    )
    assert [link[:11] for link in page.links] == [link[:11] for link in whole.links[:max_links]]
    kept = sum(1 + link.repeats for link in page.links)
    assert kept + page.links_dropped == sum(1 + link.repeats for link in whole.links)
    assert whole.internal + whole.external == len(whole.links)
    for link in whole.links:
        "".join(text for text in link if isinstance(text, str)).encode()
