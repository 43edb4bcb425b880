"""Connections: one request and its answer at a time on each, kept alive between requests.

Rule: bytes that nobody asked for end a connection, so that they reach no other request; only what an origin sends
unasked after the next request has gone out to it passes for the answer, for HTTP/1.1 numbers none. A socket is opened
only to an address that the guard permits at that moment, whatever was resolved before. The parser alone reads heads and
refuses what could be read in two ways: a length told twice too, though browsers take two that are equal.
aiohttp's connector and parser are used without its session, which alone takes 110 us a request where a whole fetch
takes 47 (bench/fetch.py), and without its pool, which is a tenth of a fetch. A body that told its length is counted
(`crawler.counted`), any other comes through the parser. What the answer means is `crawler.fetch`'s work.
"""

from __future__ import annotations

import asyncio
import functools
import socket
from base64 import b64encode
from collections.abc import Callable
from time import monotonic
from typing import Final, Protocol, cast

import aiohttp
from aiohttp import ClientRequest, ClientTimeout, HttpVersion, TCPConnector, ThreadedResolver
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import AddrInfoType, Connection
from aiohttp.http_parser import RawResponseMessage
from aiohttp.streams import StreamReader
from yarl import URL

from crawler.addresses import AddressGuard, Endpoint
from crawler.counted import CountedBody
from crawler.fetch_errors import OUT_OF_FILES, BlockedAddressError, HeadTooLargeError, TooManyOpenFilesError

MAX_FIELD_BYTES: Final = 32 * 1024
"""Longest status line and header field: servers stop at 8 to 16 KiB, policies in headers reach 20."""

MAX_HEAD_BYTES: Final = 128 * 1024
"""Largest head with the interim (1xx) answers before it; Chromium's limit is 256 KiB."""

MAX_FIELDS: Final = 256
"""Most header fields; also bounds the trailers of a chunked body."""

HEAD_END: Final = b"\r\n\r\n"

READ_BUFFER_BYTES: Final = 64 * 1024
"""Reading through the parser pauses at twice this many unread bytes: 128 KiB for each request under way."""

KEEP_ALIVE_S: Final = 15.0
"""How long an idle connection is kept: servers close theirs after 5 to 75 s, the usual delays are 1 to 10."""

EXPIRY_STEP_S: Final = 1.0
"""How much later it may be closed, so that many are closed together."""

NO_TIMERS: Final = ClientTimeout(total=None, connect=None, sock_read=None, sock_connect=None)
"""`crawler.deadlines` watches instead: arming and cancelling aiohttp's timers was its main cost."""


Body = CountedBody | StreamReader


class Head(Protocol):
    """What a fetch reads of a `RawResponseMessage`, which is a tuple for type checkers alone: compiled code minds."""

    @property
    def version(self) -> HttpVersion: ...
    @property
    def code(self) -> int: ...
    @property
    def raw_headers(self) -> tuple[tuple[bytes, bytes], ...]: ...
    @property
    def chunked(self) -> bool: ...


def _ignored() -> None:
    """Be told of a piece before anyone asked."""


class Wire(ResponseHandler):
    """One connection. `ask` sends a request; the answer's body is read from what it returns."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.asked = 0
        """Requests sent on this connection; 0 while a proxy's tunnel is being set up."""
        self.peer: str | None = None
        self.lost: BaseException | None = None
        """Why the connection went away, if not by a clean end."""
        self.head_bytes = 0
        self._awaiting = False
        self._heard: Callable[[], None] = _ignored
        self._counted: CountedBody | None = None
        """The body of the last answer, if it told its length: all that arrives is its, or nobody asked for it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        self.peer = peer[0] if peer else None

    def connection_lost(self, exc: BaseException | None) -> None:
        self.lost = exc
        if self._counted is not None:
            self._counted.fail(aiohttp.ClientPayloadError(f"{self._counted.left} bytes of the body are missing"))
        super().connection_lost(exc)

    async def ask(self, request: bytes, heard: Callable[[], None] = _ignored) -> tuple[Head, Body]:
        """Send `request` and wait for the head of the final answer; return it and its body.

        `heard` is called for each piece of the body that arrives unread.
        """
        if self.transport is None:
            raise aiohttp.ServerDisconnectedError
        self._expect(heard)
        self.transport.write(request)
        message, stream = await self.read()
        return message, self._counted or stream

    def _expect(self, heard: Callable[[], None]) -> None:
        self.set_response_params(
            read_until_eof=True,
            auto_decompress=False,
            read_bufsize=READ_BUFFER_BYTES,
            max_line_size=MAX_FIELD_BYTES,
            max_field_size=MAX_FIELD_BYTES,
            max_headers=MAX_FIELDS,
        )
        self.asked += 1
        self.head_bytes = 0
        self._awaiting = True
        self._counted = None
        self._heard = heard

    def data_received(self, data: bytes) -> None:
        """Parse what arrives, within the limit of the head; drop the connection on bytes after an answer's end.

        No data at all is aiohttp going on with what it kept while reading was paused.
        """
        if self._counted is not None:
            self._count(data, 0)
        else:
            self._parse(data)

    def _parse(self, data: bytes) -> None:
        if data and self.asked and not self._awaiting and (self._payload is None or self._payload.is_eof()):
            self.drop()
            return
        if self._awaiting:
            self.head_bytes += len(data)
            # The head goes to the parser by itself: rejecting bytes after the body, it would take back the head
            # that it read in the same piece. Costs 1 us.
            end = data.find(HEAD_END) + len(HEAD_END)
            if len(HEAD_END) <= end < len(data):
                super().data_received(data[:end])
                if self._counted is not None:
                    self._count(data, end)
                    return
                data = data[end:]
        super().data_received(data)
        if self._awaiting and self.head_bytes > MAX_HEAD_BYTES:
            self.set_exception(HeadTooLargeError(f"over {MAX_HEAD_BYTES} bytes"))
            self.drop()

    def feed_data(self, data: tuple[RawResponseMessage, StreamReader], size: int = 0) -> None:
        """Hand the head of the final answer on; interim answers tell a crawler nothing, second ones are a fraud."""
        if not self.asked:
            super().feed_data(data, size)
        elif not self._awaiting:
            self.force_close()
        elif not 102 <= data[0].code < 200 and data[0].code != 100:
            self._awaiting = False
            self._counted = self._body_of(*data)
            if self._counted is not None:
                self._payload = None
            super().feed_data(data, size)

    def _body_of(self, message: RawResponseMessage, stream: StreamReader) -> CountedBody | None:
        """Return the body to count, None where the parser is needed for its end or has begun to read it.

        The parser has judged the length: digits only, one value, no chunks beside it. Reading a body through it takes
        a copy of each piece and a task woken for it, and another look at the parser in the end.
        """
        length = message.headers.get("Content-Length")
        if length is None or message.chunked or "Transfer-Encoding" in message.headers or self.transport is None:
            return None
        if stream.is_eof() or stream.total_bytes or not length.isdecimal():
            return None
        return CountedBody(int(length), self.transport, self._heard)

    def _count(self, data: bytes, start: int) -> None:
        assert self._counted is not None
        if len(data) > start and not (self._counted.left and self._counted.feed(data, start)):
            self.drop()

    def set_exception(self, exc: BaseException, exc_cause: BaseException | None = None) -> None:
        """Tell the reader of the body too: a parser that rejects the middle of a body tells only the next `ask`."""
        super().set_exception(exc, exc_cause or exc)
        body = self._payload
        if body is not None and not body.is_eof() and body.exception() is None:
            body.set_exception(aiohttp.ClientPayloadError(str(exc)), exc)

    def drop(self) -> None:
        """End the connection at once, without waiting for unsent or unread bytes."""
        self.force_close()
        if self.transport is not None:
            self.transport.abort()


class Route:
    """How to ask one origin at one address: its kept connections, and the request but for its path."""

    __slots__ = ("_fields", "_prefix", "kept", "request")

    def __init__(self, origin: str, at: Endpoint, fields: bytes, proxy: URL | None) -> None:
        url = URL(origin, encoded=True)
        host = url.host_port_subcomponent
        assert host is not None
        self.kept: list[Connection] = []
        """Idle connections, the one used last at the end; `Connections` fills and empties it."""
        # The address stands in the URL and the host in `server_hostname`: so nothing is resolved while connecting.
        target = url if proxy else URL.build(scheme=url.scheme, host=at.ip, port=at.port or url.port)
        self.request = ClientRequest(
            "GET",
            target,
            headers={"Host": host},
            server_hostname=url.raw_host,
            proxy=proxy,
            loop=asyncio.get_running_loop(),
        )
        absolute = b""
        if proxy and url.scheme == "http":
            absolute = origin.encode()
            fields = _proxy_authorization(proxy) + fields
        self._prefix = b"GET " + absolute
        self._fields = b" HTTP/1.1\r\nHost: " + host.encode() + b"\r\n" + fields + b"\r\n"

    def ask_for(self, path: str) -> bytes:
        """Return the request for `path`, which holds the query too (ASCII, as the normal form of URLs is)."""
        return self._prefix + path.encode("ascii") + self._fields


def _proxy_authorization(proxy: URL) -> bytes:
    """Return the header line that a proxy's user name asks for; the library writes it for tunnels alone."""
    if proxy.user is None and proxy.password is None:
        return b""
    named = f"{proxy.user or ''}:{proxy.password or ''}".encode()
    return b"Proxy-Authorization: Basic " + b64encode(named) + b"\r\n"


class Connections(TCPConnector):
    """Makes connections and keeps them. Limits per host and address are the frontier's, so it has none of its own."""

    def __init__(self, guard: AddressGuard | None) -> None:
        """`guard` is None only behind a proxy, which the operator chose and which reaches the hosts itself."""
        super().__init__(
            limit=0,
            limit_per_host=0,
            use_dns_cache=False,
            ssl=True,  # the context that the library makes when it is loaded: another takes 30 ms of each worker
            # For the name of a proxy: hosts come resolved.
            resolver=ThreadedResolver(),
            socket_factory=self._open_socket,
            happy_eyeballs_delay=None,
        )
        self._guard = guard
        self._factory = cast("functools.partial[ResponseHandler]", functools.partial(Wire, loop=self._loop))
        self._kept: dict[Connection, tuple[Route, float]] = {}
        """Idle connections of all routes with when they began to be, in that order."""
        self._expiry: asyncio.TimerHandle | None = None

    async def open(self, route: Route) -> Connection:
        """Make a connection; `keep` or `close` it once."""
        return await self.connect(route.request, [], NO_TIMERS)

    def kept(self, route: Route) -> Connection | None:
        """Take a connection that was kept, if there is one; `keep` or `close` it once."""
        kept_since = monotonic() - KEEP_ALIVE_S
        while route.kept:
            connection = route.kept.pop()
            _, kept_at = self._kept.pop(connection)
            if kept_at > kept_since and not connection.closed:
                return connection
            connection.close()
        return None

    def keep(self, route: Route, connection: Connection) -> None:
        """Take back a connection on which an answer was read to its end; close it if that was to be the last."""
        wire = connection.protocol
        if wire is None or wire.should_close or self.closed:
            connection.close()
            return
        route.kept.append(connection)
        self._kept[connection] = route, monotonic()
        if self._expiry is None:
            self._expiry = self._loop.call_later(KEEP_ALIVE_S, self._expire)

    def _expire(self) -> None:
        """Close what was kept too long; look again while there is more."""
        self._expiry = None
        kept_since = monotonic() - KEEP_ALIVE_S
        while self._kept:
            connection, (route, kept_at) = next(iter(self._kept.items()))
            if kept_at > kept_since:
                self._expiry = self._loop.call_later(kept_at - kept_since + EXPIRY_STEP_S, self._expire)
                break
            route.kept.remove(connection)
            del self._kept[connection]
            connection.close()

    def close_kept(self) -> None:
        """Close all idle connections; before this is closed."""
        if self._expiry is not None:
            self._expiry.cancel()
        for connection in self._kept:
            connection.close()
        self._kept.clear()

    def _open_socket(self, address: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, (ip, *_) = address
        if self._guard is not None and not self._guard.permits(str(ip)):
            raise BlockedAddressError(str(ip))
        try:
            return socket.socket(family, kind, protocol)
        except OSError as error:
            if error.errno in OUT_OF_FILES:
                raise TooManyOpenFilesError(TooManyOpenFilesError.__doc__) from error
            raise
