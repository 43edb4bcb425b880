"""The seeds that `crawl.seeds_file` names.

Rule: every line is a seed or a problem that is told by file and line. The file is UTF-8 with one seed a line; blank
lines and lines that begin with # are skipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from config.errors import shown
from config.urls import seed_url


class Listed(NamedTuple):
    """What a file of seeds holds."""

    seeds: dict[str, str]
    """Place (`seeds.txt:3`) to seed in normal form."""
    wrong: list[str]
    """A line for each seed, or file, that cannot be used."""


def read_seeds(path: Path) -> Listed:
    """Return the seeds of the file at `path`, and what is wrong with it."""
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except OSError as error:
        return Listed({}, [f"{path}: cannot be read: {error.strerror}"])
    except UnicodeDecodeError:
        return Listed({}, [f"{path}: is not UTF-8; save the file in that encoding"])
    listed = Listed({}, [])
    for place, text in _entries(path, lines):
        try:
            listed.seeds[place] = seed_url(text)
        except ValueError as error:
            listed.wrong.append(f"{place}: {shown(text)} {error}")
    if not listed.seeds and not listed.wrong:
        listed.wrong.append(f"{path}: has no seed; write one URL a line")
    return listed


def _entries(path: Path, lines: list[str]) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if text and not text.startswith("#"):
            yield f"{path}:{number}", text
