"""The frontier's benchmark fills a store that the crawler goes on with, and plays pages on it."""

from __future__ import annotations

from pathlib import Path

from bench.frontier import Figures, make, measure


async def test_filled_store_is_resumed_and_played(tmp_path: Path) -> None:
    await make(tmp_path / "data", urls=600, hosts=60, hot=40)
    figures = await measure(tmp_path / "data", Figures(urls=600, hosts=60, hot=40, pages=100))
    assert figures.hosts_in_ram > 0
    assert figures.pages_a_s > 0
    assert figures.jobs_us > 0
