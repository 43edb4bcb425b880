"""One worker of several, as a process of its own: `python -m crawler.worker_process`, started by `crawler.crew` alone.

Rule: it ends cleanly when told to, and by itself when its supervisor is gone; signals are the supervisor's affair. What
it may do is in the order, its first line of input; what it tells on its output is in `crawler.dispatch`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from asyncio import StreamReader
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import uvloop

from config import Settings
from crawler.board import Board
from crawler.cli.logs import open_log, request_log
from crawler.dispatch import LINE_BYTES_MAX, Ended, Fault, Order, Report, State, first_of, line_of, order_in, stop_in
from crawler.exchange import LEASE_S, POLL_S, Exchange
from crawler.memory import collecting_seldom, keep_freed_memory
from crawler.supervisor import Crawl, Watch
from storage.errors import LeaseLost, StorageError
from storage.leases import Shards
from storage.runs import RunInfo
from storage.sharing import SharedStore

ORPHANED: Final = "its supervisor has ended"
SNAPSHOT_S: Final = 0.25
SNAPSHOT_SHARE: Final = 50
"""A snapshot looks at every host: it may take a fiftieth of the time."""
UNREAD_BYTES_MAX: Final = 1 << 20
"""Of reports that the supervisor has not read; further ones are left out until it has."""
LEASE_LOST: Final = 3
"""Exit code of a worker that another has replaced."""


class Line:
    """The two pipes to the supervisor."""

    def __init__(self, reader: StreamReader, transport: asyncio.WriteTransport) -> None:
        self.reader = reader
        self._transport = transport

    @classmethod
    async def open(cls) -> Line:
        loop = asyncio.get_running_loop()
        reader = StreamReader(limit=LINE_BYTES_MAX)
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        transport, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, sys.stdout)
        return cls(reader, transport)

    def tell(self, report: Report) -> None:
        if not self._transport.is_closing() and self._transport.get_write_buffer_size() < UNREAD_BYTES_MAX:
            self._transport.write(line_of(report))

    async def close(self) -> None:
        """Wait until everything told is on its way."""
        while self._transport.get_write_buffer_size() and not self._transport.is_closing():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        self._transport.close()


class Part(Crawl):
    """One worker's part of a crawl."""

    def __init__(self, order: Order, settings: Settings, line: Line, *watch: Watch) -> None:
        super().__init__(settings, order.seeds, *watch)
        self._order = order
        self._line = line

    async def live(self) -> None:
        """Crawl until told to stop, or until a limit is reached. Raises StorageError, LeaseLost among others."""
        order, settings = self._order, self._settings
        for handle in (order.board, order.lock):
            os.set_inheritable(handle, False)  # a process that reads pages is no worker
        board = Board(order.board, order.workers, order.number)
        async with SharedStore.join(
            settings.crawl.data_dir, order.run, compression_level=settings.storage.compression_level
        ) as store:
            owner = f"worker {order.number} (process {os.getpid()})"
            lease = await store.acquire(Shards(*order.shards), owner, LEASE_S, time.time())
            run = RunInfo(order.run, lease.incarnation, True, False, crashed=order.crashed or lease.unclean)
            async with self._open_parts(store, run, board, frozenset(order.poisoned)) as parts:
                worker = self._begin(parts)
                exchange = Exchange(parts, store, worker)
                async with asyncio.TaskGroup() as tasks:
                    beside = [
                        tasks.create_task(task) for task in (exchange.run(), self._tell(exchange), self._listen())
                    ]
                    reason = await worker.run()
                    for task in beside:
                        task.cancel()
                heeds_crash = parts.frontier.heeds_crash(time.monotonic())
            await store.release()
        self._line.tell(Ended(reason, heeds_crash))

    async def _tell(self, exchange: Exchange) -> None:
        due_at = 0.0
        while True:
            self._line.tell(State(exchange.looked_at, exchange.idle, exchange.activity))
            started = time.monotonic()
            snapshot = self.snapshot() if started >= due_at else None
            if snapshot is not None:
                self._line.tell(snapshot)
                due_at = started + max(SNAPSHOT_S, SNAPSHOT_SHARE * (time.monotonic() - started))
            await asyncio.sleep(POLL_S)

    async def _listen(self) -> None:
        line = await self._line.reader.readline()
        self.stop(stop_in(line) if line else ORPHANED)


async def serve() -> int:
    """Do what the order says; return the exit code."""
    line = await Line.open()
    order = order_in(await line.reader.readline())
    settings = Settings.model_validate_json(order.settings)
    code = 0
    with open_log(settings.log) as log:
        try:
            await Part(order, settings, line, *request_log(log)).live()
        except* StorageError as faults:
            code = _explain(line, faults)
    await line.close()
    return code


def _explain(line: Line, faults: BaseExceptionGroup[StorageError]) -> int:
    """Tell the first fault; a lost lease is none of the operator's."""
    error = first_of(faults)
    if isinstance(error, LeaseLost):
        return LEASE_LOST
    line.tell(Fault.of(error))
    return 1


@contextmanager
def _signals_ignored() -> Iterator[None]:
    """Leave signals to the supervisor, which passes on what they mean."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    yield


def main() -> None:
    """Serve the supervisor at the other end of the standard streams."""
    keep_freed_memory()
    with _signals_ignored(), collecting_seldom():
        code = uvloop.run(serve())
    os._exit(code)  # everything is closed: taking the memory apart, piece by piece, costs 0.1 s and more


if __name__ == "__main__":
    main()
