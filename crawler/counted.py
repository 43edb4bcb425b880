"""The body of an answer that told its length: counted and kept as it arrives, past the parser and its copies.

Rule: whoever reads it is woken when it is whole, when much of it waits, or when it fails, and never in between; what
comes after the last byte is not its own. Reading is paused while much waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

WAITING_BYTES: Final = 256 * 1024
"""Unread bytes that wake the reader and pause the socket: most pages are whole before, and as much comes at once."""


class CountedBody:
    """One body of `length` bytes. `wire` feeds it, a fetch reads it, `heard` is called for each piece."""

    __slots__ = ("_fault", "_heard", "_paused", "_pieces", "_transport", "_waiter", "left", "unread")

    def __init__(self, length: int, transport: asyncio.Transport, heard: Callable[[], None]) -> None:
        self.left = length
        """Bytes that have not arrived."""
        self.unread = 0
        """Bytes that have arrived and were not read."""
        self._transport = transport
        self._heard = heard
        self._pieces: list[bytes | memoryview] = []
        self._waiter: asyncio.Future[None] | None = None
        self._fault: Exception | None = None
        self._paused = False

    def is_eof(self) -> bool:
        """Return whether all of it has arrived."""
        return self.left == 0

    def feed(self, data: bytes, start: int = 0) -> bool:
        """Take what is the body's of `data` from `start` on; return whether that was everything."""
        fresh = min(len(data) - start, self.left)
        end = start + fresh
        self._pieces.append(data if fresh == len(data) else memoryview(data)[start:end])
        self.left -= fresh
        self.unread += fresh
        self._heard()
        if not self.left:
            self._wake()
        elif self.unread >= WAITING_BYTES:
            self._wake()
            self._pause()
        return end == len(data)

    def fail(self, fault: Exception) -> None:
        """Let the connection be gone: a body that is not whole fails."""
        if self.left:
            self._fault = fault
            self._wake()

    async def readany(self) -> bytes:
        """Return what waits, once it is the rest or much; empty at the end. Raises what the body failed with."""
        while self.left and self.unread < WAITING_BYTES and self._fault is None:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        if self._fault is not None:
            raise self._fault
        return self._taken()

    def _taken(self) -> bytes:
        waiting = b"".join(self._pieces)
        self._pieces.clear()
        self.unread = 0
        if self._paused and not self._transport.is_closing():
            self._transport.resume_reading()
        self._paused = False
        return waiting

    def _pause(self) -> None:
        if not self._paused and not self._transport.is_closing():
            self._transport.pause_reading()
            self._paused = True

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
