"""Durations and sizes as people write them: "1.5s", "2 min", "500 kB", "2 MiB".

Rule: a plain number is seconds or bytes; whatever else is not exactly a number and a unit of the table is refused.
The parsed values are float seconds and int bytes; which bounds they keep is each setting's own matter.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Final

from pydantic import BeforeValidator, WithJsonSchema

SECONDS: Final[Mapping[str, Decimal]] = {
    **dict.fromkeys(("ms", "millisecond", "milliseconds"), Decimal("0.001")),
    **dict.fromkeys(("", "s", "sec", "second", "seconds"), Decimal(1)),
    **dict.fromkeys(("m", "min", "minute", "minutes"), Decimal(60)),
    **dict.fromkeys(("h", "hour", "hours"), Decimal(3_600)),
    **dict.fromkeys(("d", "day", "days"), Decimal(86_400)),
}
"""Unit, as written, to seconds. No weeks or months: nobody waits that long for a host."""

BYTES: Final[Mapping[str, int]] = {
    **dict.fromkeys(("", "b", "byte", "bytes"), 1),
    **{f"{prefix}b": 1_000**power for power, prefix in enumerate("kmgt", start=1)},
    **{f"{prefix}ib": 1_024**power for power, prefix in enumerate("kmgt", start=1)},
}
"""Unit, in lower case, to bytes."""

_QUANTITY: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)")


def duration_s(value: object) -> float:
    """Return the seconds that `value` names. Raises ValueError for what is no duration."""
    seconds = _amount(value, SECONDS)
    if seconds is None:
        raise ValueError('is not a duration; write it like "1.5s", "200 ms", "2 min", "1 h" or "1 d"')
    return float(seconds)


def size_bytes(value: object) -> int:
    """Return the bytes that `value` names. Raises ValueError for what is no whole number of bytes."""
    size = _amount(value, BYTES)
    if size is None:
        raise ValueError('is not a size; write it like "500 kB", "2 MiB" or "1 GiB"')
    if size != int(size):
        raise ValueError("is not a whole number of bytes")
    return int(size)


def size_text(size: int) -> str:
    """Return a number of bytes in the largest binary unit that it is a multiple of: "64 MiB"."""
    powers = [power for power in range(1, 5) if size and size % 1024**power == 0]
    return f"{size // 1024 ** powers[-1]} {' KMGT'[powers[-1]]}iB" if powers else f"{size} bytes"


def _amount(value: object, units: Mapping[str, Decimal] | Mapping[str, int]) -> Decimal | None:
    """Return the number in the base unit, None where `value` is not one; Decimal keeps "0.1 s" exact."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if not isinstance(value, str):
        return Decimal(str(value)) if math.isfinite(value) and value >= 0 else None
    match = _QUANTITY.fullmatch(value.strip())
    factor = units.get(match[2].lower()) if match else None
    return Decimal(match[1]) * factor if match and factor is not None else None


def _written(kind: str) -> WithJsonSchema:
    """Return the JSON Schema of a quantity: text with a unit, or a plain number of `kind`."""
    text = {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*[A-Za-z]*\s*$"}
    return WithJsonSchema({"anyOf": [text, {"type": kind, "minimum": 0}]})


Seconds = Annotated[float, BeforeValidator(duration_s), _written("number")]
"""Field type of a duration: float seconds once parsed."""

Bytes = Annotated[int, BeforeValidator(size_bytes), _written("integer")]
"""Field type of a size: int bytes once parsed."""
