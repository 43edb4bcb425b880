"""CPU time of fetching: per keep-alive request by size of body, and of undoing a body's coding.

A trivial raw server runs in a process of its own and is not counted. Run: python -m bench.fetch
"""

from __future__ import annotations

import asyncio
import gzip
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from typing import Final

import aiohttp
import deflate
import uvloop
from isal import isal_zlib
from yarl import URL

from crawler.addresses import AddressGuard, Endpoint
from crawler.body import PIECE_BYTES, Decoder
from crawler.fetch import Fetcher
from crawler.outcome import Fetched

TASKS: Final = 32
REQUESTS: Final = 4_800
ROUNDS: Final = 2
DECODE_TIMES: Final = 200
CHUNK_BYTES: Final = 65_536


def html(size: int) -> bytes:
    """Return a page of `size` bytes that packs about as well as real ones."""
    parts, held, seed = [b"<!doctype html><title>t</title>"], 0, 1
    while held < size:
        seed = seed * 1_103_515_245 + 12_345 & 0x7FFFFFFF
        parts.append(
            b'<p class="c%d"><a href="/item/%x/%d">some link text %x</a> %d</p>\n' % (seed % 7, seed, held, seed, seed)
        )
        held += len(parts[-1])
    return b"".join(parts)[:size]


BODIES: Final = {"0": b"", "4k": html(4_000), "40k": html(40_000), "130k": html(130_000)}


def answer(body: bytes, packed: bool) -> bytes:
    """Return a response with the fields that a usual server sends."""
    wire = gzip.compress(body, 6) if packed else body
    coding = b"Content-Encoding: gzip\r\n" if packed else b""
    fields = b'Server: nginx\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nETag: "a1b2"\r\nVary: Accept-Encoding\r\n'
    length = b"Content-Type: text/html; charset=utf-8\r\nContent-Length: %d\r\n\r\n" % len(wire)
    return b"HTTP/1.1 200 OK\r\n" + fields + coding + length + wire


ANSWERS: Final = {f"/{name}{end}": answer(body, bool(end)) for name, body in BODIES.items() for end in ("", ".gz")}


class Server(asyncio.Protocol):
    """Answers each request by its path; pipelining does not happen."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        path = data[4 : data.index(b"?")].decode()
        self._transport.write(ANSWERS[path])  # type: ignore[attr-defined]


async def serve() -> None:
    """Serve until killed; the port goes to standard output."""
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def measure(port: int, path: str, size: int) -> float:
    """Return the CPU microseconds of one request, the best of some rounds."""
    at = Endpoint("127.0.0.1", port)
    types = frozenset({"text/html"})

    async def visits(task: int) -> None:
        for number in range(REQUESTS // TASKS):
            outcome = await fetcher.fetch(f"http://h{task}.test{path}?{number}", at, types=types)
            assert isinstance(outcome, Fetched)
            assert len(outcome.body) == size

    async with Fetcher(AddressGuard(["127.0.0.0/8"]), "Linkmill-bench/0") as fetcher:
        best = float("inf")
        for _ in range(ROUNDS):
            start = time.process_time()
            await asyncio.gather(*map(visits, range(TASKS)))
            best = min(best, time.process_time() - start)
    return best / REQUESTS * 1e6


async def measure_session(port: int, path: str) -> float:
    """Return the CPU microseconds of the same request through aiohttp's own session, tuned."""
    timeout = aiohttp.ClientTimeout(total=None, connect=None, sock_read=None, sock_connect=None)
    jar, pool = aiohttp.DummyCookieJar(), aiohttp.TCPConnector(limit=0)
    headers = {"User-Agent": "Linkmill-bench/0", "Accept": "text/html"}

    async def visits(task: int) -> None:
        for number in range(REQUESTS // TASKS):
            url = URL(f"http://127.0.0.1:{port}{path}?{number}", encoded=True)
            host = f"h{task}.test"
            async with session.get(url, headers={"Host": host}, server_hostname=host, allow_redirects=False) as answer:
                while await answer.content.readany():
                    pass

    async with aiohttp.ClientSession(
        connector=pool, cookie_jar=jar, timeout=timeout, headers=headers, auto_decompress=False
    ) as session:
        best = float("inf")
        for _ in range(ROUNDS):
            start = time.process_time()
            await asyncio.gather(*map(visits, range(TASKS)))
            best = min(best, time.process_time() - start)
    return best / REQUESTS * 1e6


def streamed(wire: bytes, start: Callable[[], isal_zlib.Decompress]) -> bytes:
    """Decode gzip as it would arrive, in bounded pieces."""
    inflate, pieces = start(), []
    for at in range(0, len(wire), CHUNK_BYTES):
        pieces.append(inflate.decompress(wire[at : at + CHUNK_BYTES], PIECE_BYTES))
        while inflate.unconsumed_tail:
            pieces.append(inflate.decompress(inflate.unconsumed_tail, PIECE_BYTES))
    return b"".join(pieces)


def decoded(wire: bytes) -> bytes:
    """Decode gzip as the crawler does."""
    decoder = Decoder("gzip", 1 << 24)
    for at in range(0, len(wire), CHUNK_BYTES):
        decoder.feed(wire[at : at + CHUNK_BYTES])
    return decoder.finish()


def measure_decoding() -> None:
    """Print the CPU time of decoding one gzip page by library."""
    body = BODIES["130k"]
    wire = gzip.compress(body, 6)
    ways: dict[str, Callable[[bytes], bytes]] = {
        "zlib": lambda data: streamed(data, lambda: zlib.decompressobj(31)),  # type: ignore[arg-type,return-value]
        "isal": lambda data: streamed(data, lambda: isal_zlib.decompressobj(31)),
        "libdeflate, whole": lambda data: bytes(deflate.gzip_decompress(data)),
        "crawler.body": decoded,
    }
    for name, way in ways.items():
        assert way(wire) == body
        start = time.process_time()
        for _ in range(DECODE_TIMES):
            way(wire)
        spent_us = (time.process_time() - start) / DECODE_TIMES * 1e6
        print(f"gunzip {len(wire):>7,} -> {len(body):,} bytes  {name:<18} {spent_us:7.0f} us")


def main() -> None:
    """Print one line a measurement."""
    if sys.argv[1:] == ["serve"]:
        uvloop.run(serve())
        return
    with subprocess.Popen([sys.executable, "-m", "bench.fetch", "serve"], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            port = int(server.stdout.readline())
            for path in ANSWERS:
                size = len(BODIES[path[1:].removesuffix(".gz")])
                spent_us = uvloop.run(measure(port, path, size))
                print(f"keep-alive request {path:<9} {size:>7,} bytes  {spent_us:7.1f} us")
            spent_us = uvloop.run(measure_session(port, "/4k"))
            print(f"aiohttp's session  {'/4k':<9} {len(BODIES['4k']):>7,} bytes  {spent_us:7.1f} us")
        finally:
            server.kill()
    measure_decoding()


if __name__ == "__main__":
    main()
