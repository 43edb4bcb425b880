"""What a perfect crawler stores: the records of every URL of a web, computed from its spec and never from HTML.

Rule: the semantics are those of `storage.records`. Rows stand in document order, redirect and Link header rows first;
rows with the same target, kind, anchor, rel and place are folded into the first of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from xxhash import xxh3_128_digest

from bench.vweb.answers import ASSET_PATHS, content_type, etag
from bench.vweb.graph import Graph
from bench.vweb.links import Link, Plan, Refused
from bench.vweb.page import GENERATOR, Renderer
from bench.vweb.site import Fate, Site, Web
from storage.records import (
    AnchorSource,
    CanonicalSource,
    CharsetSource,
    Kind,
    LinkRow,
    Place,
    RedirectKind,
    Robots,
    RobotsSource,
)

REDIRECT_KINDS: Final = {
    301: RedirectKind.MOVED_301,
    302: RedirectKind.FOUND_302,
    303: RedirectKind.SEE_OTHER_303,
    307: RedirectKind.TEMPORARY_307,
    308: RedirectKind.PERMANENT_308,
}
FIRST_ANSWERS: Final = {Fate.THROTTLED: 429, Fate.FLAKY: 500}
"""Status of the first answer of URLs that are well at the second."""
LAST_ANSWERS: Final = {Fate.MISSING: 404, Fate.GONE: 410, Fate.BROKEN: 500}


@dataclass(slots=True)
class PageFacts:
    """The page columns that the web decides, and the link rows, of the last answer of a URL.

    Names are those of `PageRow`. Columns that are not computed keep their default: nearly all of them for errors,
    assets and bodies that are cut off.
    """

    url: str
    host: str
    fate: Fate
    status: int
    first_status: int | None = None
    """Status of the first answer where it differs: the second is `status`."""
    content_type: str | None = None
    etag: str | None = None
    charset: str | None = None
    """WHATWG name in lower case."""
    charset_source: CharsetSource = CharsetSource.NONE
    title: str | None = None
    lang: str | None = None
    canonical: str | None = None
    canonical_source: CanonicalSource = CanonicalSource.NONE
    base: str | None = None
    generator: str | None = None
    robots: Robots = Robots.NONE
    robots_source: RobotsSource = RobotsSource.NONE
    redirect_to: str | None = None
    redirect_kind: RedirectKind = RedirectKind.NONE
    redirect_delay_s: float | None = None
    bad_href: int = 0
    same_document: int = 0
    other_scheme: int = 0
    body_bytes: int = 0
    body_hash: bytes | None = None
    """xxh3_128 of the body; None where it is not computed."""
    rows: list[LinkRow] = field(default_factory=list)


class Expected:
    """Compute the records of one web."""

    def __init__(self, web: Web) -> None:
        self.web = web
        self._graph = Graph(web)
        self._renderer = Renderer()

    def facts(self, url: str, body: bool = True) -> PageFacts:
        """Return what is stored of a URL of the web; without its body's size and hash if `body` is false."""
        host, path = split(url)
        site = self.web.find(host)
        page = site.page_of(path) if site else None
        if site is None or page is None:
            found = site is not None and path.startswith(ASSET_PATHS)
            return PageFacts(url, host, Fate.OK if found else Fate.MISSING, 200 if found else 404)
        fate = site.fates[page]
        if fate is Fate.REDIRECT:
            return self._redirect_facts(url, site, page)
        facts = PageFacts(url, host, fate, LAST_ANSWERS.get(fate, 200), FIRST_ANSWERS.get(fate))
        if facts.status == 200 and fate is not Fate.CUT:
            self._add_page(facts, site, page, body)
        return facts

    def _redirect_facts(self, url: str, site: Site, page: int) -> PageFacts:
        redirect = self._graph.redirect(site, page)
        facts = PageFacts(url, site.name, Fate.REDIRECT, redirect.status)
        facts.redirect_to, facts.redirect_kind = redirect.target, REDIRECT_KINDS[redirect.status]
        link = Link(Kind.REDIRECT, redirect.location, redirect.target, redirect.host)
        facts.rows = fold(iter([_row(link, Place.OTHER)]))
        return facts

    def _add_page(self, facts: PageFacts, site: Site, page: int, body: bool) -> None:
        plan = self._graph.plan(site, page)
        facts.content_type, facts.etag = content_type(site), etag(site, page)
        facts.charset, facts.charset_source = site.encoding.name, site.encoding.source
        facts.title, facts.lang = f"{plan.title} | {site.domain}", site.encoding.language
        facts.generator = GENERATOR
        facts.base = site.root + plan.base if plan.base is not None else None
        facts.robots, facts.robots_source = plan.directives.bits, plan.directives.source
        canonical = plan.canonical
        if canonical is not None:
            facts.canonical, facts.canonical_source = canonical.target, plan.canonical_source
        if plan.refresh is not None:
            facts.redirect_to, facts.redirect_kind = plan.refresh.target, RedirectKind.META_REFRESH
            facts.redirect_delay_s = float(plan.refresh_delay_s)
        reasons = Counter(reason for _, reason in plan.refused)
        facts.bad_href = reasons[Refused.BAD]
        facts.same_document = reasons[Refused.SAME_DOCUMENT]
        facts.other_scheme = reasons[Refused.OTHER_SCHEME]
        facts.rows = fold(_rows(plan))
        if body:
            text = self._renderer.render(plan)
            facts.body_bytes, facts.body_hash = len(text), xxh3_128_digest(text)


def split(url: str) -> tuple[str, str]:
    """Return the host and the path with query of a normal form without port."""
    host, slash, path = url.partition("://")[2].partition("/")
    return host, slash + path


def fold(rows: Iterator[LinkRow]) -> list[LinkRow]:
    """Number rows in their order; fold those with the same target, kind, anchor, rel and place into the first."""
    found: dict[tuple[str, int, str, int, int], LinkRow] = {}
    repeats: Counter[tuple[str, int, str, int, int]] = Counter()
    for row in rows:
        key = (row.target, row.kind, row.anchor, row.rel, row.place)
        if key in found:
            repeats[key] += 1
        else:
            found[key] = row._replace(ordinal=len(found))
    return [row._replace(repeats=repeats[key]) for key, row in found.items()]


def _rows(plan: Plan) -> Iterator[LinkRow]:
    """Yield a row per link of a page, in document order."""
    for link in plan.header_links:
        yield _row(link, Place.OTHER)
    if plan.refresh is not None:
        yield _row(plan.refresh, Place.OTHER)
    for link in plan.head:
        yield _row(link, Place.OTHER)
    for section in plan.sections:
        for link in section.links:
            yield _row(link, section.place)
            image = link.anchor.image
            if image is not None:
                yield _row(_image(link, plan.site), section.place)


def _image(link: Link, site: Site) -> Link:
    """Return the link of the image that an anchor holds."""
    path = link.anchor.image or ""
    alt = link.anchor if link.anchor.source is AnchorSource.ALT else None
    row = Link(Kind.EMBED, path, site.root + path, site.name)
    return row if alt is None else row._replace(anchor=alt._replace(image=None))


def _row(link: Link, place: Place) -> LinkRow:
    anchor = link.anchor
    return LinkRow(
        target=link.target,
        target_host=link.host,
        fragment=link.fragment,
        kind=int(link.kind),
        rel=int(link.rel.bits),
        anchor=anchor.text,
        anchor_source=int(anchor.source),
        anchor_cut=anchor.cut,
        image=anchor.image is not None,
        place=int(place),
        ordinal=0,
        repeats=0,
        text_before=None,
        text_after=None,
        hreflang=link.hreflang,
    )
