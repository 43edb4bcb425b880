"""The virtual web: the same from the same seed, and its expected records true.

Rule: what `expected` computes is compared with what lxml and ada-url read from the rendered bytes.
The server has its own tests beside this file.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import ada_url
import pytest
from lxml import etree
from xxhash import xxh3_128_digest

from bench.vweb import NO_FAULTS, Faults, WebSpec, robots
from bench.vweb.expected import Expected, PageFacts
from bench.vweb.graph import Graph
from bench.vweb.links import relative
from bench.vweb.page import BOM, Renderer
from bench.vweb.reach import Follow, Reach, reachable
from bench.vweb.site import ENCODINGS, Fate, RobotsKind, Site, Web, host_map
from storage.records import AnchorSource, Kind, Place, Rel

SPEC = WebSpec(seed=7, hosts=20, pages_per_host=12, profile=4)


def pages(web: Web, fate: Fate) -> list[tuple[Site, int]]:
    """Return the pages that answer in this way."""
    sites = map(web.site, range(web.spec.hosts))
    return [(site, page) for site in sites for page, found in enumerate(site.fates) if found is fate]


# What lxml reads


class Hyperlink(NamedTuple):
    target: str
    fragment: str | None
    rel: int
    anchor: str
    source: int
    cut: bool
    image: bool
    place: int


PLACES = {"table": Place.TABLE, "figure": Place.FIGURE, "banner": Place.HEADER, "navigation": Place.NAV}
PLACES |= {"contentinfo": Place.FOOTER} | {place.name.lower(): place for place in Place if place is not Place.OTHER}


def tree_of(body: bytes, facts: PageFacts) -> etree._Element:
    tree = etree.fromstring(body.removeprefix(BOM), etree.HTMLParser(encoding=facts.charset))
    assert tree is not None
    return tree


def texts(tree: etree._Element, path: str) -> list[str]:
    found = tree.xpath(path)
    assert isinstance(found, list)
    return [str(value) for value in found]


def base_of(tree: etree._Element, facts: PageFacts) -> str:
    return ada_url.join_url(facts.url, next(iter(texts(tree, "//base/@href")), ""))


def place_of(element: etree._Element) -> Place:
    for holder in element.iterancestors():
        place = PLACES.get(holder.get("role") or str(holder.tag))
        if place is not None:
            return place
    return Place.OTHER


def anchor_of(element: etree._Element) -> tuple[str, AnchorSource]:
    text = " ".join("".join(map(str, element.itertext())).split())
    for value, source in (
        (text, AnchorSource.TEXT),
        ("".join(texts(element, ".//img/@alt")), AnchorSource.ALT),
        (element.get("title"), AnchorSource.TITLE),
        (element.get("aria-label"), AnchorSource.ARIA_LABEL),
    ):
        if value:
            return value, source
    return "", AnchorSource.NONE


def rel_of(text: str) -> int:
    bits = Rel.NONE
    for token in text.replace(",", " ").upper().split():
        bits |= Rel[token] if token in Rel.__members__ else Rel.OTHER
    return int(bits)


def hyperlinks(tree: etree._Element, base: str) -> Iterator[Hyperlink]:
    """Yield the `a` links of a page in document order, as an extractor without any of our code sees them."""
    elements = tree.xpath("//a[@href][not(ancestor::template)]")
    assert isinstance(elements, list)
    for element in elements:
        assert isinstance(element, etree._Element)
        href = (element.get("href") or "").strip()
        if not href or href[0] == "#" or href.startswith(("mailto:", "javascript:", "tel:")):
            continue
        try:
            url, _, fragment = ada_url.join_url(base, href).partition("#")
        except ValueError:
            continue  # a bad href
        anchor, source = anchor_of(element)
        cut = anchor.encode()[:512].decode(errors="ignore")
        image, rel = bool(element.xpath(".//img")), rel_of(element.get("rel") or "")
        yield Hyperlink(url, fragment or None, rel, cut, source, cut != anchor, image, place_of(element))


def expected_hyperlinks(facts: PageFacts) -> list[tuple[Hyperlink, int]]:
    rows = [row for row in facts.rows if row.kind == Kind.A]
    return [
        (
            Hyperlink(
                row.target,
                row.fragment,
                row.rel,
                row.anchor,
                row.anchor_source,
                row.anchor_cut,
                row.image,
                row.place,
            ),
            row.repeats,
        )
        for row in rows
    ]


def folded(links: Iterator[Hyperlink]) -> list[tuple[Hyperlink, int]]:
    """Count links that differ in no column but fragment, image and anchor source into their first."""
    found: dict[tuple[object, ...], Hyperlink] = {}
    counts: Counter[tuple[object, ...]] = Counter()
    for link in links:
        key = (link.target, link.rel, link.anchor, link.place)
        found.setdefault(key, link)
        counts[key] += 1
    return [(link, counts[key] - 1) for key, link in found.items()]


@pytest.fixture(scope="module")
def rendered() -> list[tuple[PageFacts, bytes]]:
    """All whole pages of a web with every encoding, and what is expected of them."""
    web = Web(WebSpec(seed=3, hosts=len(ENCODINGS) * 2, pages_per_host=14, profile=40, faults=Faults(redirect=0.2)))
    expected, graph, renderer = Expected(web), Graph(web), Renderer()
    return [
        (expected.facts(site.root + site.paths[page]), renderer.render(graph.plan(site, page)))
        for site, page in pages(web, Fate.OK)
    ]


# The graph and its records


def test_equal_specs_give_equal_webs_and_other_seeds_others() -> None:
    url = Web(SPEC).site(3).root + "/"
    assert Expected(Web(SPEC)).facts(url) == Expected(Web(SPEC)).facts(url)
    other = Web(WebSpec(seed=8, hosts=20, pages_per_host=12, profile=4))
    assert Web(SPEC).site(3).paths != other.site(3).paths


def test_spec_survives_its_json() -> None:
    assert WebSpec.from_json(SPEC.to_json()) == SPEC


@pytest.mark.parametrize(
    "wrong",
    [{"hosts": 0}, {"pages_per_host": 0}, {"profile": 41}, {"suffixes": ()}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_impossible_spec_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"profile 41|at least one"):
        WebSpec(**wrong)  # type: ignore[arg-type]


def test_expected_hyperlinks_are_those_that_lxml_reads(rendered: list[tuple[PageFacts, bytes]]) -> None:
    for facts, body in rendered:
        tree = tree_of(body, facts)
        assert folded(hyperlinks(tree, base_of(tree, facts))) == expected_hyperlinks(facts), facts.url


URL_ATTRIBUTES = {
    Kind.LINK_CANONICAL: "//link[@rel='canonical']/@href",
    Kind.LINK_ALTERNATE: "//link[@hreflang]/@href",
    Kind.LINK_NEXT: "//link[@rel='next']/@href",
    Kind.LINK_PREV: "//link[@rel='prev']/@href",
    Kind.LINK_AMPHTML: "//link[@rel='amphtml']/@href",
    Kind.LINK_OTHER: "//link[@rel='license']/@href",
    Kind.FEED: "//link[@type='application/rss+xml']/@href",
    Kind.RESOURCE: "//link[@rel='stylesheet' or @rel='icon']/@href | //script/@src",
    Kind.FRAME: "//iframe/@src",
    Kind.FORM: "//form/@action",
    Kind.CITE: "//blockquote/@cite",
    Kind.AREA: "//area/@href",
}


@pytest.mark.parametrize("kind", URL_ATTRIBUTES, ids=lambda kind: kind.label)
def test_expected_links_of_other_kinds_are_those_that_lxml_reads(
    kind: Kind, rendered: list[tuple[PageFacts, bytes]]
) -> None:
    seen = 0
    for facts, body in rendered:
        tree = tree_of(body, facts)
        urls = [ada_url.join_url(base_of(tree, facts), href) for href in texts(tree, URL_ATTRIBUTES[kind])]
        assert [row.target for row in facts.rows if row.kind == kind] == list(dict.fromkeys(urls)), facts.url
        seen += len(urls)
    assert seen


def test_expected_embeds_are_those_that_lxml_reads(rendered: list[tuple[PageFacts, bytes]]) -> None:
    for facts, body in rendered:
        tree = tree_of(body, facts)
        hrefs = texts(tree, "//img/@src | //video/@src")
        for srcset in texts(tree, "//source/@srcset"):
            hrefs += [candidate.split()[0] for candidate in srcset.split(",")]
        rows = Counter({row.target: 0 for row in facts.rows if row.kind == Kind.EMBED})
        for row in facts.rows:
            rows[row.target] += row.repeats + 1 if row.kind == Kind.EMBED else 0
        assert +rows == Counter(ada_url.join_url(facts.url, href) for href in hrefs), facts.url


def test_expected_page_facts_are_those_that_lxml_reads(rendered: list[tuple[PageFacts, bytes]]) -> None:
    for facts, body in rendered:
        tree = tree_of(body, facts)
        assert " ".join(texts(tree, "//title/text()")[0].split()) == facts.title
        assert texts(tree, "/html/@lang") == [facts.lang]
        assert (base_of(tree, facts) if texts(tree, "//base") else None) == facts.base
        refresh = texts(tree, "//meta[@http-equiv='refresh']/@content")
        wanted = f"{facts.redirect_delay_s:g}; url={facts.redirect_to}" if facts.redirect_delay_s is not None else None
        assert next(iter(refresh), None) == wanted
        assert (facts.body_bytes, facts.body_hash) == (len(body), xxh3_128_digest(body))


def test_ordinals_count_the_stored_rows_from_zero(rendered: list[tuple[PageFacts, bytes]]) -> None:
    for facts, _ in rendered:
        assert [row.ordinal for row in facts.rows] == list(range(len(facts.rows)))


def test_pages_hold_every_kind_place_rel_and_anchor_source(rendered: list[tuple[PageFacts, bytes]]) -> None:
    rows = [row for facts, _ in rendered for row in facts.rows]
    assert {row.kind for row in rows} == set(Kind) - {Kind.REDIRECT, Kind.SITEMAP}
    assert {row.place for row in rows} == set(Place)
    assert {row.anchor_source for row in rows} == set(AnchorSource)
    assert any(row.anchor_cut for row in rows)
    assert any(row.repeats for row in rows)
    assert any(row.fragment for row in rows)
    totals = Counter[str]()
    for facts, _ in rendered:
        totals.update(bad=facts.bad_href, same=facts.same_document, other=facts.other_scheme)
    assert min(totals["bad"], totals["same"], totals["other"]) > 0


@pytest.mark.parametrize(("profile", "links"), [(4, 20), (40, 60), (130, 75)], ids=["4KB", "40KB", "130KB"])
def test_sizes_and_links_follow_the_profile(profile: int, links: int) -> None:
    web = Web(WebSpec(hosts=30, pages_per_host=10, profile=profile, faults=NO_FAULTS))
    expected = Expected(web)
    facts = [expected.facts(site.root + site.paths[page]) for site, page in pages(web, Fate.OK)]
    sizes = [page.body_bytes for page in facts]
    assert statistics.median(sizes) == pytest.approx(profile * 1000, rel=0.12)
    assert max(sizes) > 3 * statistics.median(sizes)
    assert statistics.mean(len(page.rows) for page in facts) == pytest.approx(links, rel=0.1)


@pytest.mark.parametrize(
    ("start", "path", "written"),
    [
        ("/", "/a/b.html", "a/b.html"),
        ("/a/", "/a/b.html", "b.html"),
        ("/a/c/", "/a/b/d.html", "../b/d.html"),
        ("/a/b/", "/", "../../"),
        ("/a/b/", "/a/b/", "./"),
        ("/a/", "/b/item?id=1", "../b/item?id=1"),
    ],
    ids=["down", "same", "across", "root", "itself", "query"],
)
def test_relative_reference_leads_to_its_target(start: str, path: str, written: str) -> None:
    assert relative(start, path) == written
    assert ada_url.join_url(f"http://a.test{start}", written) == f"http://a.test{path}"


def test_redirect_chains_end_within_five_hops() -> None:
    web = Web(WebSpec(hosts=10, pages_per_host=30, faults=Faults(redirect=0.6)))
    expected, longest = Expected(web), 0
    for site, page in pages(web, Fate.REDIRECT):
        facts, hops = expected.facts(site.root + site.paths[page]), 1
        while facts.redirect_to is not None and facts.fate is Fate.REDIRECT and hops < 10:
            facts, hops = expected.facts(facts.redirect_to, body=False), hops + 1
        longest = max(longest, hops)
    assert 3 <= longest <= 5


# What a crawl reaches


@pytest.fixture(scope="module")
def reach() -> Reach:
    return reachable(Expected(Web(SPEC)), Web(SPEC).seeds())


def test_every_page_of_a_clean_web_is_reachable_from_the_front_pages() -> None:
    web = Web(WebSpec(hosts=8, pages_per_host=30, profile=4, faults=NO_FAULTS))
    everywhere = Follow(page_nofollow=False, skipped_rels=Rel.NONE, robots=False)
    found = reachable(Expected(web), web.seeds(), everywhere)
    assert {site.root + path for site in map(web.site, range(8)) for path in site.paths} <= found.fetched.keys()


def test_reachable_set_is_closed_and_split_by_robots(reach: Reach) -> None:
    assert not reach.fetched.keys() & reach.disallowed
    known = reach.fetched.keys() | reach.disallowed
    follow = Follow()
    for facts in reach.fetched.values():
        targets = {row.target for row in facts.rows if row.kind == Kind.A and not row.rel & follow.skipped_rels}
        assert facts.robots & 2 or targets <= known


def test_scope_bounds_the_reachable_set() -> None:
    web = Web(SPEC)
    root = web.site(1).root + "/"
    found = reachable(Expected(web), [root], Follow(admit=lambda url: url.startswith(root)))
    assert all(url.startswith(root) for url in found.fetched.keys() | found.disallowed)


PATHS = ("/", "/a/1.html", "/private/a-1.html", "/private/open/a-1.html", "/a/1.html?ref=2", "/private/open/a?ref=1")


@pytest.mark.parametrize(
    ("kind", "verdicts"),
    [
        (RobotsKind.ABSENT, "111111"),
        (RobotsKind.OPEN, "111111"),
        (RobotsKind.SOME, "110111"),
        (RobotsKind.GROUPS, "110111"),
        (RobotsKind.DELAY, "110111"),
        (RobotsKind.QUERY, "110101"),
        (RobotsKind.REDIRECTING, "110111"),
        (RobotsKind.FORBIDDEN, "111111"),
        (RobotsKind.BIG, "110111"),
        (RobotsKind.CLOSED, "000000"),
        (RobotsKind.BROKEN, "000000"),
    ],
    ids=lambda value: value.value if isinstance(value, RobotsKind) else "",
)
def test_robots_verdicts(kind: RobotsKind, verdicts: str) -> None:
    assert "".join(str(int(robots.allowed(kind, path))) for path in PATHS) == verdicts


def test_hosts_are_dealt_out_to_several_addresses() -> None:
    assert host_map(SPEC, ["127.0.0.1"], 80) == {"*.test": "127.0.0.1:80"}
    several = host_map(SPEC, ["127.0.0.1", "127.0.0.2"], 80)
    assert Counter(several.values()) == {"127.0.0.1:80": 10, "127.0.0.2:80": 10}


def test_reader_of_the_seeds_may_go_away() -> None:
    # More than a pipe holds, so that it is still being written when the reader has gone.
    command = [sys.executable, "-m", "bench.vweb", "--print-seeds", "--hosts", "5000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline().endswith("\n")
        process.stdout.close()
        assert process.stderr.read() == ""
