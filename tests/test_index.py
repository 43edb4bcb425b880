"""The index joins a page's visits, resolves where targets lead, and counts as a plain replay of the visits does."""

from __future__ import annotations

import random
import shutil
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from storage.index import publish
from storage.index.build import Limits, OutOfMemory, Plan, write_generation
from storage.index.layout import TABLES, parts
from storage.index.levels import LEVELS
from storage.index.policy import ROLES
from storage.index.publish import IndexBusy, NothingCrawled, build_index
from storage.index.refetched import Segments
from storage.manifest import Manifest
from storage.records import Failure, Kind, LinkRow, RedirectKind, Rel, Robots, Truncated
from storage.sqlite import CrawlStore
from tests.index_oracle import Oracle, rolled_up
from tests.index_web import LIMITS, Web, host, link, links_take, name_hosts
from tests.store_rows import NOW, fetched

A, B, C = "https://www.a.example/", "https://b.example/x", "https://c.example/"
ALL = {"same host", "same domain", "external"}


def test_every_kind_has_a_role() -> None:
    assert set(ROLES) == set(Kind)


AGAIN: dict[str, tuple[dict[str, Any], tuple[LinkRow, ...], str, str | None]] = {
    "still_there": ({}, (link(B),), "live", None),
    "removed": ({}, (), "lost", "removed"),
    "other_target_under_the_same_text": ({}, (link(C),), "lost", "target changed"),
    "other_target_elsewhere_on_the_page": ({}, (link(C, place=2),), "lost", "removed"),
    "other_target_without_a_text": ({}, (link(C, ""),), "lost", "removed"),
    "page_not_found": ({"status": 404}, (), "lost", "page gone"),
    "page_gone": ({"status": 410}, (), "lost", "page gone"),
    "page_redirected": ({"status": 301, "redirect_to": C}, (), "lost", "page redirected"),
    "page_noindex": ({"robots": Robots.NOINDEX}, (link(B),), "lost", "noindex"),
    "page_canonicalised": ({"canonical": C}, (link(B),), "lost", "canonicalised"),
    "page_canonical_is_itself": ({"canonical": A}, (link(B),), "live", None),
    "not_modified": ({"status": 304, "not_modified": True}, (), "live", None),
    "time_out": ({"status": None, "failure": Failure.TIMEOUT}, (), "unknown", None),
    "robots_denial": ({"status": None, "failure": Failure.ROBOTS}, (), "unknown", None),
    "server_error": ({"status": 503, "failure": Failure.SERVER_ERROR}, (), "unknown", None),
    "forbidden": ({"status": 403}, (), "unknown", None),
    "cut_before_it": ({"truncated": Truncated.WIRE}, (), "unknown", None),
    "cut_after_it": ({"truncated": Truncated.WIRE}, (link(B),), "live", None),
    "over_the_cap": ({"links_dropped": 3}, (), "unknown", None),
}


@pytest.mark.parametrize(("columns", "links", "state", "lost_as"), AGAIN.values(), ids=AGAIN)
def test_second_visit_decides_the_state_of_a_link(
    tmp_path: Path, columns: dict[str, Any], links: tuple[LinkRow, ...], state: str, lost_as: str | None
) -> None:
    web = Web()
    web.visit(A, link(B), at=1)
    web.visit(A, *links, at=5, **columns)
    row = web.build(tmp_path).only("backlinks", target=B)
    assert (row["state"], row["lost_as"]) == (state, lost_as)
    assert (row["lost_at"] is not None) == (state == "lost")
    assert row["last_seen_live"].timestamp() == (5 if state == "live" else 1)
    assert row["found_as"] == "new page"


def test_lost_link_stays_lost_while_its_page_cannot_be_read(tmp_path: Path) -> None:
    web = Web()
    web.visit(A, link(B), at=1)
    web.visit(A, at=2, status=404)
    web.visit(A, at=3, status=None, failure=Failure.TIMEOUT)
    web.visit(A, at=4, status=410)
    row = web.build(tmp_path).only("backlinks", target=B)
    assert (row["state"], row["lost_as"], row["lost_at"].timestamp()) == ("lost", "page gone", 2)


def test_link_that_comes_back_is_restored(tmp_path: Path) -> None:
    web = Web()
    web.visit(A, link(B), at=1)
    web.visit(A, link(C), at=2)
    web.visit(A, link(B), link(C), at=3)
    generation = web.build(tmp_path)
    row = generation.only("backlinks", target=B)
    assert (row["state"], row["found_as"], row["observations"], row["prev_seen"].timestamp()) == (
        "live",
        "restored",
        2,
        1,
    )
    assert generation.only("backlinks", target=C)["found_as"] == "new link"


def test_redirect_is_the_live_evidence_of_its_own_page(tmp_path: Path) -> None:
    web = Web()
    web.visit(A, link(C, kind=Kind.REDIRECT), status=301, redirect_to=C)
    web.visit(B, link(A))
    web.visit(B, link(C, kind=Kind.LINK_CANONICAL), link(A), canonical=C, at=1)
    generation = web.build(tmp_path)
    states = {(row["source_url"], row["target"]): row["state"] for row in generation.rows("backlinks")}
    assert states == {(A, C): "live", (B, C): "live", (B, A): "lost"}
    assert generation.only("targets", target=C)["indirect"] == 2
    assert generation.only("targets", target=C)["backlinks"] == 0


@pytest.mark.parametrize("columns", [{"robots": Robots.NOINDEX}, {"canonical": C}], ids=["noindex", "canonicalised"])
@pytest.mark.parametrize("visits", [1, 2])
def test_page_that_never_was_indexable_does_not_lose_its_links(
    tmp_path: Path, columns: dict[str, Any], visits: int
) -> None:
    web = Web()
    for at in range(visits):
        web.visit(A, link(B), at=at, **columns)
    row = web.build(tmp_path).only("backlinks")
    assert (row["state"], row["observations"]) == ("live", visits)


def test_target_is_followed_over_redirects_and_canonicals(tmp_path: Path) -> None:
    web = Web()
    web.visit(A, link("https://t.example/1"))
    web.visit("https://t.example/1", status=301, redirect_to="https://t.example/2")
    web.visit("https://t.example/2", canonical="https://t.example/3")
    web.visit("https://t.example/3", redirect_to="https://t.example/4", redirect_kind=int(RedirectKind.META_REFRESH))
    web.visit("https://t.example/4", canonical="https://t.example/4")
    row = web.build(tmp_path).only("backlinks", source_url=A)
    assert (row["target_status"], row["target_final"], row["target_final_status"]) == (301, "https://t.example/4", 200)
    assert row["target_path"] == [f"https://t.example/{step}" for step in (1, 2, 3, 4)]


@pytest.mark.parametrize(("delay_s", "moved"), [(0.0, True), (10.0, True), (10.5, False), (1800.0, False)])
def test_page_that_reloads_after_a_while_has_not_moved(tmp_path: Path, delay_s: float, moved: bool) -> None:
    web, kind = Web(), int(RedirectKind.META_REFRESH)
    web.visit(A, link("https://t.example/1"))
    web.visit("https://t.example/1", redirect_to="https://t.example/2", redirect_kind=kind, redirect_delay_s=delay_s)
    row = web.build(tmp_path).only("backlinks", source_url=A)
    assert row["target_final"] == ("https://t.example/2" if moved else None)


def test_chain_of_redirects_ends_at_a_loop_and_after_ten_hops(tmp_path: Path) -> None:
    web = Web()
    web.visit(A, link("https://l.example/1"), link("https://t.example/0"))
    web.visit("https://l.example/1", status=302, redirect_to="https://l.example/2")
    web.visit("https://l.example/2", status=302, redirect_to="https://l.example/1")
    for hop in range(14):
        web.visit(f"https://t.example/{hop}", status=302, redirect_to=f"https://t.example/{hop + 1}")
    generation = web.build(tmp_path)
    assert generation.only("backlinks", target="https://l.example/1")["target_final"] == "https://l.example/2"
    assert generation.only("backlinks", target="https://t.example/0")["target_final"] == "https://t.example/10"


NOFOLLOW: dict[str, tuple[int, int, bool]] = {
    "plain": (0, 0, False),
    "nofollow": (Rel.NOFOLLOW, 0, True),
    "ugc": (Rel.UGC | Rel.NOOPENER, 0, True),
    "sponsored": (Rel.SPONSORED, 0, True),
    "other_rels": (Rel.NOOPENER | Rel.ME | Rel.OTHER, 0, False),
    "page": (0, Robots.NOFOLLOW, True),
    "page_that_says_something_else": (0, Robots.NOARCHIVE, False),
}


@pytest.mark.parametrize(("rel", "robots", "expected"), NOFOLLOW.values(), ids=NOFOLLOW)
def test_nofollow_is_in_force_by_rel_or_page(tmp_path: Path, rel: int, robots: int, expected: bool) -> None:
    web = Web()
    web.visit(A, link(B, rel=int(rel)), robots=int(robots))
    generation = web.build(tmp_path)
    assert generation.only("backlinks")["nofollow"] is expected
    assert generation.only("targets")["nofollow"] == int(expected)


def test_backlinks_from_within_are_counted_apart(tmp_path: Path) -> None:
    web = Web()
    web.visit(A, link("https://www.a.example/x"), link("https://blog.a.example/"), link(B))
    web.visit(B, link("https://www.a.example/x"))
    web.visit("https://blog.a.example/", link("https://www.a.example/x"))
    generation = web.build(tmp_path)
    target = generation.only("targets", target="https://www.a.example/x")
    on_host = generation.only("hosts", target_host="www.a.example")
    on_domain = generation.only("domains", target_domain="a.example")
    assert [(row["backlinks"], row["inside"], row["external"]) for row in (target, on_host, on_domain)] == [
        (3, 0, 1),
        (2, 1, 1),
        (1, 3, 1),
    ]


def random_web(seed: int) -> Web:
    """Return a web in which everything happens: pages change, move, fail, come back, and link to each other."""
    chance = random.Random(seed)
    urls = [f"https://{name}.example/{page}" for name in ("a", "www.a", "b", "x.b", "c") for page in range(5)]
    outcomes: tuple[tuple[int, Callable[[], dict[str, Any]]], ...] = (
        (12, dict),
        (1, lambda: {"status": chance.choice((404, 410))}),
        (1, lambda: {"status": 301, "redirect_to": chance.choice(urls)}),
        (2, lambda: {"status": None, "failure": chance.choice((Failure.TIMEOUT, Failure.ROBOTS))}),
        (1, lambda: {"status": 503, "failure": Failure.SERVER_ERROR}),
        (1, lambda: {"truncated": Truncated.BODY}),
        (2, lambda: {"status": 304, "not_modified": True}),
        (1, lambda: {"robots": chance.choice((Robots.NOINDEX, Robots.NOFOLLOW)).value}),
        (1, lambda: {"canonical": chance.choice(urls)}),
    )
    web = Web()
    for at in range(60):
        columns = chance.choices([make for _, make in outcomes], [weight for weight, _ in outcomes])[0]()
        rows: dict[tuple[Any, ...], LinkRow] = {}
        if columns.get("status", 200) == 200:
            for _ in range(chance.randrange(6)):
                kind = chance.choices((Kind.A, Kind.AREA, Kind.EMBED, Kind.LINK_NEXT), (8, 2, 1, 1))[0]
                rel, place = chance.choice((0, 0, int(Rel.NOFOLLOW))), chance.choice((2, 3))
                row = link(chance.choice(urls), chance.choice(("", "x", "y")), kind=int(kind), rel=rel, place=place)
                rows[row.target, row.kind, row.anchor, row.rel, row.place] = row
        if "redirect_to" in columns:
            rows[()] = link(columns["redirect_to"], "", kind=int(Kind.REDIRECT))
        web.visit(chance.choice(urls), *rows.values(), at=at, title=f"title {at}", **columns)
    return web


def key_of(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("source_url", "target", "kind", "anchor", "rel", "place"))


@pytest.mark.parametrize("seed", range(8))
def test_backlinks_are_those_of_a_replay_of_all_visits(tmp_path: Path, seed: int) -> None:
    web = random_web(seed)
    generation, expected = web.build(tmp_path), Oracle(web).backlinks()
    built = generation.rows("backlinks")
    shown = [{name: row[name] for name in expected[0]} for row in built]
    assert sorted(shown, key=key_of) == sorted(expected, key=key_of)
    order = [(row["target_host_reversed"], row["target"], row["source_domain"], row["source_url"]) for row in built]
    assert order == sorted(order)
    by_source = [
        (row["source_host_reversed"], row["source_url"], row["ordinal"]) for row in generation.rows("outlinks")
    ]
    assert by_source == sorted(by_source)
    assert sorted(map(repr, generation.rows("outlinks"))) == sorted(map(repr, built))


ROLL_UPS: dict[str, tuple[str, Callable[[dict[str, Any]], str], set[str]]] = {
    "targets": ("target", lambda row: row["target"], ALL),
    "hosts": ("target_host", lambda row: host(row["target"]), {"same domain", "external"}),
    "domains": ("target_domain", lambda row: row["target_domain"], {"external"}),
}


@pytest.mark.parametrize("seed", range(4))
def test_roll_ups_count_what_plain_sets_count(tmp_path: Path, seed: int) -> None:
    web = random_web(seed)
    generation, rows = web.build(tmp_path), Oracle(web).backlinks()
    for table, (name, key, outside) in ROLL_UPS.items():
        groups = defaultdict(list)
        for row in rows:
            groups[key(row)].append(row)
        expected = {value: rolled_up(group, outside) for value, group in groups.items()}
        built = {row[name]: {column: row[column] for column in expected[row[name]]} for row in generation.rows(table)}
        assert built == expected


@pytest.mark.parametrize("seed", range(3))
def test_pairs_of_domains_and_anchors_count_what_plain_sets_count(tmp_path: Path, seed: int) -> None:
    web = random_web(seed)
    pairs, anchors = defaultdict(list), defaultdict(list)
    for row in Oracle(web).backlinks():
        pairs[row["target_domain"], row["source_domain"]].append(row)
        anchors["domain", row["target_domain"], row["anchor"]].append(row)
        anchors["host", host(row["target"]), row["anchor"]].append(row)
    generation = web.build(tmp_path)
    names = {row["first_target"]: row for row in generation.rows("hosts")}
    for row in generation.rows("domain_pairs"):
        target = names[row["first_target"]]["target_domain"]
        expected = rolled_up(pairs.pop((target, row["source_domain"])), {"external"})
        assert row.pop("links") == expected["backlinks"]
        assert {name: row[name] for name in expected if name in row} == {n: expected[n] for n in expected if n in row}
    assert not any(rolled_up(rows, {"external"})["backlinks"] for rows in pairs.values())
    for row in generation.rows("anchors"):
        level, target = LEVELS[row["level"]], names[row["first_target"]]
        outside = {"external"} if level == "domain" else {"external", "same domain"}
        expected = rolled_up(anchors.pop((level, target[f"target_{level}"], row["anchor"])), outside)
        assert (row["links"], row["pages"], row["domains"], row["follow"], row["nofollow"]) == tuple(
            expected[name] for name in ("backlinks", "pages", "domains", "follow", "nofollow")
        )


@pytest.mark.parametrize("seed", range(2))
def test_slices_of_a_few_links_make_the_same_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    web, at_once, sliced = random_web(seed), tmp_path / "at_once", tmp_path / "sliced"
    at_once.mkdir()
    sliced.mkdir()
    expected = web.build(at_once)
    links_take(monkeypatch, LIMITS.memory_bytes // 7)
    built = web.build(sliced)
    assert len(parts(built.layer, "backlinks")) > 1
    assert len(parts(built.layer, "outlinks")) > 1
    # Sums of a source to a host that was cut have a row for each slice.
    for table in set(TABLES) - {"linkers"}:
        assert sorted(map(repr, built.rows(table))) == sorted(map(repr, expected.rows(table)))
    order = [(row["target_host_reversed"], row["target"], row["source_domain"]) for row in built.rows("backlinks")]
    assert order == sorted(order)


def test_latest_page_of_each_url_is_kept(tmp_path: Path) -> None:
    web = Web()
    web.visit(A, at=1, title="old")
    web.visit(A, at=2, title="new")
    web.visit(A, at=3, status=None, failure=Failure.TIMEOUT)
    row = web.build(tmp_path).only("pages", url=A)
    assert (row["title"], row["failure"], row["fetches"]) == ("new", Failure.TIMEOUT, 3)
    assert row["last_fetched_at"].timestamp() == 3


def test_web_without_links_has_an_index_of_its_pages(tmp_path: Path) -> None:
    web = Web()
    web.visit(A)
    generation = web.build(tmp_path)
    assert {table: len(generation.rows(table)) for table in TABLES} == dict.fromkeys(TABLES, 0) | {"pages": 1}


def test_build_beyond_its_memory_is_an_error_of_the_operator(tmp_path: Path) -> None:
    web = random_web(1)
    web.build(tmp_path)
    files = Segments([tmp_path / "run=000001/pages.parquet"], [tmp_path / "run=000001/links.parquet"])
    scratch, again = tmp_path / "scratch2", tmp_path / "again"
    scratch.mkdir()
    again.mkdir()
    with pytest.raises(OutOfMemory, match="raise storage"):
        write_generation(Plan(files), scratch, again, name_hosts, Limits(1 << 20, 1))


@pytest.fixture
async def data_dir(tmp_path: Path) -> Path:
    async with CrawlStore.open(tmp_path, compression_level=3) as store:
        await store.start_run("test", "{}", fresh=False, now=NOW)
        await store.commit(fetched(1 << 40, 2), NOW)
        await store.commit(fetched((1 << 40) + 1, 1), NOW)
    return tmp_path


def generations(data_dir: Path) -> list[str]:
    return sorted(entry.name for entry in (data_dir / "index").iterdir() if entry.is_dir())


def test_build_publishes_a_generation_and_keeps_the_one_before(data_dir: Path) -> None:
    built = [build_index(data_dir, name_hosts, LIMITS) for _ in range(3)]
    assert [each.generation.id for each in built] == [1, 2, 3]
    assert built[0].counts.pages == 1
    assert built[0].counts.links == 1
    assert generations(data_dir) == ["generation=000002", "generation=000003"]
    with Manifest.open(data_dir) as manifest:
        current = manifest.current()
        assert [generation.id for generation in manifest.generations()] == [2, 3]
        assert current is not None
        assert (current.id, current.last_segment) == (3, manifest.last_segment())
    assert built[2].bytes > 0


@pytest.mark.parametrize("crash", ["_sync", "_retire"])
def test_what_a_dead_build_left_is_removed_by_the_next(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, crash: str
) -> None:
    first = build_index(data_dir, name_hosts, LIMITS)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(publish, crash, die)
        patched.setattr(shutil, "rmtree", lambda *_, **__: None)
        with pytest.raises(KeyboardInterrupt):
            build_index(data_dir, name_hosts, LIMITS)
    with Manifest.open(data_dir) as manifest:
        current = manifest.current()
    assert current is not None
    assert current.id == (first.generation.id if crash == "_sync" else 2)
    assert build_index(data_dir, name_hosts, LIMITS).generation.id == 3
    assert generations(data_dir) == [f"generation={kept:06}" for kept in ((1, 3) if crash == "_sync" else (2, 3))]


def test_two_builds_at_once_are_refused(data_dir: Path) -> None:
    def build_inside(hosts: Any) -> Any:
        build_index(data_dir, name_hosts, LIMITS)

    with pytest.raises(IndexBusy):
        build_index(data_dir, build_inside, LIMITS)


async def test_data_directory_without_pages_has_nothing_to_index(tmp_path: Path) -> None:
    async with CrawlStore.open(tmp_path, compression_level=3) as store:
        await store.start_run("test", "{}", fresh=False, now=NOW)
    with pytest.raises(NothingCrawled):
        build_index(tmp_path, name_hosts, LIMITS)
