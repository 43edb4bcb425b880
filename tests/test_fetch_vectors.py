"""`crawler.fetch` against recorded answers and hostile scripts."""

from __future__ import annotations

import asyncio
import base64
import re
from typing import Any

from crawler.fetch import Fetcher, Limits
from crawler.outcome import Failed, Fetched, Outcome
from storage.records import Failure
from tests.fetching import LOOPBACK, QUICK, failure_of
from tests.servers import Exchange, closing_after, serve
from tests.vectors import load

# The parser is stricter than the suite: it takes no repeated Content-Length, even of one value.
STRICTER = re.compile(r"Content-Length: (42\\r\\nContent-Length: 42,42|30\\r\\nContent-Length: 30|aaaah|-1|0x20)")
# A server that closes after a "strict parser rejects" head may be heard all the same: what counts is a clean end.
MUST_FAIL = re.compile(r"^(error|network error)")
# Longer than the suite's limit of a status line, shorter than ours.
LONG_LINE = "status_line_too_long_fragmented"


async def test_reference_answers_end_cleanly() -> None:
    async with Fetcher(LOOPBACK, "t", QUICK) as fetcher:
        for row in load("raw_responses.json"):
            script = closing_after(base64.b64decode(row["raw_response_base64"]))
            async with serve(script) as served, asyncio.timeout(3):
                outcome = await fetcher.fetch(served.url(), served.at)
            check_reference(row["name"], row["expectation"], outcome)


def check_reference(name: str, expected: str, outcome: Outcome) -> None:
    if MUST_FAIL.match(expected) and LONG_LINE not in name and "tolerated" not in expected:
        assert isinstance(outcome, Failed), name
    if found := re.match(r"body of (\d+) bytes", expected):
        is_body = isinstance(outcome, Fetched) and len(outcome.body) == int(found[1])
        assert is_body or STRICTER.search(name), name


async def act(exchange: Exchange, steps: list[dict[str, Any]]) -> None:
    """Play a hostile script: its `repeat` without pause in large pieces, so that the test is quick."""
    await exchange.ask()
    for step in steps:
        if "send_base64" in step:
            await exchange.send(base64.b64decode(step["send_base64"]))
        elif "repeat" in step:
            piece = base64.b64decode(step["repeat"]["send_base64"])
            pause_s = step["repeat"].get("sleep_s", 0)
            while not exchange.closing and pause_s:
                await exchange.send(piece)
                await asyncio.sleep(min(pause_s, 0.05))
            for _ in range(200):
                await exchange.send(piece * (65_536 // len(piece)))
        elif step.get("close") == "rst":
            await asyncio.sleep(0.01)
            exchange.reset()
        elif "hang" in step or "sleep_s" in step:
            await exchange.gone()


async def test_hostile_scripts_end_cleanly_and_in_time() -> None:
    limits = Limits(0.3, 0.3, 0.6, max_wire_bytes=1 << 20, max_body_bytes=2 << 20)

    async def play(row: dict[str, Any]) -> None:
        async def script(exchange: Exchange) -> None:
            await act(exchange, row["steps"])

        async with serve(script) as served, asyncio.timeout(5):
            outcome = await fetcher.fetch(served.url(), served.at, limits=limits)
        expected = row["expectation"]
        if expected.startswith(("clean error", "error", "truncated error")) and " or " not in expected:
            assert isinstance(outcome, Failed), row["name"]
        if "'timeout'" in expected:
            assert failure_of(outcome) is Failure.TIMEOUT, row["name"]

    rows = [row for row in load("hostile_scripts.json") if "tls" not in row["steps"][0]]
    async with Fetcher(LOOPBACK, "t") as fetcher:
        for start in range(0, len(rows), 8):
            await asyncio.gather(*map(play, rows[start : start + 8]))
