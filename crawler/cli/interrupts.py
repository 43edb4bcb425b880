"""Ctrl-C: noted when it comes, so that a command ends as interrupted whatever became of the exception on its way.

Rule: libraries that call Python from C turn a KeyboardInterrupt into an error of their own (pyarrow a failed import,
DuckDB a query that ended), so no message is read: what fails after the signal came, failed of it.
A crawl handles the signal in its loop and stops; this is for every other moment.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Final, Self

from crawler.cli.streams import tell

INTERRUPTED: Final = 130
"""Exit code of a command that Ctrl-C ended."""


class Interrupts:
    """Note the signal until the block ends. Nothing changes where it is ignored, as in jobs a shell runs beside it."""

    def __init__(self) -> None:
        self._came = False

    def __enter__(self) -> Self:
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if signal.getsignal(signal.SIGINT) == self._note:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._came = True
        raise KeyboardInterrupt

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Raise KeyboardInterrupt in place of any error that came after the signal."""
        try:
            yield
        except Exception as error:
            if not self._came:
                raise
            raise KeyboardInterrupt from error


def tell_interrupted() -> int:
    """Say that the command was interrupted; return its exit code."""
    tell("interrupted; what was stored before is as it was")
    return INTERRUPTED
