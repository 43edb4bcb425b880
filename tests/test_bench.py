"""The benchmark of a whole crawl measures what `config/bench.toml` says, and its trials are the ones asked for."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import pytest

from bench.crawl import named, trials
from bench.trial import CONFIG, POLITE, POLITE_ADDRESSES, Changes, Trial, case_of, measure, settings_for, web_of
from config import load

HOSTS = {"*.test": "127.0.0.1:5000"}
SEEDS = ["http://h0000.alpha.test/", "http://h0001.bravo.test/"]
ASKED = Namespace(
    profile=[40], workers=[1], pages=200, hosts=None, gzip=False, tls="off", per_connection=0, polite=False,
    concurrency=None, rounds=1,
)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "concurrency"),
    [({}, load(CONFIG).fetch.concurrency), ({"fetch": {"concurrency": 7}}, 7)],
    ids=["file", "changed"],
)
def test_benchmark_crawls_with_the_ready_file(tmp_path: Path, changes: Changes, concurrency: int) -> None:
    told, used = load(CONFIG), settings_for(HOSTS, SEEDS, tmp_path, changes=changes)
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


def test_polite_crawls_have_every_rule_at_work(tmp_path: Path) -> None:
    pace = settings_for(HOSTS, SEEDS, tmp_path, changes=POLITE).politeness
    assert pace.delay > 0
    assert pace.delay_per_ip > 0
    assert (pace.connections_per_host, pace.connections_per_ip) == (1, 2)


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({}, ["40 KB"]),
        ({"profile": [4, 130], "tls": "both"}, ["4 KB", "4 KB TLS", "130 KB", "130 KB TLS"]),
        ({"tls": "on", "per_connection": 2, "rounds": 2}, ["40 KB TLS 2 a connection"] * 2),
        ({"polite": True}, ["40 KB no delay", "40 KB polite"]),
    ],
    ids=["plain", "products", "rounds", "polite"],
)  # fmt: skip
def test_trials_are_the_ones_asked_for(asked: dict[str, object], names: list[str]) -> None:
    made = trials(Namespace(**{**vars(ASKED), **asked}))
    assert [named(case_of(trial)) for trial in made] == names


def test_politeness_is_compared_on_the_same_web() -> None:
    off, on = trials(Namespace(**{**vars(ASKED), "polite": True}))
    assert off.spec == on.spec
    assert off.addresses == on.addresses == POLITE_ADDRESSES


async def test_row_of_a_tls_crawl_holds_its_figures_and_looks() -> None:
    row = await measure("crawl", Trial(replace(web_of(4, 40, hosts=4), tls=True), marks=(10,)))
    figures = row.figures
    assert figures["reason"] == "exhausted"
    assert figures["pages"] >= 30
    assert figures["links"] > figures["pages"]
    seen = [look["pages"] for look in figures["looks"]]  # a quick crawl is over before its marks are looked for
    assert (seen, seen[-1] >= 30) == (sorted(seen), True)
