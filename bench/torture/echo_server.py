"""A server whose pages say which request they answer, and which breaks off, stalls and says too much.

Rule: what happens to a URL is drawn from the number at its end alone, so that client and server agree on it without
a word. Extra bytes follow a body at once: bytes that come after the next request was sent are, for any client of
HTTP/1.1, the answer to that request.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from enum import Enum
from random import Random
from typing import Final, NamedTuple

from crawler.addresses import Endpoint

LOOPBACK: Final = "127.0.0.1"
LATE_S: Final = 2.0
"""Later than any client of a trial waits."""
SLOW_S: Final = 0.03
LINGER_OFF: Final = struct.pack("ii", 1, 0)
FRAUD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nwrong"


class Turn(Enum):
    """How one request is answered."""

    WHOLE = "whole"
    CHUNKED = "whole, in chunks"
    SLOW = "whole, in slow pieces"
    CLOSED = "whole, then the connection closes without a word"
    UNTIL_CLOSE = "whole, ended by the connection"
    EXTRA = "whole, then a second answer that nobody asked for"
    NOISE = "whole, then noise"
    LESS = "more bytes than announced"
    LATE = "nothing until it is too late, then all of it"
    STALLED = "half, then nothing until it is too late, then the rest"
    SHORT = "half, then the end"
    RESET = "half, then a reset"
    RESET_BARE = "half of a body without a length, then a reset"
    RESET_HEAD = "half a head, then a reset"
    CHUNK_CUT = "half of the chunks, then the end"
    CHUNK_BROKEN = "half of the chunks, then one that is none"


KEPT: Final = (Turn.WHOLE, Turn.CHUNKED, Turn.SLOW)
COMPLETE: Final = frozenset({*KEPT, Turn.CLOSED, Turn.UNTIL_CLOSE, Turn.EXTRA, Turn.NOISE})


def turn_of(number: int) -> Turn:
    """Return how the request with this number fares; two of three keep their connection."""
    chance = Random(number)
    return chance.choice(KEPT) if chance.random() < 0.65 else chance.choice(tuple(Turn))


def body_of(url: str, number: int) -> bytes:
    """Return the whole body of a URL: its own name, once or thousands of times."""
    return f"<p>{url}</p>\n".encode() * Random(number + 1).choice((1, 1, 3, 20, 200, 3000))


def told(url: str, number: int) -> bytes | None:
    """Return the body that a client has to report as complete, None when it has to report none."""
    turn, body = turn_of(number), body_of(url, number)
    if turn is Turn.LESS:
        return body[: len(body) // 2]
    return body if turn in COMPLETE else None


class End(Enum):
    """What becomes of the connection."""

    KEEP = 1
    CLOSE = 2
    RESET = 3


class Answered(NamedTuple):
    """What is sent for one request."""

    pieces: tuple[bytes, ...]
    end: End
    pause_s: float = 0.0
    """Between two pieces."""
    late: bool = False


HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
IN_CHUNKS: Final = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def _sized(size: int) -> bytes:
    return HEAD + b"Content-Length: %d\r\n\r\n" % size


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


ANSWERS: Final[dict[Turn, Callable[[bytes, bytes], Answered]]] = {
    Turn.WHOLE: lambda a, b: Answered((_sized(len(a + b)) + a + b,), End.KEEP),
    Turn.CHUNKED: lambda a, b: Answered((IN_CHUNKS + _chunk(a), _chunk(b), b"0\r\n\r\n"), End.KEEP),
    Turn.SLOW: lambda a, b: Answered((_sized(len(a + b)) + a, b), End.KEEP, SLOW_S),
    Turn.CLOSED: lambda a, b: Answered((_sized(len(a + b)) + a + b,), End.CLOSE),
    Turn.UNTIL_CLOSE: lambda a, b: Answered((HEAD + b"\r\n", a, b), End.CLOSE),
    Turn.EXTRA: lambda a, b: Answered((_sized(len(a + b)) + a + b + FRAUD,), End.KEEP),
    Turn.NOISE: lambda a, b: Answered((_sized(len(a + b)) + a + b, b"\0noise" * 100), End.KEEP),
    Turn.LESS: lambda a, b: Answered((_sized(len(a)) + a + b,), End.KEEP),
    Turn.LATE: lambda a, b: Answered((_sized(len(a + b)) + a + b,), End.KEEP, late=True),
    Turn.STALLED: lambda a, b: Answered((_sized(len(a + b)) + a, b), End.KEEP, LATE_S),
    Turn.SHORT: lambda a, b: Answered((_sized(len(a + b)) + a,), End.CLOSE),
    Turn.RESET: lambda a, b: Answered((_sized(len(a + b)) + a,), End.RESET),
    Turn.RESET_BARE: lambda a, b: Answered((HEAD + b"\r\n" + a, b""), End.RESET, SLOW_S),
    Turn.RESET_HEAD: lambda a, b: Answered((HEAD,), End.RESET),
    Turn.CHUNK_CUT: lambda a, b: Answered((IN_CHUNKS + _chunk(a), b"FFFFFF\r\n" + b), End.CLOSE),
    Turn.CHUNK_BROKEN: lambda a, b: Answered((IN_CHUNKS + _chunk(a), b"<p>no size</p>\r\n"), End.CLOSE),
}
"""By the two halves of the body."""


class Echo:
    """The server; counts its connections and requests."""

    def __init__(self) -> None:
        self.connections = 0
        self.requests = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection until it ends."""
        self.connections += 1
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                host = next(line[6:] for line in head.split("\r\n") if line.lower().startswith("host: "))
                path = head.split(" ", 2)[1]
                if path == "/robots.txt":
                    writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                    continue
                self.requests += 1
                number = int(path.rpartition("/")[2])
                body = body_of(f"http://{host}{path}", number)
                half = len(body) // 2
                if not await _act(ANSWERS[turn_of(number)](body[:half], body[half:]), writer):
                    break
        writer.close()


async def _act(answer: Answered, writer: asyncio.StreamWriter) -> bool:
    """Send what a table row says; return whether the connection goes on."""
    if answer.late:
        await asyncio.sleep(LATE_S)
    for at, piece in enumerate(answer.pieces):
        if at and answer.pause_s:
            await asyncio.sleep(answer.pause_s)
        if writer.transport.is_closing():
            return False
        writer.write(piece)
        await writer.drain()
    if answer.end is End.RESET:
        _reset(writer)
    return answer.end is End.KEEP


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST instead of FIN."""
    sock: socket.socket = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_OFF)
    writer.transport.abort()


@asynccontextmanager
async def echoing() -> AsyncIterator[tuple[Echo, Endpoint]]:
    """Run the server and yield it with its address; open connections end with the block."""
    echo, tasks = Echo(), set[asyncio.Task[None]]()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await echo.serve(reader, writer)
        except asyncio.CancelledError:
            # The trial is over; nothing waits for this answer.
            writer.transport.abort()
        tasks.discard(task)

    server = await asyncio.start_server(connected, LOOPBACK, 0, backlog=1024)
    try:
        yield echo, Endpoint(LOOPBACK, server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
