"""The real `linkmill` command in a process of its own, for parts of the torture: its config, its start, how it ended.

Rule: a command ends by itself or is killed with the block that started it.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from bench.vweb.process import ROOT, Running

CONFIG: Final = "crawl.toml"
LONGEST_S: Final = 180.0
KILLED_S: Final = 10.0
"""For the last output of a command that was killed."""

Section = Mapping[str, object]


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    lines: list[str]
    """What it wrote on standard error."""

    @property
    def is_one_line_of_4(self) -> bool:
        """Whether it told a fault of the machine as it should."""
        return self.code == 4 and len(self.lines) == 1


def write_config(folder: Path, web: Running, data_dir: Path, **sections: Section) -> None:
    """Write a config that crawls all of `web` in one process, unpaused and with many commits; `sections` add to it."""
    given: dict[str, dict[str, object]] = {
        "crawl": {"seeds": web.seeds, "data_dir": str(data_dir), "workers": 1},
        "scope": {"follow": "any", "include": ["*.test/*"]},
        "politeness": {"delay": 0, "delay_per_ip": 0, "connections_per_host": 2, "connections_per_ip": 256},
        "fetch": {"concurrency": 16},
        "network": {"allow_addresses": ["127.0.0.0/8"]},
        "storage": {"commit_interval": "150ms", "commit_links": 2000, "min_free": 0},
        "log": {"level": "warning"},
        "network.hosts": dict(web.hosts),
    }
    for name, values in sections.items():
        given[name.replace("__", ".")].update(values)
    lines = [
        line
        for name, values in given.items()
        for line in (f"[{name}]", *(f"{json.dumps(key)} = {json.dumps(value)}" for key, value in values.items()))
    ]
    (folder / CONFIG).write_text("\n".join(lines) + "\n")


@asynccontextmanager
async def started(folder: Path, *arguments: str, module: str = "crawler") -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `linkmill` with arguments in a folder while the block runs; killed after it if it has not ended."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *arguments),
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        async with _at_most(KILLED_S, "end after SIGKILL"):
            await process.communicate()


@asynccontextmanager
async def _at_most(seconds: float, what: str) -> AsyncIterator[None]:
    """Run the body; TimeoutError, which says what did not come about, when it takes longer."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise TimeoutError(f"no {what} within {seconds:.0f} s") from error


async def end_of(process: asyncio.subprocess.Process, longest_s: float = LONGEST_S) -> Ended:
    """Wait for the end of a command; TimeoutError when it does not come."""
    async with _at_most(longest_s, f"end of process {process.pid}"):
        _, errors = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, errors.decode(errors="replace").splitlines())


async def ran(folder: Path, *arguments: str) -> Ended:
    """Run a command to its end."""
    async with started(folder, *arguments) as process:
        return await end_of(process)


async def crawled(folder: Path) -> Ended:
    """Crawl with the config of a folder, to the end."""
    return await ran(folder, "crawl", "--quiet", CONFIG)


async def until(holds: Callable[[], object], longest_s: float = LONGEST_S) -> None:
    """Wait until something holds that another process brings about; TimeoutError when it does not."""
    async with _at_most(longest_s, "sign of what was waited for"):
        while not holds():  # noqa: ASYNC110  # nobody here could set an event
            await asyncio.sleep(0.02)


def children(pid: int) -> list[int]:
    """Return the processes that a process has started, in order: the workers of a crawl; none once it is gone."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []
