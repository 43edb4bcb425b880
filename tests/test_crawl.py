"""Whole crawls of the virtual web, held against what its spec says and what its server saw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import pytest
import uvloop

from bench.vweb.expected import Expected
from bench.vweb.log import Key, by_address, by_host, most_open, read_log, shortest_gaps
from bench.vweb.process import Running, serve
from bench.vweb.reach import Reach, reachable
from bench.vweb.site import Fate, RobotsKind, Web
from bench.vweb.spec import Faults, WebSpec
from config import Settings
from crawler.supervisor import Crawl, Report, resolve_seeds
from storage.manifest import Manifest
from storage.records import LinkRow, PageRow
from storage.segments import read_links, read_pages
from storage.status import read_status

DELAY_S: Final = 0.02
DELAY_PER_IP_S: Final = 0.005
TOLERANCE_S: Final = 0.001
RETRIES: Final = 1
RETRY_WAIT_S: Final = 0.2
ADDRESSES: Final = tuple(f"127.0.0.{number}" for number in range(1, 51))


def settings_for(web: Running, data_dir: Path, **sections: dict[str, Any]) -> Settings:
    """Return settings for a polite crawl of a whole virtual web; `sections` add to them."""
    given: dict[str, dict[str, Any]] = {
        "crawl": {"seeds": web.seeds, "data_dir": data_dir},
        "scope": {"follow": "any", "include": ["*.test/*"]},
        "politeness": {"delay": DELAY_S, "delay_per_ip": DELAY_PER_IP_S, "connections_per_ip": 1},
        "fetch": {"retries": RETRIES, "retry_wait": RETRY_WAIT_S, "concurrency": 128},
        "network": {"hosts": web.hosts, "allow_addresses": ["127.0.0.0/8"]},
        "storage": {"commit_interval": 1.0},
    }
    for section, values in sections.items():
        given.setdefault(section, {}).update(values)
    return Settings.model_validate(given)


def crawl(spec: WebSpec, folder: Path, addresses: Iterable[str] = ADDRESSES[:1], **sections: dict[str, Any]) -> Report:
    """Serve a web and crawl it; its data is in `folder`/data and the server's log in `folder`/log."""

    async def run() -> Report:
        async with serve(spec, tuple(addresses), folder / "log") as web:
            settings = settings_for(web, folder / "data", **sections)
            return await Crawl(settings, resolve_seeds(settings.crawl.seeds)).run()

    return uvloop.run(run())


class Stored:
    """Everything a crawl stored, by URL."""

    def __init__(self, data_dir: Path) -> None:
        with Manifest.open(data_dir) as manifest:
            pages = [row for file in manifest.segments("pages") for row in read_pages(data_dir / file.path)]
            links = [row for file in manifest.segments("links") for row in read_links(data_dir / file.path)]
        self.pages: dict[str, list[PageRow]] = {}
        for page in pages:
            self.pages.setdefault(page.url, []).append(page)
        self.links: dict[int, list[LinkRow]] = {}
        for fetch, link in links:
            self.links.setdefault(fetch, []).append(link)


@pytest.fixture(scope="module")
def polite(tmp_path_factory: pytest.TempPathFactory) -> PoliteCrawl:
    """A web of 200 hosts on 50 addresses with every fault, crawled once for all tests here."""
    spec = WebSpec(hosts=200, pages_per_host=100, profile=4, faults=Faults(slow_s=0.2))
    folder = tmp_path_factory.mktemp("polite")
    report = crawl(spec, folder, ADDRESSES)
    return PoliteCrawl(spec, folder, report)


class PoliteCrawl:
    """The crawl and what it should have found."""

    def __init__(self, spec: WebSpec, folder: Path, report: Report) -> None:
        self.web = Web(spec)
        self.sites = [self.web.site(number) for number in range(spec.hosts)]
        self.report = report
        self.data_dir = folder / "data"
        self.stored = Stored(self.data_dir)
        self.served = list(read_log(folder / "log"))
        self.reach: Reach = reachable(Expected(self.web), self.web.seeds(), bodies=True)
        self.parked = {site.name for site in self.sites if site.robots is RobotsKind.BROKEN}

    def requests_of(self, url: str) -> int:
        """Return how often a URL is asked for: once, again after a failure that may pass, and then once more."""
        facts = self.reach.fetched[url]
        return 1 + RETRIES if facts.fate in (Fate.BROKEN, Fate.CUT, Fate.FLAKY, Fate.THROTTLED) else 1


def test_every_admitted_page_is_fetched_exactly_once(polite: PoliteCrawl) -> None:
    asked = Counter(f"http://{row.host}{row.path}" for row in polite.served if "robots" not in row.path)
    expected = {url: polite.requests_of(url) for url in polite.reach.fetched}
    assert asked == expected


def test_stored_links_equal_the_computed_ones_in_all_columns(polite: PoliteCrawl) -> None:
    wrong = []
    for url, facts in polite.reach.fetched.items():
        last = polite.stored.pages[url][-1]
        found = polite.stored.links.get(last.fetch, [])
        if sorted(found, key=_ordinal) != facts.rows:
            wrong.append((url, [pair for pair in zip(found, facts.rows, strict=False) if pair[0] != pair[1]][:1]))
    assert wrong == []
    assert sum(len(facts.rows) for facts in polite.reach.fetched.values()) > 200_000


def _ordinal(row: LinkRow) -> int:
    return row.ordinal


PAGE_FACTS: Final = (
    "status host content_type etag charset charset_source title lang canonical canonical_source base generator robots "
    "robots_source redirect_to redirect_kind redirect_delay_s bad_href same_document other_scheme body_bytes body_hash"
).split()


def test_stored_page_columns_equal_the_computed_ones(polite: PoliteCrawl) -> None:
    wrong = []
    for url, facts in polite.reach.fetched.items():
        if facts.fate is Fate.CUT or facts.status != 200 or not facts.charset:
            continue
        last = polite.stored.pages[url][-1]
        wrong += [
            (url, name, getattr(last, name), getattr(facts, name))
            for name in PAGE_FACTS
            if (getattr(last, name) or None) != (getattr(facts, name) or None)
        ]
    assert wrong == []


def test_answers_are_recorded_with_their_status_and_failure(polite: PoliteCrawl) -> None:
    for url, facts in polite.reach.fetched.items():
        rows = polite.stored.pages[url]
        assert [row.status for row in rows] == [facts.first_status or facts.status] * (len(rows) - 1) + [facts.status]
        assert all(row.links == 0 for row in rows) or facts.status in (200, 301, 302, 303, 307, 308)


def test_disallowed_pages_are_recorded_and_never_asked_for(polite: PoliteCrawl) -> None:
    denied = {url for url, rows in polite.stored.pages.items() if rows[-1].failure is not None and not rows[-1].status}
    expected = {url for url in polite.reach.disallowed if url.split("/")[2] not in polite.parked}
    assert denied - {url for url, facts in polite.reach.fetched.items() if facts.fate is Fate.CUT} == expected


def test_robots_and_redirects_are_counted(polite: PoliteCrawl) -> None:
    assert polite.report.snapshot is not None
    counters = polite.report.snapshot.counters
    redirects = [facts for facts in polite.reach.fetched.values() if 300 <= (facts.status or 0) < 400]
    assert counters["redirects"] == len(redirects) > 100
    files = [row for row in polite.served if "robots" in row.path]
    assert counters["robots.fetches"] == len(files) > len(polite.sites)
    denied = [url for url in polite.reach.disallowed if url.split("/")[2] not in polite.parked]
    assert counters["denied.robots"] == len(denied) > 100


def test_states_of_the_urls_add_up(polite: PoliteCrawl) -> None:
    totals = read_status(polite.data_dir).totals
    assert totals.conserved
    assert totals.discovered == len(polite.reach.fetched) + len(polite.reach.disallowed)
    assert polite.report.reason == "only parked hosts remain"
    assert totals.queued == sum(url.split("/")[2] in polite.parked for url in polite.reach.disallowed)


@pytest.mark.parametrize(
    ("key", "pause"),
    [pytest.param(by_host, DELAY_S, id="host"), pytest.param(by_address, DELAY_PER_IP_S, id="address")],
)
def test_server_never_sees_a_gap_below_the_delay_or_too_many_requests(
    polite: PoliteCrawl, key: Key, pause: float
) -> None:
    assert max(most_open(polite.served, key).values()) == 1
    assert min(shortest_gaps(polite.served, key).values()) >= pause - TOLERANCE_S


def test_crawl_delay_of_the_site_is_kept(polite: PoliteCrawl) -> None:
    slow = {site.name for site in polite.sites if site.robots is RobotsKind.DELAY}
    pages = [row for row in polite.served if row.host in slow and row.path != "/robots.txt"]
    assert min(shortest_gaps(pages, by_host).values()) >= 0.2 - TOLERANCE_S


def test_robots_txt_is_asked_once_a_host_and_again_where_it_failed(polite: PoliteCrawl) -> None:
    asked = Counter(row.host for row in polite.served if row.path == "/robots.txt")
    assert {host for host, times in asked.items() if times > 1} == polite.parked
