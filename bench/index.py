"""Measures the index: links a second and core of a build and of an update, memory, bytes a link, and query times.

`python -m bench.index [--links N] [--memory-mib M] [--threads T] [--profile]` writes segments of a made-up web with the
skew of the real one, builds one generation in a child process, so that its peak memory is its own, and asks questions.
Then 5 % of the pages come anew, and 5 % are fetched again, and are put on top of a generation of the others, unless
`--no-updates` says so. `--segments FOLDER` keeps the segments for the next run: 100 million links take long to write.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from crawler.cli.target import name_hosts, reversed_host
from crawler.memory import keep_freed_memory
from storage.asking import Mode, Page, Target
from storage.index.build import NOTHING, Limits, Plan, write_generation
from storage.index.layout import Column, column, parts
from storage.index.refetched import Segments
from storage.index.stack import Stack
from storage.query import Index
from storage.records import Kind, Rel
from storage.schemas import LINKS, PAGES
from storage.segments import encode

LINKS_A_PAGE: Final = 60
PAGES_A_HOST: Final = 50
EXTERNAL: Final = 0.3
"""Share of links to other hosts, whose popularity is Zipf's."""

COMPRESSION_LEVEL: Final = 3
"""storage.compression_level's default."""

PAGES_A_SEGMENT: Final = 1_666
UPDATE: Final = 20
"""One page in so many is an update's."""

SAME_LINKS: Final = 0.9
"""Share of a page's links that it still has when it is fetched again."""

QUESTIONS: Final = 60
ROWS_ASKED: Final = Page(limit=100)

Columns = dict[str, Any]
"""Names to arrays or lists of one length."""


def host(number: int) -> str:
    """Return the name of a host; every third one shares its domain with others."""
    return f"www.site{number}.example" if number % 3 else f"blog{number % 7}.site{number // 21}.co.uk"


def url(number: int, page: int) -> str:
    """Return a URL of ordinary length."""
    return f"https://{host(number)}/articles/2024/{page:06d}/some-title-of-{page * 7919 % 100_003}.html"


def write_web(folder: Path, links: int) -> Segments:
    """Write the segments of a crawl that found so many links, but for those that are there from an earlier run."""
    pages = max(links // LINKS_A_PAGE, 1)
    hosts = max(pages // PAGES_A_HOST, 2)
    files: tuple[list[Path], list[Path]] = ([], [])
    for start in range(0, pages, PAGES_A_SEGMENT):
        numbers = np.arange(start, min(start + PAGES_A_SEGMENT, pages))
        written = [folder / f"{kind}-of-{pages}-{start:08}.parquet" for kind in ("pages", "links")]
        if not all(file.exists() for file in written):
            tables = (_pages(numbers), _links(numbers, hosts, np.random.default_rng((1, start))))
            for table, file in zip(tables, written, strict=True):
                _write(table, file)
        for file, of_kind in zip(written, files, strict=True):
            of_kind.append(file)
    return Segments(*files)


def _write(table: pa.Table, file: Path) -> None:
    """Write a segment at once or not at all."""
    unfinished = file.with_suffix(".new")
    unfinished.write_bytes(encode(table, COMPRESSION_LEVEL))
    unfinished.rename(file)


def _pages(numbers: np.ndarray[Any, np.dtype[np.int64]]) -> pa.Table:
    urls = [url(number // PAGES_A_HOST, number % PAGES_A_HOST) for number in numbers.tolist()]
    hosts = [host(number // PAGES_A_HOST) for number in numbers.tolist()]
    columns: Columns = {
        "fetch": numbers + (1 << 40),
        "url": urls,
        "host": hosts,
        "fetched_at": numbers * 1_000 + 1_700_000_000_000_000,
        "status": np.full(len(numbers), 200),
        "ip": [f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}" for number in numbers // PAGES_A_HOST],
        "title": [f"Title of page {number} about things" for number in numbers],
        "lang": ["en"] * len(numbers),
        "canonical": urls,
    }
    return _table(PAGES, columns, len(numbers))


def _links(numbers: np.ndarray[Any, np.dtype[np.int64]], hosts: int, rng: np.random.Generator) -> pa.Table:
    count = len(numbers) * LINKS_A_PAGE
    source = np.repeat(numbers, LINKS_A_PAGE)
    away = rng.random(count) < EXTERNAL
    targets = np.where(away, (rng.zipf(1.3, count) - 1) % (hosts * 3), source // PAGES_A_HOST)
    paths = np.where(away, (rng.zipf(1.4, count) - 1) % PAGES_A_HOST, rng.integers(0, PAGES_A_HOST, count))
    columns: Columns = {
        "fetch": source + (1 << 40),
        "target": _spelt(targets * PAGES_A_HOST + paths, lambda code: url(*divmod(code, PAGES_A_HOST))),
        "target_host": _spelt(targets, host),
        "kind": np.where(rng.random(count) < 0.1, Kind.EMBED, Kind.A),
        "rel": np.where(rng.random(count) < 0.15, Rel.NOFOLLOW, 0),
        "anchor": _spelt(np.minimum(rng.zipf(1.3, count), 10**6), lambda rank: f"anchor text {rank}"),
        "place": rng.integers(0, 11, count),
        "ordinal": np.tile(np.arange(LINKS_A_PAGE), len(numbers)),
    }
    return _table(LINKS, columns, count)


def _spelt(codes: np.ndarray[Any, np.dtype[np.int64]], spell: Callable[[int], str]) -> Column:
    """Return the text of each code, each made once."""
    distinct, back = np.unique(codes, return_inverse=True)
    return pa.array([spell(code) for code in distinct.tolist()], pa.string()).take(column(back))


def _table(schema: pa.Schema, columns: Columns, rows: int) -> pa.Table:
    """Return a table of the schema: what is not given is null, or zero, false or empty where it must be there."""
    arrays = []
    for field in schema:
        if field.name in columns:
            given = columns[field.name]
            arrays.append((given if isinstance(given, pa.Array) else pa.array(given)).cast(field.type))
        elif field.nullable:
            arrays.append(pa.nulls(rows, field.type))
        else:
            arrays.append(pa.array([""] * rows if pa.types.is_string(field.type) else np.zeros(rows)).cast(field.type))
    return pa.table(arrays, schema=schema)


class Stages:
    """CPU seconds of each stage of a build, in their order."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._name = "opening"
        self._since = time.process_time()

    def tell(self, stage: str) -> None:
        """Begin a stage; slices of one stage add up."""
        now = time.process_time()
        self.seconds[self._name] = self.seconds.get(self._name, 0.0) + now - self._since
        self._name, self._since = stage.partition(",")[0], now


def fetch_again(folder: Path, segments: Segments) -> Segments:
    """Write segments of a second visit to some pages, which have lost a few of their links."""
    rng = np.random.default_rng(2)
    files: tuple[list[Path], list[Path]] = ([], [])
    for number, (pages, links) in enumerate(zip(segments.pages, segments.links, strict=True)):
        seen, found = pq.read_table(pages), pq.read_table(links)
        chosen = pa.array(rng.random(seen.num_rows) < 1 / UPDATE)
        fetches = seen.column("fetch").filter(chosen)
        kept = pc.and_(
            pc.is_in(found.column("fetch"), fetches.combine_chunks()), pa.array(rng.random(found.num_rows) < SAME_LINKS)
        )
        moment = pa.array(np.full(len(fetches), 1_800_000_000_000_000)).cast(PAGES.field("fetched_at").type)
        seen, found = seen.filter(chosen), found.filter(kept)
        seen = seen.set_column(seen.column_names.index("fetched_at"), "fetched_at", moment)
        for kind, table, written in zip(("pages", "links"), (seen, found), files, strict=True):
            later = pc.add(table.column("fetch"), 1 << 39)
            again = table.set_column(table.column_names.index("fetch"), "fetch", later)
            written.append(folder / f"again-{kind}-{number:08}.parquet")
            written[-1].write_bytes(encode(again, COMPRESSION_LEVEL))
    return Segments(*files)


def build(folder: Path, limits: Limits) -> None:
    """Build the generation that `plan.json` names and print its figures as JSON: the child's part."""
    keep_freed_memory()
    plan = json.loads((folder / "plan.json").read_text())
    scratch, out = folder / "scratch", folder / plan["out"]
    scratch.mkdir()
    out.mkdir()
    last = folder / plan["last"]
    new, before = (Segments(*([Path(file) for file in files] for files in plan[name])) for name in ("new", "before"))
    kept = Stack.read(last).layers if plan["last"] else ()
    before_kib, cpu = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    started, stages = time.perf_counter(), Stages()
    counts = write_generation(
        Plan(new, kept, last, before), scratch, out, name_hosts, limits._replace(tell=stages.tell)
    )
    stages.tell("")
    elapsed, cpu = time.perf_counter() - started, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    shutil.rmtree(scratch)
    figures = {"links": counts.links, "wall_s": elapsed, "cpu_s": cpu, "start_kib": before_kib, "peak_kib": peak}
    print(json.dumps({**figures, "stages": stages.seconds}))


def measure_queries(out: Path) -> None:
    """Print how long questions about targets of all sizes take."""
    dice = random.Random(1)
    columns = ["target", "target_host", "target_domain", "links"]
    table = pq.read_table(parts(out / "layer=000", "targets"), columns=columns)
    popular = table.take(pc.select_k_unstable(table.column("links"), QUESTIONS // 3, [("links", "descending")]))
    some = table.take(dice.sample(range(table.num_rows), min(table.num_rows, QUESTIONS)))
    chosen = popular.to_pylist() + some.to_pylist()
    targets = {
        Mode.URL: [Target(Mode.URL, row["target"], reversed_host(row["target_host"])) for row in chosen],
        Mode.HOST: [Target(Mode.HOST, row["target_host"], reversed_host(row["target_host"])) for row in chosen],
        Mode.DOMAIN: [Target(Mode.DOMAIN, row["target_domain"], reversed_host(row["target_domain"])) for row in chosen],
    }
    with Index.open_generation(out, 1) as index:
        questions: dict[str, Callable[[Target], object]] = {
            "backlinks": lambda target: index.backlinks(target, page=ROWS_ASKED).table(),
            "outlinks": lambda target: index.outlinks(target, page=ROWS_ASKED).table(),
            "domains": lambda target: index.domains(target, page=ROWS_ASKED).table(),
            "anchors": lambda target: index.anchors(target, page=ROWS_ASKED).table(),
            "summary": index.summary,
        }
        for name, ask in questions.items():
            for mode, asked in targets.items():
                print(f"  {name:<10} {mode.value:<7} {_times(ask, asked)}")


def _times(ask: Callable[[Target], object], targets: Sequence[Target]) -> str:
    wall, cpu = [], []
    for target in targets:
        started, spent = time.perf_counter(), time.process_time()
        ask(target)
        wall.append((time.perf_counter() - started) * 1_000)
        cpu.append((time.process_time() - spent) * 1_000)
    found = [
        f"{name} p50 {np.percentile(ms, 50):6.1f} p99 {np.percentile(ms, 99):6.1f} ms"
        for name, ms in (("wall", wall), ("CPU", cpu))
    ]
    return "   ".join(found)


def main() -> None:
    """Write a web, build its index, ask it, update it, and print the figures."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--links", type=int, default=1_000_000)
    options.add_argument("--memory-mib", type=int, default=1_024)
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--profile", action="store_true", help="print the CPU seconds of each stage of the build")
    options.add_argument("--segments", type=Path, help="folder in which segments stay, for the next run to use")
    options.add_argument("--no-updates", action="store_true", help="measure one build and its questions alone")
    options.add_argument("--build", type=Path, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.build is not None:
        build(given.build, Limits(given.memory_mib << 20, given.threads))
        return
    with tempfile.TemporaryDirectory(prefix="linkmill-bench-") as name:
        bench = Bench(
            Path(name), ["--memory-mib", str(given.memory_mib), "--threads", str(given.threads)], given.profile
        )
        kept: Path = given.segments or bench.folder
        kept.mkdir(parents=True, exist_ok=True)
        segments = write_web(kept.resolve(), given.links)
        raw = sum(file.stat().st_size for files in segments for file in files)
        figures = bench.built("whole", segments)
        _tell(figures, raw, bench.folder / "whole" / "layer=000")
        measure_queries(bench.folder / "whole")
        if not given.no_updates:
            measure_updates(bench, segments, figures["cpu_s"])


class Bench(NamedTuple):
    """Where builds take place, and how."""

    folder: Path
    shape: list[str]
    profile: bool

    def built(self, out: str, new: Segments, last: str = "", before: Segments = NOTHING) -> dict[str, Any]:
        """Build a generation in a child and return its figures."""
        named = {
            name: [[str(file) for file in files] for files in of] for name, of in (("new", new), ("before", before))
        }
        (self.folder / "plan.json").write_text(json.dumps({"out": out, "last": last, **named}))
        child = [sys.executable, "-m", "bench.index", "--build", str(self.folder), *self.shape]
        figures: dict[str, Any] = json.loads(subprocess.run(child, check=True, capture_output=True, text=True).stdout)
        if self.profile:
            for stage, seconds in figures["stages"].items():
                print(f"  {stage:<22} {seconds:7.3f} CPU s {seconds / figures['links'] * 1e9:6.0f} ns a link")
        return figures


def measure_updates(bench: Bench, segments: Segments, whole_s: float) -> None:
    """Print what an update of 5 % costs beside a build of all, and how long questions take then."""
    cut = max(len(segments.pages) - max(len(segments.pages) // UPDATE, 1), 1)
    old, new = (Segments(*(files[part] for files in segments)) for part in (slice(cut), slice(cut, None)))
    shutil.rmtree(bench.folder / "whole")
    bench.built("old", old)
    again = fetch_again(bench.folder, old)
    for title, changed in (("new pages", new), ("pages fetched again", again)):
        if changed is again:
            whole_s = bench.built("both", together(old, again))["cpu_s"]
        cpu_s = bench.built("update", changed, "old", old)["cpu_s"]
        print(f"update, 5 % {title}: {cpu_s:.2f} CPU s, {cpu_s / whole_s:.1%} of a build of all")
        measure_queries(bench.folder / "update")
        shutil.rmtree(bench.folder / "update")


def together(*segments: Segments) -> Segments:
    """Return the files of all."""
    return Segments(*([file for each in segments for file in each[at]] for at in (0, 1)))


def _tell(figures: dict[str, Any], raw: int, out: Path) -> None:
    links = figures["links"]
    print(f"{links:,.0f} links, {raw / links:.1f} bytes each in segments")
    print(f"build: {figures['wall_s']:.1f} s, {links / figures['cpu_s']:,.0f} links a CPU second")
    print(f"memory: peak {figures['peak_kib'] / 1024:,.0f} MiB, of which {figures['start_kib'] / 1024:,.0f} before it")
    entries = [entry for entry in (*out.iterdir(), *out.parent.iterdir()) if entry != out]
    sizes = {entry.name: sum(file.stat().st_size for file in (entry, *entry.glob("*"))) for entry in entries}
    print(f"index: {sum(sizes.values()) / links:.1f} bytes a link")
    for name, size in sorted(sizes.items()):
        print(f"  {name:<13} {size / links:6.2f} bytes a link")


if __name__ == "__main__":
    main()
