"""Planned pages written as HTML, in the encoding of their host.

Rule: a body is put together from encoded pieces. Only links are formatted and encoded per page; sentences come from
the pool and what all pages of a host share is written once, which keeps a 40 KB page near 100 us.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bench.vweb.links import Link, Plan, Refused, Section, Style
from bench.vweb.text import sentence_bytes, sentences
from storage.records import CharsetSource, Kind, Place

GENERATOR: Final = "vweb 1"
BOM: Final = b"\xef\xbb\xbf"
_ROLES: Final = {
    Place.HEADER: "banner",
    Place.NAV: "navigation",
    Place.FOOTER: "contentinfo",
    Place.FORM: "form",
}
_TAGS: Final = {
    Place.HEADER: "header",
    Place.NAV: "nav",
    Place.MAIN: "div",
    Place.ARTICLE: "article",
    Place.SECTION: "section",
    Place.ASIDE: "aside",
    Place.FOOTER: "footer",
    Place.FIGURE: "figure",
    Place.TABLE: "table",
}
_HIDDEN: Final = (
    '<!-- <a href="/lost/comment">comment</a> -->\n'
    '<template><a href="/lost/template">template</a></template>\n'
    "<script>document.title += '<a href=\"/lost/script\">script</a>';</script>\n"
)


class Renderer:
    """Write the pages of one web."""

    def __init__(self) -> None:
        self._frames: dict[int, tuple[bytes, bytes]] = {}

    def render(self, plan: Plan) -> bytes:
        """Return the body of a page."""
        encoding = plan.site.encoding
        top, bottom = self._frame(plan)
        opening = f"{_head(plan)}<body>\n".encode(encoding.codec)
        parts = [opening, top, b"<main>\n<h1>", plan.title.encode(encoding.codec), b"</h1>\n"]
        if encoding.source is CharsetSource.BOM:
            parts.insert(0, BOM)
        slots: list[int] = []
        for section in plan.content:
            _add_section(parts, slots, section, encoding.codec)
        parts += (_refused(plan), b"</main>\n", bottom)
        _fill(parts, slots, plan)
        return b"".join(parts)

    def _frame(self, plan: Plan) -> tuple[bytes, bytes]:
        """Return what stands before and after the content on all pages of the host."""
        frame = self._frames.get(plan.site.number)
        if frame is None:
            codec = plan.site.encoding.codec
            top = "".join(map(_block, plan.top))
            bottom = "".join(map(_block, plan.bottom))
            frame = top.encode(codec), f"{bottom}</body>\n</html>\n".encode(codec)
            self._frames[plan.site.number] = frame
        return frame


def _fill(parts: list[bytes], slots: list[int], plan: Plan) -> None:
    """Put sentences into the slots until the page has its size."""
    pool = sentences(plan.site.encoding.language, plan.site.encoding.codec)
    missing = plan.size_bytes - sum(map(len, parts))
    mean = sentence_bytes(plan.site.encoding.language, plan.site.encoding.codec)
    each, more = divmod(max(0, round(missing / mean)), len(slots))
    start = (plan.page * 97 + plan.site.number * 31) % len(pool)
    for turn, slot in enumerate(slots):
        end = start + each + (turn < more)
        words = pool[start:end]
        while end > len(pool):
            end -= len(pool)
            words += pool[:end]
        parts[slot] = b"".join(words)
        start = end


def _head(plan: Plan) -> str:
    """Return the page up to the end of its head."""
    encoding = plan.site.encoding
    lines = [f'<!DOCTYPE html>\n<html lang="{encoding.language}">\n<head>']
    if encoding.source is CharsetSource.META:
        lines.append(f'<meta charset="{encoding.label}">')
    lines.append(
        f'<title>\n  {plan.title}  |\n  {plan.site.domain}\n</title>\n<meta name="generator" content="{GENERATOR}">'
    )
    if plan.base_href:
        lines.append(f'<base href="{_escape(plan.base_href)}">')
    if plan.directives.meta:
        lines.append(f'<meta name="robots" content="{plan.directives.meta}">')
    if plan.refresh is not None:
        target = f"{plan.refresh_delay_s}; url={_escape(plan.refresh.href)}"
        lines.append(f'<meta http-equiv="refresh" content="{target}">')
    lines += map(_head_link, plan.head)
    lines.append("</head>\n")
    return "\n".join(lines)


def _head_link(link: Link) -> str:
    if link.kind is Kind.RESOURCE and not link.rel.text:
        return f'<script src="{link.href}"></script>'
    more = f' hreflang="{link.hreflang}"' if link.hreflang else ""
    if link.kind is Kind.FEED:
        more = ' type="application/rss+xml"'
    return f'<link rel="{link.rel.text}" href="{_escape(link.href)}"{more}>'


def _escape(href: str) -> str:
    return href.replace("&", "&amp;") if "&" in href else href


def _anchor(link: Link) -> str:
    rel = f' rel="{link.rel.text}"' if link.rel.text else ""
    inner = link.anchor
    return f'<a href="{_escape(link.href)}"{rel}{inner.attributes}>{inner.html}</a>'


def _add_section(parts: list[bytes], slots: list[int], section: Section, codec: str) -> None:
    """Append a section; `slots` gets the indexes of the parts where sentences go."""
    if section.style is not Style.PROSE:
        parts.append(_block(section).encode(codec))
        return
    tag = _TAGS[section.place]
    parts.append(f"<{tag}>\n".encode())
    for link in section.links:
        slots += (len(parts) + 1, len(parts) + 3)
        parts += (b"<p>", b"", _anchor(link).encode(codec), b"", b"</p>\n")
    parts.append(f"</{tag}>\n".encode())


def _block(section: Section) -> str:
    """Return a section without sentences."""
    start, end = f"<{_TAGS.get(section.place)}>", f"</{_TAGS.get(section.place)}>\n"
    if section.by_role:
        start, end = f'<div role="{_ROLES[section.place]}">', "</div>\n"
    return f"{start}{_WRITERS[section.style](section.links)}{end}"


def _logo(links: list[Link]) -> str:
    return _anchor(links[0])


def _list(links: list[Link]) -> str:
    rows = "</li>\n<li>".join(map(_anchor, links))
    return f"\n<ul>\n<li>{rows}</li>\n</ul>\n"


def _table(links: list[Link]) -> str:
    rows = "".join(f"<tr><td>{number}</td><td>{_anchor(link)}</td></tr>\n" for number, link in enumerate(links))
    return f"<tbody>\n{rows}</tbody>"


def _figure(links: list[Link]) -> str:
    small, large, image = links
    return (
        f'<picture><source srcset="{small.href} 480w, {large.href} 960w" type="image/webp">'
        f'<img src="{image.href}"{image.anchor.attributes}></picture><figcaption>{image.anchor.text}</figcaption>'
    )


def _video(links: list[Link]) -> str:
    return f'<video controls src="{links[0].href}"></video>'


def _frame(links: list[Link]) -> str:
    return f'<iframe src="{_escape(links[0].href)}" width="300"></iframe>'


def _form(links: list[Link]) -> str:
    return f'<form action="{links[0].href}" method="get"><input name="q"><button>?</button></form>'


def _quote(links: list[Link]) -> str:
    return f'<blockquote cite="{_escape(links[0].href)}"><p>42</p></blockquote>'


def _map(links: list[Link]) -> str:
    area = links[0]
    return f'<map name="m"><area shape="default" href="{_escape(area.href)}"{area.anchor.attributes}></map>'


def _noscript(links: list[Link]) -> str:
    return f"<noscript>{_anchor(links[0])}</noscript>"


def _hidden(links: list[Link]) -> str:
    return _HIDDEN


_WRITERS: Final[dict[Style, Callable[[list[Link]], str]]] = {
    Style.LOGO: _logo,
    Style.LIST: _list,
    Style.TABLE: _table,
    Style.FIGURE: _figure,
    Style.VIDEO: _video,
    Style.FRAME: _frame,
    Style.FORM: _form,
    Style.QUOTE: _quote,
    Style.MAP: _map,
    Style.NOSCRIPT: _noscript,
    Style.HIDDEN: _hidden,
}


def _refused(plan: Plan) -> bytes:
    """Return a paragraph of hrefs that are no links."""
    if not plan.refused:
        return b""
    written = {Refused.SAME_DOCUMENT: "top", Refused.OTHER_SCHEME: "contact", Refused.BAD: "broken"}
    rows = " ".join(f'<a href="{href}">{written[why]}</a>' for href, why in plan.refused)
    return f"<p>{rows}</p>\n".encode()
