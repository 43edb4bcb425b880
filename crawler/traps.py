"""Signs of an endless site in a URL alone: paths that repeat themselves, and the part of a site a URL counts towards.

Rule: a URL is judged in time linear in its length and without memory of others; counting is `crawler.scope`'s.
"""

from __future__ import annotations

from typing import Final

PART_DIRECTORIES: Final = 3
"""Directories that name a part of a site: deep enough for `/en/events/calendar/`, shallow enough for `/a/a/a/a/`."""

BLOCK_SEGMENTS: Final = 3
"""Longest block of path segments that is looked for again: `/x/y/z/x/y/z/`."""


def path_segments(url: str) -> list[str]:
    """Return the segments of a normal form's path, without query and without the empty one after a last slash."""
    path = url.partition("?")[0].split("/", 3)[3]
    segments = path.split("/")
    if not segments[-1]:
        segments.pop()
    return segments


def part_of(url: str) -> str:
    """Return the part of its site that a normal form belongs to, as host and path: `a.example/en/events`.

    The first three directories. With a query or path parameters (`;id=1`) the page that is asked belongs to it too:
    a script that answers all of them is a part of its own.
    """
    host = url.split("/", 3)[2]
    segments = path_segments(url)
    file = segments.pop() if segments and not url.partition("?")[0].endswith("/") else ""
    if len(segments) < PART_DIRECTORIES and ("?" in url or ";" in file):
        segments.append(file.partition(";")[0])
    return "/".join([host, *segments[:PART_DIRECTORIES]])


def repeats(segments: list[str]) -> int:
    """Return how often at most a block of up to three segments follows itself: 0 for `/a/b`, 2 for `/a/a/a`."""
    most = 0
    for length in range(1, BLOCK_SEGMENTS + 1):
        run = 0
        for at in range(length, len(segments)):
            run = run + 1 if segments[at] == segments[at - length] else 0
            most = max(most, run // length)
    return most
