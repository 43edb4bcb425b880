"""The store agrees with a model, and the law of conservation holds, through faults and restarts."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.records import Batch, HostRow, QueueRow
from storage.sqlite import CrawlStore
from tests.store_rows import NOW, host, queued


def fault(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("made by the test")
    error.sqlite_errorcode = code
    return error


@dataclass
class Model:
    """What the store must hold."""

    queue: dict[tuple[int, int], QueueRow] = field(default_factory=dict)
    hosts: dict[int, HostRow] = field(default_factory=dict)
    seen: list[int] = field(default_factory=list)
    seq: int = 0

    def batch(self, finds: list[int], ends: list[tuple[int, str]], fingerprints: list[int]) -> Batch:
        batch = Batch(seen=fingerprints, seen_shards=[7] * len(fingerprints))
        for host_id in finds:
            self.seq += 1
            row = queued(host_id, self.seq)
            batch.added.append(row)
            self.queue[row[:2]] = row
            self._count(batch, host_id, "discovered")
        for pick, state in ends:
            if self.queue:
                key = sorted(self.queue)[pick % len(self.queue)]
                del self.queue[key]
                batch.finished.append(key)
                self._count(batch, key[0], state)
        self.seen += fingerprints
        return batch

    def _count(self, batch: Batch, host_id: int, state: str) -> None:
        row = self.hosts.setdefault(host_id, host(host_id))
        setattr(row, state, getattr(row, state) + 1)
        batch.hosts[host_id] = row


STEP = st.tuples(
    st.lists(st.integers(1, 4), max_size=6),
    st.lists(st.tuples(st.integers(0, 50), st.sampled_from(["done", "failed", "excluded"])), max_size=6),
    st.lists(st.integers(0, 2**64 - 1), max_size=4),
    st.sampled_from(["", "", "fault before", "fault after"]),
)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.lists(STEP, max_size=4), max_size=4))
def test_store_agrees_with_a_model_through_faults_and_restarts(sessions: list[list[Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(play(Path(folder), sessions))


async def play(root: Path, sessions: list[list[Any]]) -> None:
    model = Model()
    for session in sessions:
        async with CrawlStore.open(root, compression_level=1) as store:
            await store.start_run("model", "{}", fresh=False, now=NOW)
            await compare(store, model)
            for finds, ends, fingerprints, event in session:
                with pytest.MonkeyPatch.context() as patch:
                    disturb(store, event, patch)
                    await store.commit(model.batch(finds, ends, fingerprints), NOW)
                await compare(store, model)


def disturb(store: CrawlStore, event: str, patch: pytest.MonkeyPatch) -> None:
    commit, faults = store._database.commit, [fault(sqlite3.SQLITE_IOERR)] if event else []

    async def disturbed() -> None:
        if event == "fault after" or not faults:
            await commit()
        if faults:
            raise faults.pop()

    patch.setattr(store._database, "commit", disturbed)
    patch.setattr("storage.patience.DISK_WAIT_MAX_S", 0.0)


async def compare(store: CrawlStore, model: Model) -> None:
    queues = [row for host_id in model.hosts for row in await store.refill(host_id, 0, 1000)]
    assert queues == [row for host_id in model.hosts for key, row in sorted(model.queue.items()) if key[0] == host_id]
    assert await store.load_hosts() == [row for _, row in sorted(model.hosts.items())]
    assert (await store.load_seen()).tolist() == model.seen
    assert await store.max_seq() == model.seq
    totals = await store.totals(1)
    assert totals.conserved
    assert totals.queued == len(model.queue)
