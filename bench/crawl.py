"""Pages and links per CPU second of a whole crawl: `python -m bench.crawl [--profile 4 40 130] [--workers 1 2 4]`.

Each profile's virtual web is served by a process of its own; the crawler runs in another with `config/bench.toml`, no
pauses and every link durably stored, and measures its own CPU time (all threads) from the opening of the data directory
to its close, that of its workers with it. Loading Python and the libraries is not counted: what a worker takes for that
is measured and taken off. Prints a table; `--json` adds one line per row.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from itertools import product
from pathlib import Path
from typing import Any, Final

import uvloop

from bench.vweb.process import ROOT, Running, serve
from bench.vweb.spec import NO_FAULTS, WebSpec
from config import Settings, load
from crawler import url
from crawler.crew import crawl_of
from crawler.memory import collecting_seldom, keep_freed_memory
from crawler.supervisor import resolve_seeds

CONFIG: Final = ROOT / "config" / "bench.toml"
HOSTS: Final = 100
WHO: Final = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
PAGES: Final = {4: 20_000, 40: 10_000, 130: 5_000}
"""Pages crawled by profile: about ten CPU seconds each."""
COMPILED: Final = Path(url.__file__).suffix != ".py"
"""Whether `make compile` has been at work."""


def settings_for(
    hosts: dict[str, str], seeds: list[str], data_dir: Path, concurrency: int | None, workers: int = 1
) -> Settings:
    """Return the settings of `config/bench.toml` for the web at `hosts`."""
    told = load(CONFIG).model_dump()
    told["crawl"] |= {"seeds": seeds, "data_dir": data_dir, "workers": workers}
    told["network"] |= {"hosts": hosts}
    told["fetch"] |= {"concurrency": concurrency or told["fetch"]["concurrency"]}
    return Settings.model_validate(told)


def crawl_here(settings: Settings) -> dict[str, Any]:
    """Crawl in this process and return what it took."""
    keep_freed_memory()
    loading_s = _loading_s(settings.crawl.workers) if settings.crawl.workers > 1 else 0.0
    cpu_s, wall_s = _cpu_s() + loading_s, time.perf_counter()
    with collecting_seldom():
        report = uvloop.run(crawl_of(settings, resolve_seeds(settings.crawl.seeds)).run())
    cpu_s, wall_s = _cpu_s() - cpu_s, time.perf_counter() - wall_s
    assert report.snapshot is not None
    counters = report.snapshot.counters
    return {
        "reason": report.reason,
        "pages": counters["pages"],
        "links": counters["links"],
        "body_bytes": counters["bytes.body"],
        "cpu_s": round(cpu_s, 3),
        "wall_s": round(wall_s, 3),
        "rss_mib": max(resource.getrusage(who).ru_maxrss for who in WHO) // 1024,
    }


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


async def measure(spec: WebSpec, concurrency: int | None, workers: int = 1) -> dict[str, Any]:
    """Serve a web, crawl it in a process of its own and return that process's figures."""
    with tempfile.TemporaryDirectory(prefix="linkmill-bench-") as folder:
        async with serve(spec, max_s=600.0) as web:
            arguments = ["-m", "bench.crawl", "--here", _order(web, Path(folder), concurrency, workers)]
            process = await asyncio.create_subprocess_exec(
                sys.executable, *arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE
            )
            output, _ = await process.communicate()
        if process.returncode:
            raise SystemExit(f"the crawl of profile {spec.profile} ended with {process.returncode}")
        figures: dict[str, Any] = json.loads(output)
        figures["disk_bytes"] = _size(Path(folder))
    return {"profile": spec.profile, "gzip": spec.gzip, "compiled": COMPILED, "workers": workers, **figures}


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _order(web: Running, data_dir: Path, concurrency: int | None, workers: int) -> str:
    told = {"hosts": web.hosts, "seeds": web.seeds, "data_dir": str(data_dir)}
    return json.dumps({**told, "concurrency": concurrency, "workers": workers})


def show(rows: list[dict[str, Any]]) -> None:
    """Print the figures as a table."""
    print(f"Python {sys.version.split()[0]}, the crawler's core {'compiled' if COMPILED else 'interpreted'}")
    heads = (
        "profile",
        "workers",
        "pages",
        "links/page",
        "KB/page",
        "CPU s",
        "pages/CPU s",
        "links/CPU s",
        "RSS MiB",
        "B/link",
    )
    print("  ".join(f"{head:>11}" for head in heads))
    for row in rows:
        cells = (
            f"{row['profile']} KB{' gzip' if row['gzip'] else ''}",
            f"{row['workers']}",
            f"{row['pages']:,}",
            f"{row['links'] / row['pages']:.1f}",
            f"{row['body_bytes'] / row['pages'] / 1000:.1f}",
            f"{row['cpu_s']:.2f}",
            f"{row['pages'] / row['cpu_s']:,.0f}",
            f"{row['links'] / row['cpu_s']:,.0f}",
            f"{row['rss_mib']}",
            f"{row['disk_bytes'] / row['links']:.1f}",
        )
        print("  ".join(f"{cell:>11}" for cell in cells))


def main() -> None:
    """Run the benchmark named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.crawl", description=__doc__)
    parser.add_argument("--profile", type=int, nargs="+", choices=sorted(PAGES), default=sorted(PAGES))
    parser.add_argument("--workers", type=int, nargs="+", default=[1], help="worker processes, one row for each number")
    parser.add_argument("--pages", type=int, help="pages to crawl of each profile")
    parser.add_argument("--gzip", action="store_true", help="serve compressed pages")
    parser.add_argument("--concurrency", type=int, help="requests open at once, instead of the file's")
    parser.add_argument("--json", action="store_true", help="print a JSON line per profile too")
    parser.add_argument("--here", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        order = json.loads(options.here)
        order["data_dir"] = Path(order["data_dir"])
        settings = settings_for(**order)
        print(json.dumps(crawl_here(settings)))
        return
    rows = []
    for profile, workers in product(options.profile, options.workers):
        pages = options.pages or PAGES[profile]
        spec = WebSpec(hosts=HOSTS, pages_per_host=pages // HOSTS, profile=profile, faults=NO_FAULTS, gzip=options.gzip)
        rows.append(asyncio.run(measure(spec, options.concurrency, workers)))
    show(rows)
    if options.json:
        for row in rows:
            print(json.dumps(row))


if __name__ == "__main__":
    main()
