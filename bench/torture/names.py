"""A name server on loopback that says what a test or a trial wants it to say.

Rule: a zone is plain data and may be changed while it is served; every query is noted.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

LOOPBACK: Final = "127.0.0.1"
QUERY_BYTES_MAX: Final = 4096
A, AAAA, CNAME = 1, 28, 5
NXDOMAIN, SERVFAIL = 3, 2


@dataclass
class Zone:
    """What a name server says: addresses by name and type, and the queries it has seen."""

    records: dict[tuple[str, int], list[str]] = field(default_factory=dict)
    default: list[str] = field(default_factory=list)
    """IPv4 addresses of names without any record."""
    ttl: int = 0
    code: int = NXDOMAIN
    """Response code for names without any record; None of their types is `silent`."""
    silent: bool = False
    asked: list[tuple[str, int]] = field(default_factory=list)
    heard: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    """Names as the queries arrive, for those who wait for them."""

    def answer(self, query: bytes) -> tuple[str, bytes | None]:
        """Return the name asked for and the answer to one query (RFC 1035 section 4), None for silence."""
        labels, at = [], 12
        while length := query[at]:
            labels.append(query[at + 1 : at + 1 + length].decode())
            at += 1 + length
        name, kind = ".".join(labels).lower(), int.from_bytes(query[at + 1 : at + 3], "big")
        self.asked.append((name, kind))
        is_known = any((name, known) in self.records for known in (A, AAAA, CNAME))
        found = self.records.get((name, kind), [] if is_known or kind != A else self.default)
        code = 0 if is_known or self.default else self.code
        head = query[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, len(found), 0, 0)
        family = socket.AF_INET if kind == A else socket.AF_INET6
        packed = [socket.inet_pton(family, ip) for ip in found]
        records = [struct.pack(">HHHIH", 0xC00C, kind, 1, self.ttl, len(ip)) + ip for ip in packed]
        return name, None if self.silent else head + query[12 : at + 5] + b"".join(records)


@asynccontextmanager
async def name_server(zone: Zone) -> AsyncIterator[str]:
    """Run a name server for `zone` and yield its address.

    In a thread: a loop takes one datagram a turn, and that of a busy crawl turns ten times a second, which was too slow
    for the questions of that crawl.
    """
    loop, stopping = asyncio.get_running_loop(), threading.Event()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind((LOOPBACK, 0))
        address = bound.getsockname()
        serving = threading.Thread(target=_serve, args=(bound, zone, loop, stopping), name="names", daemon=True)
        serving.start()
        try:
            yield f"{LOOPBACK}:{address[1]}"
        finally:
            stopping.set()
            bound.sendto(b"", address)
            await asyncio.to_thread(serving.join)


def _serve(bound: socket.socket, zone: Zone, loop: asyncio.AbstractEventLoop, stopping: threading.Event) -> None:
    while True:
        query, sender = bound.recvfrom(QUERY_BYTES_MAX)
        if stopping.is_set():
            return
        name, answer = zone.answer(query)
        loop.call_soon_threadsafe(zone.heard.put_nowait, name)
        if answer is not None:
            bound.sendto(answer, sender)
