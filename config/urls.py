"""URLs, hosts and patterns of them, brought into the form in which the crawler compares them.

Rule: what a person writes means what a browser makes of it: the URL Standard decides, through ada, as it does for links
(`crawler.url`). What could match no URL at all is refused. Functions return the form, or raise ValueError with the end
of the sentence that the value begins. Which URLs a rule matches is `crawler.scope`'s.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Annotated, Final, NamedTuple
from urllib.parse import urlsplit

import re2
from ada_url import URL, idna
from pydantic import AfterValidator

WEB: Final = ("http", "https")
DEFAULT_PORTS: Final = {"80": "http", "443": "https"}
"""Ports that a normal form never shows beside their scheme."""

BLANK: Final = re.compile(r"[\s\x00-\x1f\x7f]")
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(?!\d)")  # "host:8080" is a host and its port
_HOST: Final = re.compile(r"[^\x00-\x20#%*/:<>?@\[\\\]^|\x7f]+")  # forbidden domain code points, and the star
_HOST_GLOB: Final = re.compile(_HOST.pattern.replace("*", ""))
_GLOB: Final = re.compile(r"(?:([A-Za-z*][A-Za-z0-9+.*-]*)://)?([^/?\\]*)(.*)", re.DOTALL)
_AUTHORITY: Final = re.compile(r"(\[[^\]]*\]|[^:]*)(?::([0-9*]+))?")

_RE2_QUIET: Final = re2.Options()
_RE2_QUIET.log_errors = False  # the error is shown with file and key instead


class Glob(NamedTuple):
    """A rule with stars: over host and path, and over the scheme where it names one."""

    scheme: str
    """Empty for both."""
    authority: str
    """Host, and port where the rule names one."""
    rest: str
    """From the first `/` or `?` on."""


def glob_parts(rule: str) -> Glob:
    """Split a rule with stars."""
    match = _GLOB.fullmatch(rule)
    assert match is not None, "every part of the expression may be empty"
    return Glob(match[1] or "", match[2], match[3])


def is_web_url(text: str) -> bool:
    """Return whether `text` spells out an http(s) URL with a host, nothing of it left to a browser's leniency."""
    try:
        parts = urlsplit(text)
        return parts.scheme in WEB and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # a broken IPv6 literal or a port that is no number
        return False


def web_url(text: str) -> str:
    """Return the normal form of an http(s) URL, without user name, password and fragment."""
    if not is_web_url(text):
        raise ValueError("is not a URL of scheme http or https with a host")
    try:
        url = URL(text)
    except ValueError as error:
        raise ValueError("is not a URL; its host is neither a name nor an address") from error
    url.username = url.password = url.hash = ""
    return url.href


def without_user(text: str) -> str:
    """Return a URL without user name and password."""
    url = URL(text)
    url.username = url.password = ""
    return url.href


def seed_url(text: str) -> str:
    """Return a seed in normal form; one without a scheme (`example.org/docs`) means https."""
    if not text or BLANK.search(text):
        raise ValueError("is not a URL; write one like https://example.org/")
    return web_url(text if _SCHEME.match(text) else f"https://{text}")


def scope_rule(text: str) -> str:
    """Return a rule of scope.include and exclude: "re:" and an RE2 expression, a glob with *, or a URL prefix."""
    if text.startswith("re:"):
        return _expression(text)
    if not text or BLANK.search(text):
        raise ValueError("is not a rule; white space in a URL is written %20")
    if "#" in text:
        raise ValueError("can match nothing; the URL of a page has no fragment")
    scheme = glob_parts(text).scheme.lower()
    if scheme and not any(fnmatchcase(web, scheme) for web in WEB):
        raise ValueError("can match nothing; only http and https are crawled")
    if "*" in text:
        return _glob(*glob_parts(text))
    if not is_web_url(text):
        raise ValueError('is not a rule; write a URL prefix ("https://example.org/"), a glob with * or "re:..."')
    return web_url(text)


def _expression(text: str) -> str:
    try:
        re2.compile(text[3:], _RE2_QUIET)
    except re2.error as error:
        raise ValueError(f"is not an expression that RE2 can run: {error.args[0].decode()}") from error
    return text


def _glob(scheme: str, authority: str, rest: str) -> str:
    if not authority:
        raise ValueError(f'can match nothing; a glob begins with its host: write "*{rest}"')
    if not rest and authority[-1] != "*":
        raise ValueError(f'can match nothing; a glob has a path: write "{authority}/*" or "*/{authority}"')
    if rest[:1] == "?" and authority != "*":
        rest = f"/{rest}"
    path, question, query = rest.partition("?")
    path = URL(f"http://host{path}").pathname if path else ""
    query = URL(f"http://host/?{query}").search.removeprefix("?")
    start = f"{scheme.lower()}://" if scheme else ""
    return start + _authority(scheme.lower(), authority) + path + question + query


def _authority(scheme: str, text: str) -> str:
    """Return host and port of a glob without a port that URLs do not show."""
    match = _AUTHORITY.fullmatch(text)
    if match is None:
        raise ValueError('is not a rule; its host is written like "*.example.org" or "example.org:8080"')
    host, port = host_pattern(match[1]), match[2] or ""
    usual = DEFAULT_PORTS.get(port)
    if usual is not None and scheme not in WEB:
        raise ValueError(f'can match nothing; URLs do not show port {port}: write "{usual}://{host}/*"')
    return f"{host}:{port}" if port and scheme != usual else host


def host_pattern(text: str) -> str:
    """Return a host, or a glob over hosts (`*.example.org`)."""
    if "*" not in text:
        return _host(text, _PATTERN_ADVICE)
    if not _HOST_GLOB.fullmatch(text):
        raise ValueError(_PATTERN_ADVICE)
    return ".".join(map(_label, text.split(".")))


_PATTERN_ADVICE: Final = 'is not a host or a pattern of hosts; write it like "example.org" or "*.example.org"'


def _label(text: str) -> str:
    if text.isascii():
        return text.lower()
    if "*" in text:
        raise ValueError(f"cannot be matched; {text!r} has a star in a label beyond ASCII, which URLs hold encoded")
    return idna.encode(text).decode()


def mapped_host(text: str) -> str:
    """Return a key of the static host map: a name, or `*.` and a suffix."""
    name = text.removeprefix("*.").removesuffix(".")
    if not _HOST.fullmatch(name):
        raise ValueError(_NAME_ADVICE)
    return text[: len(text) - len(text.removeprefix("*."))] + _host(name, _NAME_ADVICE)


_NAME_ADVICE: Final = 'is not a host name; write it like "example.org" or "*.example.org"'


def _host(text: str, advice: str) -> str:
    """Return a host in lower case, international names encoded, addresses in their usual spelling."""
    if not _HOST.fullmatch(text) and not re.fullmatch(r"\[[0-9A-Fa-f:.]+\]", text):
        raise ValueError(advice)
    try:
        return URL(f"http://{text}/").hostname
    except ValueError as error:
        raise ValueError(advice) from error


SeedUrl = Annotated[str, AfterValidator(seed_url)]
ScopeRule = Annotated[str, AfterValidator(scope_rule)]
HostPattern = Annotated[str, AfterValidator(host_pattern)]
MappedHost = Annotated[str, AfterValidator(mapped_host)]
