"""Every refused address, offered in every way: `python -m bench.torture.addresses`.

A decent site on one allowed loopback address offers addresses that are refused, in all spellings, by each of `WAYS`;
the crawl runs as on the open web (a contact is set), with that one exception. Then names change their answers between
100 fetches. Connections are counted by listeners on refused addresses and by a look at every connect (`witness`).
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.torture.figures import Figure, play
from bench.torture.names import AAAA, A, Zone, name_server
from bench.torture.stored import Stored
from bench.torture.witness import ALLOWED, free_port, trapped, watching
from config import Settings
from crawler.addresses import AddressGuard, Endpoint
from crawler.dns import MIN_TTL_S, BlockedAddress, Resolved, Resolver
from crawler.fetch import Fetcher
from crawler.outcome import Failed, Fetched
from crawler.supervisor import Crawl, Report, resolve_seeds
from crawler.url import normalise
from storage.records import Failure, PageRow

COMMAND: Final = "python -m bench.torture.addresses"
LONGEST_S: Final = 100.0
REBINDINGS: Final = 100

ADDRESSES: Final = (
    *("0.0.0.0", "0.255.255.255", "127.0.0.1", "127.0.0.2", "127.255.255.255"),
    *("10.0.0.0", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.255.255"),
    *("169.254.169.254", "169.254.0.1", "168.63.129.16", "100.64.0.1", "100.100.100.200", "100.127.255.255"),
    *("192.0.0.8", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.19.255.255", "198.51.100.7", "203.0.113.7"),
    *("224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:127.0.0.2", "::ffff:169.254.169.254", "::ffff:8.8.8.8"),
    *("64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "100::1", "2001::1", "2001:20::1", "2001:db8::1"),
    *("2002:7f00:1::", "2002:a9fe:a9fe::1", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1"),
    *("ff02::1", "ff0e::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
)
"""Ends and well-known members of every class that is not public."""

SPELLINGS: Final = (
    *("127.1", "127.0.1", "127.0.0.1.", "0x7f.1", "0x7f000001", "0X7F.0.0.0x2", "2130706433", "017700000001", "0"),
    *("0177.0.0.1", "0177.0.0.02", "00000177.1", "0x0", "127.0.0.0x01", "%31%32%37.0.0.1", "%30x7f.1"),
    *("１２７.0.0.1", "①②⑦.0.0.1", "127。0。0。1", "1２7．1", "127.0.0.1%2E", "１６９.254.169.254"),
    *("2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518", "10.1", "0xa000001", "192.168.257"),
    *("localhost", "LOCALHOST", "localhost.", "foo.localhost", "a.b.localhost."),
    *("[0:0:0:0:0:0:0:1]", "[0000::0001]", "[::FFFF:7F00:1]", "[::ffff:0x7f.1]", "[0::ffff:127.0.0.2]"),
    *("[::ffff:0:127.0.0.1]", "[fe80::1%25lo]", "[fe80::1%lo]", "[::1%25lo]", "[::1.]"),
)
"""Other ways to write some of them; a few are no host at all."""

NAMES: Final = {"metadata.google.internal": "169.254.169.254", "169.254.169.254.nip.example": "169.254.169.254"}
"""Names of the web that lead to refused addresses."""


def _page(body: str, head: str = "", fields: str = "") -> bytes:
    text = f"<!doctype html><html><head>{head}</head><body>{body}</body></html>".encode()
    return _answer("200 OK", text, "Content-Type: text/html; charset=utf-8\r\n" + fields)


def _answer(status: str, body: bytes, fields: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{fields}\r\n".encode() + body


EMPTY: Final = _page("")

WAYS: Final[dict[str, Callable[[str], bytes]]] = {
    "link": lambda url: _page(f'<a href="{url}">x</a>'),
    "frame": lambda url: _page(f'<iframe src="{url}"></iframe>'),
    "redirect": lambda url: _answer("302 Found", b"", f"Location: {url}\r\n"),
    "forever": lambda url: _answer("308 Permanent Redirect", b"", f"Location: {url.removeprefix('http:')}\r\n"),
    "base": lambda url: _page(f'<a href="{url.rpartition("/")[2]}">x</a>', f'<base href="{url.rpartition("/")[0]}/">'),
    "refresh": lambda url: _page("", f'<meta http-equiv="refresh" content="0;url={url}">'),
    "field": lambda url: _page("", fields=f"Refresh: 0;url={url}\r\n"),
    "header": lambda url: _page("", fields=f'Link: <{url}>; rel="next"\r\n'),
    "canonical": lambda url: _page("", f'<link rel="canonical" href="{url}">'),
}
"""How a page offers a URL. Beside these it is a seed, a line of a robots.txt, where one is moved, or a DNS answer."""


TOLD: Final = {"header": "not on record", "mixed": f"200 from {ALLOWED}"}
"""What the record says where it is not a blocked address: Link fields are recorded and not followed, and of several
addresses of a name the allowed one is used."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One URL with a refused host, and the way it comes."""

    way: str
    number: int
    host: str
    port: int

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/{self.way}-{self.number}"


class Site:
    """The site that makes the offers, at the one allowed address; notes what it is asked."""

    def __init__(self, hosts: Sequence[str], port: int) -> None:
        self.port = port
        self.hosts = hosts
        self.asked: Counter[str] = Counter()
        self.offers = [Offer(way, number, host, port) for way in WAYS for number, host in enumerate(hosts)]
        self._answers = {f"/{offer.way}/{offer.number}": WAYS[offer.way](offer.url) for offer in self.offers}
        self._answers["/"] = _page("".join(f'<a href="{path}">x</a>' for path in self._answers))

    def seeds(self) -> list[str]:
        """Return the seeds: the site, hosts whose robots.txt makes an offer, the offers themselves."""
        robots = [f"http://{kind}{n}.site.test:{self.port}/" for kind in "rs" for n in range(len(self.hosts))]
        return [f"http://site.test:{self.port}/", *robots]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                path = head.split(" ", 2)[1]
                host = next(line[6:] for line in head.split("\r\n") if line.lower().startswith("host: "))
                name = host.partition(":")[0]
                self.asked[name] += path != "/robots.txt"
                writer.write(self._robots(name) if path == "/robots.txt" else self._page(name, path))
                await writer.drain()
        writer.close()

    def _page(self, name: str, path: str) -> bytes:
        return self._answers.get(path, EMPTY) if name == "site.test" else EMPTY

    def _robots(self, name: str) -> bytes:
        label = name.partition(".")[0]
        if not label[1:].isdecimal():
            return _answer("404 Not Found", b"", "")
        host = self.hosts[int(label[1:])]
        if label.startswith("r"):
            return _answer("301 Moved Permanently", b"", f"Location: http://{host}:{self.port}/robots.txt\r\n")
        text = f"User-agent: *\nAllow: /\nSitemap: http://{host}:{self.port}/sitemap.xml\n"
        return _answer("200 OK", text.encode(), "Content-Type: text/plain\r\n")


@dataclass(frozen=True, slots=True)
class Matrix:
    """What one crawl of all offers came to."""

    offers: int
    recorded: int
    """Offers that are URLs: each has to be on record as refused (or as `TOLD` says)."""
    wrong: list[str]
    """Those that are not."""
    reached: Counter[str]
    """Connections that refused listeners saw, and connects to addresses that are not allowed."""
    allowed: int
    """Connects to the allowed address: that they are seen shows that the others would be."""
    unread: list[str]
    """Pages that were fetched although their robots.txt leads to a refused address."""
    report: Report


async def matrix(hosts: Sequence[str], addresses: Sequence[str], folder: Path) -> Matrix:
    """Crawl a site that offers `hosts` (as URLs spell them) and names that resolve to `addresses`."""
    port = free_port()
    site, zone = Site(hosts, port), _zone(addresses)
    named = [Offer("dns", number, f"d{number}.test", port) for number in range(len(addresses))]
    named += [Offer("mixed", number, f"m{number}.test", port) for number in range(len(addresses))]
    named += [Offer("name", number, name, port) for number, name in enumerate(NAMES)]
    seeds = [Offer("seed", number, host, port) for number, host in enumerate(hosts)]
    seeds = [offer for offer in seeds if normalise(offer.url) is not None]
    async with name_server(zone) as names, trapped(port) as came:
        server = await asyncio.start_server(site.serve, ALLOWED, port, backlog=512)
        async with server:
            settings = _settings(folder, [*site.seeds(), *(offer.url for offer in seeds + named)], names)
            with watching() as connects:
                report = await Crawl(settings, resolve_seeds(settings.crawl.seeds)).run()
    return _judged([*site.offers, *seeds, *named], folder, came + connects, site, report)


def _zone(addresses: Sequence[str]) -> Zone:
    """Return names for each address alone, and together with the allowed one."""
    zone = Zone({("site.test", A): [ALLOWED]})
    zone.default = [ALLOWED]
    for number, address in enumerate(addresses):
        kind = AAAA if ":" in address else A
        zone.records[f"d{number}.test", kind] = [address]
        zone.records[f"m{number}.test", A] = [ALLOWED] if kind == AAAA else [address, ALLOWED, address]
        zone.records[f"m{number}.test", AAAA] = [address] if kind == AAAA else []
    zone.records.update({(name, A): [address] for name, address in NAMES.items()})
    return zone


def _judged(offers: Sequence[Offer], folder: Path, reached: Counter[str], site: Site, report: Report) -> Matrix:
    rows = {page.url: page for page in Stored(folder).pages}
    wanted = {url: offer for offer in offers if (url := normalise(offer.url)) is not None}
    found = {url: _told(rows.get(url)) for url in wanted}
    right = {url: TOLD.get(offer.way, Failure.BLOCKED_ADDRESS.name) for url, offer in wanted.items()}
    wrong = [f"{wanted[url].way} {wanted[url].host}: {found[url]}" for url in wanted if found[url] != right[url]]
    allowed = reached.pop(ALLOWED, 0)
    urls = {f"r{number}.site.test" for number, host in enumerate(site.hosts) if normalise(f"http://{host}/")}
    unread = [name for name in urls if site.asked[name]]
    return Matrix(len(offers), len(wanted), wrong, reached, allowed, unread, report)


def _told(row: PageRow | None) -> str:
    if row is None:
        return "not on record"
    return Failure(row.failure).name if row.failure else f"{row.status} from {row.ip}"


def _settings(folder: Path, seeds: Sequence[str], names: str) -> Settings:
    given: dict[str, Any] = {
        "crawl": {"seeds": list(seeds), "data_dir": folder, "max_time": LONGEST_S},
        "scope": {"follow": "any", "max_url_bytes": 4096},
        "politeness": {"delay": 0.0, "delay_per_ip": 0.0, "connections_per_host": 16, "connections_per_ip": 64},
        # A name server on a busy machine loses a question now and then: the last answer counts.
        "fetch": {"retries": 3, "retry_wait": 0.1, "concurrency": 64, "contact": "https://crawler.example/"},
        "network": {"nameservers": [names], "allow_addresses": [f"{ALLOWED}/32"]},
        "storage": {"commit_interval": 0.2, "compression_level": 1},
    }
    return Settings.model_validate(given)


@dataclass(frozen=True, slots=True)
class Rebinding:
    """What became of fetches from a name whose address changes between them."""

    fetched: int
    blocked: int
    odd: list[str]
    reached: Counter[str]


async def rebinding(fetches: int) -> Rebinding:
    """Resolve a name anew for each fetch; the answers are allowed, refused and mixed in turn."""
    port, now = free_port(), [0.0]
    answers = [[ALLOWED], ["127.0.0.1"], ["127.0.0.2", ALLOWED], [ALLOWED, "169.254.169.254"], ["10.0.0.5"]]
    zone, guard = Zone(), AddressGuard([f"{ALLOWED}/32"])
    tally: Counter[str] = Counter()
    odd: list[str] = []
    site = Site((), port)
    async with name_server(zone) as names, trapped(port) as came:
        server = await asyncio.start_server(site.serve, ALLOWED, port)
        resolver = Resolver(guard, nameservers=[names], now=lambda: now[0])
        async with server, resolver, Fetcher(guard, "t") as fetcher:
            with watching() as connects:
                for number in range(fetches):
                    answer = answers[number % len(answers)]
                    zone.records = {("re.test", A): answer}
                    became = await _fetch(resolver, fetcher, port)
                    tally[became] += 1
                    if became != ("fetched" if ALLOWED in answer else "blocked"):
                        odd.append(f"{answer}: {became}")
                    now[0] += MIN_TTL_S
                # What was resolved before is judged again by the fetch: an old answer is no way round.
                for ip in ("127.0.0.1", "127.0.0.2", "::1", "::ffff:127.0.0.1", "169.254.169.254"):
                    stale = await fetcher.fetch(f"http://re.test:{port}/", Endpoint(ip))
                    odd += [] if isinstance(stale, Failed) else [f"stale {ip}: fetched"]
    reached = came + connects
    del reached[ALLOWED]
    return Rebinding(tally["fetched"], tally["blocked"], odd, reached)


async def _fetch(resolver: Resolver, fetcher: Fetcher, port: int) -> str:
    answer = await resolver.resolve("re.test")
    match answer:
        case BlockedAddress():
            return "blocked"
        case Resolved():
            for ip in answer.addresses:
                outcome = await fetcher.fetch(f"http://re.test:{port}/", Endpoint(ip))
                if not isinstance(outcome, Fetched):
                    return f"{ip}: {outcome}"
            return "fetched"
        case _:
            return str(answer)


def run(scale: float = 1.0) -> list[Figure]:
    """Try everything; scale 1 takes about ten seconds, a smaller one leaves out hosts."""
    return asyncio.run(_run(scale))


def all_hosts() -> list[str]:
    """Return every refused host as URLs spell it."""
    return [f"[{ip}]" if ":" in ip else ip for ip in ADDRESSES] + list(SPELLINGS)


async def _run(scale: float) -> list[Figure]:
    step = max(1, round(1 / scale))
    with tempfile.TemporaryDirectory(prefix="linkmill-addresses-") as folder:
        tried = await matrix(all_hosts()[::step], ADDRESSES[::step], Path(folder))
    return [*matrix_figures(tried), *rebinding_figures(await rebinding(REBINDINGS))]


def matrix_figures(tried: Matrix) -> list[Figure]:
    """Return what a matrix proves."""
    right = f"{tried.recorded - len(tried.wrong)} of {tried.recorded}"
    return [
        _none(f"connections to refused addresses, {tried.offers} offers in {len(WAYS) + 5} ways", tried.reached),
        Figure(
            "the same crawl's connects to its one allowed address",
            str(tried.allowed),
            "over 0",
            tried.allowed > 0,
            COMMAND,
        ),
        Figure("offers that are URLs on record as a blocked address", right, "all", not tried.wrong, COMMAND),
        _none("pages fetched though their robots.txt leads to a refused address", tried.unread),
    ]


def rebinding_figures(tried: Rebinding) -> list[Figure]:
    """Return what rebinding proves."""
    became = f"{tried.fetched} fetched, {tried.blocked} blocked, {len(tried.odd)} otherwise"
    return [
        _none("connections to refused addresses, rebinding", tried.reached),
        Figure("fetches of a name that changes its address", became, "0 otherwise", not tried.odd, COMMAND),
    ]


def _none(name: str, found: Counter[str] | Sequence[str]) -> Figure:
    value = str(sum(found.values())) if isinstance(found, Counter) else str(len(found))
    return Figure(name, value, "0", not found, COMMAND)


if __name__ == "__main__":
    play(run, COMMAND, __doc__)
