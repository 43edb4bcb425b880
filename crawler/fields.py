"""Header fields between bytes and text: those received, and those sent with every request.

Rule: every value received becomes text that can be stored, with nothing lost that a URL needs.
What the fields mean is `crawler.headers`' work.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import quote_from_bytes

from crawler.outcome import Headers

PRINTABLE: Final = bytes(range(0x21, 0x7F)).decode()


def decode(fields: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Return the fields in their order, names in lower case."""
    return [_field(name, value) for name, value in fields]


def _field(name: bytes, value: bytes) -> tuple[str, str]:
    """Decode a field: UTF-8 where it is, else byte by byte (RFC 9110 section 5.5).

    Bytes of a Location that are no text are percent-encoded instead, as browsers do with the bytes of a URL.
    """
    key = name.decode("latin-1").lower()
    try:
        return key, value.decode()
    except UnicodeDecodeError:
        if key == "location":
            return key, quote_from_bytes(value, safe=PRINTABLE)
        return key, value.decode("latin-1")


def encode(standard: Mapping[str, str], extra: Mapping[str, str] | None) -> bytes:
    """Return the header lines of a request: `extra` replaces what is named alike in `standard`.

    Raises:
        ValueError: a name or value would break out of its line.
    """
    fields = {name.lower(): (name, value) for name, value in standard.items()}
    fields.update({name.lower(): (name, value) for name, value in (extra or {}).items()})
    lines = [f"{name}: {value}" for name, value in fields.values()]
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a header to send holds a line break")
    return "".join(line + "\r\n" for line in lines).encode("latin-1")
