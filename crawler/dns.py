"""From a host to the addresses it may be reached at: settings first, then the cache, then the DNS.

Rule: an answer is a value and is kept for its own time within bounds, a failure too; one name is asked once at a time,
and only so many names together. Addresses that the guard refuses are never handed out.
Names of IPv6-only hosts are found because AAAA is asked when there is no A. Connecting is `crawler.fetch`'s work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from types import TracebackType
from typing import Final

import pycares
from aiodns import DNSResolver
from aiodns.error import ARES_EBADNAME, ARES_ENODATA, ARES_ENOTFOUND, ARES_ETIMEOUT, DNSError

from crawler.addresses import AddressGuard, Endpoint, literal

MIN_TTL_S: Final = 30.0
"""Shorter times to live are stretched: names with TTL 0 would be asked for every page."""

MAX_TTL_S: Final = 3_600.0
"""Longer ones are cut: a crawl of days must notice that a site has moved."""

NOT_FOUND_TTL_S: Final = 300.0
"""How long a name counts as missing (RFC 2308 allows up to hours, c-ares does not tell the zone's own value)."""

FAILED_TTL_S: Final = 30.0
"""How long a name server's failure is believed (RFC 2308 section 7 allows five minutes)."""

MAX_NAMES: Final = 200_000
"""Answers kept, about 60 MB; the oldest go first."""

MAX_LOOKUPS: Final = 64
"""Look-ups in flight: public resolvers begin to refuse one client at about a thousand queries a second."""

QUERY_TIMEOUT_S: Final = 0.4
QUERY_TRIES: Final = 5
"""A name server that does not answer costs about 12 s, c-ares doubling the wait with each try.

Many tries, for c-ares keeps to the time set only until it knows the server: from then on the first wait is five times
the usual answer's time, down to 0.25 s (its `ares_metrics.c`). With two tries a resolver that answers from its cache in
1 ms has 0.75 s for a name that it must look for. An answer to an earlier try still counts.
"""

MAX_HOST_CHARS: Final = 253
MAX_LABEL_CHARS: Final = 63

NOT_FOUND: Final = (ARES_ENOTFOUND, ARES_ENODATA, ARES_EBADNAME)


@dataclass(frozen=True, slots=True)
class Resolved:
    """Where a host can be reached."""

    addresses: tuple[str, ...]
    """At least one, in the order of the answer; only permitted ones."""
    port: int | None
    """Port that the settings put in place of the URL's."""
    expires_at: float
    """On the resolver's clock."""

    @property
    def endpoint(self) -> Endpoint:
        """The first address, with the port."""
        return Endpoint(self.addresses[0], self.port)


@dataclass(frozen=True, slots=True)
class BlockedAddress:
    """The host has addresses, but none that may be connected to."""

    addresses: tuple[str, ...]
    expires_at: float


@dataclass(frozen=True, slots=True)
class DnsFailure:
    """The host has no address, or nobody could be asked."""

    detail: str
    """One line for people."""
    is_final: bool
    """The name does not exist or has no address, so that asking again soon is in vain."""
    expires_at: float


Answer = Resolved | BlockedAddress | DnsFailure

FOREVER: Final = float("inf")


class Resolver:
    """Resolves hosts; use as `async with`, one per event loop, from any number of tasks.

    `hosts` maps names (`a.example`, `*.example`, `*`) to addresses (`ip`, `ip:port`, `[v6]:port`); exact names win over
    longer suffixes, those over shorter ones. `nameservers` are `ip` or `ip:port`; none means the system's.

    Raises:
        ValueError: an address in `hosts` cannot be read.
    """

    def __init__(
        self,
        guard: AddressGuard,
        hosts: Mapping[str, str] | None = None,
        nameservers: Sequence[str] = (),
        now: Callable[[], float] = monotonic,
    ) -> None:
        self._guard = guard
        self._hosts = {name.lower(): Endpoint.parse(text) for name, text in (hosts or {}).items()}
        self._nameservers = list(nameservers)
        self._now = now
        # Filled by `_look_up`; emptied by `_keep`, oldest first, and by what has expired when it is asked for.
        self._known: dict[str, Answer] = {}
        # Filled by `resolve`, emptied by the look-up's end; `_turns` bounds how many of them ask.
        self._running: dict[str, asyncio.Task[Answer]] = {}
        self._turns = asyncio.Semaphore(MAX_LOOKUPS)

    async def __aenter__(self) -> Resolver:
        self._dns = DNSResolver(
            nameservers=self._nameservers or None,
            timeout=QUERY_TIMEOUT_S,
            tries=QUERY_TRIES,
            # A host of the web is a whole name: never tried with the machine's own domain behind it.
            flags=pycares.ARES_FLAG_NOSEARCH,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self._dns.close()

    async def resolve(self, host: str) -> Answer:
        """Return where `host` (as in the normal form of a URL) can be reached, or why it cannot."""
        known = self._known.get(host)
        if known is not None and known.expires_at > self._now():
            return known
        if (settled := self._settled(host)) is not None:
            return self._keep(host, settled)
        task = self._running.get(host)
        if task is None:
            task = self._running[host] = asyncio.create_task(self._look_up(host), name=f"dns {host}")
        # Whoever stops waiting does not stop the others' look-up.
        return await asyncio.shield(task)

    def _settled(self, host: str) -> Answer | None:
        """Answer what needs no question: settings, literals, names that are none."""
        if not _is_host(host):
            return DnsFailure("not a host name", is_final=True, expires_at=FOREVER)
        if (endpoint := self._static(host)) is not None:
            return self._judged((endpoint.ip,), FOREVER, endpoint.port)
        if (ip := literal(host)) is not None:
            return self._judged((ip,), FOREVER)
        name = host.rstrip(".")
        if name == "localhost" or name.endswith(".localhost"):
            # RFC 6761 section 6.3: always loopback, never asked.
            return self._judged(("127.0.0.1", "::1"), FOREVER)
        return None

    def _static(self, host: str) -> Endpoint | None:
        if not self._hosts:
            return None
        labels = host.rstrip(".").split(".")
        names = [".".join(labels), *("*." + ".".join(labels[i:]) for i in range(1, len(labels))), "*"]
        return next((self._hosts[name] for name in names if name in self._hosts), None)

    async def _look_up(self, host: str) -> Answer:
        try:
            async with self._turns:
                return self._keep(host, await self._ask(host))
        finally:
            del self._running[host]

    async def _ask(self, host: str) -> Answer:
        """Ask for A, and for AAAA when there is none."""
        try:
            addresses, ttl_s = await self._query(host, "A")
            if not addresses:
                addresses, ttl_s = await self._query(host, "AAAA")
        except DNSError as error:
            code, text = error.args[0], error.args[1]
            is_final = code in NOT_FOUND
            ttl_s = NOT_FOUND_TTL_S if is_final else FAILED_TTL_S
            detail = "no name server answered in time" if code == ARES_ETIMEOUT else str(text)
            return DnsFailure(detail, is_final, self._now() + ttl_s)
        if not addresses:
            return DnsFailure("no address", is_final=True, expires_at=self._now() + NOT_FOUND_TTL_S)
        return self._judged(addresses, self._now() + min(max(ttl_s, MIN_TTL_S), MAX_TTL_S))

    async def _query(self, host: str, kind: str) -> tuple[tuple[str, ...], float]:
        """Return the addresses and the least time to live on the way to them; none when only this kind is missing."""
        try:
            result = await self._dns.query_dns(host, kind)
        except DNSError as error:
            if error.args[0] == ARES_ENODATA:
                return (), 0.0
            raise
        found = [record.data.addr for record in result.answer if isinstance(record.data, ADDRESS_RECORDS)]
        return tuple(found), min((float(record.ttl) for record in result.answer), default=0.0)

    def _judged(self, addresses: tuple[str, ...], expires_at: float, port: int | None = None) -> Answer:
        permitted = tuple(ip for ip in addresses if self._guard.permits(ip))
        return Resolved(permitted, port, expires_at) if permitted else BlockedAddress(addresses, expires_at)

    def _keep(self, host: str, answer: Answer) -> Answer:
        self._known.pop(host, None)
        if len(self._known) >= MAX_NAMES:
            del self._known[next(iter(self._known))]
        self._known[host] = answer
        return answer


ADDRESS_RECORDS: Final = (pycares.ARecordData, pycares.AAAARecordData)


def _is_host(host: str) -> bool:
    """Whether the DNS could hold the name (RFC 1035 section 2.3.4), or it is a literal."""
    name = host.removesuffix(".")
    if host.startswith("["):
        return True
    return 0 < len(name) <= MAX_HOST_CHARS and all(0 < len(label) <= MAX_LABEL_CHARS for label in name.split("."))
