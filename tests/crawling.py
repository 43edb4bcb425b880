"""Small real crawls for tests: hosts on loopback whose answers the test writes down, and what a crawl stored."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from config import Settings
from crawler.addresses import Endpoint
from crawler.jobs import Resolve
from crawler.outcome import Answer, Request
from crawler.parts import Parts
from crawler.supervisor import Crawl, Report, resolve_seeds
from storage.manifest import Manifest
from storage.records import LinkRow, PageRow
from storage.segments import read_links, read_pages
from storage.sqlite import CrawlStore
from tests.servers import Exchange, Served, response, serve

Sections = dict[str, Any]
HTML: Final = "text/html; charset=utf-8"
NOTHING: Final = response("404 Not Found", b"<a href=/never>not a link</a>", Content_Type=HTML)


def page(*hrefs: str, status: str = "200 OK", head: str = "", **fields: str) -> bytes:
    """Return an answer with a page that links to `hrefs`."""
    links = "".join(f"<a href='{href}'>to {href}</a>" for href in hrefs)
    return response(status, f"<html>{head}<body>{links}".encode(), Content_Type=HTML, **fields)


def moved(location: str, status: str = "302 Found") -> bytes:
    """Return a redirect."""
    return response(status, Location=location)


class Web:
    """Answers by URL, each time the next of several and the last one again and again; notes what was asked."""

    def __init__(self, answers: Mapping[str, bytes | Sequence[bytes]]) -> None:
        self._answers = {url: [one] if isinstance(one, bytes) else list(one) for url, one in answers.items()}
        self.asked: list[str] = []
        self.most_open = 0
        self._open = 0

    async def script(self, exchange: Exchange) -> None:
        while (head := await exchange.ask()) is not None:
            self._open += 1
            self.most_open = max(self.most_open, self._open)
            await exchange.send(self._answer(head))
            self._open -= 1

    def _answer(self, head: str) -> bytes:
        path = head.split(" ", 2)[1]
        host = next(line[6:] for line in head.split("\r\n") if line.lower().startswith("host: "))
        url = f"http://{host}{path}"
        self.asked.append(url)
        left = self._answers.get(url, [NOTHING])
        return left.pop(0) if len(left) > 1 else left[0]

    def times(self, url: str) -> int:
        return self.asked.count(url)

    @property
    def pages_asked(self) -> list[str]:
        return [url for url in self.asked if not url.endswith("/robots.txt")]


def settings_at(at: Endpoint | None, data_dir: Path, **sections: Sections) -> Settings:
    """Return settings for a hurried crawl of `*.test` at one endpoint, from http://a.test/; `sections` add to them."""
    given: dict[str, Sections] = {
        "crawl": {"seeds": ["http://a.test/"], "data_dir": data_dir},
        "scope": {"follow": "any"},
        "politeness": {"delay": 0.0, "delay_per_ip": 0.0, "connections_per_ip": 64},
        "fetch": {"retries": 0, "retry_wait": 0.01, "concurrency": 16},
        "network": {"allow_addresses": ["127.0.0.0/8"]},
        "storage": {"commit_interval": 0.05, "compression_level": 1},
    }
    if at is not None:
        given["network"]["hosts"] = {"*.test": f"{at.ip}:{at.port}"}
    for section, values in sections.items():
        given.setdefault(section, {}).update(values)
    return Settings.model_validate(given)


@dataclass(frozen=True, slots=True)
class Crawled:
    """A crawl that has ended."""

    report: Report
    web: Web

    @property
    def counters(self) -> dict[str, int]:
        assert self.report.snapshot is not None
        return self.report.snapshot.counters


@asynccontextmanager
async def serving(answers: Mapping[str, bytes | Sequence[bytes]]) -> AsyncIterator[tuple[Web, Served]]:
    web = Web(answers)
    async with serve(web.script) as served:
        yield web, served


async def crawl(
    answers: Mapping[str, bytes | Sequence[bytes]], data_dir: Path, *, fresh: bool = False, **sections: Sections
) -> Crawled:
    """Serve `answers` and crawl them to the end."""
    async with serving(answers) as (web, served):
        settings = settings_at(served.at, data_dir, **sections)
        return Crawled(await Crawl(settings, resolve_seeds(settings.crawl.seeds)).run(fresh=fresh), web)


@asynccontextmanager
async def open_parts(data_dir: Path, **sections: Sections) -> AsyncIterator[Parts]:
    """Open what a worker works with, on a real store, without starting a worker."""
    settings = settings_at(None, data_dir, **sections)
    async with CrawlStore.open(data_dir, compression_level=1) as store:
        run = await store.start_run("test", "{}", fresh=False, now=time.time())
        async with Crawl(settings, settings.crawl.seeds)._open_parts(store, run) as parts:
            yield parts


def seed(parts: Parts, url: str, host: str, now: float) -> None:
    """Queue a URL at a host whose address is known."""
    admitted = parts.admission.admit_seed(url, host, parts.stats.counters, now)
    assert admitted is not None
    parts.recorder.queue(*admitted)
    parts.recorder.touch(parts.frontier.host(host))
    if not parts.frontier.host(host).endpoints:
        job = parts.frontier.take(now)
        assert isinstance(job, Resolve)
        parts.frontier.resolved(job.host_id, (Endpoint("127.0.0.1"),), now + 1e6, now)


def take_request(parts: Parts, now: float) -> Request:
    job = parts.frontier.take(now)
    assert isinstance(job, Request), job
    return job


def answered(status: int = 200, *fields: tuple[str, str], wire_bytes: int = 0) -> Answer:
    """Return the head of an answer."""
    return Answer(status, list(fields), "127.0.0.1", "1.1", 10.0, 10.25, 0.25, wire_bytes)


class Stored:
    """Everything a crawl stored: page rows by URL in the order of the fetches, link rows by fetch."""

    def __init__(self, data_dir: Path) -> None:
        with Manifest.open(data_dir) as manifest:
            pages = [row for file in manifest.segments("pages") for row in read_pages(data_dir / file.path)]
            links = [row for file in manifest.segments("links") for row in read_links(data_dir / file.path)]
        self.pages: dict[str, list[PageRow]] = {}
        for row in sorted(pages, key=lambda row: row.fetch):
            self.pages.setdefault(row.url, []).append(row)
        self.links: dict[int, list[LinkRow]] = {}
        for fetch, link in links:
            self.links.setdefault(fetch, []).append(link)

    def last(self, url: str) -> PageRow:
        return self.pages[url][-1]

    def only(self, url: str) -> PageRow:
        (row,) = self.pages[url]
        return row

    def links_of(self, url: str) -> list[LinkRow]:
        return sorted(self.links.get(self.last(url).fetch, []), key=lambda link: link.ordinal)

    def edges(self) -> dict[str, list[LinkRow]]:
        """Return the links of each URL as of its last fetch."""
        return {url: self.links_of(url) for url in self.pages}
