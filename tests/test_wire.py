from __future__ import annotations

import asyncio
import errno
import socket

import pytest
from yarl import URL

from crawler import wire
from crawler.addresses import AddressGuard, Endpoint
from crawler.fetch import Fetcher
from crawler.fetch_errors import TooManyOpenFilesError
from crawler.outcome import Fetched
from crawler.wire import Route
from tests.fetching import serving
from tests.servers import Exchange, answering, response

FIELDS = b"User-Agent: t\r\n"


@pytest.mark.parametrize(
    ("origin", "at", "host", "target"),
    [
        ("http://a.test", Endpoint("10.0.0.1"), "a.test", "http://10.0.0.1"),
        ("http://a.test:81", Endpoint("10.0.0.1"), "a.test:81", "http://10.0.0.1:81"),
        ("http://a.test:81", Endpoint("10.0.0.1", 8080), "a.test:81", "http://10.0.0.1:8080"),
        ("https://a.test", Endpoint("::1"), "a.test", "https://[::1]"),
        ("http://[2606:4700::1]:81", Endpoint("2606:4700::1"), "[2606:4700::1]:81", "http://[2606:4700::1]:81"),
    ],
)
async def test_route_connects_to_the_address_and_asks_for_the_host(
    origin: str, at: Endpoint, host: str, target: str
) -> None:
    route = Route(origin, at, FIELDS, None)
    assert str(route.request.url) == target
    assert route.request.server_hostname == URL(origin).raw_host
    assert route.ask_for("/p?q") == f"GET /p?q HTTP/1.1\r\nHost: {host}\r\nUser-Agent: t\r\n\r\n".encode()


async def test_routes_to_one_address_share_no_connection_key() -> None:
    at = Endpoint("10.0.0.1")
    keys = {
        Route(origin, at, FIELDS, None).request.connection_key
        for origin in ("http://a.test", "http://b.test", "https://a.test", "http://a.test:81")
    }
    assert len(keys) == 4


async def test_behind_a_proxy_the_name_is_kept() -> None:
    proxy = URL("http://10.0.0.9:3128")
    plain = Route("http://a.test:81", Endpoint("10.0.0.1"), FIELDS, proxy)
    tunnelled = Route("https://a.test", Endpoint("10.0.0.1"), FIELDS, proxy)
    assert plain.ask_for("/x").startswith(b"GET http://a.test:81/x HTTP/1.1\r\nHost: a.test:81\r\n")
    assert tunnelled.ask_for("/x").startswith(b"GET /x HTTP/1.1\r\nHost: a.test\r\n")
    assert str(tunnelled.request.url) == "https://a.test"


async def test_proxy_is_told_its_user_and_hosts_are_not() -> None:
    at, proxy = Endpoint("10.0.0.1"), URL("http://user:p%40ss@10.0.0.9:3128")
    assert b"\r\nProxy-Authorization: Basic dXNlcjpwQHNz\r\n" in Route("http://a.test", at, FIELDS, proxy).ask_for("/")
    assert b"Authorization" not in Route("https://a.test", at, FIELDS, proxy).ask_for("/")
    assert b"Authorization" not in Route("http://a.test", at, FIELDS, URL("http://10.0.0.9:3128")).ask_for("/")


async def test_running_out_of_files_is_told_to_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_more(*_: object) -> socket.socket:
        raise OSError(errno.EMFILE, "Too many open files")

    async with Fetcher(AddressGuard(["127.0.0.0/8"]), "t") as fetcher:
        monkeypatch.setattr("crawler.wire.socket.socket", no_more)
        with pytest.raises(TooManyOpenFilesError, match="ulimit"):
            await fetcher.fetch("http://a.test/", Endpoint("127.0.0.1", 1))


async def test_connection_is_kept_for_its_route_alone_and_not_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(wire, "monotonic", lambda: now)
    async with serving(answering(response())) as (fetcher, served):
        for _ in range(2):
            await fetcher.fetch(served.url(), served.at)
        assert served.connections == 1
        await fetcher.fetch(served.url(host="other.test"), served.at)
        assert served.connections == 2
        now += wire.KEEP_ALIVE_S
        await fetcher.fetch(served.url(), served.at)
        assert served.connections == 3


async def test_idle_connections_are_closed_when_their_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "KEEP_ALIVE_S", 0.01)
    monkeypatch.setattr(wire, "EXPIRY_STEP_S", 0.0)
    gone = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await exchange.ask()
        await exchange.send(response())
        await exchange.gone()
        gone.set()

    async with serving(script) as (fetcher, served), asyncio.timeout(1):
        assert isinstance(await fetcher.fetch(served.url(), served.at), Fetched)
        await gone.wait()
        assert isinstance(await fetcher.fetch(served.url(), served.at), Fetched)
        assert served.connections == 2


async def test_connection_whose_server_wants_no_more_is_not_kept() -> None:
    async with serving(answering(response(Connection="close"))) as (fetcher, served):
        for _ in range(2):
            assert isinstance(await fetcher.fetch(served.url(), served.at), Fetched)
    assert served.connections == 2
