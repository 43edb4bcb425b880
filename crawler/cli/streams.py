"""Standard output and error as the commands need them, and what is said when output cannot be written.

Rule: answers are UTF-8 wherever they go, and a stream that was closed by the caller is noticed when it is written to.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

STANDARD_OUTPUT: Final = "standard output"
STANDARD_ERROR: Final = "standard error"

LOST: Final = 4
"""Exit code for a fault of the data directory or the machine."""


class OutputLost(Exception):
    """The output could not be written whole; see where it goes, and whether there is space left."""

    def __init__(self, where: str, detail: str) -> None:
        super().__init__(where, detail)
        self.where = where
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.where}: {type(self).__doc__} ({self.detail})"


def prepare_streams() -> None:
    """Make the standard streams safe to use: before anything is opened, once."""
    _fill_descriptors()
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w")
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w")
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal keeps its encoding; files and pipes get UTF-8 whatever the locale says.
        encoding = sys.stdout.encoding if sys.stdout.isatty() else "utf-8"
        sys.stdout.reconfigure(encoding=encoding, errors="backslashreplace")


def _fill_descriptors() -> None:
    """Open something at each standard descriptor that is closed: the next files would get them, and libuv aborts then.

    What stands for standard output refuses what is written, as a closed one does.
    """
    for number, mode in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)  # gets the lowest free number, which is this one


@contextmanager
def written_to(where: str) -> Iterator[None]:
    """Raise OutputLost where the block fails to write; a reader that has gone is no fault (BrokenPipeError)."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputLost(where, error.strerror or str(error)) from error


def tell(line: str) -> None:
    """Write a line to standard error; where that fails too, the exit code is all that can be told."""
    with suppress(OSError):
        print(f"linkmill: {line}", file=sys.stderr, flush=True)


def close_output() -> None:
    """Write out what is left. Raises OutputLost; nothing is tried again when Python ends."""
    try:
        with written_to(STANDARD_OUTPUT):
            sys.stdout.flush()
    except (BrokenPipeError, OutputLost):
        # Python flushes once more while it ends, and would complain then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise
