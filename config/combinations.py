"""What settings say together: combinations that cannot work, found before anything is fetched.

Rule: only what is certain from the settings alone is refused here. Without `fetch.contact` a crawl is confined to
loopback: seeds evidently beyond it are refused here, all other addresses by the crawler's guard when it connects.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import urlsplit

from config.errors import Problem, shown
from config.models import Settings
from config.values import Address, endpoint

_LOCALHOST: Final = ipaddress.ip_address("127.0.0.1")


def conflicts(settings: Settings) -> Iterator[Problem]:
    """Yield what cannot work in settings whose single values are all valid, whatever the seeds are."""
    for check in (_start, _places, _scope, _connections, _timeouts, _proxy, _mapped_addresses):
        yield from check(settings)


def seed_conflicts(settings: Settings, seeds: Iterable[tuple[str, str]]) -> Iterator[Problem]:
    """Yield what keeps `seeds`, each with its place, from being fetched; a missing contact is told of the first only.

    The seeds are normal forms; the place becomes the problem's key.
    """
    contact_asked = False
    for place, seed in seeds:
        address = fixed_address(settings, urlsplit(seed).hostname or "")
        if settings.loopback_only and not contact_asked and not (address and address.is_loopback):
            contact_asked = True
            text = f'"" is empty, but {seed} is beyond loopback; {_CONTACT_ADVICE}'
            yield Problem("fetch.contact", text, ("network.hosts",))
        if address and not _permitted(settings, address):
            text = f"{shown(seed)} is at {address}, which is not public; add its network to network.allow_addresses"
            yield Problem(place, text, ("network.allow_addresses", "network.hosts"))


def unread_seed_conflicts(settings: Settings, seeds: Iterable[object]) -> Iterator[Problem]:
    """Yield that a contact is missing where a seed that is no URL evidently does not mean loopback, once mended."""
    beyond = [seed for seed in seeds if isinstance(seed, str) and not _LOOPBACK.search(seed)]
    if settings.loopback_only and not settings.network.hosts and beyond:
        text = f'"" is empty, but {shown(beyond[0])} is not on loopback; {_CONTACT_ADVICE}'
        yield Problem("fetch.contact", text, ("network.hosts",))


_LOOPBACK: Final = re.compile(r"localhost|127\.|::1", re.IGNORECASE)
_CONTACT_ADVICE: Final = "write a URL or an e-mail address where operators of sites find you"


def fixed_address(settings: Settings, host: str) -> Address | None:
    """Return the address of `host` where the settings alone tell it: literals, the static map, localhost."""
    host, hosts = host.removesuffix("."), settings.network.hosts
    suffixes = (f"*.{host.split('.', depth)[depth]}" for depth in range(1, host.count(".") + 1))
    for name in (host, *suffixes):
        if name in hosts:
            return endpoint(hosts[name])[0]
    if host == "localhost" or host.endswith(".localhost"):
        return _LOCALHOST
    try:
        return ipaddress.ip_address(host)
    except ValueError:  # a name: DNS will tell
        return None


def _permitted(settings: Settings, address: Address) -> bool:
    networks = map(ipaddress.ip_network, settings.network.allow_addresses)
    return address.is_global or any(address in network for network in networks)


def _start(settings: Settings) -> Iterator[Problem]:
    if not settings.crawl.seeds and not settings.crawl.seeds_file:
        text = "[] leaves nothing to start from; name URLs here or a file of them in crawl.seeds_file"
        yield Problem("crawl.seeds", text, ("crawl.seeds_file",))


def _places(settings: Settings) -> Iterator[Problem]:
    seeds_file, data_dir = settings.crawl.seeds_file, settings.crawl.data_dir
    if seeds_file and not seeds_file.is_file():
        yield Problem("crawl.seeds_file", f"{shown(seeds_file)} is not a file")
    if data_dir.exists() and not data_dir.is_dir():
        yield Problem("crawl.data_dir", f"{shown(data_dir)} exists and is not a folder")


def _scope(settings: Settings) -> Iterator[Problem]:
    if settings.scope.follow == "listed" and not settings.scope.include:
        text = '"listed" follows nothing without rules; write some in scope.include, or use host, domain or any'
        yield Problem("scope.follow", text, ("scope.include",))


def _connections(settings: Settings) -> Iterator[Problem]:
    politeness = settings.politeness
    limits = {"connections_per_host": politeness.connections_per_host}
    for position, override in enumerate(politeness.overrides):
        limits[f"overrides[{position}].connections"] = override.connections or 0
    for name, connections in limits.items():
        if connections > politeness.connections_per_ip:
            text = f"{connections} is more than politeness.connections_per_ip allows ({politeness.connections_per_ip})"
            yield Problem(f"politeness.{name}", text, ("politeness.connections_per_ip",))


def _timeouts(settings: Settings) -> Iterator[Problem]:
    fetch = settings.fetch
    for name, timeout_s in (("connect_timeout", fetch.connect_timeout), ("read_timeout", fetch.read_timeout)):
        if timeout_s > fetch.total_timeout:
            text = f"{timeout_s:g} s cannot pass; fetch.total_timeout ends a request after {fetch.total_timeout:g} s"
            yield Problem(f"fetch.{name}", text, ("fetch.total_timeout",))


def _proxy(settings: Settings) -> Iterator[Problem]:
    network = settings.network
    if network.proxy is None:
        return
    for name, value in (("hosts", network.hosts), ("nameservers", network.nameservers)):
        if value:
            text = f"{shown(value)} has no effect; names are resolved by network.proxy"
            yield Problem(f"network.{name}", text, ("network.proxy",))
    if settings.loopback_only:
        yield Problem("fetch.contact", f'"" is empty, but network.proxy reaches any address; {_CONTACT_ADVICE}')


def _mapped_addresses(settings: Settings) -> Iterator[Problem]:
    for name, target in settings.network.hosts.items():
        address = endpoint(target)[0]
        if not _permitted(settings, address):
            text = f"{shown(target)} is not public; add its network to network.allow_addresses"
            yield Problem(f'network.hosts."{name}"', text, ("network.allow_addresses",))
