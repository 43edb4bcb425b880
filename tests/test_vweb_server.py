"""The virtual web's server: answers as planned, faults on time, a true log, and an end in any case."""

from __future__ import annotations

import asyncio
import gzip
import ssl
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import ada_url
import pytest
from xxhash import xxh3_128_digest

from bench.vweb import NO_FAULTS, Faults, WebSpec, robots, serve
from bench.vweb.answers import Answers
from bench.vweb.expected import Expected
from bench.vweb.log import Served, by_address, by_host, most_open, read_log, shortest_gaps
from bench.vweb.process import ROOT
from bench.vweb.server import REQUEST_BYTES_MAX
from bench.vweb.site import Fate, RobotsKind, Site, Web

MANY_FAULTS = Faults(0.1, 0.08, 0.06, 0.06, 0.06, 0.06, 0.06, 0.06, slow_s=0.2)
SPEC = WebSpec(seed=7, hosts=20, pages_per_host=12, profile=4, faults=MANY_FAULTS)


class Got(NamedTuple):
    """A response as read from the socket."""

    status: int
    headers: dict[str, str]
    body: bytes


class Client:
    """One keep-alive connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int, address: str = "127.0.0.1") -> Client:
        return cls(*await asyncio.open_connection(address, port))

    def send(self, request: bytes) -> None:
        self._writer.write(request)

    def ask(self, host: str, path: str, method: str = "GET") -> None:
        self.send(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\n\r\n".encode())

    async def read(self, body: bool = True) -> Got:
        first, *lines = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers["content-length"]) if body else 0
        return Got(int(first.split()[1]), headers, await self._reader.readexactly(length))

    async def get(self, host: str, path: str) -> Got:
        self.ask(host, path)
        return await self.read()

    async def ended(self) -> bool:
        """Wait for the server; return whether it closed without a word."""
        return not await self._reader.read(1)

    def abort(self) -> None:
        self._writer.transport.abort()

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


async def fetch(port: int, site: Site, page: int) -> Got:
    """Fetch one page on a connection of its own."""
    client = await Client.open(port)
    try:
        return await client.get(site.name, site.paths[page])
    finally:
        await client.close()


def pages(web: Web, fate: Fate) -> list[tuple[Site, int]]:
    """Return the pages that answer in this way."""
    sites = map(web.site, range(web.spec.hosts))
    return [(site, page) for site in sites for page, found in enumerate(site.fates) if found is fate]


async def test_served_pages_are_the_computed_ones() -> None:
    web = Web(SPEC)
    expected = Expected(web)
    async with serve(SPEC) as running:
        client = await Client.open(running.port)
        for site, page in pages(web, Fate.OK):
            got, facts = await client.get(site.name, site.paths[page]), expected.facts(site.root + site.paths[page])
            assert (got.status, got.headers["content-type"], got.headers["etag"]) == (
                facts.status,
                facts.content_type,
                facts.etag,
            )
            assert xxh3_128_digest(got.body) == facts.body_hash
        await client.close()


async def test_gzip_answers_hold_the_same_pages() -> None:
    spec = WebSpec(hosts=2, pages_per_host=3, faults=NO_FAULTS, gzip=True)
    web = Web(spec)
    async with serve(spec) as running:
        got = await fetch(running.port, web.site(1), 2)
    assert got.headers["content-encoding"] == "gzip"
    facts = Expected(web).facts(web.site(1).root + web.site(1).paths[2])
    assert xxh3_128_digest(gzip.decompress(got.body)) == facts.body_hash


async def test_https_web_is_served_with_a_certificate_that_checks_for_every_host() -> None:
    spec = WebSpec(hosts=4, pages_per_host=3, faults=NO_FAULTS, tls=True)
    web = Web(spec)
    async with serve(spec) as running:
        trusting = ssl.create_default_context(cafile=running.certificate)
        for site in map(web.site, range(spec.hosts)):
            client = Client(
                *await asyncio.open_connection("127.0.0.1", running.port, ssl=trusting, server_hostname=site.name)
            )
            got = await client.get(site.name, site.paths[1])
            assert site.root.startswith("https://")
            assert xxh3_128_digest(got.body) == Expected(web).facts(site.root + site.paths[1]).body_hash
            await client.close()
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.open_connection("127.0.0.1", running.port, ssl=trusting, server_hostname="other.test")


async def test_connection_ends_after_as_many_requests_as_the_spec_says() -> None:
    spec = WebSpec(hosts=1, pages_per_host=4, faults=NO_FAULTS, requests_a_connection=2)
    site = Web(spec).site(0)
    async with serve(spec) as running:
        client = await Client.open(running.port)
        first, second = [await client.get(site.name, site.paths[page]) for page in (1, 2)]
        assert "connection" not in first.headers
        assert second.headers["connection"] == "close"
        assert await client.ended()
        await client.close()


async def test_whole_url_is_answered_as_by_a_proxy() -> None:
    site = Web(SPEC).site(0)
    async with serve(SPEC) as running:
        client = await Client.open(running.port)
        direct, whole = await client.get(site.name, "/"), await client.get(site.name, site.root + "/")
        await client.close()
    assert direct == whole


async def test_faults_are_served_as_expected() -> None:
    web = Web(SPEC)
    expected = Expected(web)
    fates = (Fate.MISSING, Fate.GONE, Fate.BROKEN, Fate.REDIRECT, Fate.THROTTLED, Fate.FLAKY)
    async with serve(SPEC) as running:
        for fate in fates:
            site, page = pages(web, fate)[0]
            facts = expected.facts(site.root + site.paths[page])
            got = await fetch(running.port, site, page)
            assert got.status == (facts.first_status or facts.status), fate
            assert ("retry-after" in got.headers) == (fate is Fate.THROTTLED)
            if fate is Fate.REDIRECT:
                assert ada_url.join_url(facts.url, got.headers["location"]) == facts.redirect_to
            assert (await fetch(running.port, site, page)).status == facts.status, fate


async def test_cut_body_ends_before_its_announced_length() -> None:
    site, page = pages(Web(SPEC), Fate.CUT)[0]
    async with serve(SPEC) as running:
        with pytest.raises(asyncio.IncompleteReadError) as error:
            await fetch(running.port, site, page)
    assert 0 < len(error.value.partial) < (error.value.expected or 0)


async def test_slow_body_comes_in_parts_and_holds_back_the_next_answer(tmp_path: Path) -> None:
    site, page = pages(Web(SPEC), Fate.SLOW)[0]
    async with serve(SPEC, log=tmp_path / "log") as running:
        client = await Client.open(running.port)
        client.ask(site.name, site.paths[page])
        client.ask(site.name, "/")
        slow, front = await client.read(), await client.read()
        await client.close()
    assert (slow.status, front.status) == (200, 200)
    rows = list(read_log(tmp_path / "log"))
    assert [row.path for row in rows] == [site.paths[page], "/"]
    assert rows[0].ended_s - rows[0].started_s >= 0.8 * MANY_FAULTS.slow_s


@pytest.mark.parametrize(
    ("kind", "statuses"),
    [
        (RobotsKind.ABSENT, [404]),
        (RobotsKind.OPEN, [200]),
        (RobotsKind.REDIRECTING, [301, 200]),
        (RobotsKind.FORBIDDEN, [403]),
        (RobotsKind.BIG, [200]),
        (RobotsKind.BROKEN, [500]),
    ],
    ids=lambda value: value.value if isinstance(value, RobotsKind) else "",
)
async def test_robots_answers(kind: RobotsKind, statuses: list[int]) -> None:
    web = Web(SPEC)
    site = next(site for site in map(web.site, range(20)) if site.robots is kind)
    async with serve(SPEC) as running:
        client = await Client.open(running.port)
        answers = [await client.get(site.name, "/robots.txt")]
        if "location" in answers[0].headers:
            answers.append(await client.get(site.name, answers[0].headers["location"]))
        await client.close()
    assert [got.status for got in answers] == statuses
    if answers[-1].status == 200:
        text = robots.body(kind, MANY_FAULTS.crawl_delay_s)
        assert answers[-1].body.decode() == text
        assert len(answers[-1].body) < 500 << 10


async def test_unknown_hosts_and_methods_are_refused_and_heads_have_no_body() -> None:
    async with serve(SPEC) as running:
        client = await Client.open(running.port)
        assert (await client.get("h9999.alpha.test", "/")).status == 404
        site = Web(SPEC).site(0)
        client.ask(site.name.upper() + ":80", "/", "HEAD")
        assert (await client.read(body=False)).status == 200
        client.ask(site.name, "/", "POST")
        assert (await client.read()).status == 405
        await client.close()


def test_kept_answers_stay_within_the_cache() -> None:
    spec = WebSpec(hosts=2, pages_per_host=20, profile=40, faults=NO_FAULTS, cache_bytes=200_000)
    answers, site = Answers(Web(spec)), Web(spec).site(1)
    first_round = [answers.answer(site.name, path) for path in site.paths]
    assert 0 < answers.kept_bytes <= spec.cache_bytes
    assert [answers.answer(site.name, path) for path in site.paths] == first_round


async def test_endless_request_head_ends_the_connection() -> None:
    async with serve(SPEC) as running:
        client = await Client.open(running.port)
        client.send(b"GET /" + b"x" * REQUEST_BYTES_MAX)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await client.read()
        client.abort()


# The log and the process


async def test_log_tells_address_host_path_status_and_open_requests(tmp_path: Path) -> None:
    spec = WebSpec(hosts=2, pages_per_host=2, profile=4, faults=NO_FAULTS, latency_s=0.1)
    log, addresses = tmp_path / "log", ["127.0.0.1", "127.0.0.2"]
    first_host, second_host = Web(spec).site(0).name, Web(spec).site(1).name
    async with serve(spec, addresses, log) as running:
        clients = [await Client.open(running.port, address) for address in ("127.0.0.1", "127.0.0.1", "127.0.0.2")]
        for client in clients:
            client.ask(first_host, "/")
        for client in clients:
            await client.read()
        await clients[0].get(second_host, "/nowhere")
        for client in clients:
            await client.close()
    rows = list(read_log(log))
    assert Counter((row.address, row.host, row.path, row.status) for row in rows) == {
        ("127.0.0.1", first_host, "/", 200): 2,
        ("127.0.0.2", first_host, "/", 200): 1,
        ("127.0.0.1", second_host, "/nowhere", 404): 1,
    }
    assert all(row.ended_s - row.started_s >= 0.09 for row in rows)
    assert most_open(rows, by_host) == {first_host: 3, second_host: 1}
    assert most_open(rows, by_address) == {"127.0.0.1": 2, "127.0.0.2": 1}


def test_gaps_and_peaks_are_measured_between_ends_and_starts() -> None:
    spans = ((0.0, 1.0), (1.5, 5.0), (2.0, 2.5), (6.0, 7.0))
    rows = [Served(start, end, "127.0.0.1", "a.test", "/", 200) for start, end in spans]
    assert shortest_gaps(rows[:2], by_host) == {"a.test": 0.5}
    assert shortest_gaps(rows, by_host) == {"a.test": -3.0}
    assert shortest_gaps(rows[:1], by_host) == {}
    assert most_open(rows, by_host) == {"a.test": 2}


async def command(*arguments: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.vweb", *arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await asyncio.wait_for(process.communicate(), 20)
    return process.returncode, output.decode()


async def test_server_ends_by_itself_and_says_where_it_listened() -> None:
    status, output = await command("--hosts", "1", "--max-seconds", "0.1")
    assert status == 0
    assert output.startswith("listening on 127.0.0.1:")


async def test_server_is_gone_after_its_block() -> None:
    async with serve(WebSpec(hosts=1, pages_per_host=1)) as running:
        await (await Client.open(running.port)).close()
    with pytest.raises(OSError, match="Connect call failed"):
        await Client.open(running.port)


async def test_seeds_and_host_map_are_printed() -> None:
    web = Web(WebSpec(hosts=3, pages_per_host=25))
    assert await command("--hosts", "3", "--print-seeds") == (0, "\n".join(web.seeds()) + "\n")
    assert await command("--port", "8080", "--print-hosts") == (0, '"*.test" = "127.0.0.1:8080"\n')
