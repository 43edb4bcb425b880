"""Proof of what a crawler connects to: listeners on addresses that are refused, and a look at every connect.

Rule: loopback addresses are proved from the server's side, where a listener counts. What has no listener on this
machine (private networks, metadata services, multicast) is proved by the sockets: their connects are noted and end.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from ipaddress import ip_address
from typing import Final
from unittest.mock import patch

ALLOWED: Final = "127.0.0.80"
"""The one address that a trial lets the crawler reach, so that 127.0.0.1 and the others are refused."""
REFUSED: Final = ("127.0.0.1", "127.0.0.2", "::1")
"""Where listeners count."""


@contextmanager
def watching() -> Iterator[Counter[str]]:
    """Count the connects of this process by address; those that would leave the machine are refused."""
    connects: Counter[str] = Counter()
    connect = socket.socket.connect

    def watched(sock: socket.socket, address: tuple[str, int]) -> None:
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            connects[address[0]] += 1
            if not ip_address(address[0]).is_loopback:
                raise OSError(f"connect to {address[0]}")
        connect(sock, address)

    with patch.object(socket.socket, "connect", watched):
        yield connects


@asynccontextmanager
async def trapped(port: int) -> AsyncIterator[Counter[str]]:
    """Listen on the refused addresses of this machine and count who comes, by address."""
    came: Counter[str] = Counter()

    def counting(ip: str) -> type[asyncio.Protocol]:
        class Trap(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                came[ip] += 1
                transport.close()

        return Trap

    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as listeners:
        for ip in REFUSED:
            if ":" in ip and not has_ipv6():
                continue
            server = await loop.create_server(counting(ip), ip, port)
            await listeners.enter_async_context(server)
        yield came


def free_port() -> int:
    """Return a port that is free on all the addresses of a trial."""
    while True:
        with socket.create_server((ALLOWED, 0)) as first:
            port: int = first.getsockname()[1]
            try:
                for ip in REFUSED:
                    if ":" not in ip or has_ipv6():
                        socket.create_server((ip, port), family=_family(ip)).close()
            except OSError:
                continue
        return port


def has_ipv6() -> bool:
    """Tell whether this machine has the loopback address of IPv6."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def _family(ip: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in ip else socket.AF_INET
