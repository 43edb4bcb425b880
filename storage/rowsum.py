"""The sum that is stored with a row, so that no changed byte of it passes for what was written.

Rule: SQLite checks how its pages hang together, not what its columns say; the rows a crawl goes on with are checked
against their sums when they are read. Equal values have equal sums: a column of reals gives an integer back as 1.0.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Final

from xxhash import xxh3_64_hexdigest, xxh3_64_intdigest

from storage.records import HostRow

DISCOVERED: Final = [column.name for column in fields(HostRow)].index("discovered")

Value = str | bytes | int | float | None


def row_sum(values: Iterable[Value]) -> int:
    """Return 63 bits that depend on every value and its place (2.4 us for the ten columns of a queue row)."""
    texts = [
        str(int(value)) if value.__class__ is float and value.is_integer()
        else xxh3_64_hexdigest(value) if value.__class__ is bytes
        else str(value)
        for value in values
    ]  # fmt: skip
    return xxh3_64_intdigest("\x1f".join(texts).encode("utf-8", "surrogatepass")) >> 1


def with_sum(row: tuple[Value, ...]) -> tuple[Value, ...]:
    """Return a row with its sum at the end."""
    return (*row, row_sum(row))


def with_host_sum(host: tuple[Value, ...]) -> tuple[Value, ...]:
    """Return the columns of a host with their sum at the end."""
    return (*host, row_sum(summed_of_host(host)))


def summed_of_host(host: tuple[Value, ...]) -> tuple[Value, ...]:
    """Return the columns of a host that its sum covers.

    Not `discovered`, which changes alone: it is held against the queue and the host's other states.
    """
    return (*host[:DISCOVERED], *host[DISCOVERED + 1 :])
