"""The sections of a page that hold no plain links: figures, video, frames, forms, quotations, maps, noscript.

Rule: each stands on a page with the same chance; targets that are pages are drawn as other links' are.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

from bench.vweb.links import Link, Section, Style
from bench.vweb.site import Site
from bench.vweb.text import Anchor, anchors, phrases
from storage.records import AnchorSource, Kind, Place

CHANCE: Final = 0.25
"""Of each section to stand on a page."""

Pick = Callable[[Random, Site], tuple[Site, int]]
"""Draws the page that a link leads to."""


def media(rng: Random, site: Site, pick: Pick) -> list[Section]:
    """Return the sections drawn for a page."""
    return [make(rng, site, pick) for make in _MAKERS if rng.random() < CHANCE]


def _asset(kind: Kind, site: Site, path: str) -> Link:
    return Link(kind, path, site.root + path, site.name)


def _page(kind: Kind, rng: Random, site: Site, pick: Pick) -> Link:
    target, number = pick(rng, site)
    url = target.root + target.paths[number]
    return Link(kind, url, url, target.name)


def _alt(text: str) -> Anchor:
    return Anchor(text, AnchorSource.ALT, False, f' alt="{text}"', "", None)


def _figure(rng: Random, site: Site, pick: Pick) -> Section:
    number = rng.randrange(60)
    paths = [f"/assets/{number}-480.webp", f"/assets/{number}-960.webp", f"/assets/{number}.jpg"]
    links = [_asset(Kind.EMBED, site, path) for path in paths]
    links[2] = links[2]._replace(anchor=_alt(rng.choice(phrases(site.encoding.language))))
    return Section(Style.FIGURE, Place.FIGURE, links)


def _video(rng: Random, site: Site, pick: Pick) -> Section:
    return Section(Style.VIDEO, Place.MAIN, [_asset(Kind.EMBED, site, f"/assets/{rng.randrange(20)}.mp4")])


def _frame(rng: Random, site: Site, pick: Pick) -> Section:
    return Section(Style.FRAME, Place.MAIN, [_page(Kind.FRAME, rng, site, pick)])


def _form(rng: Random, site: Site, pick: Pick) -> Section:
    return Section(Style.FORM, Place.FORM, [_asset(Kind.FORM, site, "/search")], by_role=True)


def _quote(rng: Random, site: Site, pick: Pick) -> Section:
    return Section(Style.QUOTE, Place.MAIN, [_page(Kind.CITE, rng, site, pick)])


def _map(rng: Random, site: Site, pick: Pick) -> Section:
    area = _page(Kind.AREA, rng, site, pick)._replace(anchor=_alt(rng.choice(phrases(site.encoding.language))))
    return Section(Style.MAP, Place.MAIN, [area])


def _noscript(rng: Random, site: Site, pick: Pick) -> Section:
    anchor = rng.choice(anchors(site.encoding.language))
    return Section(Style.NOSCRIPT, Place.MAIN, [_page(Kind.A, rng, site, pick)._replace(anchor=anchor)])


def _hidden(rng: Random, site: Site, pick: Pick) -> Section:
    return Section(Style.HIDDEN, Place.MAIN, [])


_MAKERS: Final = (_figure, _video, _frame, _form, _quote, _map, _noscript, _hidden)
