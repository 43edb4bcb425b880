"""The settings of a crawl: a section per class, a default and a reason per key.

Rule: sections are frozen, unknown keys are errors, and a value is checked here as far as it stands alone.
`default.toml` says the same for people (a test keeps them equal); `config.combinations` checks what keys say together.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    Strict,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from config.errors import shown
from config.units import Bytes, Seconds
from config.urls import HostPattern, MappedHost, ScopeRule, SeedUrl, mapped_host, without_user
from config.values import (
    AddressBlock,
    Contact,
    Endpoint,
    HeaderName,
    HeaderValue,
    Label,
    PlacedPath,
    ProductToken,
    ProxyUrl,
)

AGENT_VERSION: Final = "0.1"
"""What User-Agent tells of Linkmill's version: servers group by it, so it changes seldom."""

WITHHELD: Final = "***"

LinkKind = Literal[
    "a", "area", "link-canonical", "link-alternate", "link-next", "link-prev", "link-amphtml", "link-other",
    "redirect", "meta-refresh", "frame", "form", "embed", "resource", "cite", "header-link", "sitemap", "feed",
]  # fmt: skip
Count = Annotated[int, Field(ge=0)]
AtLeastOne = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """What all sections share: frozen, no unknown keys, no silent conversions, defaults checked like values."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        validate_default=True,
        use_attribute_docstrings=True,
    )


class CrawlSettings(Section):
    """What to crawl, where to keep it, and when to stop."""

    name: Label = "crawl"
    """Name of the crawl in logs and reports."""
    seeds: Annotated[tuple[SeedUrl, ...], Strict(False)] = ()
    """URLs to start from; one without a scheme means https."""
    seeds_file: PlacedPath | None = None
    """File with one seed a line and # comments, for lists too long to stand here; its folder is this file's."""
    data_dir: PlacedPath = Path("linkmill-data")
    """Folder of queue, segments and index, from this file's folder on; a crawl found there is resumed."""
    workers: Count = 0
    """Processes that crawl, each some of the domains; 0 means one for each core. Few domains get fewer."""
    max_pages: Count = 0
    """Stop after so many requests for pages of one run, answered or not, over all its starts; 0 means no limit: scope
    and budgets usually end it."""
    max_time: Seconds = 0.0
    """Stop after this time of one start; 0 means no limit. What is left stays queued for the next start."""
    max_bytes: Bytes = 0
    """Stop after so many bytes on the wire of one run, over all its starts; 0 means no limit. For paid traffic."""


class ScopeSettings(Section):
    """Which discovered URLs are followed; every link is recorded whatever stands here."""

    follow: Literal["host", "domain", "any", "listed"] = "domain"
    """Follow links to the seeds' hosts, to their registered domains, to any host, or only to what include lists.
    Where people register below a provider's name, each is a domain: x.github.io and y.github.io are two.
    """
    include: Annotated[tuple[ScopeRule, ...], Strict(False)] = ()
    """Follow only URLs that a rule names: a URL prefix ("https://example.org/docs/"), a glob over host and path
    ("*.example.org/*", which leaves example.org itself out; "*/docs/*" on any host), or "re:" and RE2 syntax.
    """
    exclude: Annotated[tuple[ScopeRule, ...], Strict(False)] = ()
    """Never follow URLs that a rule names; wins over include, so that traps can be cut out of a wanted site."""
    nofollow: Literal["skip", "follow"] = "skip"
    """Links marked nofollow, ugc or sponsored, and those of nofollow pages: the site asks not to follow them."""
    max_depth: Count = 0
    """Links to follow from a seed; 0 means no limit, as the budgets below bound endless sites better."""
    max_pages_per_host: Count = 0
    """Pages of one host; 0 means no limit. Keeps one endless calendar from eating the crawl."""
    max_pages_per_domain: Count = 0
    """Pages of one registered domain, as for follow; 0 means no limit. Set it where hosts are cheap (wildcard DNS)."""
    max_pages_per_part: Count = 0
    """Pages below the same three directories, or of one script with queries; 0 means no limit. Stops calendars.
    Each start counts them anew.
    """
    max_path_segments: AtLeastOne = 30
    """Most segments in a path: a page's relative links that lengthen their own path have no end."""
    max_path_repeats: Count = 2
    """Times that a part of a path may follow itself: "/a/a/a/" has two, and more are a server's mistake."""
    max_query_bytes: Count = 1024
    """Longest query string to follow: longer ones are sessions and filters far more often than pages."""
    max_url_bytes: Annotated[int, Field(ge=16)] = 2048
    """Longest URL to follow: what search engines and browsers can be expected to take."""


class Override(Section):
    """Politeness of the hosts that one pattern matches; the first override that matches wins."""

    match: HostPattern
    """Host, or glob over hosts: "*.example.org" is every host below example.org, but not example.org itself."""
    delay: Seconds | None = None
    """Instead of politeness.delay."""
    connections: AtLeastOne | None = None
    """Instead of politeness.connections_per_host."""

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if self.delay is None and self.connections is None:
            raise ValueError("changes nothing; it needs delay or connections")
        return self


def _distinct(overrides: tuple[Override, ...]) -> tuple[Override, ...]:
    matches = [override.match for override in overrides]
    for match in matches:
        if matches.count(match) > 1:
            raise ValueError(f'names "{match}" more than once; the first would always win')
    return overrides


class PolitenessSettings(Section):
    """How much a host has to bear."""

    delay: Seconds = 1.0
    """Pause from the end of one request to a host to the start of the next: nobody complains about one a second."""
    delay_per_ip: Seconds = 0.25
    """The same per IP address, where many small hosts share one server."""
    connections_per_host: AtLeastOne = 1
    """Requests open at one host: more only with the operator's consent."""
    connections_per_ip: AtLeastOne = 2
    """Requests open at one IP address, where many hosts share one server."""
    max_crawl_delay: Seconds = 60.0
    """Longest Crawl-delay obeyed as written: a longer one is cut to this, as a typing error would stop the host."""
    max_retry_after: Seconds = 3600.0
    """Longest Retry-After obeyed as written: a longer one is cut to this and the URL tried again then."""
    robots: bool = True
    """Obey robots.txt (RFC 9309); off only for sites that are your own."""
    overrides: Annotated[tuple[Override, ...], Strict(False), AfterValidator(_distinct)] = ()
    """Other values for some hosts, each as { match = "*.example.org", delay = "5s", connections = 1 }; the first that
    matches wins. As in DNS, "*.example.org" is every host below example.org, but not example.org itself.
    """


def _each_once(kind: str, normal: Callable[[str], str]) -> WrapValidator:
    """Return the check of a table in which two names of one normal form would be one and the same `kind`."""

    def check(given: object, read: ValidatorFunctionWrapHandler) -> object:
        table = read(given)
        spelled: dict[str, str] = {}
        for name in given if isinstance(given, dict) else ():
            first = spelled.setdefault(normal(name), name)
            if first != name:
                raise ValueError(f"names one {kind} twice, as {shown(first)} and {shown(name)}; leave one of them out")
        return table

    return WrapValidator(check)


class FetchSettings(Section):
    """How pages are asked for, and what a response may cost."""

    concurrency: Annotated[int, Field(ge=1, le=10_000)] = 256
    """Requests open in all, of all workers: enough for a thousand polite hosts, few enough for default file limits."""
    product: ProductToken = "Linkmill"
    """Name in User-Agent, and the one that robots.txt groups are matched with."""
    contact: Contact = ""
    """URL or e-mail address in User-Agent where operators find you; without one only loopback is crawled."""
    connect_timeout: Annotated[Seconds, Field(gt=0)] = 10.0
    """Time for connecting, TLS included: a server that needs longer is down or overloaded."""
    read_timeout: Annotated[Seconds, Field(gt=0)] = 20.0
    """Time between two pieces of a response: slow pages end, stalled ones do not."""
    total_timeout: Annotated[Seconds, Field(gt=0)] = 60.0
    """Time for one request in all: bounds servers that drip a byte now and then."""
    max_wire_bytes: Annotated[Bytes, Field(ge=1024)] = 8 * 1024**2
    """Bytes read of one response as sent: what follows is cut and the page marked as truncated."""
    max_body_bytes: Annotated[Bytes, Field(ge=1024)] = 16 * 1024**2
    """Bytes of one body once decompressed: ends compression bombs."""
    max_redirects: Count = 10
    """Redirects followed in a row: browsers stop at 20, honest sites need 3."""
    retries: Count = 2
    """Further attempts after time-outs, resets and 5xx answers: most passing faults are over by then."""
    retry_wait: Seconds = 30.0
    """Wait before the first further attempt, doubled for each next one."""
    headers: Annotated[dict[HeaderName, HeaderValue], _each_once("header", str.lower)] = Field(default_factory=dict)
    """Request headers to add, as Accept-Language; those that the fetcher owns are refused."""

    @property
    def user_agent(self) -> str:
        """The User-Agent sent: product, version and contact."""
        agent = f"{self.product}/{AGENT_VERSION}"
        return f"{agent} (+{self.contact})" if self.contact else agent


class ExtractSettings(Section):
    """What is recorded of a page's links."""

    kinds: Annotated[tuple[LinkKind, ...], Strict(False)] = ()
    """Kinds of link to record; empty means all. Following is as ever; what is not recorded can never be asked for."""
    anchor_bytes: Annotated[int, Field(ge=0, le=65_536)] = 512
    """Bytes kept of an anchor text, cut at a character: longer ones are whole cards or paragraphs."""
    max_links: AtLeastOne = 20_000
    """Links recorded of one page; further ones are counted as dropped. The longest honest indexes have 13,000."""
    context: bool = False
    """Keep up to 120 bytes of text before and after each link: doubles what a link takes on disk."""


class NetworkSettings(Section):
    """How names become addresses, and which addresses may be reached."""

    nameservers: Annotated[tuple[Endpoint, ...], Strict(False)] = ()
    """DNS servers as "ip" or "ip:port"; empty means the system's, a local caching one suits big crawls best."""
    hosts: Annotated[dict[MappedHost, Endpoint], _each_once("host", mapped_host)] = Field(default_factory=dict)
    """Static map from a name or "*.suffix" to "ip" or "ip:port", before DNS: for tests and mirrors. "*.suffix" is every
    name below the suffix, but not the suffix itself.
    """
    allow_addresses: Annotated[tuple[AddressBlock, ...], Strict(False)] = ()
    """Networks that may be reached beyond public ones, as "127.0.0.0/8": keeps pages from aiming at your own."""
    proxy: ProxyUrl | None = None
    """HTTP proxy for all requests; it resolves names itself, so addresses are its matter then."""


class StorageSettings(Section):
    """When crawled pages become durable, and what the index may use."""

    commit_interval: Annotated[Seconds, Field(gt=0)] = 5.0
    """Longest time between two commits: bounds what a crash makes the crawl fetch again."""
    commit_links: AtLeastOne = 100_000
    """Links that a crash may cost a worker: half of them bring a commit forward, all of them make fetching wait for it.
    """
    min_free: Bytes = 256 * 1024**2
    """Free space of the disk below which the crawl pauses until there is more; 0 means never. Room for some commits."""
    compression_level: Annotated[int, Field(ge=1, le=22)] = 3
    """Zstandard level of segments: higher ones win a few per cent and cost a multiple of the time."""
    index_memory: Annotated[Bytes, Field(ge=64 * 1024**2)] = 1024**3
    """Memory of an index build; beyond it sorting spills to disk. Libraries and the start of the process take 100 to
    200 MB more, which are not counted."""
    index_threads: AtLeastOne = 2
    """Threads of an index build; each needs its share of the memory."""


class LogSettings(Section):
    """What a crawl tells while it runs without a terminal."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level to write: debug tells every request."""
    format: Literal["text", "json"] = "text"
    """Text for people, json (an object a line) for log collectors."""
    period: Annotated[Seconds, Field(gt=0)] = 10.0
    """Time between two progress lines: rates are steady over it."""
    file: PlacedPath | None = None
    """File to append to instead of standard error."""


class Settings(Section):
    """All settings of one crawl."""

    crawl: CrawlSettings = Field(default_factory=CrawlSettings)
    """What to crawl, where to keep it, and when to stop."""
    scope: ScopeSettings = Field(default_factory=ScopeSettings)
    """Which discovered URLs are followed."""
    politeness: PolitenessSettings = Field(default_factory=PolitenessSettings)
    """How much a host has to bear."""
    fetch: FetchSettings = Field(default_factory=FetchSettings)
    """How pages are asked for, and what a response may cost."""
    extract: ExtractSettings = Field(default_factory=ExtractSettings)
    """What is recorded of a page's links."""
    network: NetworkSettings = Field(default_factory=NetworkSettings)
    """How names become addresses, and which addresses may be reached."""
    storage: StorageSettings = Field(default_factory=StorageSettings)
    """When crawled pages become durable, and what the index may use."""
    log: LogSettings = Field(default_factory=LogSettings)
    """What a crawl tells while it runs without a terminal."""

    @property
    def loopback_only(self) -> bool:
        """True when no contact is set: every address that is not loopback is then refused, at connect time too."""
        return not self.fetch.contact

    def for_the_record(self) -> str:
        """Return the settings as JSON, without what could be a secret: the proxy's user and the values of headers."""
        proxy = self.network.proxy
        fetch = self.fetch.model_copy(update={"headers": dict.fromkeys(self.fetch.headers, WITHHELD)})
        network = self.network.model_copy(update={"proxy": proxy and without_user(proxy)})
        return self.model_copy(update={"fetch": fetch, "network": network}).model_dump_json()
