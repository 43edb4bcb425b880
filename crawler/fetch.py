"""Fetching one URL over HTTP/1.1 from an address that is already known, within limits of time and size.

Rule: a fetch ends in exactly one `Outcome`; the web's faults never raise. Redirects are outcomes, not followed.
Caps cut while reading and the connection is dropped where they cut. Resolving, politeness and retries are the worker's;
what goes over a connection is `crawler.wire`'s work, which fault means which failure `crawler.fetch_errors`'.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from time import monotonic, time
from types import TracebackType
from typing import Final

import aiohttp
from aiohttp.connector import Connection
from yarl import URL

from crawler.addresses import AddressGuard, Endpoint, literal
from crawler.body import ACCEPT_ENCODING, Decoder
from crawler.counted import CountedBody
from crawler.deadlines import Deadlines, Flight
from crawler.errors import UnsafeLibraryError
from crawler.fetch_errors import WEB_FAULTS, BlockedAddressError, NoAnswerError, failure_of, let_go, one_line
from crawler.fields import decode, encode
from crawler.outcome import Answer, Failed, Fetched, Headers, Outcome, Redirected, first_of
from crawler.wire import Body, Connections, Head, Route, Wire
from storage.leases import Lease
from storage.records import Failure, RedirectKind, Truncated

LEAST_VERSIONS: Final = (
    ("uvloop", (0, 23, 0), "older ones can hand one request another's bytes when a connect is cancelled (uvloop#645)"),
)

REDIRECTS: Final = {
    301: RedirectKind.MOVED_301,
    302: RedirectKind.FOUND_302,
    303: RedirectKind.SEE_OTHER_303,
    307: RedirectKind.TEMPORARY_307,
    308: RedirectKind.PERMANENT_308,
}
THROTTLES: Final = (408, 425, 429)
NOT_MODIFIED: Final = 304

ACCEPT: Final = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

DRAIN_BYTES: Final = 64 * 1024
"""Body bytes of an answer nobody needs that are read to keep its connection: less than a new TLS handshake moves."""

DRAIN_S: Final = 1.0
"""Longest wait for them."""

MAX_ROUTES: Final = 4_096
"""Routes kept, 1.6 KB each; making one costs 11 us."""

LEASE_LOOK_S: Final = 0.05
"""Between two looks whether a lease that had run out was renewed."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one fetch may take; robots.txt and pages differ."""

    connect_timeout: float = 10.0
    """Seconds until the connection stands, TLS included."""
    read_timeout: float = 20.0
    """Seconds until the head is whole, then between two pieces of the body."""
    total_timeout: float = 60.0
    """Seconds for everything."""
    max_wire_bytes: int = 8 * 1024 * 1024
    """Body bytes received."""
    max_body_bytes: int = 16 * 1024 * 1024
    """Body bytes decoded."""


class Visit:
    """One fetch under way: what is known so far, so that any end of it can be told in full."""

    __slots__ = ("at", "flight", "headers", "limits", "message", "started", "started_at", "wire", "wire_bytes")

    def __init__(self, at: Endpoint, limits: Limits, flight: Flight) -> None:
        self.at = at
        self.limits = limits
        self.flight = flight
        self.started_at = time()
        self.started = monotonic()
        self.wire: Wire | None = None
        self.message: Head | None = None
        self.headers: Headers = []
        self.wire_bytes = 0

    def answer(self) -> Answer:
        """Return the head received; only after there is one."""
        message, wire = self.message, self.wire
        assert message is not None
        assert wire is not None
        elapsed_s = monotonic() - self.started
        return Answer(
            status=message.code,
            headers=self.headers,
            ip=wire.peer,
            http_version=f"{message.version.major}.{message.version.minor}",
            started_at=self.started_at,
            ended_at=self.started_at + elapsed_s,
            elapsed_s=elapsed_s,
            wire_bytes=self.wire_bytes,
        )

    def failed(self, failure: Failure, detail: str) -> Failed:
        """Return the failure with all that is known of it."""
        elapsed_s = monotonic() - self.started
        return Failed(
            failure=failure,
            detail=detail,
            answer=self.answer() if self.message is not None else None,
            elapsed_s=elapsed_s,
            ip=self.at.ip,
            ended_at=self.started_at + elapsed_s,
        )

    def header(self, name: str) -> str | None:
        """Return the first value of the field `name`, or None."""
        return first_of(self.headers, name)


class Fetcher:
    """Fetches URLs; use as `async with`, one per event loop, from any number of tasks.

    `headers` are sent beside User-Agent, Accept and Accept-Encoding, and replace them where the names are equal.
    Behind a `proxy` only literal hosts are judged: the proxy resolves and connects, and `at` is not used.
    """

    def __init__(
        self,
        guard: AddressGuard,
        user_agent: str,
        limits: Limits = Limits(),
        headers: Mapping[str, str] | None = None,
        proxy: str | None = None,
    ) -> None:
        self._guard = guard
        self._limits = limits
        self._proxy = URL(proxy) if proxy else None
        self._fields = encode({"User-Agent": user_agent, "Accept": ACCEPT, "Accept-Encoding": ACCEPT_ENCODING}, headers)
        self._deadlines = Deadlines()
        self._routes: dict[tuple[str, Endpoint], Route] = {}
        self.lease = Lease()
        """Nothing is sent at or after its end, until it is renewed."""

    async def __aenter__(self) -> Fetcher:
        check_versions()
        self._connections = Connections(None if self._proxy else self._guard)
        await self._deadlines.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._deadlines.__aexit__(kind, error, trace)
        self._connections.close_kept()
        await self._connections.close()

    async def fetch(
        self, url: str, at: Endpoint, *, types: frozenset[str] | None = None, limits: Limits | None = None
    ) -> Outcome:
        """Ask for `url` (normal form) at the address `at` and return what became of it.

        `types`: MIME types whose bodies are read; other answers come as `Fetched` with an empty body. None: all.
        Cancelling the task cancels the fetch; running out of time is `Failed(TIMEOUT)` within the limit and 0.5 s.
        """
        limits = limits or self._limits
        flight = self._deadlines.begin(limits.total_timeout)
        visit = Visit(at, limits, flight)
        try:
            return await self._visit(visit, url, types)
        except asyncio.CancelledError:
            if not flight.ran_out():
                raise
            return visit.failed(Failure.TIMEOUT, f"no {flight.waiting_for} in time")
        except WEB_FAULTS as error:
            failed = visit.failed(_failure(error, visit.wire), one_line(error))
            let_go(error)
            return failed
        finally:
            self._deadlines.end(flight)

    async def _visit(self, visit: Visit, url: str, types: frozenset[str] | None) -> Outcome:
        slash = url.index("/", len("https://"))
        route = self._route(url[:slash], visit.at)
        connection, body = await self._ask(visit, route, url[slash:])
        try:
            outcome = await _outcome(visit, body, types)
        except BaseException:
            visit.wire_bytes += body.unread if isinstance(body, CountedBody) else 0
            _drop(connection)
            raise
        if body.is_eof():
            self._connections.keep(route, connection)
        else:
            _drop(connection)
        return outcome

    async def _ask(self, visit: Visit, route: Route, path: str) -> tuple[Connection, Body]:
        """Send the request and wait for the head.

        A kept connection may turn out closed only when it is used; the request then goes out again on the next one
        (RFC 9112 section 9.3.1). On a new connection nothing is ever sent twice.
        """
        while True:
            visit.flight.wait_for("connection", visit.limits.connect_timeout)
            connection = self._connections.kept(route) or await self._connections.open(route)
            wire = connection.protocol
            assert isinstance(wire, Wire)
            visit.wire = wire
            while monotonic() >= self.lease.ends_at:  # noqa: ASYNC110  # looked at again right before sending
                await asyncio.sleep(LEASE_LOOK_S)
            visit.flight.wait_for("answer", visit.limits.read_timeout)
            try:
                visit.message, body = await wire.ask(route.ask_for(path), visit.flight.heard)
                return connection, body
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                _drop(connection)
                if wire.asked <= 1 or wire.head_bytes:
                    raise
            except BaseException:
                _drop(connection)
                raise

    def _route(self, origin: str, at: Endpoint) -> Route:
        key = (origin, at)
        route = self._routes.get(key)
        if route is None:
            self._check(origin, at)
            if len(self._routes) >= MAX_ROUTES:
                del self._routes[next(iter(self._routes))]
            route = self._routes[key] = Route(origin, at, self._fields, self._proxy)
        return route

    def _check(self, origin: str, at: Endpoint) -> None:
        """Refuse before connecting what the guard would refuse then, and literals that hide behind another address."""
        spelled = literal(URL(origin, encoded=True).host_subcomponent or "")
        for ip in (spelled, None if self._proxy else at.ip):
            if ip is not None and not self._guard.permits(ip):
                raise BlockedAddressError(ip)


async def _outcome(visit: Visit, body: Body, types: frozenset[str] | None) -> Outcome:
    """Judge the head; read the body when it is wanted."""
    message = visit.message
    assert message is not None
    status = message.code
    visit.headers = decode(message.raw_headers)
    if status < 200:
        raise NoAnswerError(f"status {status}")
    if status in REDIRECTS and (location := visit.header("location")) is not None:
        await _drain(visit, body)
        return Redirected(visit.answer(), location, REDIRECTS[status])
    if status in THROTTLES or 500 <= status < 600:
        await _drain(visit, body)
        failure = Failure.THROTTLED if status in THROTTLES else Failure.SERVER_ERROR
        return visit.failed(failure, f"HTTP {status}")
    if status == NOT_MODIFIED or not _is_wanted(visit.header("content-type"), types):
        await _drain(visit, body)
        return Fetched(visit.answer(), b"")
    return await _read(visit, body)


async def _read(visit: Visit, body: Body) -> Fetched:
    """Read and decode the body as it arrives, up to the caps."""
    limits, flight = visit.limits, visit.flight
    decoder = Decoder(visit.header("content-encoding"), limits.max_body_bytes)
    truncated = whole = Truncated.NO  # read once: naming a member of an enum takes 0.2 us before Python 3.12
    flight.wait_for_pieces("body", limits.read_timeout)
    while truncated is whole and (chunk := await body.readany()):
        visit.wire_bytes += len(chunk)
        flight.heard()
        over = visit.wire_bytes - limits.max_wire_bytes
        if over > 0:
            chunk = chunk[:-over]
            truncated = Truncated.WIRE
        decoder.feed(chunk)
        if decoder.truncated:
            truncated = Truncated.BODY
    if truncated is whole:
        _check_end(visit)
    page = decoder.finish(cut=truncated is not whole)
    if decoder.truncated and truncated is whole:
        truncated = Truncated.BODY
    return Fetched(visit.answer(), page, truncated)


def _check_end(visit: Visit) -> None:
    """A body without a length ends with the connection: a reset is no end, though the parser takes it for one."""
    message, wire = visit.message, visit.wire
    assert message is not None
    assert wire is not None
    if isinstance(wire.lost, OSError) and not message.chunked and visit.header("content-length") is None:
        raise ConnectionResetError(str(wire.lost))


async def _drain(visit: Visit, body: Body) -> None:
    """Read a short rest, so that the connection can be kept; give up on a long, slow or broken one."""
    visit.flight.wait_for("rest", DRAIN_S)
    length = visit.header("content-length") or ""
    if length.isdecimal() and int(length[:19]) > DRAIN_BYTES:
        return
    try:
        while visit.wire_bytes <= DRAIN_BYTES and (chunk := await body.readany()):
            visit.wire_bytes += len(chunk)
    except asyncio.CancelledError:
        if not visit.flight.ran_out():
            raise
    except WEB_FAULTS as error:
        # The head is the outcome; a connection whose rest is broken is not kept, because the body has no end.
        let_go(error)


def _is_wanted(content_type: str | None, types: frozenset[str] | None) -> bool:
    """An answer that does not say what it is may be a page."""
    if types is None or content_type is None:
        return True
    mime = content_type.partition(";")[0].strip().lower()
    return not mime or mime in types


def _failure(error: BaseException, wire: Wire | None) -> Failure:
    """A body that ends early is a broken answer, unless the connection was reset under it."""
    if isinstance(error, aiohttp.ClientPayloadError) and wire is not None and isinstance(wire.lost, OSError):
        return Failure.RESET
    return failure_of(error)


def _drop(connection: Connection) -> None:
    wire = connection.protocol
    if isinstance(wire, Wire):
        wire.drop()
    connection.close()


def check_versions() -> None:
    """Refuse libraries that are known to mix up requests.

    Raises:
        UnsafeLibraryError: with the one line for the operator.
    """
    for name, least, reason in LEAST_VERSIONS:
        found = version(name)
        numbers = tuple(int(part) for part in found.split(".")[:3] if part.isdigit())
        if numbers < least:
            raise UnsafeLibraryError(name, found, ".".join(map(str, least)), reason)
