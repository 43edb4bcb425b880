"""A crawl by several workers, some of whom die or halt: a few lives of `bench.torture.deaths`."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from bench.torture import damage, deaths
from bench.torture.crash import FAULTS, Kill
from bench.torture.deaths import Life
from bench.torture.doomed import HOLDING, Doom, Plan
from bench.torture.stored import Stored
from bench.torture.victim import DOOMED, PLAN
from bench.vweb.process import serve
from bench.vweb.spec import WebSpec
from crawler import crew
from crawler.crew import Crew
from storage.status import read_status

SPEC = WebSpec(hosts=12, pages_per_host=20, profile=4, faults=FAULTS, latency_s=0.05)
LIVES = (
    Life(2, (Doom("before commit", 3), Doom("after insert_offer", 2)), Kill(after_s=0.0)),
    Life(3, (Doom("before delete_offer", 1),), Kill("after revoke_lease", 1)),
)


async def test_deaths_of_workers_and_supervisors_cost_no_page_and_repeat_none_without_need() -> None:
    assert [figure for figure in await deaths.torture(SPEC, LIVES) if not figure.holds] == []


async def test_worker_that_halts_with_the_lock_of_the_table_is_killed_alone_and_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "SILENCE_S", 3.0)
    monkeypatch.setattr(crew, "WORKER", DOOMED)
    monkeypatch.setenv(PLAN, str(tmp_path / "plan"))
    plan = Plan(tmp_path / "plan")
    plan.write([Doom(HOLDING, 20, signal.SIGSTOP)])
    async with serve(SPEC) as web:
        crawl = Crew(damage.settings_for(web, tmp_path / "data"), web.seeds, 2)
        report = await asyncio.wait_for(crawl.run(), 60.0)
    assert (report.reason, len(plan.met())) == ("exhausted", 1)
    assert read_status(tmp_path / "data").counters["workers.died"] == 1
    assert Stored(tmp_path / "data").faults() == []
