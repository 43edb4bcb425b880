"""A compact table holds what a dict would, however it was filled."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler import fingerprints
from crawler.fingerprints import FULL, GROWTH, SHARD_BITS, FingerprintTable

MARKS = st.integers(0, 2**64 - 1) | st.integers(0, 300) | st.integers(2**64 - 300, 2**64 - 1)
ENTRIES = st.dictionaries(MARKS, st.integers(0, 2**32 - 1), max_size=300)
COUNT = 200_000


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprints, "FIRST_SLOTS", 4)


def numbered(entries: dict[int, int]) -> tuple[fingerprints.Marks, fingerprints.Numbers]:
    return np.array(list(entries), np.uint64), np.array(list(entries.values()), np.uint32)


@pytest.mark.usefixtures("small_shards")
@pytest.mark.parametrize("loaded", [False, True], ids=["one by one", "in lots"])
def test_table_holds_what_was_put_in(loaded: bool) -> None:
    @given(ENTRIES, ENTRIES)
    def hold(first: dict[int, int], second: dict[int, int]) -> None:
        table, second = FingerprintTable(numbered=True), {mark: n for mark, n in second.items() if mark not in first}
        for entries in (first, second):
            if loaded:
                table.update(*numbered(entries))
            else:
                assert all(table.put(mark, number) for mark, number in entries.items())
        held = first | second
        assert len(table) == len(held)
        assert {mark: table.get(mark) for mark in held} == held
        assert all(mark in table for mark in held)
        assert not any(table.put(mark, 7) for mark in held)
        assert all(table.get(mark) == 7 for mark in held)
        assert all(mark in held or mark not in table for mark in range(300))

    hold()


def test_fingerprints_that_begin_at_one_slot_are_all_held() -> None:
    table = FingerprintTable()
    table.put(1)
    shard = table._shards[0]
    crowd = [shard.slots * number for number in range(1, 40)]
    table.update(np.array(crowd, np.uint64))
    assert all(mark in table for mark in crowd)
    assert shard.slots + 7 not in table


@pytest.mark.parametrize("lot", [1, 5000], ids=["one by one", "in lots"])
def test_table_takes_at_most_twenty_bytes_a_fingerprint_while_it_grows(lot: int) -> None:
    table = FingerprintTable()
    marks = np.random.default_rng(1).integers(1, 2**64, COUNT, dtype=np.uint64)
    for start in range(0, COUNT, lot):
        if lot == 1:
            table.put(int(marks[start]))
        else:
            table.update(marks[start : start + lot])
        if start % 5000 == 0 and start > 20_000:
            size = sum(8 * shard.slots for shard in table._shards)
            growing = max(8 * shard.slots for shard in table._shards)
            assert size + growing <= 20 * len(table)


def test_shards_of_one_table_grow_one_after_the_other() -> None:
    table = FingerprintTable()
    marks = np.random.default_rng(1).integers(1, 2**64, COUNT, dtype=np.uint64)
    table.update(marks)
    fill = [shard.count / shard.slots for shard in table._shards]
    assert max(fill) <= FULL
    assert min(fill) >= FULL / GROWTH / 1.3
    assert max(fill) - min(fill) > 0.1
    before = [shard.slots for shard in table._shards]
    table.update(np.random.default_rng(2).integers(1, 2**64, COUNT // 50, dtype=np.uint64))
    assert sum(shard.slots != was for shard, was in zip(table._shards, before, strict=True)) <= (1 << SHARD_BITS) // 8
