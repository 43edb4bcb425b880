"""Questions read the range of their target, count like the rows they come from, and go on where they stopped."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from storage import query
from storage.asking import EVERYTHING, OUTSIDE_OF, STATES, Filters, Mode, Page, Scope, Target
from storage.cursor import CursorMismatch, CursorOutdated, CursorUnreadable
from storage.errors import DataCorrupt, DataMissing
from storage.index import stack
from storage.index.publish import build_index
from storage.query import Answer, GenerationGone, Index, IndexDamaged, IndexMissing
from storage.records import Kind, Rel
from storage.sqlite import CrawlStore
from tests.index_web import LIMITS, Web, link, links_take, name_hosts
from tests.store_rows import NOW, fetched
from tests.vectors import load

T = "https://www.t.example"


def target(mode: Mode, name: str, host_reversed: str) -> Target:
    return Target(mode, name, host_reversed)


URL = target(Mode.URL, f"{T}/a", "example.t.www")
PREFIX = target(Mode.PREFIX, f"{T}/a", "example.t.www")
HOST = target(Mode.HOST, "www.t.example", "example.t.www")
DOMAIN = target(Mode.DOMAIN, "t.example", "example.t")
NOBODY = target(Mode.DOMAIN, "nobody.example", "example.nobody")


def small_web() -> Web:
    """Return a web in which links of every kind, scope and state lead to t.example, and some nearby."""
    web = Web()
    for name in ("a", "b", "sub.b"):
        url = f"https://{name}.example/"
        web.visit(url, link(f"{T}/a", "one"), link(f"{T}/a", "two", rel=int(Rel.NOFOLLOW)), link(f"{T}/ab", "one"))
    web.visit("https://c.example/", link(f"{T}/a", "", kind=Kind.REDIRECT), status=301, redirect_to=f"{T}/a")
    web.visit("https://d.example/", link(f"{T}/img", "", kind=Kind.EMBED), link("https://t.example/"))
    web.visit(f"{T}/a", link(f"{T}/b", "inside"), link("https://t.example/", "up"))
    web.visit("https://e.example/", link(f"{T}/a", "gone"), at=1)
    web.visit("https://e.example/", at=2, status=404)
    for near in ("https://t.example-shop.example/", "https://www.t-x.example/", "https://xt.example/"):
        web.visit("https://f.example/", link(near))
    return web


@pytest.fixture(scope="module", params=[1, 1 << 27], ids=["one_part", "many_parts"])
def folder(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Path]:
    """Return a generation, with its links in one part and in a part for nearly every host."""
    with pytest.MonkeyPatch.context() as patched:
        links_take(patched, request.param)
        yield small_web().build(tmp_path_factory.mktemp("web")).folder


@pytest.fixture
def index(folder: Path) -> Iterator[Index]:
    with Index.open_generation(folder, 7) as opened:
        yield opened


def rows(answer: Answer) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = answer.table().to_pylist()
    return found


def edges(answer: Answer) -> list[tuple[str, str, str]]:
    return [(row["source_domain"], row["target"].removeprefix(T), row["anchor"]) for row in rows(answer)]


BOTH = ["one", "two"]

MODES: dict[str, tuple[Target, list[tuple[str, str, str]]]] = {
    "url": (URL, [(name, "/a", anchor) for name in ("a.example", "b.example", "b.example") for anchor in BOTH]),
    "prefix": (
        PREFIX,
        [(name, "/a", anchor) for name in ("a.example", "b.example", "b.example") for anchor in BOTH]
        + [(name, "/ab", "one") for name in ("a.example", "b.example", "b.example")],
    ),
    "nobody": (NOBODY, []),
}


@pytest.mark.parametrize(("about", "expected"), MODES.values(), ids=MODES)
def test_backlinks_are_those_of_the_target(index: Index, about: Target, expected: list[tuple[str, str, str]]) -> None:
    assert edges(index.backlinks(about)) == expected


def test_host_counts_other_hosts_and_domain_other_domains(index: Index) -> None:
    assert len(rows(index.backlinks(HOST))) == 9
    apex = target(Mode.HOST, "t.example", "example.t")
    assert edges(index.backlinks(apex)) == [
        ("d.example", "https://t.example/", "text"),
        ("t.example", "https://t.example/", "up"),
    ]
    assert Counter(row["scope"] for row in rows(index.backlinks(DOMAIN))) == {"external": 10}
    assert Counter(row["scope"] for row in rows(index.backlinks(DOMAIN, Filters(scope=Scope.ALL)))) == {
        "external": 10,
        "same host": 1,
        "same domain": 1,
    }


FILTERS: dict[str, tuple[Filters, int]] = {
    "default": (Filters(), 6),
    "follow": (Filters(nofollow=False), 3),
    "nofollow": (Filters(nofollow=True), 3),
    "lost": (Filters(states=("lost",)), 1),
    "every_state": (Filters(states=STATES), 7),
    "redirects": (Filters(kinds=frozenset({Kind.REDIRECT})), 1),
    "everything": (EVERYTHING, 8),
}


@pytest.mark.parametrize(("filters", "expected"), FILTERS.values(), ids=FILTERS)
def test_filters_choose_the_links(index: Index, filters: Filters, expected: int) -> None:
    assert len(rows(index.backlinks(URL, filters))) == expected


def test_outlinks_follow_the_page(index: Index) -> None:
    source = target(Mode.HOST, "www.t.example", "example.t.www")
    assert [row["target"] for row in rows(index.outlinks(source, EVERYTHING))] == [f"{T}/b", "https://t.example/"]
    assert rows(index.outlinks(target(Mode.URL, f"{T}/none", "example.t.www"), EVERYTHING)) == []


def test_referring_domains_are_counted_from_their_links(index: Index) -> None:
    found = [(row["source_domain"], row["links"], row["pages"], row["hosts"]) for row in rows(index.domains(URL))]
    assert found == [("b.example", 4, 2, 2), ("a.example", 2, 1, 1)]


def test_anchors_are_counted_from_their_links(index: Index) -> None:
    found = [(row["anchor"], row["links"], row["domains"], row["nofollow"]) for row in rows(index.anchors(PREFIX))]
    assert found == [("one", 6, 2, 0), ("two", 3, 2, 3)]


@pytest.mark.parametrize("about", [HOST, DOMAIN], ids=["host", "domain"])
def test_roll_ups_answer_like_the_links_themselves(index: Index, about: Target) -> None:
    # The same filters spelt out: they are not the default ones, so the links are read.
    scope = OUTSIDE_OF[about.mode]
    assert rows(index.anchors(about)) == rows(index.anchors(about, Filters(scope=scope)))
    assert rows(index.domains(about)) == rows(index.domains(about, Filters(scope=scope)))


@pytest.mark.parametrize("about", [URL, PREFIX, HOST, DOMAIN], ids=["url", "prefix", "host", "domain"])
def test_summary_counts_what_the_lists_show(index: Index, about: Target) -> None:
    found = index.summary(about)
    (figures,) = found.figures.to_pylist()
    listed = rows(index.backlinks(about))
    assert figures["backlinks"] == len(listed)
    assert figures["nofollow"] == sum(row["nofollow"] for row in listed)
    assert figures["domains"] == found.domains.num_rows == len({row["source_domain"] for row in listed})
    assert figures["pages"] == len({row["source_url"] for row in listed})
    assert found.anchors.num_rows == len({row["anchor"] for row in listed})
    assert figures["links"] == index.links_to(about)


def test_summary_of_the_unknown_has_no_figures(index: Index) -> None:
    assert index.summary(NOBODY).figures.num_rows == 0
    assert index.links_to(NOBODY) == index.links_from(NOBODY) == 0
    assert index.links_from(URL) == 2


@pytest.mark.parametrize("limit", [1, 2, 4, 100])
@pytest.mark.parametrize(
    "question", [Index.backlinks, Index.domains, Index.anchors], ids=["backlinks", "domains", "anchors"]
)
def test_cursors_bring_each_row_once(index: Index, question: Any, limit: int) -> None:
    whole, paged, cursor = rows(question(index, DOMAIN)), [], None
    while True:
        answer = question(index, DOMAIN, page=Page(limit, cursor))
        part = rows(answer)
        assert len(part) <= limit
        paged += part
        cursor = answer.cursor
        if cursor is None:
            break
    assert paged == whole


def test_long_answer_is_read_in_chunks(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = rows(index.backlinks(DOMAIN))
    monkeypatch.setattr(query, "CHUNK_ROWS", 3)
    assert rows(index.backlinks(DOMAIN)) == whole
    assert rows(index.backlinks(DOMAIN, page=Page(7))) == whole[:7]
    assert rows(index.backlinks(DOMAIN, page=Page(len(whole)))) == whole


def test_answer_that_just_fits_has_no_cursor(index: Index) -> None:
    answer = index.backlinks(URL, page=Page(6))
    assert len(rows(answer)) == 6
    assert answer.cursor is None


def cursor_of(index: Index) -> str:
    answer = index.backlinks(URL, page=Page(1))
    rows(answer)
    assert answer.cursor is not None
    return answer.cursor


def test_cursor_of_another_generation_is_refused(index: Index, folder: Path) -> None:
    with Index.open_generation(folder, 8) as newer, pytest.raises(CursorOutdated):
        newer.backlinks(URL, page=Page(1, cursor_of(index)))


@pytest.mark.parametrize(
    ("about", "filters"), [(HOST, Filters()), (URL, Filters(nofollow=True))], ids=["target", "filter"]
)
def test_cursor_of_another_question_is_refused(index: Index, about: Target, filters: Filters) -> None:
    with pytest.raises(CursorMismatch):
        index.backlinks(about, filters, Page(1, cursor_of(index)))


@pytest.mark.parametrize("text", ["", "x", "äöü", "AAAA", "=" * 40])
def test_other_text_is_no_cursor(index: Index, text: str) -> None:
    with pytest.raises(CursorUnreadable):
        index.backlinks(URL, page=Page(1, text))


def test_hostile_names_are_plain_values(index: Index) -> None:
    for case in load("injection.json"):
        if case["kind"] != "sql_query":
            continue
        for mode in Mode:
            about = target(mode, case["value"], case["value"])
            assert rows(index.backlinks(about, EVERYTHING)) == []
            assert rows(index.domains(about)) == []
            assert index.summary(about).figures.num_rows == 0
    assert len(rows(index.backlinks(URL))) == 6


@pytest.fixture
async def data_dir(tmp_path: Path) -> Path:
    async with CrawlStore.open(tmp_path, compression_level=3) as store:
        await store.start_run("test", "{}", fresh=False, now=NOW)
        await store.commit(fetched(1 << 40, 2), NOW)
    return tmp_path


def test_published_generation_is_opened(data_dir: Path) -> None:
    with pytest.raises(IndexMissing, match="linkmill index"), Index.open(data_dir):
        pass
    built = build_index(data_dir, name_hosts, LIMITS)
    with Index.open(data_dir) as opened:
        assert opened.number == built.generation.id
        assert opened.links_to(target(Mode.DOMAIN, "b.example", "example.b")) == built.counts.links


def test_generation_that_vanishes_while_it_is_read_is_told(tmp_path: Path) -> None:
    built = small_web().build(tmp_path).folder
    with Index.open_generation(built, 7) as opened:
        shutil.rmtree(built)
        with pytest.raises(GenerationGone):
            opened.backlinks(URL)


def test_missing_data_and_missing_tables_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(DataMissing), Index.open(tmp_path / "nothing"):
        pass
    with pytest.raises(DataCorrupt), Index.open_generation(tmp_path, 1):
        pass


def test_generation_of_another_format_is_told_to_be_built_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generation = small_web().build(tmp_path)
    monkeypatch.setattr(stack, "FORMAT", stack.FORMAT + 1)
    with pytest.raises(IndexDamaged, match="another format"), Index.open_generation(generation.folder, 1):
        pass
