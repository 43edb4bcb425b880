"""A fetcher against a scripted server: what the tests of fetching share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from crawler.addresses import AddressGuard, Endpoint
from crawler.fetch import Fetcher, Limits
from crawler.outcome import Failed, Outcome
from storage.records import Failure
from tests.servers import Exchange, Script, Served, closing_after, serve

LOOPBACK = AddressGuard(["127.0.0.0/8"])
QUICK = Limits(connect_timeout=2, read_timeout=2, total_timeout=4)
HTML = "text/html; charset=utf-8"
PAGE = b"<html>" + b"<a href=/x>x</a>" * 500


@asynccontextmanager
async def serving(script: Script, limits: Limits = QUICK, **kwargs: Any) -> AsyncIterator[tuple[Fetcher, Served]]:
    async with serve(script) as served, Fetcher(LOOPBACK, "Linkmill/0 (+test)", limits, **kwargs) as fetcher:
        yield fetcher, served


async def outcome_of(answer: bytes, limits: Limits = QUICK, reset: bool = False) -> Outcome:
    async with serving(closing_after(answer, reset), limits) as (fetcher, served):
        return await fetcher.fetch(served.url(), served.at)


def tunnel(to: Endpoint) -> Script:
    """Be a proxy that connects every tunnel to one address."""

    async def script(exchange: Exchange) -> None:
        assert (await exchange.ask() or "").startswith("CONNECT host.test:443 ")
        await exchange.send(b"HTTP/1.1 200 Connected\r\n\r\n")
        await exchange.relay(to)

    return script


def failure_of(outcome: Outcome) -> Failure:
    assert isinstance(outcome, Failed), outcome
    return outcome.failure
