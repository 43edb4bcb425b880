"""What the server answers to a path of a host: the whole response as bytes, rendered once and kept.

Rule: an answer depends on the spec alone, but for pages that fail on the first request of a URL (429, 500) and are
well afterwards. Header fields are few: what a crawler records, and what it has to obey.
"""

from __future__ import annotations

import gzip
from http import HTTPStatus
from typing import Final, NamedTuple

from bench.vweb import robots
from bench.vweb.graph import Graph
from bench.vweb.links import Plan
from bench.vweb.page import Renderer
from bench.vweb.site import Fate, RobotsKind, Site, Web
from storage.records import CharsetSource

ROBOTS_TXT: Final = "/robots.txt"
ASSET_TYPES: Final = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".mp4": "video/mp4",
    ".ico": "image/x-icon",
    ".xml": "application/rss+xml",
}
ASSET_PATHS: Final = ("/assets/", "/favicon.ico", "/feed.xml")
GZIP_LEVEL: Final = 4
ERROR_BODY: Final = b'<!DOCTYPE html>\n<title>%d</title>\n<p>Nothing here. <a href="/lost/error">Try this</a></p>\n'
"""Error pages hold a link, which is not to be stored."""


class Reply(NamedTuple):
    """A response as it goes over the wire."""

    status: int
    wire: bytes
    head_bytes: int
    spread_s: float = 0.0
    """The body comes in parts over this time."""
    close: bool = False
    """The connection ends after it."""


class Answers:
    """Answer requests for one web. `kept_bytes` never passes `spec.cache_bytes`: the oldest replies go first."""

    def __init__(self, web: Web) -> None:
        self.web = web
        self.kept_bytes = 0
        self._graph = Graph(web)
        self._renderer = Renderer()
        self._kept: dict[tuple[str, str], Reply] = {}
        self._failed_once: set[tuple[str, str]] = set()

    def answer(self, host: str, path: str) -> Reply:
        """Return the reply to a GET of a path and query on a host."""
        key = host, path
        reply = self._kept.get(key)
        if reply is None:
            site = self.web.find(host)
            page = site.page_of(path) if site else None
            if site is None or page is None:
                return self._keep(key, self._beside(site, path))
            reply = self._first_failure(site.fates[page], key)
            if reply is None:
                reply = self._keep(key, self._page(site, page))
        return reply

    def _keep(self, key: tuple[str, str], reply: Reply) -> Reply:
        self._kept[key] = reply
        self.kept_bytes += len(reply.wire)
        while self.kept_bytes > self.web.spec.cache_bytes:
            self.kept_bytes -= len(self._kept.pop(next(iter(self._kept))).wire)
        return reply

    def _first_failure(self, fate: Fate, key: tuple[str, str]) -> Reply | None:
        """Return the failure of a URL that is asked for the first time, if its fate is to fail once."""
        if fate not in (Fate.THROTTLED, Fate.FLAKY) or key in self._failed_once:
            return None
        self._failed_once.add(key)
        if fate is Fate.FLAKY:
            return error(500)
        return error(429, (f"Retry-After: {self.web.spec.faults.retry_after_s}",))

    def _page(self, site: Site, page: int) -> Reply:
        match site.fates[page]:
            case Fate.MISSING:
                return error(404)
            case Fate.GONE:
                return error(410)
            case Fate.BROKEN:
                return error(500)
            case Fate.REDIRECT:
                redirect = self._graph.redirect(site, page)
                return error(redirect.status, (f"Location: {redirect.location}",))
            case Fate.SLOW:
                return self._html(site, page)._replace(spread_s=self.web.spec.faults.slow_s)
            case Fate.CUT:
                reply = self._html(site, page)
                half = (reply.head_bytes + len(reply.wire)) // 2
                return reply._replace(wire=reply.wire[:half], close=True)
            case Fate.OK | Fate.THROTTLED | Fate.FLAKY:
                return self._html(site, page)

    def _html(self, site: Site, page: int) -> Reply:
        plan = self._graph.plan(site, page)
        body, fields = self._renderer.render(plan), page_fields(plan)
        if self.web.spec.gzip:
            body = gzip.compress(body, GZIP_LEVEL, mtime=0)
            fields.append("Content-Encoding: gzip")
        return response(200, content_type(site), body, fields)

    def _beside(self, site: Site | None, path: str) -> Reply:
        """Return the answer to a path that is no page."""
        if site is not None and path in (ROBOTS_TXT, robots.MOVED):
            return self._robots(site, path)
        if site is not None and path.startswith(ASSET_PATHS):
            suffix = path[path.rfind(".") :]
            return response(200, ASSET_TYPES.get(suffix, "application/octet-stream"), path.encode())
        return error(404)

    def _robots(self, site: Site, path: str) -> Reply:
        text = robots.body(site.robots, self.web.spec.faults.crawl_delay_s)
        if text is None:
            return error({RobotsKind.FORBIDDEN: 403, RobotsKind.BROKEN: 500}.get(site.robots, 404))
        if site.robots is RobotsKind.REDIRECTING and path == ROBOTS_TXT:
            return error(301, (f"Location: {robots.MOVED}",))
        return response(200, "text/plain; charset=utf-8", text.encode())


def content_type(site: Site) -> str:
    """Return the Content-Type of a host's pages."""
    encoding = site.encoding
    return f"text/html; charset={encoding.label}" if encoding.source is CharsetSource.HEADER else "text/html"


def etag(site: Site, page: int) -> str:
    """Return the validator of a page."""
    return f'"{site.number}-{page}"'


def page_fields(plan: Plan) -> list[str]:
    """Return the header fields of a page beside those of every response."""
    fields = [f"ETag: {etag(plan.site, plan.page)}"]
    if plan.header_links:
        links = ", ".join(f'<{link.href}>; rel="{link.rel.text}"' for link in plan.header_links)
        fields.append(f"Link: {links}")
    if plan.directives.header:
        fields.append(f"X-Robots-Tag: {plan.directives.header}")
    return fields


def response(status: int, mime: str, body: bytes, fields: list[str] | tuple[str, ...] = ()) -> Reply:
    """Return a whole response."""
    lines = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        "Server: vweb",
        f"Content-Type: {mime}",
        f"Content-Length: {len(body)}",
        *fields,
    )
    head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
    return Reply(status, head + body, len(head))


def last(reply: Reply) -> Reply:
    """Return a reply that says that its connection ends after it."""
    if reply.close:
        return reply
    field, end = b"Connection: close\r\n", reply.head_bytes - len(b"\r\n")
    wire = reply.wire[:end] + field + reply.wire[end:]
    return reply._replace(wire=wire, head_bytes=reply.head_bytes + len(field), close=True)


def error(status: int, fields: tuple[str, ...] = ()) -> Reply:
    """Return a response that is no page."""
    return response(status, "text/html; charset=utf-8", ERROR_BODY % status, fields)
