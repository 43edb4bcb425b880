"""What `crawler.fetch` makes of broken answers, blocked addresses, proxies and certificates."""

from __future__ import annotations

import asyncio
import gc
import gzip
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from crawler.addresses import AddressGuard, Endpoint
from crawler.body import Decoder
from crawler.fetch import Fetcher, Visit
from crawler.outcome import Failed, Fetched
from storage.records import Failure
from tests.fetching import LOOPBACK, PAGE, QUICK, failure_of, outcome_of, serving, tunnel
from tests.servers import Exchange, answering, response, serve


@pytest.mark.parametrize(
    ("answer", "reset", "failure"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", False, Failure.PROTOCOL),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", True, Failure.RESET),
        (b"HTTP/1.1 200 OK\r\n\r\nabc", True, Failure.RESET),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", False, Failure.PROTOCOL),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\nabc", False, Failure.PROTOCOL),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef", False, Failure.PROTOCOL),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nabcde", False, Failure.PROTOCOL),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nabcde", False, Failure.PROTOCOL),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nnot gzip", False, Failure.DECODE),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(PAGE)[:-9], False, Failure.DECODE),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: sdch\r\n\r\nabc", False, Failure.DECODE),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", False, Failure.PROTOCOL),
        (b"<html>no head at all</html>", False, Failure.PROTOCOL),
        (b"HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n", False, Failure.PROTOCOL),
        (b"HTTP/1.1 200 OK\r\nContent-", False, Failure.RESET),
        (b"", False, Failure.RESET),
        (b"", True, Failure.RESET),
    ],
    ids=lambda value: str(value)[-30:] if isinstance(value, bytes) else None,
)
async def test_broken_answer_is_one_failure_and_never_a_page(answer: bytes, reset: bool, failure: Failure) -> None:
    assert failure_of(await outcome_of(answer, reset=reset)) is failure


@pytest.mark.parametrize(
    ("head", "reset"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", False, id="cut short"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", True, id="reset"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\nabc", False, id="broken chunk"),
        pytest.param(b"HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\nabc", False, id="broken rest"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nnot gzip", False, id="broken coding"),
        pytest.param(b"", False, id="no answer"),
    ],
)
async def test_failed_fetch_leaves_nothing_to_the_cycle_collector(head: bytes, reset: bool) -> None:
    gc.collect()
    gc.disable()
    try:
        assert isinstance(await outcome_of(head, reset=reset), Failed)
        assert [left for left in gc.get_objects() if isinstance(left, Visit | Decoder)] == []
    finally:
        gc.enable()


async def test_broken_chunk_that_comes_later_fails_at_once() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.ask()
        await exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        await asyncio.sleep(0.02)
        await exchange.send(b"not a size\r\n")
        await exchange.gone()

    async with serving(script) as (fetcher, served), asyncio.timeout(1):
        assert failure_of(await fetcher.fetch(served.url(), served.at)) is Failure.PROTOCOL


async def test_failure_after_the_head_tells_the_head() -> None:
    outcome = await outcome_of(b"HTTP/1.1 200 OK\r\nServer: s\r\nContent-Length: 100\r\n\r\nabc")
    assert isinstance(outcome, Failed)
    assert outcome.answer is not None
    assert (outcome.answer.status, outcome.answer.header("server"), outcome.ip) == (200, "s", "127.0.0.1")


async def test_refused_connection_is_a_failure() -> None:
    async with serve(answering(b"")) as served:
        at = served.at
    async with Fetcher(LOOPBACK, "t", QUICK) as fetcher:
        assert failure_of(await fetcher.fetch("http://host.test/", at)) is Failure.CONNECT


@pytest.mark.parametrize(
    ("url", "at"),
    [
        ("http://host.test/", Endpoint("169.254.169.254")),
        ("http://host.test/", Endpoint("10.0.0.1", 80)),
        ("http://10.0.0.1/", Endpoint("127.0.0.1", 1)),
        ("http://[::ffff:7f00:1]/", Endpoint("127.0.0.1", 1)),
    ],
)
async def test_blocked_address_is_refused_before_anything_is_sent(url: str, at: Endpoint) -> None:
    async with Fetcher(LOOPBACK, "t", QUICK) as fetcher:
        assert failure_of(await fetcher.fetch(url, at)) is Failure.BLOCKED_ADDRESS


async def test_guard_is_asked_again_when_the_socket_is_opened() -> None:
    class Fickle(AddressGuard):
        """Changes its mind between the look at the URL and the connection."""

        def __init__(self) -> None:
            super().__init__()
            answers = iter([True, False])
            self.permits = lambda ip: next(answers)  # type: ignore[assignment]

    async with serve(answering(response())) as served, Fetcher(Fickle(), "t", QUICK) as fetcher:
        assert failure_of(await fetcher.fetch(served.url(), served.at)) is Failure.BLOCKED_ADDRESS
    assert served.connections == 0


async def test_proxy_is_given_the_whole_url_and_the_name() -> None:
    async with serve(answering(response(body=b"by proxy"))) as served:
        seen: list[str] = []

        async def proxy(exchange: Exchange) -> None:
            while (head := await exchange.ask()) is not None:
                seen.append(head)
                await exchange.send(response(body=b"by proxy"))

        async with (
            serve(proxy) as gate,
            Fetcher(LOOPBACK, "t", QUICK, None, f"http://{gate.at.ip}:{gate.at.port}") as fetcher,
        ):
            outcome = await fetcher.fetch("http://site.test:81/a?b", served.at)
    assert isinstance(outcome, Fetched)
    assert seen[0].startswith("GET http://site.test:81/a?b HTTP/1.1\r\nHost: site.test:81\r\n")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for host.test and its key, made on the spot."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("the openssl command makes the test's certificate")
    folder = tmp_path_factory.mktemp("tls")
    made = (folder / "cert.pem", folder / "key.pem")
    names = ["-subj", "/CN=host.test", "-addext", "subjectAltName=DNS:host.test"]
    out = ["-keyout", str(made[1]), "-out", str(made[0])]
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names, *out]
    subprocess.run(command, check=True, capture_output=True)
    return made


def trust(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the library trust a certificate as if SSL_CERT_FILE had named it when it was loaded."""
    context = ssl.create_default_context(cafile=certificate)
    monkeypatch.setattr("aiohttp.connector._SSL_CONTEXT_VERIFIED", context)


@pytest.mark.parametrize(
    ("trusted", "host", "failure"),
    [(True, "host.test", None), (True, "other.test", Failure.TLS), (False, "host.test", Failure.TLS)],
    ids=["trusted", "wrong host", "self-signed"],
)
async def test_certificates_are_checked(
    trusted: bool, host: str, failure: Failure | None, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    if trusted:
        trust(certificate[0], monkeypatch)
    async with serve(answering(response(body=b"ok")), context) as served, Fetcher(LOOPBACK, "t", QUICK) as fetcher:
        outcome = await fetcher.fetch(served.url(host=host, scheme="https"), served.at)
    if failure is None:
        assert isinstance(outcome, Fetched)
        assert (outcome.body, outcome.answer.ip) == (b"ok", "127.0.0.1")
    else:
        assert failure_of(outcome) is failure


async def test_tls_goes_through_a_proxys_tunnel(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    trust(certificate[0], monkeypatch)
    async with (
        serve(answering(response(body=b"ok")), context) as served,
        serve(tunnel(served.at)) as gate,
        Fetcher(AddressGuard(), "t", QUICK, None, f"http://{gate.at.ip}:{gate.at.port}") as fetcher,
    ):
        for _ in range(2):
            outcome = await fetcher.fetch("https://host.test/", Endpoint("93.184.216.34"))
            assert isinstance(outcome, Fetched)
            assert outcome.body == b"ok"
    assert gate.connections == 1


async def test_proxy_that_refuses_is_named_without_its_password() -> None:
    async with (
        serve(answering(response("407 Proxy Authentication Required"))) as gate,
        Fetcher(LOOPBACK, "t", QUICK, proxy=f"http://user:s3cret@{gate.at.ip}:{gate.at.port}") as fetcher,
    ):
        outcome = await fetcher.fetch("https://host.test/", Endpoint("127.0.0.1"))
    assert failure_of(outcome) is Failure.CONNECT
    assert "407" in repr(outcome)
    assert "s3cret" not in repr(outcome)
