"""Slices bound memory: a large domain, or host, is cut, and its roll-ups and answers are those of an index at once."""

from __future__ import annotations

import random
from itertools import product
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storage.asking import EVERYTHING, OUTSIDE_OF, STATES, Filters, Mode, Scope, Target
from storage.index.layout import TABLES, parts
from storage.query import Index
from storage.records import Kind
from tests.index_oracle import HYPERLINKS, Oracle, rolled_up
from tests.index_web import LIMITS, Web, domain, host, link, links_take

HOSTS = tuple(f"{name}.example" for name in ("big", "big-shop", "www.big", "a.www.big", "x.big", "z", "é"))
ODD = ("", "a?x=%27", "a/", "a", "a!", "A", "~", "ü", "漢", "\U0001f600", "a" * 300, "%00", "a b")


Built = tuple[Path, list[dict[str, Any]]]


def odd_web(seed: int) -> Web:
    """Return a web of one large domain, with neighbours in the order of hosts, and odd characters in its URLs."""
    chance = random.Random(seed)
    urls = [f"https://{name}/{path}" for name in HOSTS for path in ODD]
    likely = [url for url in urls if host(url) == "www.big.example"]
    web = Web()
    for at in range(120):
        found = {}
        for _ in range(chance.randrange(12)):
            to = chance.choice(likely if chance.random() < 0.6 else urls)
            kind = chance.choices((Kind.A, Kind.AREA, Kind.EMBED, Kind.LINK_CANONICAL), (8, 2, 1, 1))[0]
            row = link(to, chance.choice(("", "x", "ÿ", "漢")), kind=int(kind), rel=chance.choice((0, 0, 2)))
            found[row.target, row.kind, row.anchor, row.rel] = row
        status = chance.choices((200, 404, 503), (8, 1, 1))[0]
        ip = chance.choice(("10.0.0.1", "10.0.0.2", None))
        rows = found.values() if status == 200 else ()
        web.visit(chance.choice(urls), *rows, at=at, status=status, ip=ip)
    return web


@pytest.fixture(scope="module", params=[1, 1 << 23], ids=["one_slice", "many_slices"])
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Return an index in slices of several sizes, and the expected links."""
    web = odd_web(3)
    with pytest.MonkeyPatch.context() as patched:
        links_take(patched, request.param)
        folder = web.build(tmp_path_factory.mktemp("web")).folder
    assert (len(parts(folder / "layer=000", "backlinks")) > 5) == (request.param > 1)
    return folder, Oracle(web).backlinks()


def targets() -> list[Target]:
    def reverse(name: str) -> str:
        return ".".join(reversed(name.split(".")))

    hosts = [*HOSTS, "nobody.example"]
    made = [Target(Mode.URL, f"https://{name}/{path}", reverse(name)) for name in hosts[2:6] for path in ODD[::4]]
    made += [Target(Mode.PREFIX, f"https://{name}/{path}", reverse(name)) for name in hosts for path in ("", "a")]
    made += [Target(Mode.HOST, name, reverse(name)) for name in hosts]
    return made + [Target(Mode.DOMAIN, name, reverse(name)) for name in sorted({domain(name) for name in hosts})]


def leads_to(url: str, target: Target) -> bool:
    match target.mode:
        case Mode.URL:
            return url == target.name
        case Mode.PREFIX:
            return url.startswith(target.name)
        case Mode.HOST:
            return host(url) == target.name
        case Mode.DOMAIN:
            return domain(host(url)) == target.name


CHOICES = [
    Filters(),
    EVERYTHING,
    *(
        Filters(kinds, scope, states, nofollow)
        for kinds, scope, states, nofollow in product(
            (frozenset({Kind.A, Kind.AREA}), frozenset({Kind.EMBED, Kind.LINK_CANONICAL})),
            Scope,
            (("live",), ("lost", "unknown"), STATES),
            (None, True, False),
        )
    ),
]


def chosen(rows: list[dict[str, Any]], filters: Filters, mode: Mode) -> list[dict[str, Any]]:
    scope = OUTSIDE_OF[mode] if filters.scope is Scope.OUTSIDE else filters.scope
    scopes = {Scope.EXTERNAL: {"external"}, Scope.OTHER_HOSTS: {"external", "same domain"}}.get(scope)
    return [
        row
        for row in rows
        if row["kind"] in filters.kinds
        and (scopes is None or row["scope"] in scopes)
        and row["state"] in filters.states
        and filters.nofollow in (None, row["nofollow"])
    ]


def counted(rows: list[dict[str, Any]], by: str, other: str) -> list[tuple[Any, ...]]:
    """Count links by a column, with how many pages and values of another they have."""
    found = []
    for name in {row[by] for row in rows}:
        of = [row for row in rows if row[by] == name]
        others = {host(row["source_url"]) if other == "hosts" else row["source_domain"] for row in of}
        first = min(row["first_seen"] for row in of)
        last = max((row["last_seen_live"] for row in of if row["last_seen_live"]), default=None)
        pages = len({row["source_url"] for row in of})
        nofollow = sum(row["nofollow"] for row in of)
        found.append((name, len(of), pages, len(others), len(of) - nofollow, nofollow, first, last))
    return sorted(found, key=lambda row: (-row[1], row[0].encode()))


def tuples(table: pa.Table) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in table.to_pylist()]


@pytest.mark.parametrize("mode", Mode)
def test_answers_are_those_of_a_replay(built: Built, mode: Mode) -> None:
    folder, rows = built
    chance = random.Random(1)
    with Index.open_generation(folder, 1) as index:
        for target in (each for each in targets() if each.mode is mode):
            about = [row for row in rows if leads_to(row["target"], target)]
            by_source = [row for row in rows if leads_to(row["source_url"], target)]
            assert index.links_to(target) == len(about)
            assert index.links_from(target) == len(by_source)
            for filters in (*CHOICES[:2], *chance.sample(CHOICES[2:], 2)):
                wanted = chosen(about, filters, mode)
                assert tuples(index.domains(target, filters).table()) == counted(wanted, "source_domain", "hosts")
                assert tuples(index.anchors(target, filters).table()) == counted(wanted, "anchor", "domains")
                names = ["source_url", "target", "anchor", "kind", "nofollow"]
                edges = [tuple(row[name] for name in names) for row in wanted]
                assert sorted(tuples(index.backlinks(target, filters).table().select(names))) == sorted(edges)
                out = index.outlinks(target, filters).table().select(names)
                assert out.num_rows == len(chosen(by_source, filters, mode))


@pytest.mark.parametrize("mode", Mode)
def test_summaries_are_those_of_a_replay(built: Built, mode: Mode) -> None:
    folder, rows = built
    outside = {Mode.HOST: {"external", "same domain"}, Mode.DOMAIN: {"external"}}.get(
        mode, {"external", "same domain", "same host"}
    )
    with Index.open_generation(folder, 1) as index:
        for target in (each for each in targets() if each.mode is mode):
            about = [row for row in rows if leads_to(row["target"], target)]
            found = index.summary(target)
            assert found.figures.num_rows == bool(about)
            if about:
                (figures,) = found.figures.to_pylist()
                expected = rolled_up(about, outside)
                assert {name: figures[name] for name in expected} == expected
                live = [row for row in about if row["kind"] in HYPERLINKS and row["state"] == "live"]
                live = [row for row in live if row["scope"] in outside]
                assert tuples(found.domains) == counted(live, "source_domain", "hosts")[:10]
                assert tuples(found.anchors) == counted(live, "anchor", "domains")[:10]


def test_cut_domain_has_the_roll_ups_of_a_whole_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    web, folders = odd_web(5), [tmp_path / "at_once", tmp_path / "cut"]
    for folder in folders:
        folder.mkdir()
    expected = web.build(folders[0])
    links_take(monkeypatch, LIMITS.memory_bytes // 20)
    cut = web.build(folders[1])
    assert len(parts(cut.layer, "backlinks")) > 10
    # Sums of a source to a host that was cut have a row for each slice.
    for table in set(TABLES) - {"linkers"}:
        ordered = cut.rows(table)
        assert sorted(map(repr, ordered)) == sorted(map(repr, expected.rows(table)))
        if table in ("backlinks", "pages", "targets"):
            assert list(map(repr, ordered)) == list(map(repr, expected.rows(table)))


ABOUT = {
    "hosts": ("first_target",),
    "domains": ("first_target",),
    "domain_pairs": ("first_target",),
    "anchors": ("level", "first_target"),
}
"""What roll-ups are looked up by."""


@pytest.mark.parametrize("table", ABOUT)
def test_rows_about_a_target_lie_together_and_what_was_cut_is_in_the_last_part(built: Built, table: str) -> None:
    layer = built[0] / "layer=000"
    slices = len(parts(layer, "backlinks"))
    found = [pq.read_table(part).to_pylist() for part in parts(layer, table)]
    about = [[tuple(row[name] for name in ABOUT[table]) for row in rows] for rows in found]
    assert all(keys == sorted(keys) for keys in about)
    assert sum(len(set(keys)) for keys in about) == len({key for keys in about for key in keys})
    assert len(found) == slices + (slices > 1)
    if table in ("anchors", "domain_pairs"):
        for rows, keys in zip(found, about, strict=True):
            ranked = [(*key, -row["links"]) for key, row in zip(keys, rows, strict=True)]
            assert ranked == sorted(ranked)
    if slices > 1 and table == "hosts":
        assert "www.big.example" in {row["target_host"] for row in found[-1]}
        assert "z.example" not in {row["target_host"] for row in found[-1]}
