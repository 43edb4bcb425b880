"""Pages that must not be parsed in the crawler's own process: judged, and read by one that may be killed.

Rule: whatever a page does to the process that reads it, the crawl loses that page and 2 s of another core. One process
a crawl, started by the first page that needs it and again after each death; pages wait for it in order. A domain whose
pages ended it `STRIKES_MAX` times gets no more of it.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from crawler import guard
from crawler.extract import ExtractSettings, Html, Page
from crawler.outcome import Fetched, Outcome, Request
from crawler.pages import Reading, html_of
from crawler.sandboxed import ANSWER_BYTES_MAX, HEAD_BYTES, pack_order, unpack_length, unpack_page
from crawler.url import domains_of
from storage.records import Failure

WALL_S: Final = 20.0
"""Time for one page, its 2 s of CPU and the start of the process included; a machine busier than that loses it."""
STRIKES_MAX: Final = 3
"""Pages of one domain that may end the process: without it ten hostile hosts would keep it busy for good."""
STRIKES_KEPT: Final = 10_000
"""Domains remembered, each for one page at least that ended the process."""

_BROKEN: Final = (asyncio.IncompleteReadError, ConnectionError, TimeoutError, ValueError, TypeError, KeyError)
"""What a process that died, hangs or talks nonsense looks like from here."""

ROOT: Final = Path(__file__).resolve().parent.parent


class Sandbox:
    """Reads doubtful pages. Use as `async with`; `counters` are the crawl's."""

    def __init__(self, settings: ExtractSettings, counters: Counter[str]) -> None:
        self._settings = settings
        self._counters = counters
        self._process: Process | None = None
        self._turn = asyncio.Lock()
        self._strikes: Counter[str] = Counter()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    @property
    def pid(self) -> int | None:
        """The process's number, None while there is none."""
        return self._process.pid if self._process is not None else None

    async def read(self, request: Request, outcome: Outcome) -> Reading:
        """Return what the page says if it must not be parsed here, `Failure.UNSAFE_HTML` if nowhere.

        None for what is no page, or so small that it was not looked at.
        """
        if not isinstance(outcome, Fetched) or guard.is_small(outcome.body):
            return None
        html = html_of(request.url, outcome)
        if html is None:
            return None
        match guard.judge_larger(html.body, html.encoding):
            case guard.Verdict.HERE:
                return html
            case guard.Verdict.ISOLATE:
                return await self._read_apart(html, request.host)
            case guard.Verdict.REFUSE:
                return Failure.UNSAFE_HTML

    async def _read_apart(self, html: Html, host: str) -> Reading:
        domain = domains_of(host).domain
        if self._strikes[domain] >= STRIKES_MAX:
            self._counters["html.unread"] += 1
            return Failure.UNSAFE_HTML
        async with self._turn:
            self._counters["html.isolated"] += 1
            try:
                async with asyncio.timeout(WALL_S):
                    return await self._ask(html)
            except _BROKEN:
                await self._end()
            except asyncio.CancelledError:
                await self._end()  # half an answer may be under way
                raise
        self._counters["html.killed"] += 1
        if len(self._strikes) >= STRIKES_KEPT:
            self._strikes.clear()
        self._strikes[domain] += 1
        return Failure.UNSAFE_HTML

    async def _ask(self, html: Html) -> Page:
        """Have the process read a page. Raises one of _BROKEN when it does not survive that."""
        process = self._process
        if process is None:
            process = self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "crawler.sandboxed", cwd=ROOT, stdin=PIPE, stdout=PIPE
            )
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(pack_order(html, self._settings))
        await process.stdin.drain()
        length = unpack_length(await process.stdout.readexactly(HEAD_BYTES))
        if length > ANSWER_BYTES_MAX:
            raise ValueError(length)
        return unpack_page(await process.stdout.readexactly(length))

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):  # it has ended by itself
            process.kill()
        await process.wait()
