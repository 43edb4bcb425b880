"""Which files a generation has, how large they are, and their checksums: what is not as written is told, not answered.

Rule: written last, before the generation is published. Opening a generation reads what every answer needs whole, and
the footers of the others; their pages and batches carry checksums and are checked when they are read.
"""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Final

import orjson
import xxhash

from storage.index.sourcefile import SOURCES

FILE: Final = "contents.json"

FOOTER: Final = ".parquet"

MAGIC_BYTES: Final = 8
"""A Parquet file ends with the length of its footer, 4 bytes, and `PAR1`."""

Sums = dict[str, tuple[int, str, str]]
"""Of each file its size, the checksum of all of it, and of the part that is read to open it."""


def write(generation: Path) -> None:
    """Note every file below `generation`."""
    files = [file for file in sorted(generation.rglob("*")) if file.is_file()]
    sums: Sums = {str(file.relative_to(generation)): _sums(file) for file in files}
    (generation / FILE).write_bytes(orjson.dumps(sums))


def damage(generation: Path, whole: bool = False) -> tuple[Path, str] | None:
    """Return the first file that is not as it was written, and what is wrong with it; None when all are there.

    Of large tables only that is read which is needed to open them, unless `whole`.
    """
    listed = generation / FILE
    if not listed.is_file():
        return listed, "missing"
    try:
        sums = [(str(name), *_three(of)) for name, of in orjson.loads(listed.read_bytes()).items()]
    except (ValueError, TypeError, AttributeError):
        return listed, "changed"
    for name, size, total, head in sums:
        file = generation / name
        if not file.is_file():
            return file, "missing"
        if file.stat().st_size != size or (_total(file) != total if whole else _head(file) != head):
            return file, "changed"
    return None


def _three(of: tuple[int, str, str]) -> tuple[int, str, str]:
    """Return what is listed of a file; raises ValueError or TypeError for what is no such thing."""
    size, total, head = of
    return size, total, head


def _sums(file: Path) -> tuple[int, str, str]:
    return file.stat().st_size, _total(file), _head(file)


def _total(file: Path) -> str:
    if not file.stat().st_size:
        return ""
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return xxhash.xxh3_128_hexdigest(content)


def _head(file: Path) -> str:
    """Return the checksum of what is read to open a file."""
    if file.name == SOURCES:  # its batches have checksums of their own
        return ""
    if file.suffix != FOOTER:
        return _total(file)
    with file.open("rb") as opened:
        size = opened.seek(0, 2)
        opened.seek(max(size - MAGIC_BYTES, 0))
        length = int.from_bytes(opened.read(4), "little") + MAGIC_BYTES
        opened.seek(max(size - length, 0))
        return xxhash.xxh3_128_hexdigest(opened.read())
