from __future__ import annotations

import asyncio

import pytest

from crawler import deadlines
from crawler.deadlines import Deadlines


async def wait_under(watch: Deadlines, total_s: float, step_s: float | None = None) -> str:
    """Wait for ever under a limit and say how it ended."""
    flight = watch.begin(total_s)
    if step_s is not None:
        flight.wait_for("step", step_s)
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        if not flight.ran_out():
            raise
        return flight.waiting_for
    finally:
        watch.end(flight)
    return "never"


@pytest.mark.parametrize(
    ("total_s", "step_s", "waiting_for"), [(0.05, None, "start"), (9, 0.05, "step"), (0.05, 9, "step")]
)
async def test_the_nearer_limit_ends_the_wait(
    total_s: float, step_s: float | None, waiting_for: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadlines, "SWEEP_S", 0.01)
    async with Deadlines() as watch, asyncio.timeout(5):
        assert await wait_under(watch, total_s, step_s) == waiting_for
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0


async def test_time_in_which_the_process_was_halted_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    now, slept = 100.0, asyncio.Event()

    async def halted(_: float) -> None:
        nonlocal now
        if now > 100.0:
            slept.set()
            await asyncio.Event().wait()
        now += 60.0

    monkeypatch.setattr(deadlines, "monotonic", lambda: now)
    monkeypatch.setattr("crawler.deadlines.asyncio.sleep", halted)
    async with Deadlines() as watch:
        flight = watch.begin(30.0)
        flight.wait_for("head", 20.0)
        await slept.wait()
        assert (flight.late, flight.due_at, flight.total_at) == (
            False,
            180.0 - deadlines.SWEEP_S,
            190.0 - deadlines.SWEEP_S,
        )
        flight.check(180.0)
        with pytest.raises(asyncio.CancelledError):
            await asyncio.Event().wait()
        assert flight.ran_out()
        watch.end(flight)


async def test_cancellation_from_outside_is_passed_on() -> None:
    async with Deadlines() as watch:
        task = asyncio.create_task(wait_under(watch, 60))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_cancellation_from_outside_wins_over_a_deadline_at_the_same_moment() -> None:
    async with Deadlines() as watch:
        task = asyncio.create_task(wait_under(watch, 60))
        await asyncio.sleep(0)
        for flight in watch._flights:
            flight.check(flight.total_at)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_late_flight_is_cancelled_once_and_an_ended_one_not_at_all() -> None:
    async with Deadlines() as watch:
        task = asyncio.current_task()
        assert task is not None
        flight = watch.begin(60)
        flight.check(flight.total_at - 0.1)
        assert task.cancelling() == 0
        flight.check(flight.total_at)
        flight.check(flight.total_at + 1)
        with pytest.raises(asyncio.CancelledError):
            await asyncio.sleep(0)
        assert flight.ran_out()
        watch.end(flight)
        assert not watch._flights
