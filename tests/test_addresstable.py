"""Addresses that several workers ask: one delay and one limit for all of them, through memory they share."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import pytest

from crawler.addresstable import NOBODY, RECHECK_S, SLOTS, WAYS, SharedAddressGate, SharedAddressGates
from crawler.board import NOTHING, Board
from crawler.outcome import Failed, Fetched
from crawler.politeness import PENALTY_MAX_S
from storage.records import Failure
from tests.crawling import answered

IP = "192.0.2.1"
WELL = Fetched(answered(), b"")
THROTTLED = Failed(Failure.THROTTLED, "HTTP 429")
OFTEN = 100
PATIENCE_S = 30.0


@contextmanager
def boards(workers: int = 2) -> Iterator[list[Board]]:
    made = Board.make(workers)
    try:
        yield [made, *(Board(made.handle, workers, number) for number in range(workers))]
    finally:
        made.close()


@contextmanager
def gates(delay_s: float = 1.0, connections: int = 1) -> Iterator[list[SharedAddressGates]]:
    with boards() as (_, *workers):
        yield [SharedAddressGates(worker.addresses, delay_s, connections) for worker in workers]


def test_delay_holds_from_the_end_of_one_workers_request_to_the_start_of_anothers() -> None:
    with gates() as (one, two):
        assert one.of(IP).enter(10.0)
        one.of(IP).end(WELL, 10.4)
        assert not two.of(IP).enter(11.3)
        assert two.of(IP).call_at(10.5) == pytest.approx(11.4)
        assert two.of(IP).enter(11.4)


def test_delay_holds_from_start_to_start_where_several_may_be_open() -> None:
    with gates(connections=2) as (one, two):
        assert one.of(IP).enter(10.0)
        assert not two.of(IP).enter(10.9)
        assert two.of(IP).enter(11.0)
        assert not one.of(IP).enter(12.0)


def test_limit_counts_the_requests_of_all_workers() -> None:
    with gates(delay_s=0.0, connections=2) as (one, two):
        assert one.of(IP).enter(1.0) and two.of(IP).enter(1.0)
        assert not one.of(IP).enter(1.0) and not two.of(IP).enter(1.0)
        one.of(IP).end(WELL, 2.0)
        assert two.of(IP).enter(2.0)


def test_worker_looks_again_where_another_must_end_first_and_is_called_where_it_itself_must() -> None:
    with gates() as (one, two):
        assert one.of(IP).enter(10.0)
        assert two.of(IP).call_at(10.0) == 10.0 + RECHECK_S
        assert one.of(IP).call_at(10.0) is None
        assert not two.of(IP).admits(20.0)


def test_throttling_met_by_one_worker_slows_all() -> None:
    with gates() as (one, two):
        assert one.of(IP).enter(10.0)
        one.of(IP).end(THROTTLED, 10.0)
        assert not two.of(IP).enter(11.9)
        assert two.of(IP).enter(12.0)
        two.of(IP).end(WELL, 13.0)
        assert one.of(IP).call_at(13.0) == pytest.approx(14.5), "half of the penalty is left"


def test_hold_is_for_all_workers() -> None:
    with gates() as (one, two):
        one.of(IP).hold(50.0)
        assert not two.of(IP).enter(49.0)
        assert two.of(IP).enter(50.0)


def test_new_address_is_left_alone_after_a_crash() -> None:
    with gates() as (one, two):
        one.hold_new(50.0)
        assert not one.of(IP).enter(49.0)
        assert not two.of(IP).enter(49.0)


def test_addresses_do_not_hinder_one_another() -> None:
    with gates() as (one, two):
        for number in range(200):
            assert one.of(f"198.51.100.{number}").enter(1.0)
            assert two.of(f"203.0.113.{number}").enter(1.0)


def test_quiet_addresses_make_room_and_busy_ones_never_do() -> None:
    with boards() as (_, one, _two), gates() as (gates_of_one, _):
        table, pace = one.addresses, gates_of_one._pace
        crowd = [SharedAddressGate(table, SLOTS // WAYS * number + 1, pace) for number in range(WAYS + 1)]
        for gate in crowd[:-1]:
            assert gate.enter(1.0)
        assert not crowd[-1].enter(500.0), "all places are taken"
        crowd[0].end(WELL, 500.0)
        assert not crowd[-1].enter(500.5), "its delay is still to be remembered"
        assert crowd[-1].enter(501.0)
        assert crowd[0].call_at(501.0) is not None


def test_penalty_is_remembered_for_as_long_as_it_can_last() -> None:
    with boards() as (_, one, _two), gates() as (gates_of_one, _):
        table, pace = one.addresses, gates_of_one._pace
        crowd = [SharedAddressGate(table, SLOTS // WAYS * number + 1, pace) for number in range(WAYS + 1)]
        for gate in crowd[:-1]:
            assert gate.enter(1.0)
            gate.end(THROTTLED, 1.0)
        assert not crowd[-1].enter(100.0)
        assert crowd[-1].enter(4.0 + PENALTY_MAX_S)


def test_requests_of_a_dead_worker_end_with_its_burial() -> None:
    with boards() as (supervisor, one, two):
        dead, alive = (SharedAddressGates(board.addresses, 1.0, 1) for board in (one, two))
        assert dead.of(IP).enter(10.0)
        assert alive.of("192.0.2.2").enter(10.0)
        one.reading(77)
        assert supervisor.bury(0, NOTHING, 20.0, 1.0) == 77
        assert supervisor.bury(0, NOTHING, 20.0, 1.0) == 0
        assert not alive.of(IP).enter(20.9)
        assert alive.of(IP).enter(21.0)
        assert not dead.of("192.0.2.2").enter(30.0), "the living one's request is open"


def test_lock_of_a_process_that_is_killed_is_free_again() -> None:
    code = """
import os, signal
from crawler.board import Board
with Board({handle}, 2, 1).addresses.locked:
    os.kill(os.getpid(), signal.SIGKILL)
"""

    async def die(handle: int) -> int:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code.format(handle=handle), pass_fds=(handle,)
        )
        return await process.wait()

    with boards() as (supervisor, *_):
        assert asyncio.run(die(supervisor.handle)) == -9
        with supervisor.addresses.locked:
            pass


async def test_supervisor_never_waits_for_the_lock_and_knows_who_holds_it() -> None:
    code = """
import signal
from crawler.board import Board
with Board({handle}, 2, 1).addresses.locked:
    print(flush=True)
    signal.pause()
"""
    with boards() as (supervisor, one, _two):
        dead = SharedAddressGate(one.addresses, 7, SharedAddressGates(one.addresses, 1.0, 1)._pace)
        assert dead.enter(10.0)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code.format(handle=supervisor.handle),
            pass_fds=(supervisor.handle,), stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        await process.stdout.readline()
        assert supervisor.addresses.locked.holder == 1
        with pytest.raises(BlockingIOError):
            supervisor.bury(0, NOTHING, 20.0, 1.0)
        process.kill()
        await process.communicate()
        supervisor.bury(0, NOTHING, 20.0, 1.0)
        assert supervisor.addresses.locked.holder == NOBODY
        assert not one.addresses.open_in_all(one.addresses.find(7))


async def test_two_processes_never_enter_together() -> None:
    # Each goes on until both have entered often enough, however long a busy machine lets one of them wait.
    code = """
import sys, time
from crawler.board import Board
from crawler.addresstable import SharedAddressGates
from crawler.outcome import Answer, Fetched
answer = Answer(200, [], "192.0.2.1", "1.1", 0.0, 0.0, 0.0)
handle, number, often = map(int, sys.argv[1:])
board = Board(handle, 2, number)
gate = SharedAddressGates(board.addresses, 0.0005, 1).of("192.0.2.1")
entered = []
board.reading(1)
while not board.read_by(1 - number):
    time.sleep(0.001)
while min(len(entered), board.read_by(1 - number) - 1) < often:
    now = time.monotonic()
    if gate.enter(now):
        time.sleep(0)
        left = time.monotonic()
        gate.end(Fetched(answer, b""), left)
        entered.append(f"{now} {left}")
        board.reading(1 + len(entered))
print(*entered, sep="\\n")
"""
    with boards() as (supervisor, *_):
        processes = [
            await asyncio.create_subprocess_exec(
                sys.executable, "-c", code, str(supervisor.handle), str(number), str(OFTEN),
                pass_fds=(supervisor.handle,), stdout=asyncio.subprocess.PIPE,
            )
            for number in range(2)
        ]  # fmt: skip
        try:
            async with asyncio.timeout(PATIENCE_S):
                outputs = [(await process.communicate())[0] for process in processes]
        finally:
            for process in processes:
                if process.returncode is None:
                    process.kill()
    spans = sorted(tuple(map(float, line.split())) for output in outputs for line in output.splitlines())
    assert all(output.count(b"\n") >= OFTEN for output in outputs)
    assert min(late - end for (_, end), (late, _) in pairwise(spans)) > 0.0005 - 1e-9, "but for rounding"
