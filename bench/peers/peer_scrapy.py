"""Scrapy. Stores each link with page, target, anchor and rel as JSON lines through its feed export; nothing is synced.

A port or capitals in a host make another URL of it here, so some pages are fetched twice; all are counted.

plain: the settings of a new Scrapy, but for its log, which at its default tells every link (and would cost more than
the crawl); links by CSS selectors, followed with `response.follow`, duplicates filtered by Scrapy.
tuned: as https://docs.scrapy.org/en/latest/topics/optimize.html advises (uvloop, concurrency for broad crawls, unused
components off, no retries, redirects and cookies, one pass over the page), and what a user who profiles does besides:
one item a page, links that were seen before make no Request. robots.txt is not asked for in either.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

import scrapy
from scrapy.crawler import CrawlerProcess

ORDER = json.loads(sys.stdin.readline())
PROXY = {"proxy": ORDER["proxy"]}
FEED = {str(Path(ORDER["output"], "links.jsonl")): {"format": "jsonlines"}}
PLAIN = {"LOG_LEVEL": "WARNING", "FEEDS": FEED}
"""CONCURRENT_REQUESTS stays 16, and 8 a domain."""
TUNED = {
    **PLAIN,
    "ASYNCIO_EVENT_LOOP": "uvloop.Loop",
    "CONCURRENT_REQUESTS": 64,
    # Also the connections kept alive to the proxy, which is one host to the pool.
    "CONCURRENT_REQUESTS_PER_DOMAIN": 64,
    "COOKIES_ENABLED": False,
    "RETRY_ENABLED": False,
    "REDIRECT_ENABLED": False,
    "METAREFRESH_ENABLED": False,
    "TELNETCONSOLE_ENABLED": False,
    "MEMUSAGE_ENABLED": False,
    "DOWNLOAD_TIMEOUT": 15,
    "DOWNLOADER_STATS": False,
    "DOWNLOADER_MIDDLEWARES": {
        f"scrapy.downloadermiddlewares.{name}": None
        for name in (
            *("offsite.OffsiteMiddleware", "robotstxt.RobotsTxtMiddleware", "httpauth.HttpAuthMiddleware"),
            *("downloadtimeout.DownloadTimeoutMiddleware", "defaultheaders.DefaultHeadersMiddleware"),
        )
    },
    "SPIDER_MIDDLEWARES": {
        f"scrapy.spidermiddlewares.{name}": None
        for name in ("referer.RefererMiddleware", "urllength.UrlLengthMiddleware", "depth.DepthMiddleware")
    },
}


class Plain(scrapy.Spider):
    """As the tutorial would have it."""

    name = "plain"

    async def start(self) -> Iterator[object]:
        for url in ORDER["seeds"]:
            yield scrapy.Request(url, meta=PROXY)

    def parse(self, response: scrapy.http.Response) -> Iterator[object]:
        for link in response.css("a[href], area[href]"):
            try:
                target = response.urljoin(link.attrib["href"].strip())
                follow = scrapy.Request(target, meta=PROXY) if target.startswith("http://") else None
            except ValueError:  # some hrefs are no URLs
                continue
            yield {
                "page": response.url,
                "target": target,
                "anchor": " ".join(link.css("::text").getall()).strip(),
                "rel": link.attrib.get("rel", ""),
            }
            if follow is not None:
                yield follow


class Tuned(scrapy.Spider):
    """One pass over lxml's tree; Requests for new URLs alone."""

    name = "tuned"

    async def start(self) -> Iterator[object]:
        self.seen = set(ORDER["seeds"])
        for url in ORDER["seeds"]:
            yield scrapy.Request(url, meta=PROXY, dont_filter=True)

    def parse(self, response: scrapy.http.Response) -> Iterator[object]:
        links, seen = [], self.seen
        for link in response.selector.root.iter("a", "area"):
            href = link.get("href")
            if href is None:
                continue
            try:
                target = response.urljoin(href.strip())
                url = target.partition("#")[0]
                new = url not in seen and url.startswith("http://")
                follow = scrapy.Request(url, meta=PROXY, dont_filter=True) if new else None
            except ValueError:  # some hrefs are no URLs
                continue
            links.append([target, " ".join("".join(link.itertext()).split()), link.get("rel", "")])
            if follow is not None:
                seen.add(url)
                yield follow
        yield {"page": response.url, "links": links}


process = CrawlerProcess(TUNED if ORDER["variant"] == "tuned" else PLAIN)
process.crawl(Tuned if ORDER["variant"] == "tuned" else Plain)
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime, flush=True)
process.start()
