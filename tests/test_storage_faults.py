"""A crawl whose storage fails at any call ends well or says why in one line; then the next start ends well."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

from bench.torture.faults import SCENARIOS, SPEC, each_call
from bench.vweb.process import serve

EVERY: Final = 40
"""A part of the calls for each way to fail; `bench.torture.faults` tries them all."""


async def test_crawl_survives_a_failing_call_or_names_it(tmp_path: Path) -> None:
    starts = iter(range(2, 40, 3))
    async with serve(SPEC) as web:
        tried = await each_call(web, tmp_path, SCENARIOS, lambda: range(next(starts), 1_000, EVERY))
    assert [one for one in tried if one.wrong] == []
    assert min(Counter(one.scenario for one in tried).values()) > 1
