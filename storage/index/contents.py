"""Which files a generation has and how large they are: what is missing or cut is told before anything is answered.

Rule: written last, before the generation is published. What a file says is checked when it is read: the pages of the
tables of links carry checksums.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import orjson

FILE: Final = "contents.json"


def write(generation: Path) -> None:
    """Note every file below `generation`."""
    sizes = {
        str(file.relative_to(generation)): file.stat().st_size
        for file in sorted(generation.rglob("*"))
        if file.is_file()
    }
    (generation / FILE).write_bytes(orjson.dumps(sizes, option=orjson.OPT_INDENT_2))


def damage(generation: Path) -> tuple[Path, str] | None:
    """Return the first file that is not as it was written, and what is wrong with it; None when all are there."""
    listed = generation / FILE
    if not listed.is_file():
        return listed, "missing"
    try:
        sizes: dict[str, int] = orjson.loads(listed.read_bytes())
    except orjson.JSONDecodeError:
        return listed, "changed"
    for name, size in sizes.items():
        file = generation / name
        if not file.is_file():
            return file, "missing"
        if file.stat().st_size != size:
            return file, "changed"
    return None
