"""The server: many hosts on one port of one or more loopback addresses, told apart by the Host header.

Rule: only the request line and Host are read. A whole URL in it is answered as a proxy would, so that crawlers that
cannot be told addresses reach the web too. Requests of one connection are answered one after the other, however they
arrive. What to answer is `answers`' work; here it is written, late or in parts where the reply says so.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from random import uniform
from typing import Final, NamedTuple, cast

from bench.vweb.answers import Answers, Reply, error, last
from bench.vweb.log import RequestLog, Served

REQUEST_BYTES_MAX: Final = 64 << 10
"""A longer head ends the connection."""
PARTS: Final = 10
"""Of a slow body."""
BACKLOG: Final = 1024
PORT_TRIES: Final = 20
"""Free ports tried until one is free on all addresses."""


class Connection(asyncio.Protocol):
    """One connection from a client."""

    def __init__(self, answers: Answers, address: str, log: RequestLog | None) -> None:
        self._answers = answers
        self._address = address
        self._log = log
        self._latency_s = answers.web.spec.latency_s
        self._latency_spread = answers.web.spec.latency_spread
        self._pending = b""
        self._arrived_s = 0.0
        self._ended_s = 0.0
        self._busy = False
        """An answer is under way: nothing further is read from `_pending`."""
        self._unsent = False
        """The transport holds bytes that the kernel did not take yet."""
        self._open: tuple[str, str, int] | None = None
        """Host, path and status of the request that is being answered."""
        self._ends = False
        self._left = answers.web.spec.requests_a_connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        # With no room in the buffer `pause_writing` tells exactly when the kernel did not take everything.
        self._transport.set_write_buffer_limits(high=0)

    def data_received(self, data: bytes) -> None:
        self._arrived_s = time.monotonic()
        self._pending += data
        if not self._busy:
            self._advance()

    def pause_writing(self) -> None:
        self._unsent = True

    def resume_writing(self) -> None:
        self._unsent = False
        if self._ends:
            self._finish()
            self._advance()

    def connection_lost(self, error: Exception | None) -> None:
        if self._open is not None:
            if not self._ends:
                self._ended_s = time.monotonic()
            self._note()
        self._busy = True
        self._pending = b""

    def _advance(self) -> None:
        """Answer the requests that have arrived."""
        while not self._busy:
            end = self._pending.find(b"\r\n\r\n")
            if end < 0:
                if len(self._pending) > REQUEST_BYTES_MAX:
                    self._transport.abort()
                return
            head, self._pending = self._pending[:end], self._pending[end + 4 :]
            self._busy = True
            self._answer(head)

    def _answer(self, head: bytes) -> None:
        method, _, rest = head.partition(b" ")
        path, host = rest.partition(b" ")[0].decode("latin-1"), _host(head)
        if path.startswith("http://"):
            path = "/" + path[len("http://") :].partition("/")[2]
        reply = self._answers.answer(host, path)
        if method == b"HEAD":
            reply = reply._replace(wire=reply.wire[: reply.head_bytes], spread_s=0.0)
        elif method != b"GET":
            reply = error(405, ("Connection: close",))._replace(close=True)
        self._left -= 1
        if not self._left:
            reply = last(reply)
        self._open = host, path, reply.status
        if self._latency_s:
            factor = 1.0 + uniform(-self._latency_spread, self._latency_spread)
            asyncio.get_running_loop().call_later(self._latency_s * factor, self._send, reply)
        else:
            self._send(reply)

    def _send(self, reply: Reply) -> None:
        if self._transport.is_closing():
            return
        if reply.spread_s:
            self._transport.write(reply.wire[: reply.head_bytes])
            self._drip(reply, reply.head_bytes)
            return
        self._ended_s = time.monotonic()  # taken after the write it could come after the client's next step
        self._transport.write(reply.wire)
        self._end(reply)

    def _drip(self, reply: Reply, start: int) -> None:
        """Write one part of a slow body and come back for the next."""
        if self._transport.is_closing():
            return
        end = start + (len(reply.wire) - reply.head_bytes) // PARTS + 1
        self._ended_s = time.monotonic()
        self._transport.write(reply.wire[start:end])
        if end >= len(reply.wire):
            self._end(reply)
            self._advance()
        else:
            asyncio.get_running_loop().call_later(reply.spread_s / PARTS, self._drip, reply, end)

    def _end(self, reply: Reply) -> None:
        """Note the request now, or when the kernel has taken the last byte."""
        if reply.close:
            self._transport.close()
        if self._unsent:
            self._ends = True
        else:
            self._finish()

    def _finish(self) -> None:
        self._note()
        self._ends = False
        self._busy = self._transport.is_closing()

    def _note(self) -> None:
        if self._log is not None and self._open is not None:
            host, path, status = self._open
            self._log.add(Served(self._arrived_s, self._ended_s, self._address, host, path, status))
        self._open = None


def _host(head: bytes) -> str:
    """Return the name in the Host header without its port, in lower case."""
    start = head.find(b"\r\nHost: ") + 8
    if start < 8:
        start = head.lower().find(b"\r\nhost:") + 7
        if start < 7:
            return ""
    end = head.find(b"\r\n", start)
    name = head[start:] if end < 0 else head[start:end]
    return name.strip().partition(b":")[0].decode("latin-1").lower()


class Doors(NamedTuple):
    """Where connections come in."""

    sockets: list[socket.socket]
    """Bound to the same port of all addresses."""
    tls: ssl.SSLContext | None = None


def listen(addresses: Sequence[str], port: int) -> list[socket.socket]:
    """Return sockets bound to the same port of all addresses; port 0 takes one that is free on all.

    Raises OSError when the port is taken.
    """
    for _ in range(PORT_TRIES):
        sockets: list[socket.socket] = []
        try:
            for address in addresses:
                sockets.append(_bind(address, sockets[0].getsockname()[1] if sockets else port))
            return sockets
        except OSError:
            for bound in sockets:
                bound.close()
            if port:
                raise
    raise OSError(f"no port is free on all of {', '.join(addresses)}")


def _bind(address: str, port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((address, port))
    except OSError:
        bound.close()
        raise
    return bound


async def run(answers: Answers, doors: Doors, log: RequestLog | None, max_s: float, ready: Callable[[], None]) -> None:
    """Serve until SIGTERM, SIGINT or `max_s` seconds have passed. Calls `ready` once requests are accepted."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.call_later(max_s, stop.set)
    servers = []
    for bound in doors.sockets:
        make = _maker(answers, bound.getsockname()[0], log)
        servers.append(await loop.create_server(make, sock=bound, backlog=BACKLOG, ssl=doors.tls))
    ready()
    await stop.wait()
    for server in servers:
        server.close()


def _maker(answers: Answers, address: str, log: RequestLog | None) -> Callable[[], Connection]:
    return lambda: Connection(answers, address, log)
