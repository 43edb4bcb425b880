"""Caps and deadlines of `crawler.fetch`."""

from __future__ import annotations

import asyncio
import gzip
from dataclasses import replace

import pytest

from crawler.fetch import Limits
from crawler.outcome import Failed, Fetched
from crawler.wire import MAX_HEAD_BYTES
from storage.records import Failure, Truncated
from tests.fetching import QUICK, failure_of, outcome_of, serving
from tests.servers import Exchange, answering, response


async def test_cap_on_the_wire_cuts_and_closes() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.ask()
        await exchange.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while not exchange.closing:
            await exchange.send(b"x" * 65_536)

    async with serving(script, replace(QUICK, max_wire_bytes=100_000)) as (fetcher, served):
        outcome = await fetcher.fetch(served.url(), served.at)
    assert isinstance(outcome, Fetched)
    assert (len(outcome.body), outcome.truncated) == (100_000, Truncated.WIRE)


async def test_cap_on_the_decoded_body_stops_a_bomb() -> None:
    bomb = gzip.compress(bytes(50 << 20))
    async with serving(answering(response(body=bomb, Content_Encoding="gzip"))) as (fetcher, served):
        outcome = await fetcher.fetch(served.url(), served.at, limits=replace(QUICK, max_body_bytes=1_000_000))
    assert isinstance(outcome, Fetched)
    assert (len(outcome.body), outcome.truncated) == (1_000_000, Truncated.BODY)


@pytest.mark.parametrize(
    ("head", "failure"),
    [
        (b"X: " + b"a" * 40_000 + b"\r\n", Failure.TOO_LARGE),
        (b"".join(b"X%d: %b\r\n" % (i, b"a" * 1000) for i in range(200)), Failure.TOO_LARGE),
        (b"X: y\r\n" * 2000, Failure.PROTOCOL),
        (b"\r\nHTTP/1.1 103 Early\r\n" * (MAX_HEAD_BYTES // 20), Failure.TOO_LARGE),
    ],
    ids=["long field", "long head", "many fields", "flood of interim answers"],
)
async def test_head_is_bounded(head: bytes, failure: Failure) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.ask()
        await exchange.send(b"HTTP/1.1 103 Early\r\n" + head)
        await exchange.gone()

    async with serving(script) as (fetcher, served):
        assert failure_of(await fetcher.fetch(served.url(), served.at)) is failure


async def test_interim_answers_are_skipped() -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    outcome = await outcome_of(interim + response(body=b"ok"))
    assert isinstance(outcome, Fetched)
    assert (outcome.answer.status, outcome.body) == (200, b"ok")


@pytest.mark.parametrize(
    ("sent", "pause_s", "limits"),
    [
        (b"", 9, Limits(read_timeout=0.1)),
        (b"HTTP/1.1 200 OK\r\nContent-", 9, Limits(read_timeout=0.1)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", 9, Limits(read_timeout=0.1)),
        (b"HTTP/1.1 200 OK\r\n\r\n", 0.02, Limits(total_timeout=0.3)),
    ],
    ids=["silence", "half a head", "half a body", "drip"],
)
async def test_slowness_is_a_timeout_within_the_limit_and_a_second(sent: bytes, pause_s: float, limits: Limits) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.ask()
        await exchange.send(sent)
        while not exchange.closing:
            await asyncio.sleep(pause_s)
            await exchange.send(b"x")

    async with serving(script, limits) as (fetcher, served), asyncio.timeout(1.3):
        outcome = await fetcher.fetch(served.url(), served.at)
        assert failure_of(outcome) is Failure.TIMEOUT
        # Our own cancellation has been taken back.
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0


async def test_connection_that_does_not_stand_is_a_timeout() -> None:
    async def silent(exchange: Exchange) -> None:
        await exchange.gone()

    # The server never begins its handshake.
    async with serving(silent, Limits(connect_timeout=0.1)) as (fetcher, served), asyncio.timeout(1.3):
        outcome = await fetcher.fetch("https://host.test/", served.at)
    assert failure_of(outcome) is Failure.TIMEOUT
    assert isinstance(outcome, Failed)
    assert "connection" in outcome.detail


async def test_cancelling_the_task_cancels_the_fetch_and_nothing_else() -> None:
    asked = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await exchange.ask()
        asked.set()
        await exchange.gone()

    async with serving(script) as (fetcher, served):
        task = asyncio.create_task(fetcher.fetch(served.url(), served.at))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
