"""A web without an end: `python -m bench.torture.endless` serves it until `--max-seconds` are over.

Rule: a page is a function of its host and number; nothing is kept. Page n links to the pages before and after it, now
and then to a hundred leaves at once (more than the crawler keeps of a host in memory), and to other hosts, so that
about one new URL is found for each page fetched. One page in ten misbehaves in the ways of `odd`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from contextlib import suppress
from typing import Final

import uvloop

from bench.torture.hostile import send
from bench.vweb.process import READY

HOSTS: Final = 200
AHEAD: Final = 8
"""Pages linked ahead and behind: most links lead to known pages."""
LEAVES: Final = 100
LEAVES_EVERY: Final = 150
STRANGERS: Final = 100
"""Hosts outside that pages link to, all met within a minute and a half. What is remembered of each host (0.3 KB, up to
`crawler.url.HOSTS_REMEMBERED` and `crawler.scope.VERDICTS_MAX`) would else be a slope that does not end in time."""
TEXT: Final = b"<p>" + b"plain words of an endless page, as they stand everywhere. " * 20 + b"</p>\n"
TANGLE: Final = b"<div><i>" * 2_000
"""Sends a page to the sandbox."""


def host(number: int) -> str:
    """Return the name of a host."""
    return f"h{number % HOSTS}.endless.test"


def page(number: int, own: int) -> bytes:
    """Return page `number` of a host."""
    near = [own + step for step in range(-AHEAD, AHEAD + 1) if own + step >= 0]
    links = [f"/{n}" for n in near] + [f"http://{host(number + step)}/" for step in (1, 7, 49)]
    # Hosts go on at the same pace: each has its leaves in its own turn, so that what is queued is much the same always.
    links += [f"/{own}/{leaf}" for leaf in range(LEAVES)] if (own + number) % LEAVES_EVERY == 0 else []
    links.append(f"http://out{own % STRANGERS}.elsewhere.test/{number}-{own}")
    body = "".join(f'<li><a href="{href}">page {href}</a>\n' for href in links).encode()
    return b"<!doctype html><html><head><title>Page %d</title></head><body>\n" % own + TEXT + b"<ul>" + body + TEXT


def whole(body: bytes, status: bytes = b"200 OK", fields: bytes = b"") -> bytes:
    """Return an answer with its length."""
    head = b"HTTP/1.1 %b\r\nContent-Type: text/html; charset=utf-8\r\n%bContent-Length: %d\r\n\r\n"
    return head % (status, fields, len(body)) + body


def odd(number: int, own: int) -> tuple[bytes, bool] | None:
    """Return the answer of a page that misbehaves and whether the connection is then reset; None for the others."""
    match (number * 31 + own * 17) % 100 if own else 0:
        case 1 | 2:
            return whole(b"", b"404 Not Found"), False
        case 3 | 4:
            return whole(b"", b"302 Found", b"Location: /%d\r\n" % (own + 1)), False
        case 5:
            return whole(b"", b"503 Service Unavailable"), False
        case 6:
            return whole(page(number, own))[:-500], True
        case 7:
            return whole(page(number, own)) + b"HTTP/1.1 200 OK\r\n\r\nnobody asked", False
        case 8:
            return whole(page(number, own) + TANGLE), False
        case 9:
            return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n", True
        case _:
            return None


async def _serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError, asyncio.IncompleteReadError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            target, name = head.split(b" ", 2)[1], head.partition(b"Host: h")[2].partition(b".")[0]
            if target == b"/robots.txt":
                await send(writer, whole(b"User-agent: *\nDisallow: /never/\n"))
                continue
            number, parts = int(name), target[1:].split(b"/")
            if len(parts) > 1:
                await send(writer, whole(b"<p>A leaf." + TEXT))
                continue
            own = int(parts[0] or 0)
            answer, ends = odd(number, own) or (whole(page(number, own)), False)
            await send(writer, answer)
            if ends:
                writer.transport.abort()
                return
    writer.close()


async def _serve(max_s: float) -> None:
    server = await asyncio.start_server(_serve_one, "127.0.0.1", 0, backlog=1024)
    print(f"{READY}127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    with suppress(TimeoutError):
        await asyncio.wait_for(server.serve_forever(), max_s)


def main() -> None:
    """Serve what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m bench.torture.endless", description=__doc__)
    parser.add_argument("--max-seconds", type=float, default=300.0)
    options = parser.parse_args()
    os.nice(5)
    uvloop.run(_serve(options.max_seconds))


if __name__ == "__main__":
    main()
