from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from crawler.counted import WAITING_BYTES, CountedBody
from crawler.outcome import Failed, Fetched
from storage.records import Failure, Truncated
from tests.fetching import QUICK, failure_of, serving
from tests.servers import Exchange, Script


class Line(asyncio.Transport):
    """A transport that only knows whether it is read."""

    def __init__(self, closing: bool = False) -> None:
        super().__init__()
        self.paused = False
        self.closing = closing

    def is_closing(self) -> bool:
        return self.closing

    def pause_reading(self) -> None:
        assert not self.paused
        self.paused = True

    def resume_reading(self) -> None:
        assert self.paused
        self.paused = False


def body_of(length: int, line: Line | None = None) -> tuple[CountedBody, list[int]]:
    """Return a body and where each piece that it hears of is noted."""
    heard: list[int] = []
    return CountedBody(length, line or Line(), lambda: heard.append(1)), heard


@pytest.mark.parametrize("step", [1, 2, 3, 9, 100])
async def test_body_is_whole_however_it_comes(step: int) -> None:
    body, heard = body_of(9)
    reader = asyncio.ensure_future(body.readany())
    data = b"head012345678"
    assert body.feed(data[: 4 + step], 4)
    for at in range(4 + step, len(data), step):
        await asyncio.sleep(0)
        assert not reader.done()
        assert body.feed(data[at : at + step])
    assert await reader == b"012345678"
    assert body.is_eof()
    assert (await body.readany(), len(heard)) == (b"", -(-9 // step))


@pytest.mark.parametrize("start", [0, 3])
async def test_what_follows_the_body_is_not_taken(start: int) -> None:
    body, _ = body_of(4)
    assert not body.feed(b"xyz"[:start] + b"good" + b"evil", start)
    assert await body.readany() == b"good"
    assert body.is_eof()


@pytest.mark.parametrize("more", [0, 10, WAITING_BYTES])
async def test_reading_is_paused_while_much_waits(more: int) -> None:
    line = Line()
    body, _ = body_of(WAITING_BYTES + 10 + more, line)
    body.feed(bytes(10))
    pauses = [line.paused]
    body.feed(bytes(WAITING_BYTES - 10))
    pauses.append(line.paused)
    body.feed(bytes(10))  # was under way already, and may be the end
    assert len(await body.readany()) == WAITING_BYTES + 10
    assert [*pauses, line.paused] == [False, True, False]
    assert body.is_eof() == (more == 0)


async def test_closing_line_is_neither_paused_nor_resumed() -> None:
    line = Line(closing=True)
    body, _ = body_of(WAITING_BYTES + 10, line)
    body.feed(bytes(WAITING_BYTES))
    assert (line.paused, len(await body.readany())) == (False, WAITING_BYTES)


async def test_body_that_is_cut_short_fails_and_a_whole_one_does_not() -> None:
    body, _ = body_of(4)
    reader = asyncio.ensure_future(body.readany())
    body.feed(b"abc")
    await asyncio.sleep(0)
    body.fail(ConnectionError("gone"))
    with pytest.raises(ConnectionError):
        await reader
    assert body.unread == 3
    body, _ = body_of(3)
    body.feed(b"abc")
    body.fail(ConnectionError("gone"))
    assert await body.readany() == b"abc"


async def test_reader_that_was_cancelled_leaves_the_body_as_it_is() -> None:
    body, _ = body_of(4)
    reader = asyncio.ensure_future(body.readany())
    await asyncio.sleep(0)
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    body.feed(b"abcd")
    assert await body.readany() == b"abcd"


# With a fetcher.


def sending(head: bytes, *pieces: bytes, pause_s: float = 0.0) -> Script:
    """Answer each request with a head and pieces, then wait for the next."""

    async def script(exchange: Exchange) -> None:
        while await exchange.ask() is not None:
            await exchange.send(head)
            for piece in pieces:
                await asyncio.sleep(pause_s)
                await exchange.send(piece)

    return script


def head_of(length: int) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param((head_of(6) + b"abcdef",), id="at once"),
        pytest.param((head_of(6), b"abcdef"), id="head alone"),
        pytest.param((head_of(6)[:-2], b"\r\nabc", b"def"), id="head's end cut"),
        pytest.param((head_of(6)[:10], head_of(6)[10:] + b"a", b"bcdef"), id="head cut"),
        pytest.param((b"HTTP/1.1 103 Early\r\n\r\n" + head_of(6) + b"ab", b"cdef"), id="interim answer"),
        pytest.param((head_of(6).replace(b"\r\n", b"\n") + b"ab", b"\r\n\r\n"), id="bare line feeds"),
    ],
)
async def test_body_with_a_length_comes_whole_on_a_connection_that_is_kept(pieces: tuple[bytes, ...]) -> None:
    async with serving(sending(pieces[0], *pieces[1:], pause_s=0.01)) as (fetcher, served):
        for _ in range(3):
            outcome = await fetcher.fetch(served.url(), served.at)
            assert isinstance(outcome, Fetched)
            assert outcome.body in (b"abcdef", b"ab\r\n\r\n")
            assert outcome.answer.wire_bytes == 6
    assert served.connections == 1


async def test_long_body_is_read_through_pauses() -> None:
    page = bytes(range(256)) * 20_000
    async with serving(sending(head_of(len(page)) + page)) as (fetcher, served):
        for _ in range(2):
            outcome = await fetcher.fetch(served.url(), served.at)
            assert isinstance(outcome, Fetched)
            assert outcome.body == page
    assert served.connections == 1


async def test_long_body_is_cut_at_the_cap_on_the_wire() -> None:
    page = bytes(5 << 20)
    async with serving(sending(head_of(len(page)) + page), replace(QUICK, max_wire_bytes=1_000_000)) as (
        fetcher,
        served,
    ):
        outcome = await fetcher.fetch(served.url(), served.at)
    assert isinstance(outcome, Fetched)
    assert (len(outcome.body), outcome.truncated) == (1_000_000, Truncated.WIRE)
    assert outcome.answer.wire_bytes < 1_000_000 + 4 * WAITING_BYTES


async def test_pieces_that_keep_coming_are_no_timeout_and_silence_is() -> None:
    limits = replace(QUICK, read_timeout=0.4)
    async with serving(sending(head_of(9) + b"a", *[b"b"] * 8, pause_s=0.1), limits) as (fetcher, served):
        assert isinstance(await fetcher.fetch(served.url(), served.at), Fetched)
    async with serving(sending(head_of(9) + b"a", b"b"), limits) as (fetcher, served):
        outcome = await fetcher.fetch(served.url(), served.at)
    assert failure_of(outcome) is Failure.TIMEOUT


async def test_what_had_arrived_of_a_broken_body_is_counted() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.ask()
        await exchange.send(head_of(9) + b"abc")

    async with serving(script) as (fetcher, served):
        outcome = await fetcher.fetch(served.url(), served.at)
    assert failure_of(outcome) is Failure.PROTOCOL
    assert isinstance(outcome, Failed)
    assert outcome.answer is not None
    assert outcome.answer.wire_bytes == 3
