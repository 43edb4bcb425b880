"""One crawl of one virtual web, measured: what `crawl`, `scale`, `tune` and `peers` have in common.

Rule: the web is served by a process of its own; the crawler runs in another with `config/bench.toml` and measures its
own CPU time (all threads, and its workers') from the opening of the data directory to its close, every link durably
stored. Loading Python and the libraries is not counted: what workers take for that is measured and taken off.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import uvloop

from bench.results import Row, circumstances
from bench.vweb.process import ROOT, Running, serve
from bench.vweb.spec import NO_FAULTS, WebSpec
from config import Settings, load
from crawler.crew import crawl_of
from crawler.memory import collecting_seldom, keep_freed_memory
from crawler.supervisor import resolve_seeds

if TYPE_CHECKING:
    from crawler.stats import Snapshot
    from crawler.supervisor import Crawl, Report

CONFIG: Final = ROOT / "config" / "bench.toml"
HOSTS: Final = 100
LOOK_S: Final = 0.1
WHO: Final = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)

Changes = Mapping[str, Mapping[str, object]]

PLAIN: Final[Changes] = {}
POLITE: Final[Changes] = {
    "politeness": {"delay": 0.1, "delay_per_ip": 0.01, "connections_per_host": 1, "connections_per_ip": 2}
}
"""Every rule of politeness at work, and hosts and addresses enough (`polite_spec`) that none makes the crawl wait."""
POLITE_HOSTS: Final = 500
POLITE_ADDRESSES: Final = tuple(f"127.0.0.{number}" for number in range(1, 51))


@dataclass(frozen=True, slots=True)
class Trial:
    """What is crawled, and how."""

    spec: WebSpec
    workers: int = 1
    changes: Changes = field(default_factory=dict)
    """Settings that differ from `config/bench.toml`, by section."""
    addresses: tuple[str, ...] = ("127.0.0.1",)
    marks: tuple[int, ...] = ()
    """Numbers of pages at which to look how far the crawl is; one worker only."""
    wrapper: tuple[str, ...] = ()
    """A command that runs the crawling process, as a profiler."""
    max_s: float = 600.0
    """The web ends after this time, and with it the crawl."""


def web_of(profile: int, pages: int, hosts: int = HOSTS) -> WebSpec:
    """Return a web of about so many pages without faults."""
    return WebSpec(hosts=hosts, pages_per_host=max(1, pages // hosts), profile=profile, faults=NO_FAULTS)


def settings_for(
    hosts: dict[str, str], seeds: list[str], data_dir: Path, workers: int = 1, changes: Changes = PLAIN
) -> Settings:
    """Return the settings of `config/bench.toml` for the web at `hosts`, with changes."""
    told = load(CONFIG).model_dump()
    told["crawl"] |= {"seeds": seeds, "data_dir": data_dir, "workers": workers}
    told["network"] |= {"hosts": hosts}
    for section, values in changes.items():
        told[section] |= values
    return Settings.model_validate(told)


async def measure(bench: str, trial: Trial, case: Mapping[str, Any] | None = None) -> Row:
    """Serve a web, crawl it in a process of its own and return that process's figures."""
    async with serve(trial.spec, trial.addresses, max_s=trial.max_s) as web:
        return await measure_on(bench, web, trial, case)


async def measure_on(bench: str, web: Running, trial: Trial, case: Mapping[str, Any] | None = None) -> Row:
    """Crawl a web that is being served."""
    with tempfile.TemporaryDirectory(prefix="linkmill-bench-") as folder:
        figures = await _crawl_elsewhere(web, trial, Path(folder))
        figures["disk_bytes"] = bytes_below(Path(folder))
    rates = {name: round(figures[name] / figures["cpu_s"], 1) for name in ("pages", "links")}
    figures |= {f"{name}_per_cpu_s": rate for name, rate in rates.items()}
    return Row(bench, {**case_of(trial), **(case or {})}, figures, circumstances())


def case_of(trial: Trial) -> dict[str, Any]:
    """Return what tells a trial apart from others."""
    spec, changes = trial.spec, trial.changes
    return {
        "profile_kb": spec.profile,
        "gzip": spec.gzip,
        "tls": spec.tls,
        "requests_per_connection": spec.requests_a_connection,
        "hosts": spec.hosts,
        "web_pages": spec.hosts * spec.pages_per_host,
        "workers": trial.workers,
        "delay_s": changes.get("politeness", {}).get("delay", 0),
        **{f"{section}.{name}": value for section in changes for name, value in changes[section].items()},
    }


async def _crawl_elsewhere(web: Running, trial: Trial, data_dir: Path) -> dict[str, Any]:
    order = {"hosts": web.hosts, "seeds": web.seeds, "data_dir": str(data_dir), "workers": trial.workers}
    told = json.dumps({"settings": {**order, "changes": trial.changes}, "marks": trial.marks})
    environment = {**os.environ, "SSL_CERT_FILE": str(web.certificate)} if web.certificate else None
    process = await asyncio.create_subprocess_exec(
        *(*trial.wrapper, sys.executable, "-m", "bench.trial"),
        cwd=ROOT,
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate(told.encode())
    if process.returncode:
        raise SystemExit(f"a crawl of profile {trial.spec.profile} ended with {process.returncode}")
    told_back = next(line for line in output.splitlines() if line.startswith(b"{"))  # a wrapper may say something, too
    figures: dict[str, Any] = json.loads(told_back)
    return figures


def bytes_below(folder: Path) -> int:
    """Return the bytes of all files of a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


# In the crawling process.


def crawl_here(settings: Settings, marks: list[int]) -> dict[str, Any]:
    """Crawl in this process and return what it took."""
    keep_freed_memory()
    loading_s = _loading_s(settings.crawl.workers) if settings.crawl.workers > 1 else 0.0
    cpu_s, wall_s = _cpu_s() + loading_s, time.perf_counter()
    crawl = crawl_of(settings, resolve_seeds(settings.crawl.seeds))
    looks: list[dict[str, float]] = []
    with collecting_seldom():
        report = uvloop.run(_run(crawl, settings.crawl.data_dir, marks, looks) if marks else crawl.run())
    cpu_s, wall_s = _cpu_s() - cpu_s, time.perf_counter() - wall_s
    assert report.snapshot is not None
    counters = report.snapshot.counters
    return {
        "reason": report.reason,
        "pages": counters["pages"],
        "links": counters["links"],
        "body_bytes": counters["bytes.body"],
        "wire_bytes": counters["bytes.wire"],
        "cpu_s": round(cpu_s, 3),
        "wall_s": round(wall_s, 3),
        "rss_mib": max(resource.getrusage(who).ru_maxrss for who in WHO) // 1024,
        **({"looks": looks} if marks else {}),
    }


async def _run(crawl: Crawl, data_dir: Path, marks: list[int], looks: list[dict[str, float]]) -> Report:
    watching = asyncio.ensure_future(_watch(crawl, data_dir, marks, looks))
    try:
        report = await crawl.run()
    finally:
        watching.cancel()
    assert report.snapshot is not None
    looks.append(_look(report.snapshot, data_dir))
    return report


async def _watch(crawl: Crawl, data_dir: Path, marks: list[int], looks: list[dict[str, float]]) -> None:
    """Note where the crawl stands at its start and whenever it has passed a mark."""
    for mark in [0, *marks]:
        while (snapshot := crawl.snapshot()) is None or snapshot.pages < mark:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_S)  # a crawl tells nobody how far it is
        looks.append(_look(snapshot, data_dir))


def _look(snapshot: Snapshot, data_dir: Path) -> dict[str, float]:
    return {
        "pages": snapshot.pages,
        "links": snapshot.links,
        "queued": snapshot.queued,
        "cpu_s": time.process_time(),
        "rss_mib": _rss_mib(),
        "disk_bytes": bytes_below(data_dir),
    }


def _rss_mib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / (1 << 20)


def _cpu_s() -> float:
    """Return the CPU seconds of this process and of those of its workers that have ended."""
    of_children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + of_children.ru_utime + of_children.ru_stime


def _loading_s(workers: int) -> float:
    """Return the CPU seconds that so many worker processes take before they begin, all at once as they do."""
    before_s = _cpu_s()
    command = [sys.executable, "-c", "import os, crawler.worker_process; os._exit(0)"]
    for process in [subprocess.Popen(command, cwd=ROOT) for _ in range(workers)]:
        process.wait()
    return _cpu_s() - before_s


def main() -> None:
    """Crawl as the line on standard input says and print the figures as one line."""
    order = json.load(sys.stdin)
    told = order["settings"]
    settings = settings_for(**{**told, "data_dir": Path(told["data_dir"])})
    print(json.dumps(crawl_here(settings, order["marks"])))


if __name__ == "__main__":
    main()
