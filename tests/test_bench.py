"""The benchmark of a whole crawl measures what `config/bench.toml` says."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.crawl import CONFIG, settings_for
from config import load

HOSTS = {"*.test": "127.0.0.1:5000"}
SEEDS = ["http://h0000.alpha.test/", "http://h0001.bravo.test/"]


@pytest.mark.parametrize(("asked", "concurrency"), [(None, load(CONFIG).fetch.concurrency), (7, 7)])
def test_benchmark_crawls_with_the_ready_file(tmp_path: Path, asked: int | None, concurrency: int) -> None:
    told, used = load(CONFIG), settings_for(HOSTS, SEEDS, tmp_path, asked)
    assert (used.scope, used.politeness, used.extract, used.storage) == (
        told.scope,
        told.politeness,
        told.extract,
        told.storage,
    )
    assert (used.politeness.delay, used.politeness.delay_per_ip) == (0, 0)
    assert (list(used.crawl.seeds), used.crawl.data_dir, used.network.hosts) == (SEEDS, tmp_path, HOSTS)
    assert used.fetch.concurrency == concurrency
    assert used.loopback_only
