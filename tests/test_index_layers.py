"""An index built in steps answers every question as one built at once of the same segments."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from storage.asking import EVERYTHING, Filters, Mode, Page, Target
from storage.index import counting, publish
from storage.index.build import Limits, Plan, write_generation
from storage.index.publish import build_index
from storage.index.refetched import Segments
from storage.index.stack import LARGER, Layer, Stack, kept
from storage.query import Index
from storage.records import Batch, LinkRow, PageRow
from storage.segments import link_table, page_table
from storage.sqlite import CrawlStore
from tests.index_web import WORLD, Web, link, links_take, name_hosts
from tests.store_rows import NOW
from tests.test_index import random_web
from tests.test_index_slices import CHOICES, odd_web, targets

ASKED_ABOUT = 12
"""Targets; 2,000 questions about all of them were compared once."""

LIMITS = Limits(memory_bytes=256 << 20, threads=1)

FEW_HELD = Limits(memory_bytes=counting.HELD * counting.LINK_BYTES * 20, threads=1)
"""Popular targets have more links than are held: these are gone through several times."""

QUESTIONS = (Index.backlinks, Index.outlinks, Index.domains, Index.anchors)


def write_segments(web: Web, folder: Path, cuts: Sequence[int]) -> list[Segments]:
    """Write the visits between each two cuts as segments of their own."""
    found = []
    for number, (start, end) in enumerate(pairwise(cuts)):
        pages = web.pages[start:end]
        links = [(fetch, row) for fetch, row in web.links if start < fetch <= end]
        files = folder / f"pages-{number}.parquet", folder / f"links-{number}.parquet"
        write_pair(files, pages, links)
        found.append(Segments([files[0]], [files[1]] if links else []))
    return found


def write_pair(files: tuple[Path, Path], pages: list[PageRow], links: list[tuple[int, LinkRow]]) -> None:
    pq.write_table(page_table(pages)[0], files[0])
    fetches = np.array([fetch for fetch, _ in links], dtype=np.int64)
    pq.write_table(link_table(fetches, [row for _, row in links])[0], files[1])


def together(segments: Sequence[Segments]) -> Segments:
    return Segments(
        [file for each in segments for file in each.pages], [file for each in segments for file in each.links]
    )


def generation(folder: Path, plan: Plan) -> Path:
    scratch, out = folder / "scratch", folder / "generation"
    for made in (folder, scratch, out):
        made.mkdir()
    write_generation(plan, scratch, out, name_hosts, LIMITS)
    return out


def grown(folder: Path, segments: Sequence[Segments], chance: random.Random) -> tuple[Path, int]:
    """Build a generation in as many steps as there are segments; each keeps as many layers as chance will."""
    last, most = Path(), 1
    for number in range(len(segments)):
        layers = Stack.read(last).layers if number else ()
        layers = layers[: len(layers) - min(chance.choices((0, 1), (2, 1))[0], len(layers))]
        covered = layers[-1].last_segment if layers else 0
        plan = Plan(
            together(segments[covered : number + 1]), layers, last, together(segments[:covered]), "", number + 1
        )
        last = generation(folder / f"step{number}", plan)
        most = max(most, len(Stack.read(last).layers))
    return last, most


def both_webs() -> Web:
    """Return a web in which everything happens, and one of a large domain with odd characters beside it."""
    web, odd = random_web(12), odd_web(13)
    after = len(web.pages)
    for page in odd.pages:
        page.fetch += after
    web.pages += odd.pages
    web.links += [(fetch + after, row) for fetch, row in odd.links]
    return web


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Index, Index]]:
    """Yield an index that was built at once, and one that was built in steps, each of them in slices."""
    web, chance, folder = both_webs(), random.Random(29), tmp_path_factory.mktemp("web")
    cuts = [0, *sorted(chance.sample(range(1, len(web.pages)), 3)), len(web.pages)]
    segments = write_segments(web, folder, cuts)
    whole = generation(folder / "whole", Plan(together(segments)))
    with pytest.MonkeyPatch.context() as patched:
        links_take(patched, 1 << 21)
        steps, most = grown(folder, segments, chance)
    assert most > 2
    with Index.open_generation(whole, 1) as expected, Index.open_generation(steps, 1, FEW_HELD) as found:
        yield expected, found


def rows(index: Index, question: Any, about: Target, filters: Filters) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = question(index, about, filters).table().to_pylist()
    return found


def asked_about(index: Index) -> list[Target]:
    """Return targets of every mode: those of the small webs, and those of the slices' tests."""
    links = index.backlinks(WORLD, EVERYTHING).table().to_pylist()
    found = list(targets())
    for row in links[::7]:
        reverse = ".".join(reversed(row["target_host"].split(".")))
        found.append(Target(Mode.URL, row["target"], reverse))
        found.append(Target(Mode.URL, row["source_url"], ".".join(reversed(row["source_host"].split(".")))))
        found.append(Target(Mode.HOST, row["target_host"], reverse))
        found.append(Target(Mode.DOMAIN, row["target_domain"], ".".join(reversed(row["target_domain"].split(".")))))
    return [WORLD, *random.Random(3).sample(list(dict.fromkeys(found)), ASKED_ABOUT)]


def test_lists_are_the_same_rows_in_the_same_order(both: tuple[Index, Index]) -> None:
    whole, steps = both
    chance = random.Random(2)
    for about in asked_about(whole):
        for filters in (Filters(), chance.choice(CHOICES)):
            for question in QUESTIONS:
                found = rows(steps, question, about, filters)
                assert found == rows(whole, question, about, filters), (question, about, filters)


def test_summaries_are_the_same(both: tuple[Index, Index]) -> None:
    whole, steps = both
    for about in asked_about(whole):
        found, expected = steps.summary(about), whole.summary(about)
        for mine, other in zip(found, expected, strict=True):
            assert mine.to_pylist() == other.to_pylist(), about
            assert mine.schema.names == other.schema.names
        assert steps.links_to(about) == whole.links_to(about)
        assert steps.links_from(about) == whole.links_from(about)


@pytest.mark.parametrize("limit", [1, 3, 50])
def test_cursors_go_on_in_every_layer(both: tuple[Index, Index], limit: int) -> None:
    whole, steps = both
    wanted = min(20 * limit, 60)
    expected = rows(whole, Index.backlinks, WORLD, EVERYTHING)[:wanted]
    found: list[dict[str, Any]] = []
    cursor = None
    while len(found) < wanted:
        answer = steps.backlinks(WORLD, EVERYTHING, Page(limit, cursor))
        found += answer.table().to_pylist()
        cursor = answer.cursor
    assert found[:wanted] == expected


def layers_of(*links: int) -> list[Layer]:
    return [Layer(f"layer={at:03}", at + 1, 0, count, 1, 0) for at, count in enumerate(links)]


KEPT = {
    "nothing_new": (layers_of(100, 20), [0, 0], 2),
    "little": (layers_of(100, 20), [25, 5], 2),
    "as_much_as_half": (layers_of(100, 20), [30, 20 // LARGER + 1], 1),
    "more_than_half_of_all": (layers_of(100, 20), [80, 60], 0),
    "too_many_layers": (layers_of(*(2**at for at in range(12, 2, -1))), [0] * 10, 5),
    "covered_for_the_most_part": ([layers_of(100)[0]._replace(covered_links=51)], [5], 0),
}


@pytest.mark.parametrize(("layers", "new_rows", "count"), KEPT.values(), ids=KEPT)
def test_layers_are_kept_while_they_are_larger_than_what_is_new(
    layers: list[Layer], new_rows: list[int], count: int
) -> None:
    assert kept(layers, new_rows) == count


@pytest.fixture(scope="module")
def crawled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data directory with an index of a few pages and one page crawled since, which had been seen before."""
    folder = tmp_path_factory.mktemp("crawled")
    asyncio.run(crawl_twice(folder))
    return folder


@pytest.fixture
def data_dir(crawled: Path, tmp_path: Path) -> Path:
    """Return a copy of it for one test."""
    return shutil.copytree(crawled, tmp_path / "data")


async def crawl_twice(tmp_path: Path) -> None:
    web = odd_web(7)
    async with CrawlStore.open(tmp_path, compression_level=3) as store:
        await store.start_run("test", "{}", fresh=False, now=NOW)
        await store.commit(Batch(pages=web.pages, links=[row for _, row in web.links]), NOW)
    build_index(tmp_path, name_hosts, LIMITS, "names")
    async with CrawlStore.open(tmp_path, compression_level=3) as store:
        await store.start_run("test", "{}", fresh=False, now=NOW)
        again = Web()
        page = again.visit(web.pages[0].url, link("https://z.example/a"), at=1000)
        page.fetch = 1000
        await store.commit(Batch(pages=[page], links=[row for _, row in again.links]), NOW)


def published(data_dir: Path) -> Path:
    return max((data_dir / "index").glob("generation=*"))


def layers_in(data_dir: Path) -> int:
    return len(Stack.read(published(data_dir)).layers)


def test_new_segments_become_a_layer_over_the_published_ones(data_dir: Path) -> None:
    first = published(data_dir)
    built = build_index(data_dir, name_hosts, LIMITS, "names")
    assert built.counts.layers == layers_in(data_dir) == 2
    shared = "layer=000/sources.packed"
    assert (first / shared).samefile(published(data_dir) / shared)
    with Index.open(data_dir) as index:
        assert index.links_from(WORLD) == built.counts.links
        steps = rows(index, Index.backlinks, WORLD, EVERYTHING)
    build_index(data_dir, name_hosts, LIMITS, "other names")
    assert layers_in(data_dir) == 1
    with Index.open(data_dir) as index:
        assert rows(index, Index.backlinks, WORLD, EVERYTHING) == steps


def test_index_without_anything_new_keeps_all_layers_until_it_is_built_anew(data_dir: Path) -> None:
    built = [build_index(data_dir, name_hosts, LIMITS, "names") for _ in range(2)]
    assert built[0].counts == built[1].counts
    assert build_index(data_dir, name_hosts, LIMITS, "names", anew=True).counts.layers == 1


@pytest.mark.parametrize("damage", ["changed", "missing", "of an older format"])
def test_layers_that_are_not_as_written_are_built_anew(data_dir: Path, damage: str) -> None:
    file = published(data_dir) / ("layers.json" if damage == "of an older format" else "layer=000/sources.packed")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(content)
    assert build_index(data_dir, name_hosts, LIMITS, "names").counts.layers == 1
    with Index.open(data_dir) as index:
        assert index.links_from(WORLD)


def test_update_that_dies_leaves_the_published_generation(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = published(data_dir)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(publish, "_sync", die)
        with pytest.raises(KeyboardInterrupt):
            build_index(data_dir, name_hosts, LIMITS, "names")
    assert published(data_dir) == before
    with Index.open(data_dir) as index:
        expected = index.links_from(WORLD)
    assert expected
    assert build_index(data_dir, name_hosts, LIMITS, "names").counts.layers == 2
