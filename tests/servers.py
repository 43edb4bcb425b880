"""Small raw servers on loopback for tests: HTTP as bytes, so that every fault of the web can be acted out."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from crawler.addresses import Endpoint

HOST = "127.0.0.1"
LINGER_OFF = struct.pack("ii", 1, 0)


class Exchange:
    """One connection as a script sees it: `ask` waits for a request head, `send` and the rest answer it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self) -> str | None:
        """Return the next request's head as text; None when the client has gone."""
        try:
            return (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def send(self, data: bytes) -> None:
        """Send all of `data`; a client that went away is not the script's fault."""
        with suppress(ConnectionError):
            self._writer.write(data)
            await self._writer.drain()

    async def gone(self) -> None:
        """Wait until the client closes."""
        with suppress(ConnectionError):
            await self._reader.read()

    async def relay(self, to: Endpoint) -> None:
        """Pass bytes both ways between the client and another server until one of them ends."""
        reader, writer = await asyncio.open_connection(to.ip, to.port)

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            with suppress(ConnectionError):
                while data := await source.read(65_536):
                    sink.write(data)
                    await sink.drain()

        try:
            pumps = [
                asyncio.ensure_future(pump(self._reader, writer)),
                asyncio.ensure_future(pump(reader, self._writer)),
            ]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for task in pumps:
                task.cancel()
        finally:
            writer.close()

    @property
    def closing(self) -> bool:
        return self._writer.is_closing()

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        sock: socket.socket = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_OFF)
        self._writer.transport.abort()


Script = Callable[[Exchange], Awaitable[None]]


@dataclass
class Served:
    """A running server and what it saw."""

    at: Endpoint
    connections: int = 0
    requests: list[str] = field(default_factory=list)

    def url(self, path: str = "/", host: str = "host.test", scheme: str = "http") -> str:
        return f"{scheme}://{host}{path}"


@asynccontextmanager
async def serve(script: Script, tls: ssl.SSLContext | None = None, ip: str = HOST) -> AsyncIterator[Served]:
    """Run `script` for every connection until left; the connection is closed when the script returns."""
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.connections += 1
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await script(Exchange(reader, writer))
        except asyncio.CancelledError:
            # The test is over; nothing waits for this script.
            return
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(connected, ip, 0, ssl=tls)
    served = Served(Endpoint(ip, server.sockets[0].getsockname()[1]))
    try:
        yield served
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


def answering(*answers: bytes) -> Script:
    """Answer every request with the next of `answers`, the last one again and again, on kept connections."""
    left = list(answers)

    async def script(exchange: Exchange) -> None:
        while await exchange.ask() is not None:
            await exchange.send(left.pop(0) if len(left) > 1 else left[0])

    return script


def closing_after(answer: bytes, reset: bool = False) -> Script:
    """Answer one request and close, with FIN or RST."""

    async def script(exchange: Exchange) -> None:
        if await exchange.ask() is None:
            return
        await exchange.send(answer)
        if reset:
            # The bytes must be out before the reset discards what is unsent.
            await asyncio.sleep(0.01)
            exchange.reset()

    return script


def response(status: str = "200 OK", body: bytes = b"", **fields: str) -> bytes:
    """Return a response with Content-Length; `fields` are header names with `_` for `-`."""
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status}\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode("latin-1") + body
