"""Which addresses a request may be sent to: the guard against reaching inside (SSRF), and `Endpoint`.

Rule: an address is permitted when it is globally reachable unicast, or when the settings name it. Addresses that only
carry another one (mapped, translated, tunnelled) are never judged by what they carry: they are refused.
Finding addresses is `crawler.dns`' work; asking again when a connection is made is `crawler.fetch`'s.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, NamedTuple

REMEMBERED_ADDRESSES: Final = 65_536
"""Judgements kept per guard: about 10 MB when full, more addresses than one worker talks to in an hour."""

# The table is our own because `ipaddress.is_global` changed its answers between patch releases of Python.
NOT_PUBLIC_V4: Final = (
    ("0.0.0.0/8", "this network (RFC 791)"),
    ("10.0.0.0/8", "private (RFC 1918)"),
    ("100.64.0.0/10", "shared by carriers (RFC 6598); holds a cloud's metadata service"),
    ("127.0.0.0/8", "loopback (RFC 1122)"),
    ("168.63.129.16/32", "a cloud's host agent behind a public address"),
    ("169.254.0.0/16", "link-local (RFC 3927); cloud metadata"),
    ("172.16.0.0/12", "private (RFC 1918)"),
    ("192.0.0.0/24", "protocol assignments (RFC 6890)"),
    ("192.0.2.0/24", "documentation (RFC 5737)"),
    ("192.88.99.0/24", "6to4 relays, deprecated (RFC 7526)"),
    ("192.168.0.0/16", "private (RFC 1918)"),
    ("198.18.0.0/15", "benchmarks (RFC 2544)"),
    ("198.51.100.0/24", "documentation (RFC 5737)"),
    ("203.0.113.0/24", "documentation (RFC 5737)"),
    ("224.0.0.0/4", "multicast (RFC 5771)"),
    ("240.0.0.0/4", "reserved and broadcast (RFC 1112)"),
)
PUBLIC_V6: Final = IPv6Network("2000::/3")
"""All unicast addresses assigned so far (RFC 4291). Outside lie mapped, NAT64, unique local, link-local, multicast."""
NOT_PUBLIC_V6: Final = (
    ("2001::/23", "protocol assignments: Teredo, ORCHID, benchmarks (RFC 2928)"),
    ("2001:db8::/32", "documentation (RFC 3849)"),
    ("2002::/16", "6to4: carries an IPv4 address (RFC 3056)"),
    ("3fff::/20", "documentation (RFC 9637)"),
)

ENDPOINT: Final = re.compile(r"(?:\[(?P<v6>[^]]+)\]|(?P<v4>[^:]+))(?::(?P<port>[0-9]{1,5}))?")

_NOT_PUBLIC: Final = tuple(ip_network(network) for network, _ in NOT_PUBLIC_V4 + NOT_PUBLIC_V6)


class Endpoint(NamedTuple):
    """Where to connect for a host."""

    ip: str
    port: int | None = None
    """None: the URL's own port."""

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """Read `ip`, `ip:port`, `v6`, `[v6]` or `[v6]:port`.

        Raises:
            ValueError: the text is no such thing; its message says which text.
        """
        spelled = ENDPOINT.fullmatch(text)
        bare, port = (spelled["v6"] or spelled["v4"], spelled["port"]) if spelled else (text, None)
        if _address(bare) is None or (port and not 0 < int(port) < 65_536):
            raise ValueError(f"not an address or address:port: {text!r}")
        return cls(bare, int(port) if port else None)


class AddressGuard:
    """Says which addresses may be connected to: public ones, and those in `allowed` (networks in CIDR notation).

    With `loopback_only` public addresses are refused too, and of the allowed ones all but this machine's own.
    """

    def __init__(self, allowed: Sequence[str] = (), *, loopback_only: bool = False) -> None:
        self._loopback_only = loopback_only
        self._allowed = tuple(ip_network(network, strict=False) for network in allowed)
        # 0.1 us a known address against 15 us for a new one.
        self.permits = lru_cache(maxsize=REMEMBERED_ADDRESSES)(self._permits)

    def _permits(self, ip: str) -> bool:
        """Return whether a connection to `ip` may be opened; text that is no plain address is refused."""
        address = _address(ip)
        if address is None:
            return False
        if self._loopback_only:
            return address.is_loopback and _within(address, self._allowed)
        return _within(address, self._allowed) or _is_public(address)


def is_loopback(ip: str) -> bool:
    """Return whether `ip` is this machine's own 127.0.0.0/8 or ::1."""
    address = _address(ip)
    return address is not None and address.is_loopback


def literal(host: str) -> str | None:
    """Return the address that a URL's host spells, without brackets; None for a name."""
    bare = host[1:-1] if host.startswith("[") else host
    return bare if _address(bare) is not None else None


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """A scope (`fe80::1%eth0`) names an interface of this machine: no address for a crawler."""
    if "%" in text:
        return None
    try:
        return ip_address(text)
    except ValueError:
        return None


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address) and address not in PUBLIC_V6:
        return False
    return not _within(address, _NOT_PUBLIC)


def _within(address: IPv4Address | IPv6Address, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    return any(address in network for network in networks)
