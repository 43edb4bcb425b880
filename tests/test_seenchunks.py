"""Chunks of seen URLs give back what lies in some shards, and notice every change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.leases import ALL, portions
from storage.seenchunks import Chunk, joined

CHUNK = Chunk.of([0, 2**64 - 1, 7], [0, 4095, 2048])
URLS = st.lists(st.tuples(st.integers(0, 2**64 - 1), st.integers(ALL.first, ALL.last)), max_size=20)


@given(st.lists(URLS, max_size=4), st.integers(1, 5))
def test_every_url_is_given_back_to_the_one_owner_of_its_shard(batches: list[list[tuple[int, int]]], n: int) -> None:
    chunks = [Chunk.of([mark for mark, _ in urls], [shard for _, shard in urls]) for urls in batches]
    assert all(chunk.is_intact for chunk in chunks)
    assert joined(chunks, ALL).tolist() == [mark for urls in batches for mark, _ in urls]
    for part in portions(n):
        assert joined(chunks, part).tolist() == [mark for urls in batches for mark, shard in urls if shard in part]


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(CHUNK._replace(urls=2), id="number"),
        pytest.param(CHUNK._replace(fingerprints=CHUNK.fingerprints[:-1] + b"x"), id="fingerprint"),
        pytest.param(CHUNK._replace(shards=b"\1" + CHUNK.shards[1:]), id="shard"),
        pytest.param(CHUNK._replace(fingerprints=b""), id="cut"),
    ],
)
def test_changed_chunk_is_not_intact(changed: Chunk) -> None:
    assert CHUNK.is_intact
    assert not changed.is_intact
