"""Reads a TOML file into settings, or says everything that is wrong with it.

Rule: nothing is guessed and nothing is skipped: a file that is not understood to its last key is refused.
Paths in the file are seen from the file's folder.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from config.combinations import conflicts, seed_conflicts
from config.diagnosis import diagnose
from config.errors import ConfigError, Problem
from config.models import Settings
from config.seedfile import Listed, read_seeds

_POSITION: Final = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", re.DOTALL)


def load(path: Path) -> Settings:
    """Return the settings of the file at `path`. Raises ConfigError with a line for each problem."""
    settings, problems = _validate(_parse(path), path)
    if problems:
        raise ConfigError(_line(path, problem) for problem in problems)
    return settings


def load_crawl(path: Path) -> tuple[Settings, list[str]]:
    """Return settings and seeds, those of `crawl.seeds_file` too: normal forms, in order, each once.

    Raises ConfigError with a line for each problem of either file.
    """
    settings, problems = _validate(_parse(path), path)
    listed, seeds_file = Listed({}, []), settings.crawl.seeds_file
    if seeds_file and seeds_file.is_file():
        listed = read_seeds(seeds_file)
    lines = [_line(path, problem) for problem in problems]
    lines += listed.wrong
    told = {_setting(problem.key) for problem in problems}
    for problem in seed_conflicts(settings, listed.seeds.items()):
        if not _follows(problem, told):
            lines.append(f"{problem.key}: {problem.text}" if problem.key in listed.seeds else _line(path, problem))
    if lines:
        raise ConfigError(lines)
    return settings, list(dict.fromkeys([*settings.crawl.seeds, *listed.seeds.values()]))


def _parse(path: Path) -> dict[str, object]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from error
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError([f"{path}: line {line}: is not UTF-8; save the file in that encoding"]) from error
    except ValueError as error:  # a TOMLDecodeError, or a number with thousands of digits
        raise ConfigError([f"{path}: {_syntax(str(error))}"]) from error


def _syntax(message: str) -> str:
    match = _POSITION.fullmatch(message)
    if match is None:
        return f"is not TOML: {message}"
    place = f"line {match[2]}, column {match[3]}" if match[2] else "at the end"
    return f"{place}: is not TOML: {match[1]}"


def _validate(tables: dict[str, object], path: Path) -> tuple[Settings, list[Problem]]:
    """Return the settings and what is wrong; beside wrong values, what the right ones say together is checked too."""
    context = {"folder": path.parent.absolute()}
    problems: list[Problem] = []
    try:
        settings = Settings.model_validate(tables, context=context)
    except ValidationError as error:
        problems += diagnose(error)
        wrong = {details["loc"][:2] for details in error.errors()}
        settings = Settings.model_validate(_without(tables, wrong), context=context)
    told = {_setting(problem.key) for problem in problems}
    return settings, problems + [found for found in conflicts(settings) if not _follows(found, told)]


def _follows(found: Problem, told: Collection[str]) -> bool:
    """Return whether a key that `found` is about, or its whole section, was told to be wrong already."""
    settings = {_setting(key) for key in (found.key, *found.others)}
    return any(setting in told or setting.partition(".")[0] in told for setting in settings)


def _without(tables: dict[str, object], wrong: Collection[tuple[str | int, ...]]) -> dict[str, object]:
    return {
        section: {name: value for name, value in table.items() if (section, name) not in wrong}
        for section, table in tables.items()
        if isinstance(table, dict) and (section,) not in wrong and section in Settings.model_fields
    }


def _setting(key: str) -> str:
    """Return section and name of a dotted key that may lead deeper."""
    return ".".join(re.split(r"[.\[]", key)[:2])


def _line(path: Path, problem: Problem) -> str:
    return f"{path}: {problem.key}: {problem.text}"
