"""The seeded graph: which links each page has, where they lead, and what the page says of itself.

Rule: a plan is a pure function of the spec and the page's number. `page` writes it as HTML, `expected` as records.
Targets follow a power law over hosts and pages; every page also links to its children in a tree of its host,
so that a host without faults is reachable from its front page.
"""

from __future__ import annotations

from random import Random
from typing import Final, NamedTuple

from bench.vweb.links import NO_DIRECTIVES, NO_REL, Directives, Link, Plan, Refused, RelText, Section, Speller, Style
from bench.vweb.media import media
from bench.vweb.site import SLUGS, Fate, Site, Web
from bench.vweb.spec import LARGEST_MEDIANS, SIZE_SIGMA, chance
from bench.vweb.text import Anchor, anchors, phrases
from storage.records import AnchorSource, CanonicalSource, Kind, Place, Rel, Robots, RobotsSource

TREE: Final = 3
"""Children of a page in its host's tree."""
OTHER_ROWS: Final = 10
"""Mean rows of a page beside navigation, footer and content: head, logo, media."""
ROWS_PER_LINK: Final = 1.17
"""Rows that a content link makes, with the image it may hold and its rare twin."""
LOST: Final = "/lost/"
"""Paths that never were."""
META_REFRESH_SHARE: Final = 0.4
"""Pages with a meta refresh, per page that redirects."""

RELS: Final = (
    *[NO_REL] * 34,
    RelText("nofollow", Rel.NOFOLLOW),
    RelText("NoFollow", Rel.NOFOLLOW),
    RelText("ugc nofollow", Rel.UGC | Rel.NOFOLLOW),
    RelText("ugc", Rel.UGC),
    RelText("sponsored", Rel.SPONSORED),
    RelText("nofollow,noopener", Rel.NOFOLLOW | Rel.NOOPENER),
    RelText("noopener noreferrer", Rel.NOOPENER | Rel.NOREFERRER),
    RelText("external  noopener", Rel.EXTERNAL | Rel.NOOPENER),
    RelText("bookmark", Rel.BOOKMARK),
    RelText("tag", Rel.TAG),
    RelText("me", Rel.ME),
    RelText("friend met", Rel.OTHER),
    RelText("author", Rel.AUTHOR),
    RelText("next", Rel.NEXT),
)
CANONICAL: Final = RelText("canonical", Rel.CANONICAL)
ALTERNATE: Final = RelText("alternate", Rel.ALTERNATE)
NEXT: Final = RelText("next", Rel.NEXT)
PREV: Final = RelText("prev", Rel.PREV)

DIRECTIVES: Final = (
    *[NO_DIRECTIVES] * 36,
    Directives("noindex", "", Robots.NOINDEX, RobotsSource.META),
    Directives("NoIndex, NoFollow", "", Robots.NOINDEX | Robots.NOFOLLOW, RobotsSource.META),
    Directives("noarchive,nosnippet", "", Robots.NOARCHIVE | Robots.NOSNIPPET, RobotsSource.META),
    Directives("", "noindex", Robots.NOINDEX, RobotsSource.HEADER),
    Directives("", "otherbot: noindex, nofollow", Robots.NONE, RobotsSource.NONE),
    Directives(
        "noimageindex", "noarchive", Robots.NOIMAGEINDEX | Robots.NOARCHIVE, RobotsSource.META | RobotsSource.HEADER
    ),
)
REFUSED: Final = (
    ("#top", Refused.SAME_DOCUMENT),
    ("", Refused.SAME_DOCUMENT),
    ("mailto:desk@alpha.test", Refused.OTHER_SCHEME),
    ("javascript:void(0)", Refused.OTHER_SCHEME),
    ("tel:+49-30-1234", Refused.OTHER_SCHEME),
    ("http://[bad", Refused.BAD),
    ("http://h0000.alpha.test:99999/", Refused.BAD),
)
CONTENT: Final = (
    (Style.PROSE, Place.ARTICLE, 0.45),
    (Style.PROSE, Place.SECTION, 0.65),
    (Style.LIST, Place.MAIN, 0.75),
    (Style.TABLE, Place.TABLE, 0.85),
    (Style.LIST, Place.ASIDE, 0.95),
    (Style.LIST, Place.NAV, 1.0),
)
"""Sections of the content, each with the share of the content links up to its end."""


class Redirect(NamedTuple):
    """The answer of a page that leads elsewhere."""

    status: int
    location: str
    target: str
    host: str


class Graph:
    """Plan the pages of one web."""

    def __init__(self, web: Web) -> None:
        self.web = web
        self._frames: dict[int, tuple[list[Section], list[Section]]] = {}

    def plan(self, site: Site, page: int) -> Plan:
        """Return what a page holds; meaningful for the fates that end in a body."""
        spec = self.web.spec
        rng = chance(spec.seed, site.number, page, 2)
        size = min(rng.lognormvariate(0.0, SIZE_SIGMA), LARGEST_MEDIANS) * spec.shape.median_bytes
        plan = Plan(site, page, rng.choice(phrases(site.encoding.language)), int(size))
        plan.directives = rng.choice(DIRECTIVES)
        self._add_base(plan, rng)
        self._add_head(plan, rng)
        plan.top, plan.bottom = self.frame(site)
        plan.content = self._content(plan, rng)
        if plan.base is None:
            plan.refused = rng.choices(REFUSED, k=rng.randrange(3))
        return plan

    def redirect(self, site: Site, page: int) -> Redirect:
        """Return where a redirecting page leads. Chains end: each hop has a lower level than the one before."""
        rng = chance(self.web.spec.seed, site.number, page, 3)
        status = rng.choice((301, 301, 302, 302, 303, 307, 308))
        target, number = self._pick(rng, site)
        if target.fates[number] is Fate.REDIRECT and self._level(target, number) >= self._level(site, page):
            target, number = site, 0
        path = target.paths[number]
        url = target.root + path
        return Redirect(status, path if target is site and rng.random() < 0.5 else url, url, target.name)

    def frame(self, site: Site) -> tuple[list[Section], list[Section]]:
        """Return the sections that all pages of a host share: those before and those after its content."""
        frame = self._frames.get(site.number)
        if frame is None:
            frame = self._frames[site.number] = self._make_frame(site)
        return frame

    def _make_frame(self, site: Site) -> tuple[list[Section], list[Section]]:
        shape, rng = self.web.spec.shape, chance(self.web.spec.seed, site.number, 0, 5)
        logo = Anchor(
            site.domain, AnchorSource.ALT, False, "", f'<img src="/assets/logo.png" alt="{site.domain}">', None
        )
        logo = logo._replace(image="/assets/logo.png")
        first = Link(Kind.A, "/", site.root + "/", site.name, anchor=logo)
        pool = anchors(site.encoding.language)
        nav = []
        for number in range(min(shape.nav_links, len(site.paths))):
            path = site.paths[number]
            nav.append(
                Link(Kind.A, path, site.root + path, site.name, anchor=pool[(number * 7 + site.number) % len(pool)])
            )
        footer = []
        for _ in range(shape.footer_links):
            target, number = self._pick(rng, site)
            url = target.root + target.paths[number]
            footer.append(Link(Kind.A, url, url, target.name, rel=rng.choice(RELS), anchor=rng.choice(pool)))
        by_role = rng.random() < 0.4
        top = [Section(Style.LOGO, Place.HEADER, [first], by_role), Section(Style.LIST, Place.NAV, nav, by_role)]
        return top, [Section(Style.LIST, Place.FOOTER, footer, by_role)]

    def _add_base(self, plan: Plan, rng: Random) -> None:
        draw = rng.random()
        if draw < 0.06:
            plan.base = rng.choice(plan.site.paths)
            plan.base_href = plan.base if draw < 0.03 else plan.site.root + plan.base

    def _add_head(self, plan: Plan, rng: Random) -> None:
        site, page = plan.site, plan.page
        own = _to(Kind.LINK_CANONICAL, site, page if rng.random() < 0.9 else 0, CANONICAL)
        draw = rng.random()
        if draw < 0.7:
            plan.canonical_source = CanonicalSource.HTML
            plan.head.append(own)
        elif draw < 0.78:
            plan.canonical_source = CanonicalSource.HEADER
            plan.header_links.append(own._replace(kind=Kind.HEADER_LINK))
        if 0.75 < draw < 0.82:
            plan.header_links.append(_to(Kind.HEADER_LINK, *self._pick(rng, site), rng.choice((NEXT, PREV))))
        plan.head += _assets(site)
        self._add_relations(plan, rng)
        if draw > 1.0 - META_REFRESH_SHARE * self.web.spec.faults.redirect:
            plan.refresh = _to(Kind.META_REFRESH, *self._pick(rng, site), NO_REL)
            plan.refresh_delay_s = rng.randrange(30)

    def _add_relations(self, plan: Plan, rng: Random) -> None:
        site, page, head = plan.site, plan.page, plan.head
        if rng.random() < 0.3 and 0 < page < len(site.paths) - 1:
            head.append(_to(Kind.LINK_PREV, site, page - 1, PREV))
            head.append(_to(Kind.LINK_NEXT, site, page + 1, NEXT))
        if rng.random() < 0.15:
            for code in ("de", "pt-BR"):
                head.append(_to(Kind.LINK_ALTERNATE, *self._pick(rng, site), ALTERNATE)._replace(hreflang=code))
        if rng.random() < 0.3:
            head.append(Link(Kind.FEED, "/feed.xml", site.root + "/feed.xml", site.name, rel=ALTERNATE))
        if rng.random() < 0.04:
            head.append(_to(Kind.LINK_AMPHTML, site, rng.randrange(len(site.paths)), RelText("amphtml", Rel.OTHER)))
        if rng.random() < 0.05:
            head.append(_to(Kind.LINK_OTHER, site, 0, RelText("license", Rel.LICENSE)))

    def _content(self, plan: Plan, rng: Random) -> list[Section]:
        shape = self.web.spec.shape
        mean = (shape.links - shape.nav_links - shape.footer_links - OTHER_ROWS) / ROWS_PER_LINK
        links = self._links(plan, rng, max(TREE, round(mean * (0.5 + rng.random()))))
        sections, start = [], 0
        for style, place, share in CONTENT:
            end = round(len(links) * share)
            if end > start:
                sections.append(Section(style, place, links[start:end], place is Place.NAV))
                start = end
        return sections + media(rng, plan.site, self._pick)

    def _links(self, plan: Plan, rng: Random, count: int) -> list[Link]:
        site, page = plan.site, plan.page
        pages = len(site.paths)
        children = [(site, n) for n in range(page * TREE + 1, page * TREE + TREE + 1) if n < pages]
        targets = children + [self._pick(rng, site) for _ in range(count - len(children))]
        inners = rng.choices(anchors(site.encoding.language), k=count)
        rels = [NO_REL] * len(children) + rng.choices(RELS, k=count - len(children))
        speller, lost_share = Speller(site, plan.directory), self.web.spec.faults.missing
        links = []
        for index, (target, number) in enumerate(targets):
            path, fragment, draw = target.paths[number], None, rng.random()
            is_child = index < len(children)
            if draw < lost_share and not is_child:
                path = f"{LOST}{SLUGS[number % len(SLUGS)]}"
            elif 0.9 < draw < 0.94 and not is_child and "?" not in path:
                path += f"?ref={number % 3}"
            elif draw > 0.94 and (target is not site or number != page):
                fragment = f"s{number % 5}"
            href = speller.spell(rng, target, path)
            if fragment is not None:
                href = f"{href.rstrip()}#{fragment}"
            inner, url = inners[index], target.root + path
            links.append(Link(Kind.A, href, url, target.name, fragment, rels[index], inner))
            if 0.3 < draw < 0.36:
                links.append(links[-1])
        return links

    def _pick(self, rng: Random, site: Site) -> tuple[Site, int]:
        """Draw a page: mostly of the same host, else of the same domain or of any host, popular ones more often."""
        draw = rng.random()
        if draw > 0.6:
            if draw < 0.75:
                site = self.web.site(rng.choice(self.web.siblings[site.domain]))
            else:
                site = self.web.site(int(rng.random() ** 2 * self.web.spec.hosts))
        return site, int(rng.random() ** 2 * len(site.paths))

    def _level(self, site: Site, page: int) -> int:
        return chance(self.web.spec.seed, site.number, page, 4).randrange(4)


def _to(kind: Kind, site: Site, page: int, rel: RelText) -> Link:
    """Return a link of the head to a page, spelled in full."""
    url = site.root + site.paths[page]
    return Link(kind, url, url, site.name, rel=rel)


def _assets(site: Site) -> list[Link]:
    """Return what a page loads: style sheet, icon and script."""
    rows = (("/assets/site.css", RelText("stylesheet", Rel.OTHER)), ("/favicon.ico", RelText("icon", Rel.OTHER)))
    links = [Link(Kind.RESOURCE, path, site.root + path, site.name, rel=rel) for path, rel in rows]
    return [*links, Link(Kind.RESOURCE, "/assets/site.js", f"{site.root}/assets/site.js", site.name)]
