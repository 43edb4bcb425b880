"""What a person means by a target: a URL, the beginning of one, a host or a domain; and the domains of hosts.

Rule: this is where storage, which parses no URL, gets its names from.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

import pyarrow as pa

from crawler.url import domains_of, host_of, normalise, path_of
from storage.asking import Mode, Target
from storage.index.inputs import HOST_DOMAINS

_HOST: Final = re.compile(r"(?:[a-z0-9_-]+\.)*[a-z0-9_-]+\.?|\[[0-9a-f:.]+\]").fullmatch
"""The URL Standard lets a host have empty labels and signs like `*`, which no name of the web has. Pages link there all
the same, so a URL that is spelled out may have such a host; a text without a scheme is taken for something else."""

_ELSEWHERE: Final = re.compile(
    r"[^/?#]*@|[a-z][a-z0-9+.-]*:(?![0-9]+(?:[/?#]|\Z))|(?:callto|fax|javascript|mailto|sms|tel):", re.IGNORECASE
).match
"""An e-mail address, or another scheme than http(s). A number after the colon is a port, but for schemes that links
have and that a number may follow."""

_PORT: Final = re.compile(r"(?:https?://)?[^/?#]*:[0-9]+(?:[/?#].*)?").fullmatch


class TargetUnclear(Exception):
    """This is no URL, host or domain."""

    def __init__(self, text: str, detail: str) -> None:
        super().__init__(text, detail)
        self.text = text
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.text!r} {self.detail}"


def reversed_host(host: str) -> str:
    """Return the labels from the last, so that a domain's hosts sort together; addresses stay as they are.

    The dot of a name written in full (`a.example.`) stays at the end: that host belongs to its domain too.
    """
    if host[-1:] == "]" or host.rpartition(".")[2].isdecimal():
        return host
    name = host.removesuffix(".")
    return ".".join(reversed(name.split("."))) + host[len(name) :]


def name_hosts(hosts: Sequence[str]) -> pa.Table:
    """Return the rows of `inputs.HOST_DOMAINS` for some hosts."""
    domains = [domains_of(host) for host in hosts]
    columns = [
        hosts,
        [found.domain for found in domains],
        [found.domain_private for found in domains],
        [reversed_host(host) for host in hosts],
    ]
    return pa.table([pa.array(column, pa.string()) for column in columns], schema=HOST_DOMAINS)


def read_target(text: str, mode: Mode | None, is_known: Callable[[Target], bool]) -> Target:
    """Return what `text` means; names may be international.

    Without a mode a text with a scheme or path is a URL, any other a domain when it is a registered one, else a host.
    Without a scheme https is meant, unless `is_known` knows only the URL with http.
    Raises TargetUnclear.
    """
    variants = list(_urls_of(text))
    if not variants:
        raise TargetUnclear(text, "is no http or https URL, host or domain")
    if mode is None:
        mode = _guess(text, variants[0])
    targets = [_target(url, mode) for url in variants]
    return next((target for target in targets if is_known(target)), targets[0]) if len(targets) > 1 else targets[0]


def understood(text: str, target: Target) -> str | None:
    """Return the line that says how `text` was understood, None where it was taken as it stands."""
    text = text.strip()
    if text.rstrip("/").casefold() == target.name.rstrip("/").casefold():
        return None
    ports = " on every port" if target.mode in (Mode.HOST, Mode.DOMAIN) and _PORT(text) is not None else ""
    return f"{text} is taken as the {target.mode.value} {target.name}{ports}"


def other_scheme(target: Target) -> Target | None:
    """Return the same URL or prefix with http in place of https, or the other way round; None for hosts and domains."""
    if target.mode in (Mode.HOST, Mode.DOMAIN):
        return None
    scheme, _, rest = target.name.partition("://")
    return replace(target, name=f"{'http' if scheme == 'https' else 'https'}://{rest}")


def _urls_of(text: str) -> Iterator[str]:
    """Yield the normal forms that `text` can stand for, the likeliest first."""
    text = text.strip()
    if "://" not in text and _ELSEWHERE(text) is not None:
        return
    for candidate in (text,) if "://" in text else (f"https://{text}", f"http://{text}"):
        url = normalise(candidate)
        if url is not None and ("://" in text or _HOST(host_of(url)) is not None):
            yield url


def _guess(text: str, url: str) -> Mode:
    if "://" in text or path_of(url) != "/" or text.strip().endswith("/"):
        return Mode.URL
    host = host_of(url)
    return Mode.DOMAIN if domains_of(host).domain == host else Mode.HOST


def _target(url: str, mode: Mode) -> Target:
    host = host_of(url)
    match mode:
        case Mode.URL | Mode.PREFIX:
            return Target(mode, url, reversed_host(host))
        case Mode.HOST:
            return Target(mode, host, reversed_host(host))
        case Mode.DOMAIN:
            domain = domains_of(host).domain
            return Target(mode, domain, reversed_host(domain))
