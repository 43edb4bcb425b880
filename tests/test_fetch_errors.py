from __future__ import annotations

import errno
import ssl

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.http_exceptions import BadStatusLine, HttpProcessingError, LineTooLong

from crawler.body import BrokenCodingError
from crawler.fetch_errors import FAILURES, WEB_FAULTS, BlockedAddressError, HeadTooLargeError, failure_of, one_line
from storage.records import Failure

KEY = ConnectionKey("a.test", 80, is_ssl=False, ssl=True, proxy=None, proxy_auth=None, proxy_headers_hash=None)


def test_no_row_is_hidden_behind_an_earlier_one() -> None:
    kinds = [kind for kind, _, _ in FAILURES]
    hidden = [kind for at, kind in enumerate(kinds) if any(issubclass(kind, earlier) for earlier in kinds[:at])]
    assert hidden == []


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (BlockedAddressError("10.0.0.1"), Failure.BLOCKED_ADDRESS),
        (HeadTooLargeError(), Failure.TOO_LARGE),
        (LineTooLong(b"x", 5), Failure.TOO_LARGE),
        (BadStatusLine("x"), Failure.PROTOCOL),
        (BrokenCodingError("x"), Failure.DECODE),
        (aiohttp.ServerDisconnectedError(), Failure.RESET),
        (aiohttp.ClientOSError(104, "reset"), Failure.RESET),
        (aiohttp.ClientPayloadError("x"), Failure.PROTOCOL),
        (aiohttp.InvalidURL("x"), Failure.PROTOCOL),
        (aiohttp.SocketTimeoutError(), Failure.TIMEOUT),
        (ssl.SSLError(1, "x"), Failure.TLS),
        (ssl.CertificateError("x"), Failure.TLS),
        (TimeoutError(), Failure.TIMEOUT),
        (ConnectionResetError(), Failure.RESET),
        (OSError(101, "unreachable"), Failure.CONNECT),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_fault_has_its_failure(error: Exception, failure: Failure) -> None:
    assert isinstance(error, WEB_FAULTS)
    assert failure_of(error) is failure


def test_what_the_parser_raised_counts_when_the_connection_wraps_it() -> None:
    error = HttpProcessingError(message="wrapped")
    error.__cause__ = LineTooLong(b"x", 5)
    assert failure_of(error) is Failure.TOO_LARGE


@pytest.mark.parametrize("error", [ValueError("bug"), KeyError("bug"), AssertionError(), MemoryError()])
def test_bug_is_no_fault_of_the_web(error: Exception) -> None:
    assert not isinstance(error, WEB_FAULTS)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError("two\nlines  here"), "OSError: two lines here"),
        (OSError(), "OSError"),
        (aiohttp.ServerDisconnectedError("<huge>"), "closed before the answer was whole"),
        (OSError("x" * 500), "OSError: " + "x" * 191),
        (aiohttp.ClientConnectorError(KEY, ConnectionRefusedError(errno.ECONNREFUSED, "at x")), "Connection refused"),
        (aiohttp.ClientConnectorError(KEY, OSError("no number")), "no number"),
        (aiohttp.ClientConnectorSSLError(KEY, ssl.SSLError("wrong version")), "('wrong version',)"),
        (aiohttp.ClientConnectorCertificateError(KEY, ssl.CertificateError("expired")), "('expired',)"),
    ],
)
def test_detail_is_one_short_line(error: Exception, line: str) -> None:
    assert one_line(error) == line
