"""Checks of single values: addresses, contact, headers, names and paths.

Rule: a check returns the value in the form the crawler uses, or raises ValueError with the end of the sentence
that the value begins ("is not a network; ..."). URLs, hosts and patterns of them are `config.urls`' matter, what
several settings say together `config.combinations`'.
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Strict, ValidationInfo

from config.urls import BLANK, is_web_url

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

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
_FIELD_VALUE: Final = re.compile(r"[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?|")
_PRODUCT: Final = re.compile(r"[A-Za-z_-]+")  # RFC 9309 section 2.2.1
_EMAIL: Final = re.compile(r"(?:mailto:)?[^\s@()<>,;:\"\\]+@[^\s@()<>,;:\"\\]+\.[^\s@()<>,;:\"\\]+")


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
    plain = text.isascii() and not BLANK.search(text) and not set(text) & set('()<>"')
    if text and not (plain and (_EMAIL.fullmatch(text) or is_web_url(text))):
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
    if BLANK.search(text) or not is_web_url(text) or urlsplit(text).path not in ("", "/"):
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


def not_empty(path: object) -> object:
    """Return `path` unless it is empty, which would silently mean the folder of the file that names it."""
    if path == "":
        raise ValueError('is empty; write a path, "." for the folder of this file')
    return path


Endpoint = Annotated[str, AfterValidator(endpoint_text)]
AddressBlock = Annotated[str, AfterValidator(network)]
ProductToken = Annotated[str, AfterValidator(product_token)]
Contact = Annotated[str, AfterValidator(contact)]
HeaderName = Annotated[str, AfterValidator(header_name)]
HeaderValue = Annotated[str, AfterValidator(header_value)]
ProxyUrl = Annotated[str, AfterValidator(proxy_url)]
Label = Annotated[str, AfterValidator(label)]
PlacedPath = Annotated[Path, Strict(False), BeforeValidator(not_empty), AfterValidator(placed)]
