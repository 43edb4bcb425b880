"""Reads a TOML file into settings, or says everything that is wrong with it.

Rule: nothing is guessed and nothing is skipped: a file that is not understood to its last key is refused.
Paths in the file are seen from the file's folder.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import count
from operator import eq
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from config.combinations import conflicts, seed_conflicts, unread_seed_conflicts
from config.diagnosis import diagnose
from config.errors import ConfigError, Problem
from config.models import Settings
from config.seedfile import Listed, read_seeds

Place = tuple[int | str, ...]
"""Section, name, and whatever lies deeper, as pydantic names it."""

SEEDS: Final = ("crawl", "seeds")

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
    for problem in _beside(problems, seed_conflicts(settings, listed.seeds.items())):
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
    wrong: dict[Place, object] = {}
    try:
        settings = Settings.model_validate(tables, context=context)
    except ValidationError as error:
        problems += diagnose(error)
        wrong = {details["loc"]: details["input"] for details in error.errors()}
        settings = Settings.model_validate(_without(tables, wrong), context=context)
    problems += _beside(problems, [*conflicts(settings), *_seed_conflicts(settings, wrong)])
    return settings, problems


def _seed_conflicts(settings: Settings, wrong: Mapping[Place, object]) -> Iterator[Problem]:
    """Yield what is wrong with the seeds that are URLs, by their places among all; where none is, with the others."""
    places = (f"crawl.seeds[{at}]" for at in count() if (*SEEDS, at) not in wrong)
    if settings.crawl.seeds:
        yield from seed_conflicts(settings, zip(places, settings.crawl.seeds, strict=False))
    else:
        yield from unread_seed_conflicts(settings, (value for place, value in wrong.items() if place[:2] == SEEDS))


def _beside(told: Iterable[Problem], found: Iterable[Problem]) -> list[Problem]:
    """Return those of the problems found that do not follow from one that was told."""
    keys = [problem.key for problem in told]
    return [problem for problem in found if not _follows(problem, keys)]


def _follows(found: Problem, told: Iterable[str]) -> bool:
    """Return whether a key that `found` is about, what it is part of or a part of it, was told to be wrong already."""
    about = [_steps(key) for key in (found.key, *found.others)]
    return any(all(map(eq, key, wrong)) for wrong in map(_steps, told) for key in about)


def _without(tables: dict[str, object], wrong: Collection[Place]) -> dict[str, object]:
    """Return the tables without the settings that are wrong; of seeds, without the wrong ones."""
    settings = {place[:2] for place in wrong if place[:2] != SEEDS or len(place) == len(SEEDS)}
    right = {
        section: {name: value for name, value in table.items() if (section, name) not in settings}
        for section, table in tables.items()
        if isinstance(table, dict) and (section,) not in settings and section in Settings.model_fields
    }
    if "seeds" in right.get("crawl", {}):
        right["crawl"]["seeds"] = [seed for at, seed in enumerate(right["crawl"]["seeds"]) if (*SEEDS, at) not in wrong]
    return dict(right)


def _steps(key: str) -> list[str]:
    """Return the way to a dotted key, step by step."""
    return re.split(r"[.\[]", key)


def _line(path: Path, problem: Problem) -> str:
    return f"{path}: {problem.key}: {problem.text}"
