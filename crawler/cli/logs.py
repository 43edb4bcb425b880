"""Log lines: text for people or one JSON object a line, on standard error or appended to a file.

Rule: what came from the web is escaped, so that no page can write to a terminal or forge a line.
"""

from __future__ import annotations

import errno
import logging
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TextIO

import orjson

from config import ConfigError
from crawler.cli.escapes import plain, plain_json
from crawler.cli.streams import STANDARD_ERROR, OutputLost, tell
from crawler.outcome import Failed, Fetched, Outcome, Redirected
from crawler.url import without_userinfo

if TYPE_CHECKING:
    from pathlib import Path

    from config import LogSettings
    from crawler.jobs import RobotsFetch
    from crawler.outcome import Request
    from crawler.supervisor import Watch

LOGGER: Final = logging.getLogger("linkmill")


class _TextLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = getattr(record, "fields", {})
        shown = " ".join(f"{name}={_shown(value)}" for name, value in fields.items())
        moment = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return plain(f"{moment} {record.levelname.lower()} {record.getMessage()} {shown}".rstrip())


def _shown(value: object) -> str:
    """Return a field's value without white space that could be taken for the next field."""
    match value:
        case None:
            return "-"
        case dict():
            return ",".join(f"{name}:{number}" for name, number in value.items()) or "-"
        case str() if " " in value or '"' in value:
            return orjson.dumps(value).decode()
        case _:
            return str(value)


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        return plain_json(orjson.dumps(line, default=str).decode())


class _Lines(logging.StreamHandler[TextIO]):
    """Write lines to a stream. The first that is lost is told; whoever logs goes on."""

    def __init__(self, stream: TextIO, name: str) -> None:
        super().__init__(stream)
        self._name = name
        self.whole = True

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        """Tell that lines are lost; what is no fault of the file is a bug and shown."""
        error = sys.exception()
        if isinstance(error, OSError):
            self._lose(error)
        else:
            super().handleError(record)

    def close(self) -> None:
        """Close a file, with what is left written out."""
        try:
            if self.stream is not sys.stderr:
                self.stream.close()
        except OSError as error:
            self._lose(error)
        super().close()

    def _lose(self, error: OSError) -> None:
        if self.whole:
            self.whole = False
            tell(str(OutputLost(self._name, error.strerror or str(error))))


@contextmanager
def open_log(settings: LogSettings) -> Iterator[logging.Logger]:
    """Send Linkmill's log where the settings say, until the block ends. Raises ConfigError for a bad file."""
    handler = _place(settings)
    handler.setFormatter(_JsonLines() if settings.format == "json" else _TextLines())
    LOGGER.setLevel(settings.level.upper())
    LOGGER.propagate = False
    LOGGER.addHandler(handler)
    try:
        yield LOGGER
    finally:
        LOGGER.removeHandler(handler)
        handler.close()


def check_log(settings: LogSettings) -> None:
    """Raise ConfigError where `open_log` would; nothing is created."""
    if settings.file is None:
        return
    with _writing(settings.file):
        try:
            place, is_folder = settings.file, stat.S_ISDIR(settings.file.stat().st_mode)
        except FileNotFoundError:
            place, is_folder = settings.file.parent, False
            place.stat()
        if is_folder:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not os.access(place, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def _place(settings: LogSettings) -> _Lines:
    if settings.file is None:
        return _Lines(sys.stderr, STANDARD_ERROR)
    with _writing(settings.file):
        return _Lines(settings.file.open("a", encoding="utf-8"), f"log.file {settings.file}")


@contextmanager
def _writing(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError([f"{file}: log.file cannot be written: {error.strerror}"]) from error


def is_whole(log: logging.Logger) -> bool:
    """Tell whether every line was written so far."""
    return all(each.whole for each in log.handlers if isinstance(each, _Lines))


def request_log(log: logging.Logger) -> tuple[Watch, ...]:
    """Return what writes a line for every request at level debug; nothing at the others, so that it costs nothing."""
    if not log.isEnabledFor(logging.DEBUG):
        return ()

    def watch(job: Request | RobotsFetch, outcome: Outcome) -> None:
        log.debug("request", extra={"fields": {"url": job.url, "outcome": told(outcome)}})

    return (watch,)


def told(outcome: Outcome) -> str:
    """Return an outcome in a few words: HTTP 200, 1,477 bytes."""
    match outcome:
        case Failed(failure, detail):
            return f"{failure.name.lower()}: {detail}"
        case Redirected(answer, location):
            return f"HTTP {answer.status} to {without_userinfo(location)}"
        case Fetched(answer, body):
            return f"HTTP {answer.status}, {len(body):,} bytes"
