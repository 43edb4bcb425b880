"""Lets the n-th storage call of a crawl fail, n = 1, 2, 3 ... until none is met: SQLite's way to test itself.

Run with `python -m bench.torture.faults`. A call fails once, or it and every later one; before it was made, or after it
was and only its outcome got lost. Expected: the crawl ends like one without faults, or it ends with exit code 4 and one
line, and the next start ends like one without faults. Or the process dies at the n-th call of its n-th start.
"""

from __future__ import annotations

import asyncio
import errno
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Final, Literal, NamedTuple

from bench.torture.crash import Kill, crawl_killed
from bench.torture.figures import Figure, play
from bench.torture.seams import DATABASE, Moment, hooked
from bench.torture.stored import Attempts, Stored, differences
from bench.torture.victim import ANY
from bench.vweb.process import Running, serve
from bench.vweb.spec import NO_FAULTS, WebSpec
from config import Settings
from crawler.cli.app import fault_of
from crawler.supervisor import Crawl
from storage import patience

Kind = Literal["locked", "full", "broken"]

SQLITE_CODES: Final[dict[Kind, int]] = {
    "locked": sqlite3.SQLITE_BUSY,
    "full": sqlite3.SQLITE_FULL,
    "broken": sqlite3.SQLITE_IOERR,
}
SYSTEM_CODES: Final[dict[Kind, int]] = {"full": errno.ENOSPC, "broken": errno.EIO}
"""Files are never locked."""

SPEC: Final = WebSpec(hosts=2, pages_per_host=4, profile=4, faults=NO_FAULTS)
NEVER: Final[dict[Moment, frozenset[str]]] = {
    "before": frozenset({"close"}),
    "after": frozenset({"close", "open", "connect"}),
}
"""Calls that do not fail: closing, and what has opened a file, for nobody would have it then."""
PATIENCE_S: Final = 0.2
"""For a database that stays locked."""
MOST_CALLS: Final = 1_000


class Scenario(NamedTuple):
    """One way to fail."""

    kind: Kind
    forever: bool
    moment: Moment

    def __str__(self) -> str:
        return f"{self.kind} {'for ever' if self.forever else 'once'} {self.moment} the call"


SCENARIOS: Final = tuple(
    Scenario(kind, forever, moment)
    for kind in SQLITE_CODES
    for forever in (False, True)
    for moment in ("before", "after")
    if not (kind == "locked" and moment == "after")  # a locked database has not done what it was asked to
)  # fmt: skip


class Failing:
    """A hook that makes the n-th call of those that can fail so, and perhaps all later ones, raise."""

    def __init__(self, scenario: Scenario, n: int) -> None:
        self._scenario = scenario
        self._n = n
        self._calls = count(1)  # its next() is atomic: calls come from several threads
        self.failed: list[str] = []

    def __call__(self, call: str, moment: Moment) -> None:
        kind, forever, at = self._scenario
        if moment != at or call in NEVER[at] or (call not in DATABASE and kind not in SYSTEM_CODES):
            return
        number = next(self._calls)
        if number == self._n or (forever and number > self._n):
            self.failed.append(call)
            raise _error(kind, call)


def _error(kind: Kind, call: str) -> Exception:
    if call not in DATABASE:
        return OSError(SYSTEM_CODES[kind], f"made to fail: {call}")
    error = sqlite3.OperationalError(f"made to fail: {call}")
    error.sqlite_errorcode = SQLITE_CODES[kind]
    return error


class Tried(NamedTuple):
    """What came of one failing call."""

    scenario: Scenario
    n: int
    call: str
    went_on: bool
    """The crawl ended as if nothing had happened; otherwise the next start did."""
    wrong: str
    """What should not be; empty when all is well."""


async def each_call(
    web: Running, folder: Path, scenarios: Iterable[Scenario], numbers: Callable[[], Iterable[int]] = lambda: count(1)
) -> list[Tried]:
    """Try scenarios, with every n of `numbers` until the crawl makes fewer calls than that."""
    tried, whole = [], await _whole(web, folder / "whole")
    with _impatient():
        for scenario in scenarios:
            for n in numbers():
                assert n < MOST_CALLS, "a crawl that never ends"
                found = await _try(web, folder / str(scenario).replace(" ", "-") / str(n), Failing(scenario, n), whole)
                if found is None:
                    break
                tried.append(Tried(scenario, n, *found))
    return tried


async def _whole(web: Running, data_dir: Path) -> Attempts:
    await _crawl(web, data_dir)
    return Stored(data_dir).attempts()


async def _try(web: Running, data_dir: Path, failing: Failing, whole: Attempts) -> tuple[str, bool, str] | None:
    """Crawl with failing calls, then without if need be; None when the call to fail was never made."""
    wrong, went_on = [], True
    with hooked(failing, data_dir):
        try:
            await _crawl(web, data_dir)
        except Exception as error:  # noqa: BLE001  # what is no fault of the operator's is what we look for
            went_on, code_and_lines = False, fault_of(error)
            if code_and_lines is None or code_and_lines[0] != 4 or len(code_and_lines[1]) != 1:
                wrong.append(f"not exit code 4 and one line: {error!r}")
    if not failing.failed:
        return None
    if not went_on:
        await _crawl(web, data_dir)
    stored = Stored(data_dir)
    wrong += [f"differs: {url}" for url in differences(whole, stored.attempts())] + stored.faults()
    return failing.failed[0], went_on, "; ".join(wrong)


async def _crawl(web: Running, data_dir: Path) -> None:
    settings = Settings.model_validate(
        {
            "crawl": {"seeds": web.seeds, "data_dir": data_dir},
            "scope": {"follow": "any", "include": ["*.test/*"]},
            "politeness": {"delay": 0.0, "delay_per_ip": 0.0, "connections_per_ip": 64},
            "fetch": {"concurrency": 4},
            "network": {"hosts": web.hosts, "allow_addresses": ["127.0.0.0/8"]},
            "storage": {"commit_interval": 60.0, "commit_links": 100},
        }
    )
    await Crawl(settings, web.seeds).run()


@contextmanager
def _impatient() -> Iterator[None]:
    patience_s, patience.LOCKED_MAX_S = patience.LOCKED_MAX_S, PATIENCE_S
    try:
        yield
    finally:
        patience.LOCKED_MAX_S = patience_s


async def torture(scenarios: Iterable[Scenario]) -> list[Tried]:
    """Serve a small web and try every call of its crawl."""
    with tempfile.TemporaryDirectory(prefix="linkmill-faults-") as name:
        async with serve(SPEC, max_s=900.0) as web:
            return await each_call(web, Path(name), scenarios)


async def torture_deaths() -> Figure:
    """Let the n-th start of a crawl die at its n-th call, until one lives to the end."""
    with tempfile.TemporaryDirectory(prefix="linkmill-deaths-") as name:
        folder = Path(name)
        (folder / "killed").mkdir()
        async with serve(SPEC, max_s=900.0) as web:
            whole = await _whole(web, folder / "whole")
            kills = (Kill(f"before {ANY}", n) for n in count(1))
            killed = await crawl_killed(web, folder / "killed", kills, to_the_end=True)
        stored = Stored(killed.data_dir)
        wrong = [*killed.wrong_ends, *killed.damages, *stored.faults(), *differences(whole, stored.attempts())]
    print(*wrong, sep="\n", end="", file=sys.stderr)
    deaths = f"each of {len(killed.kills)} calls ends the process"
    return Figure(deaths, f"{len(wrong)} faults", "0 faults", not wrong, "python -m bench.torture.faults")


def run(scale: float = 1.0) -> list[Figure]:
    """Return a figure for each way to fail; a small scale leaves some ways out."""
    scenarios = SCENARIOS[: max(2, round(len(SCENARIOS) * scale))]
    tried = asyncio.run(torture(scenarios))
    figures = [_figure(scenario, [one for one in tried if one.scenario == scenario]) for scenario in scenarios]
    return [*figures, asyncio.run(torture_deaths())]


def _figure(scenario: Scenario, tried: list[Tried]) -> Figure:
    wrong = [one for one in tried if one.wrong]
    for one in wrong:
        print(f"{scenario}, call {one.n} ({one.call}): {one.wrong}", file=sys.stderr)
    ends = Counter("went on" if one.went_on else "exit 4 and a resume" for one in tried)
    value = ", ".join(f"{times} {end}" for end, times in sorted(ends.items())) + f", {len(wrong)} otherwise"
    return Figure(
        f"each of {len(tried)} calls {scenario}", value, "0 otherwise", not wrong, "python -m bench.torture.faults"
    )


if __name__ == "__main__":
    play(run, "python -m bench.torture.faults", __doc__)
