"""Doubtful pages are read by a process of their own: as well as here, or at the cost of one page."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bench.torture.html import body_of
from crawler.extract import ExtractSettings, Page, extract
from crawler.outcome import Failed, Fetched, Request
from crawler.sandbox import STRIKES_MAX, Sandbox
from storage.records import Failure, Kind, Via
from storage.status import read_status
from tests.crawling import HTML, Stored, answered, crawl, page
from tests.servers import response

A = "http://a.test/"
SETTINGS = ExtractSettings(kinds=frozenset({Kind.A, Kind.META_REFRESH}), followed=frozenset({Kind.AREA}), max_links=900)
HEAD = "<title>T</title><html lang=de><meta name=robots content=nofollow><meta http-equiv=refresh content='9;url=/r'>"
ROWS = "".join(f"<p><a href='/{n}?q=ü'>to {n}</a><area href=/y><img src=/i>" for n in range(1_500))
DOUBTFUL = (HEAD + ROWS).encode()
"""More tags than are parsed here, and some of everything that a page can say."""
BOMB = body_of("font and paragraphs", 1.0)
"""Runs out of memory within 0.2 s."""


def request(host: str = "a.test") -> Request:
    return Request(f"http://{host}/", host, 1, 1, 0, Via.SEED, None, 0.0, 0, 0)


def html(body: bytes, *fields: tuple[str, str]) -> Fetched:
    return Fetched(answered(200, ("content-type", HTML), *fields), body)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(SETTINGS, Counter()) as one:
        yield one


async def test_page_read_apart_says_what_it_says_here(sandbox: Sandbox) -> None:
    found = await sandbox.read(request(), html(DOUBTFUL, ("link", "</h>; rel=next")))
    assert found == extract(DOUBTFUL, "utf-8", A, SETTINGS, ["</h>; rel=next"])
    assert isinstance(found, Page)
    assert (found.title, found.lang, found.refresh is not None) == ("T", "de", True)
    assert len(found.links) > 800 and found.links_to_follow and found.links_dropped


@pytest.mark.parametrize(
    "outcome",
    [
        pytest.param(html(b"<p>x"), id="small page"),
        pytest.param(html(b"<p>x</p>\n" * 1_450), id="page that is harmless"),
        pytest.param(Fetched(answered(200, ("content-type", "image/png")), BOMB), id="no HTML"),
        pytest.param(Fetched(answered(404, ("content-type", HTML)), BOMB), id="page of an error"),
        pytest.param(Failed(Failure.TIMEOUT, ""), id="failure"),
    ],
)
async def test_nothing_is_started_for_what_is_safe_here(sandbox: Sandbox, outcome: Fetched | Failed) -> None:
    assert not isinstance(await sandbox.read(request(), outcome), Page | Failure)
    assert sandbox.pid is None


async def test_page_that_ends_the_process_costs_only_itself(sandbox: Sandbox) -> None:
    assert await sandbox.read(request(), html(BOMB)) is Failure.UNSAFE_HTML
    assert isinstance(await sandbox.read(request(), html(DOUBTFUL)), Page)


async def test_page_that_takes_too_much_time_is_given_up(sandbox: Sandbox) -> None:
    assert await sandbox.read(request(), html(body_of("deep div", 1.0))) is Failure.UNSAFE_HTML


async def test_pages_asked_for_at_once_get_each_their_own_answer(sandbox: Sandbox) -> None:
    bodies = [f"<title>{n}</title>".encode() + DOUBTFUL for n in range(5)]
    found = await asyncio.gather(*(sandbox.read(request(), html(body)) for body in bodies))
    assert [page.title for page in found if isinstance(page, Page)] == ["0", "1", "2", "3", "4"]


async def test_process_killed_from_outside_is_started_again(sandbox: Sandbox) -> None:
    await sandbox.read(request(), html(DOUBTFUL))
    first = sandbox.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    assert await sandbox.read(request(), html(DOUBTFUL)) is Failure.UNSAFE_HTML
    assert isinstance(await sandbox.read(request(), html(DOUBTFUL)), Page)
    assert sandbox.pid != first


async def test_call_that_is_cancelled_leaves_no_half_answer(sandbox: Sandbox) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await sandbox.read(request(), html(body_of("deep div", 1.0)))
    assert isinstance(await sandbox.read(request(), html(DOUBTFUL)), Page)


async def test_domain_of_many_bombs_gets_no_more_of_the_process() -> None:
    counters: Counter[str] = Counter()
    async with Sandbox(SETTINGS, counters) as sandbox:
        for number in range(STRIKES_MAX + 2):
            assert await sandbox.read(request(f"x{number}.a.test"), html(BOMB)) is Failure.UNSAFE_HTML
        assert isinstance(await sandbox.read(request("b.test"), html(DOUBTFUL)), Page)
    assert counters == {"html.isolated": STRIKES_MAX + 1, "html.killed": STRIKES_MAX, "html.unread": 2}


async def slowest(until: asyncio.Event) -> float:
    """Return the longest time in seconds for which the loop ran nothing else."""
    loop, longest = asyncio.get_running_loop(), 0.0
    while not until.is_set():
        began = loop.time()
        await asyncio.sleep(0.005)
        longest = max(longest, loop.time() - began)
    return longest


async def test_crawl_with_bombs_among_its_pages_loses_only_those(tmp_path: Path) -> None:
    bombs = {"memory": BOMB, "time": body_of("deep div", 1.0), "count": b"<b>" * 1_100_000}
    names = [*bombs, "large", *(f"p{number}" for number in range(40))]
    answers = {A: page(*(f"http://{name}.test/" for name in names))}
    answers |= {f"http://{name}.test/": page("/x") for name in names}
    answers |= {f"http://{name}.test/x": page() for name in names}
    for name, body in {**bombs, "large": b"<a href=/x>x</a>" + b"<p>x" * 5_000}.items():
        answers[f"http://{name}.test/"] = response(body=body, Content_Type=HTML)
    done = asyncio.Event()
    lag = asyncio.ensure_future(slowest(done))
    found = await crawl(answers, tmp_path)
    done.set()
    assert await lag < 1.2, "each bomb that takes time takes 1.4 s of CPU"
    stored = Stored(tmp_path)
    for name in bombs:
        row = stored.only(f"http://{name}.test/")
        assert (row.status, row.failure, row.links) == (200, Failure.UNSAFE_HTML, 0)
        assert row.body_hash and row.body_bytes and row.charset == "utf-8"
        assert found.web.times(f"http://{name}.test/") == 1
    for name in names[len(bombs) :]:
        assert [link.target for link in stored.links_of(f"http://{name}.test/")] == [f"http://{name}.test/x"]
        assert f"http://{name}.test/x" in stored.pages
    counters = found.counters
    assert (counters["failed.unsafe_html"], counters["html.killed"], counters["html.isolated"]) == (3, 2, 3)
    totals = read_status(tmp_path).totals
    assert totals.conserved
    assert (totals.failed, totals.done) == (3, len(stored.pages) - 3)
