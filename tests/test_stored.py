"""Two crawls of one web are told apart by what they stored, not by time-outs that were made up for."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.torture.stored import Stored, differences
from storage.records import Batch, Failure, LinkRow, PageRow
from storage.sqlite import CrawlStore
from tests.store_rows import NOW, PAGE, link, page

LATE, BROKEN = Failure.TIMEOUT, Failure.SERVER_ERROR


def attempts(*failures: Failure | None) -> list[PageRow]:
    return [
        page(number, 0 if failure else 1, status=None if failure else 200, failure=failure)
        for number, failure in enumerate(failures, 1)
    ]


async def stored(data_dir: Path, pages: list[PageRow]) -> Stored:
    links: list[LinkRow] = [link() for row in pages if row.links]
    async with CrawlStore.open(data_dir, compression_level=3) as store:
        await store.start_run("test", "{}", fresh=False, now=NOW)
        await store.commit(Batch(pages=pages, links=links), NOW)
    return Stored(data_dir)


@pytest.mark.parametrize(
    ("pages", "told"),
    [
        pytest.param(attempts(None), [], id="the same"),
        pytest.param(attempts(LATE, LATE, None), [], id="time-outs made up for"),
        pytest.param(attempts(LATE), ["200 with 1 links, then TIMEOUT"], id="time-out for good"),
        pytest.param(attempts(BROKEN, None), ["200 with 1 links, then SERVER_ERROR, 200 with 1 links"], id="error"),
        pytest.param(attempts(None, None), ["200 with 1 links, then 200 with 1 links, 200 with 1 links"], id="twice"),
        pytest.param([], ["200 with 1 links, then nothing"], id="never"),
    ],
)
async def test_crawls_differ_by_what_is_not_a_matter_of_speed(
    tmp_path: Path, pages: list[PageRow], told: list[str]
) -> None:
    one, other = await stored(tmp_path / "one", attempts(None)), await stored(tmp_path / "other", pages)
    assert differences(one.attempts(), other.attempts()) == [f"{PAGE.url}: {line}" for line in told]
    assert other.timeouts == sum(row.failure == LATE for row in pages)
