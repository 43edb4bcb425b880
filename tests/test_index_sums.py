"""Sums of each source add up to the roll-ups of hosts, also where a host is cut into slices."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from storage.index.sums import COUNTS, TABLE
from tests.index_web import LIMITS, links_take
from tests.test_index_slices import odd_web


@pytest.mark.parametrize("link_bytes", [1, LIMITS.memory_bytes // 20], ids=["one_slice", "many_slices"])
def test_sums_of_sources_add_up_to_roll_ups_of_hosts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, link_bytes: int
) -> None:
    links_take(monkeypatch, link_bytes)
    generation = odd_web(5).build(tmp_path)
    rows = generation.rows(TABLE)
    for host in generation.rows("hosts"):
        found: Counter[str] = Counter()
        for row in rows:
            if host["first_target"] <= row["target"] <= host["last_target"]:
                outside = row["scope"] > 0
                found["inside"] += 0 if outside else row.get("backlinks", 0)
                found["links"] += row["links"]
                found.update({name: row.get(name, 0) for name in COUNTS[:-1] if outside})
        assert {name: found[name] for name in (*COUNTS, "inside")} == {name: host[name] for name in (*COUNTS, "inside")}
