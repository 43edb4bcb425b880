"""The inside of the sandbox: reads one page after the other from standard input and writes what it found as JSON.

Rule: run as a process of its own (`python -m crawler.sandboxed`), which sets its own limits before it reads the first
byte. A page that costs too much ends the process; nothing here tries to save it. The parent trusts nothing it is told
but the form: no pickles.
"""

from __future__ import annotations

import os
import resource
import signal
import struct
import sys
from dataclasses import fields
from pathlib import Path
from typing import BinaryIO, Final

import orjson
from selectolax.lexbor import SelectolaxError

from crawler.extract import ExtractSettings, Html, Page, Refresh, extract
from storage.records import Kind, LinkRow

CPU_S: Final = 1.4
"""CPU time of one page: 2 s hold, for the kernel counts in ticks. Let run, hostile pages take minutes."""
MEMORY_BYTES: Final = 192 << 20
"""What the process may take beyond what it has once it is loaded (45 MB resident): 256 MB hold for both."""

_HEAD: Final = struct.Struct(">II")
"""Lengths of the order and of the body that follow it."""
_LENGTH: Final = struct.Struct(">I")
HEAD_BYTES: Final = _LENGTH.size

ANSWER_BYTES_MAX: Final = 64 << 20
"""Longest answer read: 20,000 links with all their words are 10 MB."""

_PLAIN: Final = tuple(f.name for f in fields(Page) if f.name not in ("links", "links_to_follow", "refresh"))


def pack_order(html: Html, settings: ExtractSettings) -> bytes:
    """Return a page with the settings to read it by, as the process takes it."""
    order = orjson.dumps(
        {
            "html": html[1:],
            "kinds": sorted(settings.kinds),
            "followed": sorted(settings.followed),
            "numbers": [settings.anchor_bytes, settings.max_links, settings.context, settings.product],
        }
    )
    return b"".join((_HEAD.pack(len(order), len(html.body)), order, html.body))


def unpack_length(head: bytes) -> int:
    """Return the length of the answer that follows its first bytes."""
    (length,) = _LENGTH.unpack(head)
    return int(length)


def unpack_page(answer: bytes) -> Page:
    """Return the page that an answer describes. Raises ValueError, TypeError or KeyError for what is no answer."""
    told = orjson.loads(answer)
    page = Page(**{name: told[name] for name in _PLAIN})
    page.links = [LinkRow(*row) for row in told["links"]]
    page.links_to_follow = [LinkRow(*row) for row in told["links_to_follow"]]
    page.refresh = Refresh(*told["refresh"]) if told["refresh"] is not None else None
    return page


def _pack_page(page: Page) -> bytes:
    told: dict[str, object] = {name: getattr(page, name) for name in _PLAIN}
    told["links"] = [tuple(row) for row in page.links]
    told["links_to_follow"] = [tuple(row) for row in page.links_to_follow]
    told["refresh"] = tuple(page.refresh) if page.refresh is not None else None
    answer = orjson.dumps(told)
    return _LENGTH.pack(len(answer)) + answer


def _read_order(source: BinaryIO) -> tuple[Html, ExtractSettings] | None:
    """Read the next page; None when the parent has closed its end."""
    head = source.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    order_bytes, body_bytes = _HEAD.unpack(head)
    order = orjson.loads(source.read(order_bytes))
    body = source.read(body_bytes)
    if len(body) < body_bytes:
        return None
    kinds, followed = (frozenset(map(Kind, order[name])) for name in ("kinds", "followed"))
    return Html(body, *order["html"]), ExtractSettings(kinds, followed, *order["numbers"])


def _limit() -> None:
    """Bound the memory of this process. What the kernel does not let it have ends it, or the parser says so."""
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if sys.platform == "linux" else 0
    limit = pages * resource.getpagesize() + MEMORY_BYTES if pages else resource.RLIM_INFINITY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the parent decides
    signal.signal(signal.SIGPROF, signal.SIG_DFL)


def main() -> None:
    """Read pages until the parent closes its end."""
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    # Loads what the first page would: the suffix list alone takes 70 ms.
    extract(b"<a href=http://a.example.org/>a</a>", "utf-8", "http://example.org/", ExtractSettings())
    _limit()
    while (order := _read_order(source)) is not None:
        html, settings = order
        # SIGPROF ends the process in the middle of the parser, which no Python code could.
        signal.setitimer(signal.ITIMER_PROF, CPU_S)
        try:
            answer = _pack_page(extract(html.body, html.encoding, html.url, settings, html.link_header))
        except (MemoryError, SelectolaxError):
            raise SystemExit(1) from None  # out of memory; a new process starts from a clean heap
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        try:
            sink.write(answer)
            sink.flush()
        except BrokenPipeError:  # the parent has ended, and nobody waits for the answer
            os._exit(0)


if __name__ == "__main__":
    main()
