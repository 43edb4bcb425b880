"""Crawlee for Python. Stores a page with its links (target, anchor, rel) in its dataset or as JSON lines; not synced.

plain: `ParselCrawler` as its guides introduce it: everything at its default (impit, storage in files), links from
`enqueue_links`, a dataset item a page.
tuned: what its guides on HTTP crawlers, scaling and storage offer (crawlee.dev/python/docs/guides): `HttpCrawler` with
lexbor, their own example; storage in memory; a fixed concurrency; no sessions; impit without a browser's headers
(httpx, the other client, takes 3 to 4 times the CPU); and what a user who profiles does besides: uvloop, URLs seen
before are not added again, lines written by the handler.
lean: the same with an HTTP client of its own on aiohttp, which the guide on HTTP clients invites to write.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import resource
import sys
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urljoin

ORDER = json.loads(sys.stdin.readline())
os.environ["CRAWLEE_STORAGE_DIR"] = ORDER["output"]
CONCURRENCY = 64

import aiohttp
import uvloop
from crawlee import ConcurrencySettings, HttpHeaders, Request
from crawlee.crawlers import HttpCrawler, HttpCrawlingContext, ParselCrawler, ParselCrawlingContext
from crawlee.http_clients import HttpClient, HttpCrawlingResult, ImpitHttpClient
from crawlee.proxy_configuration import ProxyConfiguration
from crawlee.storage_clients import MemoryStorageClient
from selectolax.lexbor import LexborHTMLParser
from yarl import URL


class Answer:
    """What Crawlee asks of a response."""

    http_version = "HTTP/1.1"

    def __init__(self, answer: aiohttp.ClientResponse, body: bytes) -> None:
        self.status_code = answer.status
        self.headers = HttpHeaders(dict(answer.headers))
        self._body = body

    async def read(self) -> bytes:
        return self._body


class LeanClient(HttpClient):
    """aiohttp without cookies, redirects and timers."""

    def __init__(self) -> None:
        super().__init__(persist_cookies_per_session=False)

    async def __aenter__(self) -> LeanClient:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
        )
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._session.close()

    async def crawl(self, request: Request, **more: object) -> HttpCrawlingResult:
        async with self._session.get(request.url, proxy=ORDER["proxy"], allow_redirects=False) as answer:
            request.loaded_url = request.url
            return HttpCrawlingResult(http_response=Answer(answer, await answer.read()))

    async def send_request(self, url: str, **more: object) -> Answer:
        async with self._session.get(url, proxy=ORDER["proxy"]) as answer:
            return Answer(answer, await answer.read())

    @asynccontextmanager
    async def stream(self, url: str, **more: object):
        yield await self.send_request(url)

    async def cleanup(self) -> None:
        """Nothing is left after the block."""


async def plain() -> None:
    crawler = ParselCrawler(proxy_configuration=ProxyConfiguration(proxy_urls=[ORDER["proxy"]]))

    @crawler.router.default_handler
    async def handle(context: ParselCrawlingContext) -> None:
        page = context.request.loaded_url or context.request.url
        base = urljoin(page, context.selector.css("base::attr(href)").get() or "")
        links, requests = [], []
        for link in context.selector.css("a[href], area[href]"):
            with suppress(ValueError):  # some hrefs are no URLs; `enqueue_links` alone would give their page up
                target = urljoin(base, link.attrib["href"].strip())
                links.append([target, " ".join(link.css("::text").getall()).strip(), link.attrib.get("rel", "")])
                if target.startswith("http://"):
                    requests.append(Request.from_url(str(URL(target))))
        await context.push_data({"page": page, "links": links})
        await context.enqueue_links(requests=requests, strategy="all")

    told()
    await crawler.run(ORDER["seeds"])


async def tuned(client: HttpClient) -> None:
    crawler = HttpCrawler(
        http_client=client,
        proxy_configuration=ProxyConfiguration(proxy_urls=[ORDER["proxy"]]),
        storage_client=MemoryStorageClient(),
        concurrency_settings=ConcurrencySettings(
            min_concurrency=CONCURRENCY, desired_concurrency=CONCURRENCY, max_concurrency=CONCURRENCY
        ),
        use_session_pool=False,
        retry_on_blocked=False,
        max_request_retries=0,
        configure_logging=False,
    )
    seen = set(ORDER["seeds"])
    with Path(ORDER["output"], "links.jsonl").open("w", encoding="utf-8") as file:

        @crawler.router.default_handler
        async def handle(context: HttpCrawlingContext) -> None:
            page, links, new = context.request.url, [], []
            parsed = LexborHTMLParser(await context.http_response.read())
            first = parsed.css_first("base[href]")
            base = urljoin(page, first.attributes["href"] or "") if first else page
            for node in parsed.css("a[href], area[href]"):
                attributes = node.attributes
                with suppress(ValueError):  # some hrefs are no URLs, and Crawlee itself stops at them
                    target = urljoin(base, (attributes["href"] or "").strip())
                    links.append([target, node.text(strip=True), attributes.get("rel") or ""])
                    url = target.partition("#")[0]
                    if url not in seen and url.startswith("http://"):
                        seen.add(url)
                        new.append(Request.from_url(str(URL(url))))
            file.write(json.dumps({"page": page, "links": links}) + "\n")
            if new:
                await context.add_requests(new)

        told()
        await crawler.run(ORDER["seeds"])


def told() -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(used.ru_utime + used.ru_stime, flush=True)


logging.getLogger("crawlee").setLevel(logging.WARNING)
match ORDER["variant"]:
    case "plain":
        asyncio.run(plain())
    case "tuned":
        uvloop.run(tuned(ImpitHttpClient(browser=None, persist_cookies_per_session=False, follow_redirects=False)))
    case "lean":
        uvloop.run(tuned(LeanClient()))
