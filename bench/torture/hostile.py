"""Hosts that misbehave on purpose: `python -m bench.torture.hostile` serves them until `--max-seconds` are over.

Rule: what a host does is decided by the number in its name (`x17.hostile.test`), so a list of names is a list of
behaviours. Half of them give a robots.txt like decent hosts, the others misbehave there too.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from bench.vweb.process import READY

PAGE: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
NUMBER: Final = re.compile(rb"(?i)host: x(\d+)\.")
Writer = asyncio.StreamWriter


async def _silence(writer: Writer) -> None:
    await asyncio.sleep(3600)


async def _slow_head(writer: Writer) -> None:
    for byte in (PAGE + b"X-Long: " + b"x" * 10_000).hex():
        await send(writer, byte.encode())
        await asyncio.sleep(0.3)


async def _slow_body(writer: Writer) -> None:
    await send(writer, PAGE + b"Content-Length: 100000\r\n\r\n")
    for _ in range(100_000):
        await send(writer, b"<")
        await asyncio.sleep(0.3)


async def _endless_body(writer: Writer) -> None:
    await send(writer, PAGE + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        await send(writer, b"1000\r\n" + b"<b>x</b>" * 512 + b"\r\n")


async def _endless_head(writer: Writer) -> None:
    await send(writer, PAGE)
    while True:
        await send(writer, b"X-More: " + b"x" * 1000 + b"\r\n")


async def _reset(writer: Writer) -> None:
    await send(writer, PAGE + b"Content-Length: 1000\r\n\r\n<a href=/x>")
    writer.transport.abort()


async def _noise(writer: Writer) -> None:
    await send(writer, bytes(range(256)) * 16)


async def _redirect(writer: Writer) -> None:
    await send(writer, b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n")


async def _interim(writer: Writer) -> None:
    while True:
        await send(writer, b"HTTP/1.1 103 Early Hints\r\n\r\n")


BEHAVIOURS: Final[tuple[Callable[[Writer], Awaitable[None]], ...]] = (
    _silence,
    _slow_head,
    _slow_body,
    _endless_body,
    _endless_head,
    _reset,
    _noise,
    _redirect,
    _interim,
)
SLOW: Final = 3
"""The first so many of them hold a connection for as long as they may."""


async def send(writer: Writer, data: bytes) -> None:
    """Send all of `data`, however slowly it is taken."""
    writer.write(data)
    await writer.drain()


async def _answer(reader: asyncio.StreamReader, writer: Writer, most: int) -> None:
    with suppress(ConnectionError, asyncio.IncompleteReadError):
        head = await reader.readuntil(b"\r\n\r\n")
        found = NUMBER.search(head)
        number = int(found[1]) if found else 0
        if head.startswith(b"GET /robots.txt ") and number % 2 == 0:
            await send(writer, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
        await BEHAVIOURS[number % most](writer)
    writer.close()


async def _serve(most: int, max_s: float) -> None:
    async def connected(reader: asyncio.StreamReader, writer: Writer) -> None:
        await _answer(reader, writer, most)

    server = await asyncio.start_server(connected, "127.0.0.1", 0, backlog=512)
    print(f"{READY}127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    with suppress(TimeoutError):
        await asyncio.wait_for(server.serve_forever(), max_s)


def main() -> None:
    """Serve what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m bench.torture.hostile", description=__doc__)
    parser.add_argument("--slow", action="store_true", help="only the behaviours that hold connections")
    parser.add_argument("--max-seconds", type=float, default=300.0)
    options = parser.parse_args()
    # Hosts elsewhere do not take the crawler's processors, however fast they send; these share them.
    os.nice(19)
    asyncio.run(_serve(SLOW if options.slow else len(BEHAVIOURS), options.max_seconds))


if __name__ == "__main__":
    main()
