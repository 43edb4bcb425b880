"""What a benchmark measured, with everything needed to judge it: JSON lines, tables, a chart in text.

Rule: a row names its case (what was asked for), its figures (what came out) and the circumstances (commit, versions,
machine, interpreter), so that two files can be held side by side (`bench.compare`) long after they were made.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import sysconfig
import time
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from bench.vweb.process import ROOT
from crawler import url

COMPILED: Final = Path(url.__file__).suffix != ".py"
"""Whether `make compile` has been at work."""
LIBRARIES: Final = ("aiohttp", "uvloop", "selectolax", "pyarrow", "aiosqlite", "ada-url")
"""Those whose versions move the figures."""
LOOPS: Final = 200_000
LOOP_ROUNDS: Final = 7
BAR: Final = "█"


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement."""

    bench: str
    case: dict[str, Any]
    figures: dict[str, Any]
    circumstances: dict[str, Any]

    def line(self) -> str:
        """Return the row as a JSON line."""
        return json.dumps(asdict(self))


def rows_in(path: Path) -> list[Row]:
    """Read a file of JSON lines; lines that are no rows, as a table above them, are passed over."""
    lines = path.read_text("utf-8").splitlines()
    return [Row(**json.loads(line)) for line in lines if line.startswith('{"bench"')]


@cache
def circumstances() -> dict[str, Any]:
    """Return what is the same for all measurements of a run."""
    return {
        "commit": _commit(),
        "linkmill": tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"],
        "python": platform.python_version(),
        "interpreter": interpreter(),
        "loop_ns": loop_ns(),
        "core": "compiled" if COMPILED else "interpreted",
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        **{library: version(library) for library in LIBRARIES},
    }


def head() -> str:
    """Return what stands above every table."""
    told = circumstances()
    return (
        f"commit {told['commit']}, Python {told['python']} ({told['interpreter']}; {told['loop_ns']} ns a loop), "
        f"the crawler's core {told['core']}\n{told['processor']}, {told['cores']} cores, {told['system']}"
    )


def interpreter() -> str:
    """Return how the interpreter was built, which moves every figure by about a tenth.

    Only `--enable-optimizations` leaves a trace in a build's own words; Debian gives the flags by hand (its
    `debian/rules`), so that its interpreter is known by its place. `loop_ns` tells what was not recognised.
    """
    if "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or ""):
        return "built with profile-guided optimisation"
    if sys.base_prefix == "/usr" and sysconfig.get_config_var("MULTIARCH") and Path("/etc/debian_version").exists():
        return "Debian's, built with profile-guided optimisation"
    return "built without profile-guided optimisation"


@cache
def loop_ns() -> int:
    """Return the nanoseconds of one turn of a small loop: tells interpreters and machines apart, best of a few."""
    best = float("inf")
    for _ in range(LOOP_ROUNDS):
        begun, table = time.process_time(), dict[int, str]()
        for number in range(LOOPS):
            table[number & 1023] = str(number)
        best = min(best, time.process_time() - begun)
    return round(best / LOOPS * 1e9)


def _commit() -> str:
    """Return the short commit, with a mark when the files differ from it; "unknown" outside of a clone."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return aligned columns: the first to the left, figures to the right."""
    cells = [list(heads), *map(list, rows)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(heads))]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in cells
    )


def chart(values: Mapping[str, float], width: int = 40) -> str:
    """Return a bar for each value, the best marked; bars start at nought, so that their lengths are the ratios."""
    largest = max(values.values(), default=0.0)
    label = max(map(len, values), default=0)
    lines = []
    for name, value in values.items():
        bar = BAR * round(width * value / largest) if largest > 0 else ""
        lines.append(f"{name.rjust(label)}  {bar.ljust(width)}  {value:,.0f}{'  best' if value == largest else ''}")
    return "\n".join(lines)
