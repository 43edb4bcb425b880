"""Sites without an end are stopped by budgets and by their paths, named, and cost the others nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.supervisor import Crawl, resolve_seeds
from crawler.traps import part_of, path_segments, repeats
from storage.status import read_status
from tests.commands import runner
from tests.crawling import Stored, page, settings_at
from tests.servers import Exchange, serve

Pages = Callable[[str, str], list[str]]
"""Host and path to the hrefs of that page, for ever."""


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("http://a.test/", "a.test"),
        ("http://a.test/page.html", "a.test"),
        ("http://a.test/cal?month=7", "a.test/cal"),
        ("http://a.test/p;jsessionid=77", "a.test/p"),
        ("http://a.test/?page=7", "a.test/"),
        ("http://a.test/en/page.html", "a.test/en"),
        ("http://a.test/en/events/", "a.test/en/events"),
        ("http://a.test/en/events/cal?m=1", "a.test/en/events/cal"),
        ("http://a.test/en/events/2024/05/07", "a.test/en/events/2024"),
        ("http://a.test/en/events/2024/cal?m=1", "a.test/en/events/2024"),
        ("http://a.test:81/x/?a/b", "a.test:81/x/"),
    ],
)
def test_url_belongs_to_the_part_of_its_first_directories_or_to_its_script(url: str, part: str) -> None:
    assert part_of(url) == part


@pytest.mark.parametrize(
    ("path", "times"),
    [
        ("", 0),
        ("a", 0),
        ("a/b/c", 0),
        ("a/a", 1),
        ("a/a/b/a", 1),
        ("x/a/a/a/y", 2),
        ("x/y/x/y", 1),
        ("x/y/x/y/x", 1),
        ("x/y/x/y/x/y", 2),
        ("a/b/c/a/b/c/a/b/c", 2),
        ("2024/01/01", 1),
    ],
)
def test_blocks_of_a_path_that_follow_themselves_are_counted(path: str, times: int) -> None:
    assert repeats(path_segments(f"http://a.test/{path}")) == times


@given(st.lists(st.sampled_from("ab"), max_size=12))
def test_repeats_are_those_a_plain_search_finds(segments: list[str]) -> None:
    def plain(length: int, start: int) -> int:
        block, times = segments[start : start + length], 0
        while segments[start + (times + 1) * length :][:length] == block:
            times += 1
        return times

    blocks = [(length, start) for length in (1, 2, 3) for start in range(len(segments) - length + 1)]
    assert repeats(segments) == max((plain(*block) for block in blocks), default=0)


def _calendar(host: str, path: str) -> list[str]:
    month = int(path.rpartition("=")[2] or 0) if "=" in path else 0
    return [f"/cal?m={month + 1}", f"/cal?m={month - 1}"]


def _random(host: str, path: str) -> list[str]:
    rng = Random(host + path)
    return [f"/rand?{rng.randrange(10**9)}" for _ in range(100)]


def _session(host: str, path: str) -> list[str]:
    return [f"/p;jsessionid={Random(path).random()}"]


def _facets(host: str, path: str) -> list[str]:
    chosen = set(path.partition("?")[2].split("&")) - {""}
    return ["/f?" + "&".join(sorted(chosen ^ {f"c{facet}"})) for facet in range(20)]


def _subdomains(host: str, path: str) -> list[str]:
    rng = Random(host + path)
    return [f"http://s{rng.randrange(10**9)}.trap.test/" for _ in range(10)]


TRAPS: Final[dict[str, tuple[str, Pages, str]]] = {
    "calendar": ("/cal?m=0", _calendar, "trap.test/cal"),
    "growing path": ("/a/", lambda host, path: ["a/"], "trap.test/a/a/a"),
    "alternating path": ("/x/y/", lambda host, path: ["x/y/"], "trap.test/x/y/x"),
    "ever deeper": ("/0/", lambda host, path: [f"{path.count('/')}/"], "trap.test/0/2/3"),
    "session in the path": (
        "/;jsessionid=1",
        lambda host, path: [f"/p;jsessionid={Random(path).random()}"],
        "trap.test/p",
    ),
    "facets": ("/f", _facets, "trap.test/f"),
    "random links": ("/rand", _random, "trap.test/rand"),
    "endless subdomains": ("/", _subdomains, "trap.test"),
}
BUDGET: Final = 60


class Trap:
    """One endless site, and a healthy one beside it."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self.asked: list[str] = []

    async def script(self, exchange: Exchange) -> None:
        while (head := await exchange.ask()) is not None:
            path = head.split(" ", 2)[1]
            host = next(line[6:] for line in head.split("\r\n") if line.lower().startswith("host: "))
            if path != "/robots.txt":
                self.asked.append(host + path)
            await exchange.send(page(*self._hrefs(host, path)))

    def _hrefs(self, host: str, path: str) -> list[str]:
        if host.endswith("trap.test"):
            return self._pages(host, path)
        return [f"/{number}" for number in range(40)]


@pytest.mark.parametrize("name", TRAPS)
async def test_trap_is_stopped_and_named_and_the_other_host_is_crawled_whole(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    start, pages, place = TRAPS[name]
    trap = Trap(pages)
    scope: dict[str, Any] = {
        "max_pages_per_part": BUDGET,
        "max_pages_per_host": 3 * BUDGET,
        "max_pages_per_domain": 4 * BUDGET,
    }
    async with serve(trap.script) as served:
        seeds = [f"http://trap.test{start}", "http://healthy.test/"]
        settings = settings_at(served.at, tmp_path, crawl={"seeds": seeds}, scope=scope)
        report = await Crawl(settings, resolve_seeds(seeds)).run()
    assert report.reason == "exhausted"
    stored = Stored(tmp_path)
    assert sum("healthy.test" in url for url in stored.pages) == 41
    trapped = sum("trap.test" in url for url in stored.pages)
    assert trapped <= 4 * BUDGET
    assert read_status(tmp_path).counters[f"trap.{place}"] > 0
    shown = runner(tmp_path, monkeypatch, capfd)("status", "--data", str(tmp_path)).out
    assert f"{place} " in next(line for line in shown.splitlines() if line.startswith("endless"))


@pytest.mark.parametrize(
    "hrefs",
    [
        pytest.param([f"/#{number}" for number in range(50)], id="fragments"),
        pytest.param(
            ["/./", "/a/..", "/a/../", "/x/../a/./..", "/%2e/", "HTTP://HEALTHY.test:80/", " / "], id="spellings"
        ),
    ],
)
async def test_ways_to_spell_one_url_are_one_fetch(hrefs: list[str], tmp_path: Path) -> None:
    asked: list[str] = []

    async def script(exchange: Exchange) -> None:
        while (head := await exchange.ask()) is not None:
            asked.append(head.split(" ", 2)[1])
            await exchange.send(page(*hrefs))

    async with serve(script) as served:
        settings = settings_at(served.at, tmp_path, crawl={"seeds": ["http://healthy.test/"]})
        await Crawl(settings, resolve_seeds(settings.crawl.seeds)).run()
    assert [path for path in asked if path != "/robots.txt"] == ["/"]
