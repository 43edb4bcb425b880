"""The life of a generation: built aside, made durable, published by one row of the manifest, retired two builds later.

Rule: what the manifest does not list as built does not exist. A crash leaves an unfinished row and an orphan directory;
the next build, which alone holds the lock of the index, removes both.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple, get_args

from storage.directory import make_folder, sync_folder
from storage.errors import DataCorrupt, DataMissing, StorageError
from storage.faults import translated
from storage.index import contents
from storage.index.build import Counts, Limits, NameHosts, Plan, write_generation
from storage.index.refetched import Segments
from storage.index.stack import Layer, Stack, kept
from storage.manifest import Generation, Manifest, Segment
from storage.segments import SegmentKind, is_intact

KEPT: Final = 2
"""The published generation and the one before, which a running question may still read."""

LOCK: Final = "lock"
ASIDE: Final = "building"


class IndexBusy(StorageError):
    """Another build of the index is running here; wait for it or stop it."""


class NothingCrawled(DataMissing):
    """No page has been crawled here yet, so there is nothing to index; run `linkmill crawl` first."""


class Built(NamedTuple):
    """A generation that was published."""

    generation: Generation
    counts: Counts
    elapsed_s: float
    bytes: int


def build_index(data_dir: Path, name_hosts: NameHosts, limits: Limits, naming: str = "", anew: bool = False) -> Built:
    """Build a generation of all segments committed so far, publish it, and remove the ones nobody needs any more.

    Layers of the last one are kept where that is cheaper, and if `naming`, on which `name_hosts` depends, is the same;
    `anew` keeps none.
    May run beside a crawl. Raises StorageError (NothingCrawled, DataCorrupt, IndexBusy, OutOfMemory, DiskFull, ...).
    """
    started = time.monotonic()
    with Manifest.open(data_dir, write=True) as manifest, _alone(manifest.directory.index):
        _sweep(manifest)
        last = manifest.last_segment()
        plan = _plan(manifest, last, naming, anew)
        generation = manifest.begin_generation(time.time())
        counts = _write(manifest, generation, plan, name_hosts, limits)
        manifest.publish(generation.id, last, time.time())
        _retire(manifest)
    size = sum(file.stat().st_size for file in (data_dir / generation.path).rglob("*") if file.is_file())
    return Built(generation, counts, time.monotonic() - started, size)


def _plan(manifest: Manifest, last: int, naming: str, anew: bool) -> Plan:
    """Return what is built of all commits up to segment `last`: a commit beside the build is left for the next one.

    Raises DataCorrupt for the first segment that is not the one that was written: no index is built of damaged data.
    """
    root = manifest.directory.root
    segments = [segment for kind in get_args(SegmentKind) for segment in manifest.segments(kind) if segment.id <= last]
    if not segments:
        raise NothingCrawled(root)
    for segment in segments:
        with translated(root):
            intact = is_intact(root / segment.path, segment.size_bytes, segment.checksum)
        if not intact:
            raise DataCorrupt(root / segment.path, "missing" if not (root / segment.path).exists() else "changed")
    generation, layers = (Path(), ()) if anew else _kept(manifest, segments, naming)
    covered = layers[-1].last_segment if layers else 0
    new = _files(root, [segment for segment in segments if segment.id > covered])
    before = _files(root, [segment for segment in segments if segment.id <= covered])
    return Plan(new, layers, generation, before, naming, last)


def _kept(manifest: Manifest, segments: Sequence[Segment], naming: str) -> tuple[Path, Sequence[Layer]]:
    """Return the layers of the published generation that the next one has too, and where they are."""
    last = manifest.current()
    if last is None:
        return Path(), ()
    generation = manifest.directory.root / last.path
    with translated(generation):
        if contents.damage(generation, whole=True) is not None:
            return Path(), ()
        stack = Stack.read(generation)
    if stack.naming != naming:
        return Path(), ()
    added = [sum(new.rows for new in segments if new.id > layer.last_segment) for layer in stack.layers]
    return generation, stack.layers[: kept(stack.layers, added)]


def _files(root: Path, segments: Sequence[Segment]) -> Segments:
    pages, links = ([root / each.path for each in segments if each.kind == kind] for kind in get_args(SegmentKind))
    return Segments(pages, links)


def _write(manifest: Manifest, generation: Generation, plan: Plan, name_hosts: NameHosts, limits: Limits) -> Counts:
    index = manifest.directory.index
    aside = index / ASIDE
    scratch, out = aside / "scratch", aside / "generation"
    with translated(index):
        scratch.mkdir(parents=True)
        out.mkdir()
        try:
            counts = write_generation(plan, scratch, out, name_hosts, limits)
            _sync(out)
            out.rename(manifest.directory.root / generation.path)
            sync_folder(index)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return counts


def _sync(directory: Path) -> None:
    """Make every file and name below `directory` survive a power cut."""
    for folder, _, names in os.walk(directory):
        for name in names:
            handle = os.open(Path(folder, name), os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        sync_folder(Path(folder))


def _sweep(manifest: Manifest) -> None:
    """Remove what builds that died have left."""
    kept = set()
    for generation in manifest.generations():
        if generation.built_at is None:
            manifest.forget(generation.id)
        else:
            kept.add(manifest.directory.root / generation.path)
    with translated(manifest.directory.index):
        for entry in manifest.directory.index.iterdir():
            if entry.is_dir() and entry not in kept:
                shutil.rmtree(entry)


def _retire(manifest: Manifest) -> None:
    """Remove all built generations but the newest ones; the row goes last, so that a crash between is swept up."""
    for generation in manifest.generations()[:-KEPT]:
        with translated(manifest.directory.index):
            shutil.rmtree(manifest.directory.root / generation.path, ignore_errors=True)
        manifest.forget(generation.id)


@contextmanager
def _alone(index: Path) -> Iterator[None]:
    """Hold the lock of the index; it goes with the process."""
    with translated(index):
        make_folder(index)
        handle = os.open(index / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise IndexBusy(index) from error
        yield
    finally:
        os.close(handle)
