"""`crawler.extract`: the columns of a link, one by one: anchor, image, rel, place, language, candidates, context."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.extract.anchor import collapse, cut
from crawler.extract.srcset import candidates
from storage.records import AnchorSource, Place, Rel
from tests.extraction import HERE, only, read

ANCHORS = [
    ("text", "<a href=x>some words</a>", "some words", AnchorSource.TEXT),
    ("text over elements", "<a href=x>so<b>me</b> <i>words</i></a>", "some words", AnchorSource.TEXT),
    ("white space collapses", "<a href=x>\n some\t\r\n\f words  </a>", "some words", AnchorSource.TEXT),
    ("no-break space stays", "<a href=x>&nbsp;a&nbsp; b</a>", "\xa0a\xa0 b", AnchorSource.TEXT),
    ("control characters stay", "<a href=x>a&#x1b;&#11;b</a>", "a\x1b\x0bb", AnchorSource.TEXT),
    ("entities", "<a href=x>a &amp; b &lt;c&gt;</a>", "a & b <c>", AnchorSource.TEXT),
    ("script and style are not shown", "<a href=x>a<script>s</script><style>t</style>b</a>", "ab", AnchorSource.TEXT),
    ("template is not shown", "<a href=x>a<template>t</template>b</a>", "ab", AnchorSource.TEXT),
    ("comment is not shown", "<a href=x>a<!--c-->b</a>", "ab", AnchorSource.TEXT),
    ("noscript is shown", "<a href=x>a<noscript>n</noscript></a>", "an", AnchorSource.TEXT),
    ("text wins over alt", "<a href=x title=t>w<img alt=i></a>", "w", AnchorSource.TEXT),
    ("alts of all images", "<a href=x title=t> <img alt=' i '><img><img alt=j></a>", "i j", AnchorSource.ALT),
    ("title", "<a href=x title=' t ' aria-label=l><img alt=' '></a>", "t", AnchorSource.TITLE),
    ("label", "<a href=x aria-label=l></a>", "l", AnchorSource.ARIA_LABEL),
    ("nothing", "<a href=x title=' '></a>", "", AnchorSource.NONE),
    ("lone surrogate", "<a href=x>&#xD800;</a>", "\ufffd", AnchorSource.TEXT),
    ("area's alt", "<area href=x alt=a title=t>", "a", AnchorSource.ALT),
    ("area's title", "<area href=x title=t>", "t", AnchorSource.TITLE),
    ("image's alt", "<img src=x alt=a title=t>", "a", AnchorSource.ALT),
    ("image without alt", "<img src=x title=t>", "", AnchorSource.NONE),
    ("link's title", "<link rel=author href=x title=t>", "t", AnchorSource.TITLE),
    ("frame's title", "<iframe src=x title=t></iframe>", "t", AnchorSource.TITLE),
    ("form has none", "<form action=x title=t>words</form>", "", AnchorSource.NONE),
]


@pytest.mark.parametrize(("html", "anchor", "source"), [c[1:] for c in ANCHORS], ids=[c[0] for c in ANCHORS])
def test_anchor_is_the_first_source_with_text(html: str, anchor: str, source: AnchorSource) -> None:
    link = only(html)
    assert (link.anchor, link.anchor_source, link.anchor_cut) == (anchor, source, False)


def test_anchor_is_cut_at_a_character() -> None:
    link = only(f"<a href=x>{'é' * 300}</a>")
    assert link.anchor == "é" * 256
    assert link.anchor_cut
    assert only("<a href=x title=abcdef></a>", anchor_bytes=4)[5:8] == ("abcd", AnchorSource.TITLE, True)


IMAGES = [
    ("an image", "<a href=x><img></a>", True),
    ("a picture", "<a href=x><span><picture></picture></span></a>", True),
    ("a drawing", "<a href=x>t<svg></svg></a>", True),
    ("no image", "<a href=x>t</a><img>", False),
]


@pytest.mark.parametrize(("html", "image"), [case[1:] for case in IMAGES], ids=[case[0] for case in IMAGES])
def test_anchor_knows_whether_it_holds(html: str, image: bool) -> None:
    assert only(html).image is image


RELS = [
    ("nofollow", "nofollow", Rel.NOFOLLOW),
    ("any case, commas and white space", "NoFollow,ugc\n sponsored", Rel.NOFOLLOW | Rel.UGC | Rel.SPONSORED),
    ("unknown tokens", "noopener dofollow", Rel.NOOPENER | Rel.OTHER),
    ("synonyms", "previous copyright", Rel.PREV | Rel.LICENSE),
    ("part of a token", "nofollowed", Rel.OTHER),
    ("empty", " , ", Rel.NONE),
    (
        "all the rest",
        "noreferrer external me author license tag bookmark next alternate canonical",
        Rel(0x7FF0 & ~4096),
    ),
]


@pytest.mark.parametrize(("rel", "bits"), [case[1:] for case in RELS], ids=[case[0] for case in RELS])
def test_rel_is_read_as_bits(rel: str, bits: Rel) -> None:
    assert only(f'<a href=x rel="{rel}">t</a>').rel == bits


PLACES = [
    ("none", "<div>{}</div>", Place.OTHER),
    ("each element", "<header>{}</header>", Place.HEADER),
    ("nearest wins", "<main><nav><ul><li>{}</ul></nav></main>", Place.NAV),
    ("article in main", "<main><article><p>{}</article></main>", Place.ARTICLE),
    ("section", "<section>{}</section>", Place.SECTION),
    ("aside", "<aside>{}</aside>", Place.ASIDE),
    ("footer in a role", "<div role=main><footer>{}</footer></div>", Place.FOOTER),
    ("figure", "<figure>{}</figure>", Place.FIGURE),
    ("table", "<table><td>{}</table>", Place.TABLE),
    ("table for layout", "<main><table role=presentation><td>{}</table></main>", Place.MAIN),
    ("form", "<form>{}</form>", Place.FORM),
    ("main", "<main>{}</main>", Place.MAIN),
    ("role in any case", "<div role=BANNER>{}</div>", Place.HEADER),
    ("navigation", "<div role=navigation>{}</div>", Place.NAV),
    ("region", "<div role=region>{}</div>", Place.SECTION),
    ("complementary", "<div role=complementary>{}</div>", Place.ASIDE),
    ("contentinfo", "<div role=contentinfo>{}</div>", Place.FOOTER),
    ("first known role", "<nav><div role='doc-toc search main'>{}</div></nav>", Place.MAIN),
    ("unknown role leaves the element", "<nav role=menubar>{}</nav>", Place.NAV),
    ("role over element", "<section role=navigation>{}</section>", Place.NAV),
    ("sibling is no ancestor", "<nav></nav>{}", Place.OTHER),
]


@pytest.mark.parametrize(("html", "place"), [case[1:] for case in PLACES], ids=[case[0] for case in PLACES])
def test_place_is_the_nearest_part(html: str, place: Place) -> None:
    assert only(html.format("<a href=x>t</a>")).place == place


def test_a_form_is_not_its_own_place() -> None:
    assert only("<main><form action=x></form></main>").place == Place.MAIN


def test_alternate_has_its_language() -> None:
    assert only("<link rel=alternate hreflang=' pt-BR ' href=x>").hreflang == "pt-BR"
    assert only("<a hreflang=de href=x>t</a>").hreflang is None


def test_image_and_its_candidates_are_links() -> None:
    links = read("<a href=x><img src=a.png srcset='b.png 2x, c.png 3x' alt=i></a>").links
    assert [(link.target.removeprefix(HERE), link.anchor) for link in links] == [
        ("x", "i"),
        ("a.png", "i"),
        ("b.png", "i"),
        ("c.png", "i"),
    ]


SRCSETS = [
    ("plain", "a", ["a"]),
    ("densities", "a 1x, b 1.5x,c 2e0x", ["a", "b", "c"]),
    ("widths", "a 100w,b 200w 50h", ["a", "b"]),
    ("comma in the URL", "data:,x, b", ["data:,x", "b"]),
    ("trailing commas", "a,, b,", ["a", "b"]),
    ("commas first", ",,a", ["a"]),
    ("parentheses hide commas", "a (x, y), b", ["b"]),
    ("unknown descriptor is an error", "a 1z, b", ["b"]),
    ("zero width is an error", "a 0w, b -1x, c 1x 2x, d 1x 100w", []),
    ("open parenthesis takes the rest", "a (x, b", []),
    ("nothing", " ,\n", []),
]


@pytest.mark.parametrize(("srcset", "urls"), [case[1:] for case in SRCSETS], ids=[case[0] for case in SRCSETS])
def test_srcset_is_parsed_by_the_standard(srcset: str, urls: list[str]) -> None:
    assert candidates(srcset) == urls


def test_context_is_the_text_around() -> None:
    page = read(
        f"<title>no</title><p>{'long ' * 50} before <a href=x>link<style>s</style></a> after<script>no</script> it"
        "<p><a href=y>t</a><area href=z>",
        context=True,
    )
    x, y, z = page.links
    assert x.text_before is not None and x.text_before.endswith("long before") and len(x.text_before) <= 120
    assert x.text_after == "after itt"
    assert y.text_before is not None and y.text_before.endswith("before link after it")
    assert (z.text_after, y.text_after) == (None, None)
    assert read("<p>before <a href=x>t</a>").links[0].text_before is None


def test_bad_bytes_become_replacement_characters() -> None:
    assert only(b"<a href=x>a\xffb\xed\xa0\x80</a>").anchor.startswith("a\ufffdb\ufffd")


def test_texts_of_anchors_inside_anchors_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawler.extract.anchors.TEXT_CHARACTERS_MAX", 1000)
    html = "".join(f"<a href=x{n}><object>{'w' * 100}" for n in range(50))
    links = read(html, anchor_bytes=64).links
    assert [link.anchor for link in links] == ["w" * 64] * 50
    assert all(link.anchor_cut for link in links)


@given(st.text(st.sampled_from(" \t\n\r\f\x0b\xa0\u2003\x1cab")))
def test_collapse_touches_ascii_white_space_alone(text: str) -> None:
    plain = text.translate(dict.fromkeys(map(ord, "\t\n\f\r"), " "))
    assert collapse(text) == " ".join(part for part in plain.split(" ") if part)


@given(st.text(), st.integers(0, 20))
def test_cut_keeps_the_longest_prefix(text: str, limit: int) -> None:
    shown = cut(text, limit)
    assert text.startswith(shown)
    assert len(shown.encode()) <= limit
    assert shown == text or len((shown + text[len(shown)]).encode()) > limit


@given(st.text(st.sampled_from("ab\u00e4 \n\t."), max_size=40), st.integers(0, 60), st.sampled_from([1, 3, 5, 30]))
def test_context_is_as_long_as_it_may_be_however_much_white_space_there_is(piece: str, times: int, blanks: int) -> None:
    text = (piece + " " * blanks) * times
    (link,) = read(f"<p>{text}<a href=x>t</a>{text}", context=True).links
    before, after = collapse(text[-1024:]), collapse(text[:1024])
    assert link.text_before == (before.encode()[-120:].decode(errors="ignore").lstrip(" ") or None)
    assert link.text_after == (after.encode()[:120].decode(errors="ignore").rstrip(" ") or None)
