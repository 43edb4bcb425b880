"""Checks of single values: seeds, scope rules, host patterns, addresses, contact, headers.

Rule: a check returns the value in the form the crawler uses, or raises ValueError with the end of the sentence
that the value begins ("is not a network; ..."). What several settings say together is `config.combinations`' matter,
and whether a seed is a URL the crawler can use is decided where URLs are parsed.
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import re2
from pydantic import AfterValidator, Strict, ValidationInfo

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

PORTS: Final = range(1, 65_536)

REFUSED_HEADERS: Final = {
    "accept-encoding": "the fetcher offers the encodings it can decode within its caps",
    "authorization": "it would be sent to every host of the crawl",
    "connection": "the fetcher keeps and closes connections itself",
    "content-length": "a crawl sends no bodies",
    "content-type": "a crawl sends no bodies",
    "cookie": "it would be sent to every host of the crawl",
    "expect": "a crawl sends no bodies",
    "host": "it follows from the URL",
    "if-modified-since": "validators belong to one page",
    "if-none-match": "validators belong to one page",
    "keep-alive": "the fetcher keeps and closes connections itself",
    "proxy-authorization": "it would be sent to every host of the crawl",
    "proxy-connection": "the fetcher keeps and closes connections itself",
    "range": "a page is read from its beginning",
    "te": "the fetcher keeps and closes connections itself",
    "trailer": "a crawl sends no bodies",
    "transfer-encoding": "a crawl sends no bodies",
    "upgrade": "the fetcher speaks HTTP/1.1",
    "user-agent": "it is made of fetch.product and fetch.contact",
}
"""Request headers that no setting may carry, with the reason."""

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(?!\d)")  # "host:8080" is a host and its port
_BLANK: Final = re.compile(r"[\s\x00-\x1f\x7f]")
_HOST: Final = re.compile(r"[^\s/@:?#\\*\[\]]+")
_HOST_PATTERN: Final = re.compile(r"[^\s/@:?#\\]+|\[[0-9A-Fa-f:.]+\]")
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
_FIELD_VALUE: Final = re.compile(r"[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?|")
_PRODUCT: Final = re.compile(r"[A-Za-z_-]+")  # RFC 9309 section 2.2.1
_EMAIL: Final = re.compile(r"(?:mailto:)?[^\s@()<>,;:\"\\]+@[^\s@()<>,;:\"\\]+\.[^\s@()<>,;:\"\\]+")
_WEB: Final = ("http", "https")

_RE2_QUIET: Final = re2.Options()
_RE2_QUIET.log_errors = False  # the error is shown with file and key instead


def seed_url(text: str) -> str:
    """Return a seed as a URL; one without a scheme (`example.org/docs`) means https."""
    if not text or _BLANK.search(text):
        raise ValueError("is not a URL; write one like https://example.org/")
    url = text if _SCHEME.match(text) else f"https://{text}"
    if not _is_web_url(url):
        raise ValueError("is not a URL of scheme http or https with a host")
    return url if urlsplit(url).path or "?" in url else f"{url}/"


def scope_rule(text: str) -> str:
    """Return a rule of scope.include and exclude: "re:" and an RE2 expression, a glob with *, or a URL prefix."""
    if text.startswith("re:"):
        return _expression(text)
    if not text or _BLANK.search(text):
        raise ValueError("is not a rule; white space in a URL is written %20")
    scheme = text.partition("://")[0] if "://" in text else ""
    if scheme and "*" not in scheme and scheme.lower() not in _WEB:
        raise ValueError("can match nothing; only http and https are crawled")
    if "*" not in text and not _is_web_url(text):
        raise ValueError('is not a rule; write a URL prefix ("https://example.org/"), a glob with * or "re:..."')
    return text


def _expression(text: str) -> str:
    try:
        re2.compile(text[3:], _RE2_QUIET)
    except re2.error as error:
        raise ValueError(f"is not an expression that RE2 can run: {error.args[0].decode()}") from error
    return text


def host_pattern(text: str) -> str:
    """Return a host or a glob over hosts (`*.example.org`), in lower case."""
    if not _HOST_PATTERN.fullmatch(text):
        raise ValueError('is not a host or a pattern of hosts; write it like "example.org" or "*.example.org"')
    return text.lower()


def mapped_host(text: str) -> str:
    """Return a key of the static host map in lower case: a name, or `*.` and a suffix."""
    if not _HOST.fullmatch(text.removeprefix("*.")):
        raise ValueError('is not a host name; write it like "example.org" or "*.example.org"')
    return text.lower()


def endpoint(text: str) -> tuple[Address, int | None]:
    """Return address and port of "ip", "ip:port" or "[ipv6]:port". Raises ValueError for anything else."""
    match = re.fullmatch(r"\[([^\]]+)\](?::(\d{1,5}))?|([^:]+)(?::(\d{1,5}))?|([^\[\]]+)", text)
    if match is None:
        raise ValueError("is not an endpoint")
    port = match[2] or match[4]
    if port is not None and int(port) not in PORTS:
        raise ValueError("is not a port")
    return ipaddress.ip_address(match[1] or match[3] or match[5]), int(port) if port else None


def endpoint_text(text: str) -> str:
    """Return `text` when it is an IP address with or without a port."""
    try:
        endpoint(text)
    except ValueError as error:
        message = 'is not an IP address with or without a port; write it like "127.0.0.1:8080" or "[::1]:8080"'
        raise ValueError(message) from error
    return text


def network(text: str) -> str:
    """Return a CIDR block of addresses."""
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        raise ValueError(_network_advice(text)) from error


def _network_advice(text: str) -> str:
    try:
        return f'has bits set behind its prefix; write "{ipaddress.ip_network(text, strict=False)}"'
    except ValueError:
        return 'is not a network; write it like "127.0.0.0/8" or "fd00::/8"'


def product_token(text: str) -> str:
    """Return the name a robots.txt calls the crawler by: letters, `_` and `-` only (RFC 9309 section 2.2.1)."""
    if not _PRODUCT.fullmatch(text):
        raise ValueError("is not a product token; robots.txt allows only letters, _ and - (RFC 9309)")
    return text


def contact(text: str) -> str:
    """Return a page or an e-mail address where a site's operator finds who crawls; empty means none."""
    plain = text.isascii() and not _BLANK.search(text) and not set(text) & set('()<>"')
    if text and not (plain and (_EMAIL.fullmatch(text) or _is_web_url(text))):
        raise ValueError('is neither a URL nor an e-mail address; write it like "https://example.org/crawler"')
    return text


def header_name(text: str) -> str:
    """Return the name of an extra request header, refused when the fetcher owns it."""
    if not _TOKEN.fullmatch(text):
        raise ValueError("is not the name of a header (RFC 9110)")
    reason = REFUSED_HEADERS.get(text.lower())
    if reason:
        raise ValueError(f"may not be set: {reason}")
    return text


def header_value(text: str) -> str:
    """Return the value of an extra request header: printable ASCII without line breaks."""
    if not _FIELD_VALUE.fullmatch(text):
        raise ValueError("is not the value of a header; use printable ASCII in one line")
    return text


def proxy_url(text: str) -> str:
    """Return the URL of an HTTP proxy."""
    if _BLANK.search(text) or not _is_web_url(text) or urlsplit(text).path not in ("", "/"):
        raise ValueError('is not the URL of a proxy; write it like "http://proxy.example.org:3128"')
    return text


def label(text: str) -> str:
    """Return a name that can be a folder, a column value and a part of a log line."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", text):
        raise ValueError("is not a name; use up to 64 letters, digits, dots, _ and -, a letter or digit first")
    return text


def placed(path: Path, info: ValidationInfo) -> Path:
    """Return `path` as seen from the folder of the file that names it (the validation context's `folder`)."""
    folder = (info.context or {}).get("folder")
    try:
        return path if folder is None else Path(folder, path.expanduser()).resolve()
    except RuntimeError as error:
        raise ValueError("begins with the home folder of a user that does not exist") from error


def _is_web_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in _WEB and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # a broken IPv6 literal or a port that is no number
        return False


SeedUrl = Annotated[str, AfterValidator(seed_url)]
ScopeRule = Annotated[str, AfterValidator(scope_rule)]
HostPattern = Annotated[str, AfterValidator(host_pattern)]
MappedHost = Annotated[str, AfterValidator(mapped_host)]
Endpoint = Annotated[str, AfterValidator(endpoint_text)]
AddressBlock = Annotated[str, AfterValidator(network)]
ProductToken = Annotated[str, AfterValidator(product_token)]
Contact = Annotated[str, AfterValidator(contact)]
HeaderName = Annotated[str, AfterValidator(header_name)]
HeaderValue = Annotated[str, AfterValidator(header_value)]
ProxyUrl = Annotated[str, AfterValidator(proxy_url)]
Label = Annotated[str, AfterValidator(label)]
PlacedPath = Annotated[Path, Strict(False), AfterValidator(placed)]
