from __future__ import annotations

import asyncio
import gzip
import random
import re

import pytest
import uvloop

from crawler import fetch
from crawler.errors import UnsafeLibraryError
from crawler.fetch import DRAIN_BYTES, check_versions
from crawler.outcome import Failed, Fetched, Redirected
from storage.records import Failure, RedirectKind, Truncated
from tests.fetching import HTML, PAGE, failure_of, outcome_of, serving
from tests.servers import Exchange, answering, closing_after, response, serve


async def test_page_comes_back_with_its_head_and_body() -> None:
    answer = response(body=PAGE, Content_Type=HTML, Server="s", X_Many="a", x_many="b")
    async with serving(answering(answer)) as (fetcher, served):
        outcome = await fetcher.fetch(served.url("/a?b=%20c"), served.at)
    assert isinstance(outcome, Fetched)
    assert outcome.body == PAGE
    assert outcome.truncated is Truncated.NO
    head = outcome.answer
    assert (head.status, head.ip, head.http_version, head.wire_bytes) == (200, "127.0.0.1", "1.1", len(PAGE))
    assert head.headers[:4] == [("content-type", HTML), ("server", "s"), ("x-many", "a"), ("x-many", "b")]
    assert 0 < head.elapsed_s < 2
    assert head.ended_at - head.started_at == pytest.approx(head.elapsed_s, abs=1e-5)


async def test_request_carries_host_and_fixed_fields_and_nothing_else() -> None:
    seen: list[str] = []

    async def script(exchange: Exchange) -> None:
        while (head := await exchange.ask()) is not None:
            seen.append(head)
            await exchange.send(response())

    headers = {"X-Crawler": "yes", "accept": "text/html"}
    async with serving(script, headers=headers) as (fetcher, served):
        await fetcher.fetch("http://a.test:8080/p?q=1", served.at)
        await fetcher.fetch("http://a.test/", served.at)
    lines = ["User-Agent: Linkmill/0 (+test)", "accept: text/html", "Accept-Encoding: gzip, deflate, br, zstd"]
    rest = [*lines, "X-Crawler: yes", "", ""]
    assert seen[0].split("\r\n") == ["GET /p?q=1 HTTP/1.1", "Host: a.test:8080", *rest]
    assert seen[1].split("\r\n") == ["GET / HTTP/1.1", "Host: a.test", *rest]


@pytest.mark.parametrize(
    ("wire", "fields"),
    [
        (b"Content-Length: %d\r\n\r\n%b" % (len(PAGE), PAGE), {}),
        (b"\r\n" + PAGE, {}),
        (b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(PAGE), PAGE), {}),
        (b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(PAGE), {}),
    ],
    ids=["length", "until close", "chunked", "gzip"],
)
async def test_body_is_whole_however_it_is_framed(wire: bytes, fields: dict[str, str]) -> None:
    outcome = await outcome_of(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n" + wire)
    assert isinstance(outcome, Fetched)
    assert (outcome.body, outcome.truncated) == (PAGE, Truncated.NO)


@pytest.mark.parametrize("kind", list(RedirectKind)[1:6])
async def test_redirect_is_an_outcome_with_its_raw_target(kind: RedirectKind) -> None:
    status = kind.name.rsplit("_", 1)[1]
    outcome = await outcome_of(response(f"{status} Moved", PAGE, Location="../next?a b"))
    assert isinstance(outcome, Redirected)
    assert (outcome.location, outcome.kind, outcome.answer.status) == ("../next?a b", kind, int(status))


@pytest.mark.parametrize(
    ("raw", "location"),
    [(b"/\xe7\xe9", "/%E7%E9"), ("/ç".encode(), "/ç"), (b"/%20x", "/%20x"), (b"/%20\xff", "/%20%FF")],
)
async def test_location_keeps_bytes_that_are_no_text(raw: bytes, location: str) -> None:
    outcome = await outcome_of(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + raw + b"\r\n\r\n")
    assert isinstance(outcome, Redirected)
    assert outcome.location == location


async def test_header_values_are_text_that_can_be_stored() -> None:
    outcome = await outcome_of(b"HTTP/1.1 200 OK\r\nX: \xff\xe7\r\nY: \xc3\xa7\r\nContent-Length: 0\r\n\r\n")
    assert isinstance(outcome, Fetched)
    assert outcome.answer.headers[:2] == [("x", "ÿç"), ("y", "ç")]
    assert all(value.encode() for _, value in outcome.answer.headers)


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        ("408 Timeout", Failure.THROTTLED),
        ("425 Early", Failure.THROTTLED),
        ("429 Many", Failure.THROTTLED),
        ("500 Bug", Failure.SERVER_ERROR),
        ("503 Busy", Failure.SERVER_ERROR),
        ("599 X", Failure.SERVER_ERROR),
    ],
)
async def test_status_that_asks_for_less_or_later_is_a_failure_with_its_head(status: str, failure: Failure) -> None:
    outcome = await outcome_of(response(status, b"sorry", Retry_After="7"))
    assert failure_of(outcome) is failure
    assert isinstance(outcome, Failed)
    assert outcome.answer is not None
    assert outcome.answer.header("retry-after") == "7"


@pytest.mark.parametrize("status", ["302 Found", "404 Gone", "410 Gone", "206 Part", "999 No"])
async def test_other_statuses_come_with_their_body(status: str) -> None:
    outcome = await outcome_of(response(status, PAGE))
    assert isinstance(outcome, Fetched)
    assert (outcome.answer.status, outcome.body) == (int(status[:3]), PAGE)


@pytest.mark.parametrize("status", ["304 Not Modified", "204 No Content"])
async def test_answer_without_body_is_fetched_empty(status: str) -> None:
    outcome = await outcome_of(f"HTTP/1.1 {status}\r\nETag: x\r\n\r\n".encode())
    assert isinstance(outcome, Fetched)
    assert outcome.body == b""


@pytest.mark.parametrize(
    ("content_type", "is_read"),
    [("text/html", True), ("TEXT/HTML; charset=x", True), ("", True), ("image/png", False), ("text/htmlx", False)],
)
async def test_only_wanted_types_are_read(content_type: str, is_read: bool) -> None:
    answer = response(body=PAGE, Content_Type=content_type)
    async with serving(answering(answer)) as (fetcher, served):
        outcome = await fetcher.fetch(served.url(), served.at, types=frozenset({"text/html"}))
    assert isinstance(outcome, Fetched)
    assert outcome.body == (PAGE if is_read else b"")


@pytest.mark.parametrize(
    "answer",
    [
        response(body=PAGE),
        response("302 Found", PAGE, Location="/x"),
        response("500 Bug", PAGE),
        response(body=PAGE, Content_Type="image/png"),
        b"HTTP/1.1 304 Not Modified\r\n\r\n",
    ],
    ids=["page", "redirect", "error", "unwanted", "not modified"],
)
async def test_connection_is_kept_after_a_short_answer(answer: bytes) -> None:
    async with serving(answering(answer)) as (fetcher, served):
        for _ in range(3):
            await fetcher.fetch(served.url(), served.at, types=frozenset({"text/html"}))
    assert served.connections == 1


async def test_long_unneeded_body_is_not_read() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.ask()
        await exchange.send(b"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n")
        while not exchange.closing:
            await exchange.send(bytes(65_536))

    async with serving(script) as (fetcher, served):
        outcome = await fetcher.fetch(served.url(), served.at)
    assert isinstance(outcome, Redirected)
    assert outcome.answer.wire_bytes < DRAIN_BYTES + 300_000


async def test_slow_rest_of_a_redirect_does_not_hide_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "DRAIN_S", 0.05)

    async def script(exchange: Exchange) -> None:
        await exchange.ask()
        await exchange.send(b"HTTP/1.1 301 Moved\r\nLocation: /x\r\nContent-Length: 9\r\n\r\nabc")
        await exchange.gone()

    async with serving(script) as (fetcher, served):
        assert isinstance(await fetcher.fetch(served.url(), served.at), Redirected)


async def test_hosts_at_one_address_do_not_share_connections() -> None:
    async with serving(answering(response())) as (fetcher, served):
        for host in ("a.test", "b.test", "a.test", "b.test"):
            await fetcher.fetch(served.url(host=host), served.at)
    assert served.connections == 2


async def test_host_that_moved_is_asked_at_its_new_address() -> None:
    async with (
        serving(answering(response(body=b"old"))) as (fetcher, old),
        serve(answering(response(body=b"new"))) as new,
    ):
        first = await fetcher.fetch(old.url(), old.at)
        second = await fetcher.fetch(old.url(), new.at)
    assert isinstance(first, Fetched)
    assert isinstance(second, Fetched)
    assert (first.body, second.body) == (b"old", b"new")


async def test_kept_connection_that_closed_is_replaced_once() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.ask()
        await exchange.send(response(body=b"ok"))
        # The next request is read, and never answered.
        await exchange.ask()

    async with serving(script) as (fetcher, served):
        for _ in range(3):
            assert isinstance(await fetcher.fetch(served.url(), served.at), Fetched)
    assert served.connections == 3


async def test_empty_answer_on_a_new_connection_is_not_asked_twice() -> None:
    async with serving(closing_after(b"")) as (fetcher, served):
        assert failure_of(await fetcher.fetch(served.url(), served.at)) is Failure.RESET
    assert served.connections == 1


@pytest.mark.parametrize("later", [False, True], ids=["with the answer", "after it"])
@pytest.mark.parametrize("unasked", [response(body=b"evil"), b"garbage"], ids=["answer", "garbage"])
async def test_bytes_that_nobody_asked_for_reach_no_other_request(unasked: bytes, later: bool) -> None:
    polluted, dropped = asyncio.Event(), asyncio.Semaphore(0)

    async def script(exchange: Exchange) -> None:
        await exchange.ask()
        await exchange.send(response(body=b"good") + (b"" if later else unasked))
        if later:
            await polluted.wait()
            await exchange.send(unasked)
        await exchange.gone()
        dropped.release()

    async with serving(script) as (fetcher, served):
        for _ in range(3):
            outcome = await fetcher.fetch(served.url(), served.at)
            assert isinstance(outcome, Fetched)
            assert outcome.body == b"good"
            polluted.set()
            await asyncio.wait_for(dropped.acquire(), 10.0)
    assert served.connections == 3


def test_every_answer_carries_its_own_token_though_fetches_are_cancelled() -> None:
    """uvloop before 0.23 could hand one request another's bytes when a connect was cancelled."""
    told = uvloop.run(fetch_tokens(random.Random(645)))
    assert 250 < sum(told) < 500


async def fetch_tokens(dice: random.Random) -> list[bool]:
    """Fetch 500 URLs, cancelling some, and say of each whether it was answered; every answer must be the right one."""

    async def echo(exchange: Exchange) -> None:
        while (head := await exchange.ask()) is not None:
            token = re.search(r"token=(\d+)", head)
            await asyncio.sleep(dice.random() * 0.004)
            await exchange.send(response(body=token[1].encode() if token else b""))

    async with serving(echo) as (fetcher, served):

        async def visit(number: int) -> bool:
            task = asyncio.create_task(
                fetcher.fetch(served.url(f"/?token={number}", f"h{number % 40}.test"), served.at)
            )
            if dice.random() < 0.4:
                await asyncio.sleep(dice.random() * 0.008)
                task.cancel()
            await asyncio.wait([task])
            if task.cancelled():
                return False
            outcome = task.result()
            assert isinstance(outcome, Fetched)
            assert outcome.body == str(number).encode()
            return True

        told: list[bool] = []
        for start in range(0, 500, 50):
            told += await asyncio.gather(*map(visit, range(start, start + 50)))
    return told


def test_unsafe_library_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    check_versions()
    monkeypatch.setattr(fetch, "version", lambda name: "0.22.1")
    with pytest.raises(UnsafeLibraryError, match=r"^uvloop 0\.22\.1 is installed, but 0\.23\.0 or later is needed"):
        check_versions()
