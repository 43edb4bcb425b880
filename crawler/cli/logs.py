"""Log lines: text for people or one JSON object a line, on standard error or appended to a file.

Rule: what came from the web is escaped, so that no page can write to a terminal or forge a line.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import orjson

if TYPE_CHECKING:
    from config import LogSettings

LOGGER: Final = logging.getLogger("linkmill")
_ESCAPES: Final = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}


def plain(text: str) -> str:
    """Return `text` with control characters written as escapes."""
    return text.translate(_ESCAPES)


class _TextLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = getattr(record, "fields", {})
        shown = " ".join(f"{name}={value}" for name, value in fields.items())
        moment = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return plain(f"{moment} {record.levelname.lower()} {record.getMessage()} {shown}".rstrip())


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        return orjson.dumps(line, default=str).decode()


@contextmanager
def open_log(settings: LogSettings) -> Iterator[logging.Logger]:
    """Send Linkmill's log where the settings say, until the block ends."""
    handler: logging.Handler = (
        logging.FileHandler(settings.file, encoding="utf-8") if settings.file else logging.StreamHandler(sys.stderr)
    )
    handler.setFormatter(_JsonLines() if settings.format == "json" else _TextLines())
    LOGGER.setLevel(settings.level.upper())
    LOGGER.propagate = False
    LOGGER.addHandler(handler)
    try:
        yield LOGGER
    finally:
        LOGGER.removeHandler(handler)
        handler.close()
