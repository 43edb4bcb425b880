"""What is stored: the enums, bit sets and rows of one crawl (their Arrow schemas are in `storage.schemas`).

Rule: a column holds an observation of one fetch, never something a later step could derive.
Numbers of enums and bits are part of the stored format: append, never renumber (SCHEMA_VERSION otherwise).
Writing them to disk is `storage.segments`' work, joining them across fetches `storage.index`'s.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import IntEnum, IntFlag
from typing import Final, NamedTuple

SCHEMA_VERSION: Final = 4
"""Version of the data directory: tables, segments and index generations together."""


class Via(IntEnum):
    """How a URL was discovered."""

    SEED = 0
    LINK = 1
    REDIRECT = 2
    CANONICAL = 3
    SITEMAP = 4
    RECRAWL = 5


class Failure(IntEnum):
    """Why a fetch attempt gave no usable page; `NONE` is stored as null."""

    NONE = 0
    DNS = 1
    CONNECT = 2
    TLS = 3
    TIMEOUT = 4
    RESET = 5
    PROTOCOL = 6
    TOO_LARGE = 7
    ROBOTS = 8
    """Robots.txt disallows the URL: nothing was sent."""
    BLOCKED_ADDRESS = 9
    """The host's address is not public and the settings do not allow it: nothing was sent."""
    REDIRECT_LOOP = 10
    """The chain of redirects is longer than `fetch.max_redirects`."""
    DECODE = 11
    """The body's content coding is broken or unknown."""
    UNSAFE_HTML = 12
    SERVER_ERROR = 13
    """A 5xx answer."""
    THROTTLED = 14
    """408, 425 or 429: the server asked for less."""
    ROBOTS_UNREACHABLE = 15
    """Robots.txt could not be had, so the origin counts as disallowed (RFC 9309 section 2.3.1.4)."""


class RedirectKind(IntEnum):
    """How a page sends its visitor on; `NONE` is stored as null."""

    NONE = 0
    MOVED_301 = 1
    FOUND_302 = 2
    SEE_OTHER_303 = 3
    TEMPORARY_307 = 4
    PERMANENT_308 = 5
    REFRESH_HEADER = 6
    META_REFRESH = 7


class CharsetSource(IntEnum):
    """Which rule named the page's encoding."""

    NONE = 0
    HEADER = 1
    BOM = 2
    META = 3
    DEFAULT = 4


class Truncated(IntEnum):
    """Which cap cut the body; `NO` means whole."""

    NO = 0
    WIRE = 1
    BODY = 2


class CanonicalSource(IntEnum):
    """Where the canonical URL was declared; the HTML element wins over the header."""

    NONE = 0
    HTML = 1
    HEADER = 2


class RobotsSource(IntFlag):
    """Where the page's robots directives were found."""

    NONE = 0
    META = 1
    HEADER = 2


class Robots(IntFlag):
    """Robots directives of a page, from `<meta name=robots>` and X-Robots-Tag together."""

    NONE = 0
    NOINDEX = 1
    NOFOLLOW = 2
    NOARCHIVE = 4
    NOSNIPPET = 8
    NOIMAGEINDEX = 16
    INDEXIFEMBEDDED = 32
    UNAVAILABLE_AFTER = 64


class Kind(IntEnum):
    """What kind of edge a link is."""

    A = 0
    AREA = 1
    LINK_CANONICAL = 2
    LINK_ALTERNATE = 3
    LINK_NEXT = 4
    LINK_PREV = 5
    LINK_AMPHTML = 6
    LINK_OTHER = 7
    REDIRECT = 8
    META_REFRESH = 9
    FRAME = 10
    FORM = 11
    EMBED = 12
    RESOURCE = 13
    CITE = 14
    HEADER_LINK = 15
    SITEMAP = 16
    FEED = 17

    @property
    def label(self) -> str:
        """The name used in settings, queries and exports: `link-canonical`."""
        return self.name.lower().replace("_", "-")


class Rel(IntFlag):
    """Relations of a link; every token without a bit of its own sets `OTHER`."""

    NONE = 0
    NOFOLLOW = 1
    UGC = 2
    SPONSORED = 4
    NOOPENER = 8
    NOREFERRER = 16
    EXTERNAL = 32
    ME = 64
    AUTHOR = 128
    LICENSE = 256
    TAG = 512
    BOOKMARK = 1024
    NEXT = 2048
    PREV = 4096
    ALTERNATE = 8192
    CANONICAL = 16384
    OTHER = 32768


class AnchorSource(IntEnum):
    """Where a link's anchor was read from."""

    NONE = 0
    TEXT = 1
    ALT = 2
    TITLE = 3
    ARIA_LABEL = 4


class Place(IntEnum):
    """The part of the page that holds a link: its nearest such element or ARIA role."""

    OTHER = 0
    HEADER = 1
    NAV = 2
    MAIN = 3
    ARTICLE = 4
    SECTION = 5
    ASIDE = 6
    FOOTER = 7
    FIGURE = 8
    TABLE = 9
    FORM = 10


class LinkRow(NamedTuple):
    """One link of a page as extracted; the page's `fetch` is added when the segment is written."""

    target: str
    """Normal form without fragment."""
    target_host: str
    fragment: str | None
    """Without `#`; only when the target is another document."""
    kind: int
    rel: int
    anchor: str
    anchor_source: int
    anchor_cut: bool
    image: bool
    place: int
    ordinal: int
    """Position among the page's links in document order, from 0; Link fields come first, a Refresh field last."""
    repeats: int
    """Further identical links folded into this row."""
    text_before: str | None
    text_after: str | None
    hreflang: str | None


@dataclass(slots=True)
class PageRow:
    """One fetch attempt that ended. Built in steps by the worker, then only read."""

    run: int
    fetch: int
    """Unique in the crawl: worker incarnation << 40 | sequence."""
    url: str
    host: str
    domain: str
    domain_private: str
    shard: int
    depth: int
    discovered_from: int | None
    """Fetch number of the page that revealed the URL; null for seeds."""
    via: int
    fetched_at: int
    """UTC, microseconds since the epoch, end of the fetch."""
    fetch_ms: float = 0.0
    queue_ms: float = 0.0
    """From discovery to the start of the fetch, with the time in which no crawl ran."""
    status: int | None = None
    failure: int | None = None
    http_version: str | None = None
    ip: str | None = None
    server: str | None = None
    redirect_to: str | None = None
    redirect_kind: int | None = None
    redirect_delay_s: float | None = None
    content_type: str | None = None
    charset: str | None = None
    charset_source: int = 0
    content_encoding: str | None = None
    wire_bytes: int = 0
    """Body bytes received, before the content coding is undone."""
    body_bytes: int = 0
    """Body bytes after the content coding was undone."""
    truncated: int = 0
    etag: str | None = None
    last_modified: str | None = None
    not_modified: bool = False
    body_hash: bytes | None = None
    """xxh3_128 of the decoded body, 16 bytes."""
    title: str | None = None
    lang: str | None = None
    canonical: str | None = None
    canonical_source: int = 0
    base: str | None = None
    generator: str | None = None
    robots: int = 0
    robots_source: int = 0
    links: int = 0
    """Link rows stored for this page."""
    internal: int = 0
    """Of those, targets on the page's registered domain."""
    external: int = 0
    external_domains: int = 0
    nofollow: int = 0
    bad_href: int = 0
    same_document: int = 0
    """`#x` and empty hrefs: no link."""
    other_scheme: int = 0
    """javascript:, mailto:, tel:, data:, blob: and the like: counted, not stored."""
    links_dropped: int = 0
    """Links over `extract.max_links`."""
    parser: str = ""
    psl: str = ""
    normaliser: str = ""


PAGE_COLUMNS: Final = tuple(f.name for f in fields(PageRow))


class QueueRow(NamedTuple):
    """A discovered URL that waits to be fetched."""

    host_id: int
    seq: int
    """Place in the order of discovery, unique in the crawl; a retry gets a new one."""
    url: str
    depth: int
    via: int
    discovered_from: int | None
    discovered_at: float
    """UTC, seconds since the epoch."""
    tries: int
    """Attempts that ended before."""
    hops: int
    """Redirects followed to reach this URL."""
    not_before: float
    """UTC, seconds since the epoch; 0.0 for at once."""


@dataclass(slots=True)
class HostRow:
    """What the crawl knows of one host, as saved with each commit that touched it."""

    host_id: int
    host: str
    domain: str
    domain_private: str
    shard: int
    discovered: int = 0
    done: int = 0
    failed: int = 0
    excluded: int = 0
    pages_ok: int = 0
    pages_failed: int = 0
    pages_denied: int = 0
    bytes: int = 0
    ip: str | None = None
    robots_status: str | None = None
    robots_at: float | None = None
    """UTC, seconds since the epoch, of the last robots.txt answer."""
    crawl_delay_s: float | None = None
    delay_s: float = 0.0
    """Delay in force, with Crawl-delay and penalty."""
    penalty_s: float = 0.0
    failures: int = 0
    """Failures in a row."""
    next_at: float = 0.0
    """UTC, seconds since the epoch: no request before it."""
    parked: str | None = None
    """Why the host is set aside, if it is."""
    first_visit: float | None = None
    last_visit: float | None = None


class RobotsRow(NamedTuple):
    """The last robots.txt answer of one origin."""

    origin: str
    host_id: int
    verdict: str
    """rules, allow_all or disallow_all."""
    status: int | None
    body: bytes
    fetched_at: float
    expires_at: float


class OfferRow(NamedTuple):
    """A discovered URL on its way to the worker that owns its shard."""

    shard: int
    url: str
    host: str
    depth: int
    via: int
    hops: int
    discovered_from: int | None


class ErrandRow(NamedTuple):
    """A robots.txt that redirected to a shard of another worker: who fetches it writes the answer for `origin`."""

    shard: int
    """Of `url`."""
    origin: str
    host_id: int
    """Of `origin`."""
    url: str
    hops: int
    """Redirects up to `url`."""


@dataclass(slots=True)
class Batch:
    """Everything that becomes visible in one transaction. `finished` are keys of the queue: (host_id, seq)."""

    pages: list[PageRow] = field(default_factory=list)
    links: list[LinkRow] = field(default_factory=list)
    """In the order of `pages`; `PageRow.links` rows each."""
    added: list[QueueRow] = field(default_factory=list)
    finished: list[tuple[int, int]] = field(default_factory=list)
    hosts: dict[int, HostRow] = field(default_factory=dict)
    discovered: dict[int, int] = field(default_factory=dict)
    """URLs found so far by id, of hosts of which nothing else has changed."""
    robots: dict[str, RobotsRow] = field(default_factory=dict)
    seen: list[int] = field(default_factory=list)
    """Fingerprints (xxh3_64) of the URLs in `added` that are new to the crawl."""
    seen_shards: list[int] = field(default_factory=list)
    """The shard of each of them."""
    counters: dict[str, int] = field(default_factory=dict)
    """What was counted since the last batch, by reason."""
    offers: list[OfferRow] = field(default_factory=list)
    """URLs found here that belong to other workers."""
    taken: list[tuple[int, str]] = field(default_factory=list)
    """Offers that were judged, by shard and URL: with this batch they are gone."""
    errands: list[ErrandRow] = field(default_factory=list)
    """Robots.txt files that other workers are to fetch."""
    errands_ended: list[tuple[int, str]] = field(default_factory=list)
    """Those that were fetched for others, by shard and origin; the answers are in `robots`."""
