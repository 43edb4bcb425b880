"""A crawl of real pages: Debian's documentation of SQLite, PostgreSQL and Python, served on loopback.

What has to be found is computed from the files by an extractor of other make (`docs_oracle`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import pytest
import uvloop

from config import Settings
from crawler.supervisor import Crawl, Report
from storage.manifest import Manifest
from storage.records import CharsetSource, Failure, Kind, LinkRow, PageRow, RedirectKind, Rel
from storage.segments import read_links, read_pages
from storage.status import read_status
from tests.docs_oracle import Link, reachable
from tests.docserver import DocServer, locate
from tests.known_differences_documentation import DIFFERENCES
from tests.servers import serve

PACKAGES: Final = {
    "sqlite.docs.test": "sqlite3-doc",
    "postgresql.docs.test": "postgresql-doc-15",
    "python.docs.test": "python3.11-doc",
}
FRONTS: Final = tuple(f"http://{host}/" for host in PACKAGES)
FOLDER: Final = "http://python.docs.test/library"
"""A folder without its slash, which is redirected."""
DISALLOWED: Final = "http://sqlite.docs.test/contrib/download"
"""By the robots.txt in SQLite's own package."""
SEEDS: Final = (*FRONTS, FOLDER, DISALLOWED)


async def crawl(trees: dict[str, Path], data_dir: Path) -> tuple[Report, Counter[str]]:
    """Serve the trees and crawl them; return how the crawl ended and what the server was asked for."""
    server = DocServer(trees)
    async with serve(server.answer_all) as served:
        settings = Settings.model_validate(
            {
                "crawl": {"data_dir": data_dir, "seeds": SEEDS},
                "scope": {"follow": "host"},
                "politeness": {"delay": 0.0, "delay_per_ip": 0.0, "connections_per_host": 4, "connections_per_ip": 12},
                "network": {
                    "hosts": dict.fromkeys(trees, f"{served.at.ip}:{served.at.port}"),
                    "allow_addresses": ["127.0.0.0/8"],
                },
            }
        )
        return await Crawl(settings, SEEDS).run(), server.asked


class DocCrawl:
    """The crawl, what it stored, and what it should have found."""

    def __init__(self, trees: dict[str, Path], data_dir: Path) -> None:
        self.report, self.asked = uvloop.run(crawl(trees, data_dir))
        self.expected = reachable(trees, SEEDS)
        self.totals = read_status(data_dir).totals
        with Manifest.open(data_dir) as manifest:
            self.rows = [row for file in manifest.segments("pages") for row in read_pages(data_dir / file.path)]
            links = [pair for file in manifest.segments("links") for pair in read_links(data_dir / file.path)]
        self.pages: dict[str, PageRow] = {row.url: row for row in self.rows}
        urls = {row.fetch: row.url for row in self.rows}
        self.links: dict[str, list[LinkRow]] = {row.url: [] for row in self.rows}
        for fetch, link in links:
            self.links[urls[fetch]].append(link)

    def anchors(self, url: str) -> dict[Link, int]:
        """Return the `a` links stored for a page with their times, in order."""
        return counted(sorted((row for row in self.links[url] if row.kind == Kind.A), key=lambda row: row.ordinal))

    def difference(self, url: str) -> tuple[Counter[Link], Counter[Link]]:
        """Return the links that only the crawler found on a page, and those that only libxml2 did."""
        found, expected = Counter(self.anchors(url)), Counter(self.expected.documents[url].links)
        return found - expected, expected - found


def counted(rows: Iterable[LinkRow]) -> dict[Link, int]:
    times: dict[Link, int] = {}
    for row in rows:
        link = Link(row.target, row.fragment, row.anchor, bool(row.rel & Rel.NOFOLLOW), row.place)
        times[link] = times.get(link, 0) + 1 + row.repeats
    return times


@pytest.fixture(scope="module")
def docs(doc_tree: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> DocCrawl:
    """All three trees, crawled once for all tests here."""
    trees = {host: doc_tree(package) for host, package in PACKAGES.items()}
    return DocCrawl(trees, tmp_path_factory.mktemp("documentation"))


def test_every_reachable_url_is_asked_for_exactly_once(docs: DocCrawl) -> None:
    robots = {f"{front}robots.txt" for front in FRONTS}
    assert docs.asked == Counter(docs.expected.statuses.keys() | robots)
    assert len(docs.expected.documents) > 2_300
    assert docs.report.reason == "exhausted"


def test_every_answer_is_recorded_once_with_its_status(docs: DocCrawl) -> None:
    answered = [row for row in docs.rows if row.url not in docs.expected.denied]
    assert {row.url: row.status for row in answered} == docs.expected.statuses
    assert Counter(row.url for row in docs.rows).most_common(1)[0][1] == 1


def test_missing_files_are_recorded_as_such_and_their_bodies_hold_no_links(docs: DocCrawl) -> None:
    missing = [url for url, status in docs.expected.statuses.items() if status == 404]
    assert len(missing) > 400
    assert {docs.pages[url].status for url in missing} == {404}
    assert not any(docs.links[url] for url in missing)


def test_folder_without_its_slash_is_recorded_as_a_redirect_and_followed(docs: DocCrawl) -> None:
    page, target = docs.pages[FOLDER], f"{FOLDER}/"
    assert (page.status, page.redirect_kind, page.redirect_to) == (301, RedirectKind.MOVED_301, target)
    assert [(link.target, link.kind) for link in docs.links[FOLDER]] == [(target, Kind.REDIRECT)]
    assert docs.pages[target].body_hash == docs.pages[f"{FOLDER}/index.html"].body_hash


def test_urls_that_robots_txt_disallows_are_recorded_as_denied(docs: DocCrawl) -> None:
    assert {row.url: row.failure for row in docs.rows if row.failure} == {DISALLOWED: Failure.ROBOTS}
    assert docs.expected.denied == {DISALLOWED}


def test_bodies_arrive_whole(docs: DocCrawl) -> None:
    sizes = {url: page.body_bytes for url, page in docs.expected.documents.items()}
    assert {url: docs.pages[url].body_bytes for url in sizes} == sizes
    assert not any(row.truncated or row.links_dropped for row in docs.rows)


def test_encodings_are_found_in_the_pages_themselves(docs: DocCrawl) -> None:
    documents = docs.expected.documents
    assert {url: docs.pages[url].charset for url in documents} == {
        url: page.encoding for url, page in documents.items()
    }
    sources = Counter(docs.pages[url].charset_source for url in documents)
    assert sources.keys() == {CharsetSource.META, CharsetSource.DEFAULT}


def test_stored_links_equal_those_of_another_extractor_page_by_page_and_in_order(docs: DocCrawl) -> None:
    documents = docs.expected.documents
    wrong = [url for url in documents if list(docs.anchors(url).items()) != list(documents[url].links.items())]
    assert [(url, docs.difference(url)) for url in wrong if url not in DIFFERENCES] == []
    assert sum(sum(docs.anchors(url).values()) for url in documents) > 165_000


@pytest.mark.parametrize("url", DIFFERENCES)
def test_a_known_difference_is_exactly_as_described(docs: DocCrawl, url: str) -> None:
    assert docs.difference(url) == (DIFFERENCES[url].crawler, DIFFERENCES[url].libxml2)


def test_states_of_the_urls_add_up(docs: DocCrawl) -> None:
    totals, statuses = docs.totals, Counter(docs.expected.statuses.values())
    assert totals.conserved
    # An answer ends a URL well, whatever its status.
    assert (totals.done, totals.failed, totals.excluded, totals.queued) == (statuses.total(), 0, 1, 0)
    assert statuses.keys() == {200, 301, 404}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        pytest.param("/", "index.html", id="front"),
        pytest.param("/folder", "folder", id="folder without slash"),
        pytest.param("/folder/?a=/", "folder/index.html", id="folder"),
        pytest.param("/page%20one.html", "page one.html", id="escaped"),
        pytest.param("/index.html/", None, id="file with slash"),
        pytest.param("/empty/", None, id="folder without index"),
        pytest.param("/../secret", None, id="parent"),
        pytest.param("/%2e%2e%2fsecret", None, id="escaped parent"),
    ],
)
def test_server_finds_files_inside_its_tree_alone(tmp_path: Path, path: str, found: str | None) -> None:
    tree = tmp_path / "tree"
    for name in ("tree/index.html", "tree/page one.html", "tree/folder/index.html", "tree/empty/picture.png", "secret"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert locate(tree, path) == (tree / found if found else None)
