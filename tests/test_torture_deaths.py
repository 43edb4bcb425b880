"""A crawl by several workers, one of whom dies and then their supervisor: one life of `bench.torture.deaths`."""

from __future__ import annotations

from bench.torture import deaths
from bench.torture.crash import FAULTS, Kill
from bench.torture.deaths import Life
from bench.torture.doomed import Doom
from bench.vweb.spec import WebSpec

SPEC = WebSpec(hosts=12, pages_per_host=20, profile=4, faults=FAULTS, latency_s=0.05)
LIVES = (Life(2, (Doom("before commit", 3),), Kill("after revoke_lease", 1)),)


async def test_deaths_of_workers_and_supervisors_cost_no_page_and_repeat_none_without_need() -> None:
    assert [figure for figure in await deaths.torture(SPEC, LIVES) if not figure.holds] == []
