"""Calls of a store that are tried again: how often, for how long, and that they leave nothing behind."""

from __future__ import annotations

import gc
import math

import pytest

from storage import patience
from storage.errors import DatabaseBusy, DiskFault, StorageError
from storage.patience import COMMIT_TRIES, despite_disk_faults, while_locked


class Store:
    """Fails so many calls with one error, then answers how many there were."""

    closing = False
    patient_until = math.inf

    def __init__(self, error: type[StorageError], failing: int) -> None:
        self._error = error
        self._failing = failing
        self.calls = 0

    def _call(self) -> int:
        self.calls += 1
        if self.calls <= self._failing:
            raise self._error("crawl.db")
        return self.calls

    @while_locked
    async def read(self) -> int:
        return self._call()

    @despite_disk_faults
    async def write(self) -> int:
        return self._call()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "LOCKED_LOOK_S", 0.0)
    monkeypatch.setattr(patience, "DISK_WAIT_MAX_S", 0.0)


async def test_locked_database_is_asked_until_it_answers() -> None:
    assert await Store(DatabaseBusy, 5).read() == 6


@pytest.mark.parametrize(("closing", "until"), [(True, math.inf), (False, 0.0)], ids=["closing", "impatient"])
async def test_impatient_store_asks_once(closing: bool, until: float) -> None:
    store = Store(DatabaseBusy, 5)
    store.closing, store.patient_until = closing, until
    with pytest.raises(DatabaseBusy):
        await store.read()
    assert store.calls == 1


async def test_disk_is_tried_a_few_times() -> None:
    assert await Store(DiskFault, COMMIT_TRIES - 1).write() == COMMIT_TRIES
    store = Store(DiskFault, COMMIT_TRIES)
    with pytest.raises(DiskFault):
        await store.write()
    assert store.calls == COMMIT_TRIES


async def test_other_faults_pass_at_once() -> None:
    for store in (Store(DiskFault, 1), Store(DatabaseBusy, 1)):
        with pytest.raises(StorageError):
            await (store.read() if store._error is DiskFault else store.write())
        assert store.calls == 1


async def test_call_that_succeeds_leaves_nothing_to_the_cycle_collector() -> None:
    store = Store(DiskFault, 0)
    await store.read()
    gc.collect()
    gc.disable()
    try:
        for _ in range(10):
            await store.read()
            await store.write()
        assert gc.collect() == 0
    finally:
        gc.enable()
