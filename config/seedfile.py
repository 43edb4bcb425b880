"""The seeds of a crawl: those in the settings, then those in `crawl.seeds_file`, each once.

Rule: a line that is no seed stops the crawl before it starts, named by file and line. The file is UTF-8 with one seed a
line; blank lines and lines that begin with # are skipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from config.combinations import seed_conflicts
from config.errors import ConfigError, shown
from config.models import Settings
from config.urls import seed_url


def seeds(settings: Settings) -> list[str]:
    """Return the URLs to start from, in order. Raises ConfigError with a line for each seed that cannot be used."""
    path = settings.crawl.seeds_file
    listed = list(_read(path)) if path else []
    if path and (found := list(seed_conflicts(settings, listed))):
        raise ConfigError(f"{path}: {problem.key}: {problem.text}" for problem in found)
    return list(dict.fromkeys([*settings.crawl.seeds, *listed]))


def _read(path: Path) -> Iterator[str]:
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: is not UTF-8; save the file in that encoding"]) from error
    wrong: list[str] = []
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        try:
            yield seed_url(text)
        except ValueError as error:
            wrong.append(f"{path}:{number}: {shown(text)} {error}")
    if wrong:
        raise ConfigError(wrong)
