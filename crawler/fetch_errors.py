"""What each fault of a library means for the crawl: the one table from exceptions to `Failure`.

Rule: every exception in the table becomes exactly one failure; one that is not in it is a bug or the operator's and
propagates. `crawler.fetch` alone catches them. Not compiled: a compiled class has no docstring to tell the operator.
"""

from __future__ import annotations

import asyncio
import errno
import os
import ssl
from typing import Final

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from crawler.body import BrokenCodingError
from crawler.url import without_userinfo
from storage.records import Failure


class BlockedAddressError(Exception):
    """The address is not public and the settings do not allow it."""


class HeadTooLargeError(Exception):
    """The head of the answer, with the interim answers before it, is larger than the limit."""


class NoAnswerError(Exception):
    """The bytes received are an answer only in form: a status below 200 as the final one."""


class TooManyOpenFilesError(Exception):
    """The limit of open files is reached: raise it (ulimit -n) or lower fetch.concurrency."""


FAILURES: Final[tuple[tuple[type[BaseException], Failure, str], ...]] = (
    # First match counts: subclasses stand before their bases.
    (BlockedAddressError, Failure.BLOCKED_ADDRESS, "the guard refused the socket"),
    (HeadTooLargeError, Failure.TOO_LARGE, "our limit of the whole head"),
    (LineTooLong, Failure.TOO_LARGE, "the parser's limit of one line or field"),
    (BrokenCodingError, Failure.DECODE, "the body does not decode"),
    (NoAnswerError, Failure.PROTOCOL, "101, or a status below 100"),
    (aiohttp.ClientConnectorDNSError, Failure.DNS, "only a proxy's name is resolved while connecting"),
    (aiohttp.ClientConnectorCertificateError, Failure.TLS, "untrusted, expired or another host's certificate"),
    (aiohttp.ClientConnectorSSLError, Failure.TLS, "the handshake failed"),
    (aiohttp.ClientHttpProxyError, Failure.CONNECT, "the proxy refused the tunnel"),
    (aiohttp.ServerTimeoutError, Failure.TIMEOUT, "a timer of the library"),
    (aiohttp.ClientConnectorError, Failure.CONNECT, "refused, unreachable or reset before a byte was sent"),
    (aiohttp.ServerDisconnectedError, Failure.RESET, "closed without an answer"),
    (aiohttp.ClientOSError, Failure.RESET, "reset while waiting for the answer"),
    (aiohttp.ClientConnectionError, Failure.RESET, "the connection went away under the request"),
    (aiohttp.ClientPayloadError, Failure.PROTOCOL, "the body ended early or its chunks are broken"),
    (aiohttp.ClientError, Failure.PROTOCOL, "whatever else the library finds wrong with the answer"),
    (HttpProcessingError, Failure.PROTOCOL, "the parser rejected the answer"),
    (ssl.SSLError, Failure.TLS, "TLS broke after the handshake"),
    (asyncio.TimeoutError, Failure.TIMEOUT, "the system gave up connecting"),
    (ConnectionError, Failure.RESET, "the system's word for it"),
    (OSError, Failure.CONNECT, "no route, no buffer, no permission"),
)

WEB_FAULTS: Final = tuple(kind for kind, _, _ in FAILURES)
"""What `crawler.fetch` catches."""

OUT_OF_FILES: Final = (errno.EMFILE, errno.ENFILE)


def failure_of(error: BaseException) -> Failure:
    """Return the failure that an exception of `WEB_FAULTS` stands for."""
    # The connection wraps what its parser raised.
    told = error.__cause__ if isinstance(error.__cause__, LineTooLong) else error
    return next(failure for kind, failure, _ in FAILURES if isinstance(told, kind))


def let_go(error: BaseException | None) -> None:
    """Cut an exception that was caught off from the frames it came through, its causes too.

    A stream keeps the exception that ended it, and the frames hold the stream, with the body read so far: that circle
    would stay until the cycle collector comes by (900 bodies, measured on a web where one page in thirty breaks off).
    """
    while error is not None and error.__traceback__ is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


def one_line(error: BaseException) -> str:
    """Return what happened in at most 200 characters, for people."""
    match error:
        case aiohttp.ServerDisconnectedError():
            return "closed before the answer was whole"
        case aiohttp.ClientConnectorCertificateError(certificate_error=cause):
            text = str(cause)
        case aiohttp.ClientConnectorError(os_error=ssl.SSLError() as cause):
            text = str(cause)
        case aiohttp.ClientConnectorError(os_error=cause):
            # The library's own text speaks of TLS, whatever the scheme.
            text = os.strerror(cause.errno) if cause.errno and cause.errno > 0 else str(cause)
        case _:
            text = f"{type(error).__name__}: {error}" if str(error).strip() else type(error).__name__
    return without_userinfo(" ".join(text.split()))[:200]  # a proxy's URL may hold its password
