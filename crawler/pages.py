"""The record of one fetch attempt: its page row and its links, from the request and the outcome.

Rule: observations only; what is followed, retried or counted is decided by others. Links are read from 2xx answers
that are HTML; a redirect has one link of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, assert_never

from xxhash import xxh3_128_digest

from crawler import charset, headers
from crawler.extract import ExtractSettings, Html, Page, extract, extract_header
from crawler.outcome import Answer, Failed, Fetched, Outcome, Redirected, Request
from crawler.url import Refusal, Resolver, Target, domains_of, shard_of
from crawler.versions import NORMALISER, PARSER, PSL
from storage.records import (
    AnchorSource,
    CanonicalSource,
    Failure,
    Kind,
    LinkRow,
    PageRow,
    Place,
    RedirectKind,
    Rel,
    Robots,
    RobotsSource,
)

HTML_TYPES: Final = frozenset({"text/html", "application/xhtml+xml"})
VALUE_CHARACTERS_MAX: Final = 1024
"""Longest header value kept in a page row."""
MICROSECONDS: Final = 1_000_000
# Bits as plain numbers: one `&` or `|` of a flag takes 0.5 us.
_NOFOLLOW: Final = int(Robots.NOFOLLOW)
_IN_META: Final = int(RobotsSource.META)
_IN_HEADER: Final = int(RobotsSource.HEADER)


class Attempt(NamedTuple):
    """The parts of a page row that the crawl knows before the answer."""

    run: int
    fetch: int
    request: Request
    queue_ms: float


class Record(NamedTuple):
    """A page row with its links."""

    row: PageRow
    links: list[LinkRow]
    page_nofollow: bool = False
    """The page asks that none of its links be followed (meta robots or X-Robots-Tag)."""
    links_to_follow: Sequence[LinkRow] = ()
    """Links of kinds that the settings do not store."""
    links_unwanted: int = 0
    """All links that the settings do not store."""


Reading = Html | Page | Failure | None
"""What is known of a page's HTML: that it may be parsed here, what came of it elsewhere, or that nobody may parse it;
None where nobody had to ask."""


def record(attempt: Attempt, outcome: Outcome, settings: ExtractSettings, reading: Reading = None) -> Record:
    """Describe how an attempt ended."""
    row = _opening(attempt, outcome)
    match outcome:
        case Failed():
            row.failure = outcome.failure
            if outcome.answer is not None:
                _add_answer(row, outcome.answer)
            return Record(row, [])
        case Redirected():
            _add_answer(row, outcome.answer)
            return Record(row, _redirect_link(row, outcome))
        case Fetched():
            _add_answer(row, outcome.answer)
            return _add_body(row, outcome, settings, reading)
        case _:
            assert_never(outcome)


def _opening(attempt: Attempt, outcome: Outcome) -> PageRow:
    """Return the row as far as the request and the clock fill it."""
    request = attempt.request
    domains = domains_of(request.host)
    ended = outcome if isinstance(outcome, Failed) else outcome.answer
    return PageRow(
        run=attempt.run,
        fetch=attempt.fetch,
        url=request.url,
        host=request.host,
        domain=domains.domain,
        domain_private=domains.domain_private,
        shard=shard_of(domains.domain),
        depth=request.depth,
        discovered_from=request.discovered_from,
        via=request.via,
        fetched_at=int(ended.ended_at * MICROSECONDS),
        fetch_ms=ended.elapsed_s * 1000.0,
        queue_ms=attempt.queue_ms,
        ip=ended.ip,
        parser=PARSER,
        psl=PSL,
        normaliser=NORMALISER,
    )


def _add_answer(row: PageRow, answer: Answer) -> None:
    """Fill in what the head of the answer says."""
    fields: dict[str, str] = {}
    for name, value in answer.headers:
        fields.setdefault(name, value)
    row.status = answer.status
    row.http_version = answer.http_version
    row.ip = answer.ip or row.ip
    row.wire_bytes = answer.wire_bytes
    row.not_modified = answer.status == 304
    row.content_type = _short(fields.get("content-type"))
    row.content_encoding = _short(fields.get("content-encoding"))
    row.server = _short(fields.get("server"))
    row.etag = _short(fields.get("etag"))
    row.last_modified = _short(fields.get("last-modified"))


def _short(value: str | None) -> str | None:
    return value[:VALUE_CHARACTERS_MAX] if value is not None else None


def _link(target: Target, kind: Kind, ordinal: int) -> LinkRow:
    """Return the row of a link that stands in no text."""
    return LinkRow(
        *target, kind, Rel.NONE, "", AnchorSource.NONE, False, False, Place.OTHER, ordinal, 0, None, None, None
    )


def _redirect_link(row: PageRow, outcome: Redirected) -> list[LinkRow]:
    """Note where a redirect leads and return it as the page's one link; one that leads nowhere is counted."""
    row.redirect_kind = outcome.kind
    target = Resolver(row.url).resolve(outcome.location)
    if isinstance(target, Refusal):
        _count_refusal(row, target)
        return []
    row.redirect_to = target.url
    links = [_link(target, Kind.REDIRECT, 0)]
    _count_links(row, links)
    return links


def _count_refusal(row: PageRow, refusal: Refusal) -> None:
    match refusal:
        case Refusal.BAD:
            row.bad_href += 1
        case Refusal.SAME_DOCUMENT:
            row.same_document += 1
        case Refusal.OTHER_SCHEME:
            row.other_scheme += 1


def _add_body(row: PageRow, fetched: Fetched, settings: ExtractSettings, reading: Reading) -> Record:
    """Fill in what the body and the header say; an answer that is no HTML page has only the links of its header."""
    body, answer = fetched.body, fetched.answer
    row.body_bytes = len(body)
    row.truncated = fetched.truncated
    if body:
        row.body_hash = xxh3_128_digest(body)
    if not 200 <= answer.status < 300:
        return Record(row, [])
    html = reading if isinstance(reading, Html) else html_of(row.url, fetched)
    if html is None:
        page = extract_header(answer.values("link"), row.url, settings)
    else:
        row.charset, row.charset_source = html.encoding, html.encoding_source
        if isinstance(reading, Failure):
            row.failure = reading
            return Record(row, [])
        if isinstance(reading, Page):
            page = reading
        else:
            page = extract(html.body, html.encoding, html.url, settings, html.link_header)
    _add_page(row, page, answer, settings.product)
    if row.redirect_to is None:
        page.links.extend(_refresh_link(row, answer, len(page.links)))
    is_nofollow = bool(row.robots & _NOFOLLOW)
    return Record(row, page.links, is_nofollow, page.links_to_follow, page.links_unwanted)


def html_of(url: str, fetched: Fetched) -> Html | None:
    """Return what of an answer would go to the HTML parser, None when nothing would."""
    answer = fetched.answer
    if not 200 <= answer.status < 300 or not fetched.body or not _is_html(answer.header("content-type")):
        return None
    encoding, source = charset.sniff(fetched.body, _short(answer.header("content-type")))
    return Html(fetched.body, encoding, source, url, answer.values("link"))


def _is_html(content_type: str | None) -> bool:
    """Tell whether a body may be read as HTML; an answer that does not say what it is may be."""
    mime = content_type.partition(";")[0].strip().lower() if content_type else ""
    return not mime or mime in HTML_TYPES


def _refresh_link(row: PageRow, answer: Answer, ordinal: int) -> list[LinkRow]:
    """Note where a Refresh field leads and return it as a link."""
    value = answer.header("refresh")
    wanted = headers.refresh(value) if value is not None else None
    if wanted is None or wanted[1] is None:
        return []
    target = Resolver(row.url).resolve(wanted[1])
    if isinstance(target, Refusal):
        _count_refusal(row, target)
        return []
    row.redirect_to, row.redirect_kind, row.redirect_delay_s = target.url, RedirectKind.REFRESH_HEADER, wanted[0]
    links = [_link(target, Kind.META_REFRESH, ordinal)]
    _count_links(row, links)
    return links


def _count_links(row: PageRow, links: list[LinkRow]) -> None:
    """Add links that the extraction does not know of to the row's counts."""
    own = row.domain
    row.links += len(links)
    outside = {domain for link in links if (domain := domains_of(link.target_host).domain) != own}
    row.external += sum(domains_of(link.target_host).domain != own for link in links)
    row.internal += sum(domains_of(link.target_host).domain == own for link in links)
    row.nofollow += sum(bool(link.rel & Rel.NOFOLLOW) for link in links)
    row.external_domains += len(outside)


def _add_page(row: PageRow, page: Page, answer: Answer, product: str) -> None:
    """Fill in what the page says about itself."""
    row.title, row.lang, row.base, row.generator = page.title, page.lang, page.base, page.generator
    if page.canonical is not None:
        row.canonical, row.canonical_source = page.canonical, CanonicalSource.HTML
    else:
        _add_header_canonical(row, answer)
    from_header = headers.robots_tag(answer.values("x-robots-tag"), product)
    row.robots = page.robots | from_header
    row.robots_source = (_IN_META if page.has_robots else 0) | (_IN_HEADER if from_header else 0)
    if page.refresh is not None:
        row.redirect_to, row.redirect_delay_s = page.refresh.url, page.refresh.delay_s
        row.redirect_kind = RedirectKind.META_REFRESH
    row.links += len(page.links)
    row.internal += page.internal
    row.external += page.external
    row.external_domains += page.external_domains
    row.nofollow += page.nofollow
    row.bad_href += page.bad_href
    row.same_document += page.same_document
    row.other_scheme += page.other_scheme
    row.links_dropped += page.links_dropped


def _add_header_canonical(row: PageRow, answer: Answer) -> None:
    """Take the canonical of the Link header, resolved against the page's own URL (RFC 8288 section 3.2)."""
    for link in headers.link_header(answer.values("link")):
        if "canonical" in link.rels:
            target = Resolver(row.url).resolve(link.target)
            if not isinstance(target, Refusal):
                row.canonical, row.canonical_source = target.url, CanonicalSource.HEADER
                return
