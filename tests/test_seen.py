"""A fingerprint is new once, in one run and across its restarts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.seen import Seen
from crawler.url import fingerprint
from storage.records import Batch
from storage.sqlite import CrawlStore
from tests.compiled import interpreted

FINGERPRINTS = st.integers(0, 2**64 - 1)


@given(st.lists(FINGERPRINTS | st.sampled_from([1, 2, 2**63, 2**64 - 1])))
def test_fingerprint_is_new_exactly_once(fingerprints: list[int]) -> None:
    seen = Seen()
    new = [seen.add(one) for one in fingerprints]
    assert sum(new) == len(seen) == len(set(fingerprints))
    assert new == [one not in fingerprints[:at] for at, one in enumerate(fingerprints)]
    assert all(one in seen for one in fingerprints)


def test_fingerprint_that_was_not_added_is_not_seen() -> None:
    seen = Seen([1])
    assert 2 not in seen
    assert seen.add(2)


@given(st.sets(FINGERPRINTS, min_size=1))
def test_fingerprints_of_an_array_count_as_seen(fingerprints: set[int]) -> None:
    seen = Seen(np.array(sorted(fingerprints), dtype="<u8"))
    assert not any(seen.add(one) for one in fingerprints)
    assert len(seen) == len(fingerprints)


@pytest.mark.parametrize("chunks", [1, 3])
async def test_fingerprints_come_back_from_the_store(tmp_path: Path, chunks: int) -> None:
    marks = [fingerprint(f"http://a.example/{number}") for number in range(30)]
    async with CrawlStore.open(tmp_path, compression_level=1) as store:
        await store.start_run("test", "{}", fresh=False, now=1.0)
        for chunk in range(chunks):
            await store.commit(Batch(seen=marks[chunk::chunks], seen_shards=[0] * len(marks[chunk::chunks])), 1.0)
        seen = Seen(await store.load_seen())
    assert not any(seen.add(mark) for mark in marks)
    assert seen.add(fingerprint("http://a.example/30"))


@interpreted
def test_what_was_seen_long_ago_is_still_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawler.seen.LATELY", 10)
    seen = Seen([0])
    marks = [fingerprint(f"http://a.example/{number}") for number in range(95)]
    assert all(seen.add(mark) for mark in marks)
    assert len(seen) == 96
    assert len(seen.lately) < 10
    assert all(mark in seen for mark in [0, *marks])
