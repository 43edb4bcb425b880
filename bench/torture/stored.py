"""What a crawl stored, in a form in which two crawls of the same web can be compared, and whether it hangs together.

Rule: every column counts, except those that the order or the speed of a crawl decides (`LOOSE`); and every attempt,
except a time-out that was made up for: it says that the machine stood still, and is counted apart.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from storage.manifest import Manifest
from storage.records import PAGE_COLUMNS, Failure, LinkRow, PageRow
from storage.segments import is_intact, read_links, read_pages
from storage.status import read_status

LOOSE: Final = frozenset({"run", "fetch", "fetched_at", "fetch_ms", "queue_ms", "discovered_from", "depth", "via"})
"""Moments and numbers of a fetch, and which of several links revealed the URL: the first one to be crawled."""
COMPARED: Final = tuple(name for name in PAGE_COLUMNS if name not in LOOSE)

FAILURE: Final = COMPARED.index("failure")
STATUS: Final = COMPARED.index("status")

Attempt = tuple[tuple[Any, ...], list[LinkRow]]
"""The compared columns of a page, and its links in order."""

Attempts = dict[str, list[Attempt]]
"""URL to its attempts in order."""


class Stored:
    """The rows of all segments in the manifest of a data directory."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.pages: list[PageRow] = []
        self.links: dict[int, list[LinkRow]] = {}
        self.pages_a_batch: list[int] = []
        with Manifest.open(data_dir) as manifest:
            for file in manifest.segments("pages"):
                rows = read_pages(data_dir / file.path)
                self.pages += rows
                self.pages_a_batch.append(len(rows))
            for file in manifest.segments("links"):
                for fetch, link in read_links(data_dir / file.path):
                    self.links.setdefault(fetch, []).append(link)

    def attempts(self) -> Attempts:
        """Return everything two crawls of one web have in common."""
        found: Attempts = {}
        for page in sorted(self.pages, key=lambda page: page.fetch):
            columns = tuple(getattr(page, name) for name in COMPARED)
            links = sorted(self.links.get(page.fetch, []), key=lambda link: link.ordinal)
            found.setdefault(page.url, []).append((columns, links))
        return {url: [*filter(_tells, attempts[:-1]), attempts[-1]] for url, attempts in found.items()}

    @property
    def timeouts(self) -> int:
        """How many attempts ran out of time: none where the machine keeps up."""
        return sum(page.failure == Failure.TIMEOUT for page in self.pages)

    def faults(self) -> list[str]:
        """Return one line for each thing that cannot be in a crawl that ended."""
        totals, fetches = read_status(self.data_dir).totals, {page.fetch: page for page in self.pages}
        found = [] if totals.conserved else [f"states do not add up: {totals}"]
        found += [f"{totals.queued} URLs still queued"] if totals.queued else []
        if len(fetches) != len(self.pages):
            found.append(f"{len(self.pages) - len(fetches)} fetch numbers used twice")
        if totals.discovered != len({page.url for page in self.pages}):
            found.append(f"{totals.discovered} URLs discovered, {len({page.url for page in self.pages})} on record")
        for page in self.pages:
            if page.discovered_from is not None and not self._reveals(page.discovered_from, page.url):
                found.append(f"{page.url}: fetch {page.discovered_from}, said to have revealed it, has no such link")
        return found

    def _reveals(self, fetch: int, url: str) -> bool:
        return any(link.target == url for link in self.links.get(fetch, ()))


def _tells(attempt: Attempt) -> bool:
    failure: int | None = attempt[0][FAILURE]
    return failure != Failure.TIMEOUT


def differences(one: Attempts, other: Attempts) -> list[str]:
    """Return one line for each URL whose attempts differ."""
    return [
        f"{url}: {_endings(one.get(url, []))}, then {_endings(other.get(url, []))}"
        for url in sorted({*one, *other})
        if one.get(url) != other.get(url)
    ]


def _endings(attempts: list[Attempt]) -> str:
    """Return how attempts ended, for people: `TIMEOUT, 200 with 7 links`."""
    ends = [
        Failure(columns[FAILURE] or 0).name if columns[FAILURE] else f"{columns[STATUS]} with {len(links)} links"
        for columns, links in attempts
    ]
    return ", ".join(ends) or "nothing"


def damage(data_dir: Path, scratch: Path) -> list[str]:
    """Return what is wrong with a data directory that nobody has open, looking at a copy so that nothing is mended.

    The files of the database are copied as they lie; the segments that its manifest lists are looked at in place.
    """
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    for name in ("crawl.db", "crawl.db-wal"):
        if (data_dir / name).exists():
            shutil.copyfile(data_dir / name, scratch / name)
    with closing(sqlite3.connect(scratch / "crawl.db")) as database:
        found = [line for (line,) in database.execute("PRAGMA integrity_check") if line != "ok"]
        if not database.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            return found  # killed before there was anything in it
        segments = database.execute("SELECT path, size_bytes, checksum FROM segments").fetchall()
    found += [f"{path}: missing or changed" for path, *made in segments if not is_intact(data_dir / path, *made)]
    return found + _unbalanced(scratch)


def _unbalanced(data_dir: Path) -> list[str]:
    with closing(sqlite3.connect(data_dir / "crawl.db")) as database:
        if not database.execute("SELECT count(*) FROM runs").fetchone()[0]:
            return []
    totals = read_status(data_dir).totals
    return [] if totals.conserved else [f"states do not add up: {totals}"]
