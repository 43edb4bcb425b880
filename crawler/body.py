"""Undoing a body's content codings while it arrives: gzip, deflate, br, zstd and stacks of them.

Rule: never more than the cap and three pieces of decoded bytes are held, however small the body on the wire is;
decoding stops where the cap is reached. A body that we cut is whole up to the cut; any other is whole or an error.
A short gzip body waits for its end and is inflated at once, which takes a tenth to a fifth less time.
Counting bytes on the wire and deciding what a broken body means is `crawler.fetch`'s work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol, cast

import brotli
import zstandard
from isal import isal_zlib

PIECE_BYTES: Final = 32_768
"""Most bytes one stage decodes at a time: three stages together stay below 100 KB."""

MAX_CODINGS: Final = 3
"""More stacked codings than this are no page but an attack: two are rare already."""

MAX_MEMBERS: Final = 16_384
"""Members of one gzip body: 16 MiB in blocks of 64 KiB are 256; each costs 5 us."""

FLOOD_STEP_BYTES: Final = 4_096
"""Input per step after the first gzip member, because the rest is copied for each member that ends."""

ZSTD_WINDOW_BYTES: Final = 8 * 1024 * 1024
"""Largest window a sender may ask for (RFC 9659 section 3)."""

GZIP, ZLIB, RAW_DEFLATE = 31, 15, -15
"""zlib's numbers for the wrappers of a deflate stream."""

GZIP_MAGIC: Final = b"\x1f\x8b"

WAITING_BYTES: Final = 256 * 1024
"""Longest gzip body that waits for its end: as much as one read of a socket may bring, a page of a megabyte."""

Out = Callable[[bytes], None]

_ERRORS: Final[tuple[type[Exception], ...]] = (
    cast("type[Exception]", isal_zlib.error),
    brotli.error,
    zstandard.ZstdError,
)


class BrokenCodingError(Exception):
    """The body's content coding is broken, cut short or unknown. Caught in `crawler.fetch` alone."""


class _FullError(Exception):
    """The cap is reached: unwinds the stages, so that none decodes further."""


class Stage(Protocol):
    """One coding being undone: decoded pieces go to the `Out` it was made with."""

    def feed(self, data: bytes) -> None: ...

    def finish(self) -> None:
        """Take the end of the input; raise `BrokenCodingError` when the coding had not come to its own end."""


class Kept:
    """The decoded pieces, up to the cap.

    Apart from `Decoder`, because stages that point back to their owner would wait for the cycle collector with their
    window of 80 KB: 245 us instead of 140 for 130 KB of HTML.
    """

    __slots__ = ("pieces", "room")

    def __init__(self, max_body_bytes: int) -> None:
        self.pieces: list[bytes] = []
        self.room = max_body_bytes

    def keep(self, piece: bytes) -> None:
        if len(piece) > self.room:
            self.pieces.append(piece[: self.room])
            self.room = 0
            raise _FullError
        self.room -= len(piece)
        self.pieces.append(piece)


class Decoder:
    """One body: `feed` chunks as they arrive until `truncated`, then `finish` once.

    Raises:
        BrokenCodingError: from any of the three, when the body cannot be decoded.
    """

    __slots__ = ("_first", "_kept", "_room", "_stages", "_started", "_waiting", "truncated")

    def __init__(self, content_encoding: str | None, max_body_bytes: int) -> None:
        self.truncated = False
        """The decoded body reached the cap; nothing more is decoded."""
        self._kept = Kept(max_body_bytes)
        self._stages = _stages(content_encoding, self._kept.keep) if content_encoding else []
        self._first = self._stages[0].feed if self._stages else self._kept.keep
        self._started = False
        self._waiting: list[bytes] | None = [] if len(self._stages) == 1 and type(self._stages[0]) is Gzip else None
        """Chunks of a body that may be inflated at once; None once it is decoded as it arrives."""
        self._room = WAITING_BYTES

    def feed(self, chunk: bytes) -> None:
        """Decode one more chunk as it came from the wire; `truncated` may be told by `finish` alone."""
        if self.truncated or not chunk:
            return
        self._started = True
        if self._waiting is None:
            self._guarded(self._first, chunk)
            return
        self._waiting.append(chunk)
        self._room -= len(chunk)
        if self._room < 0:
            self._wait_no_more()

    def finish(self, cut: bool = False) -> bytes:
        """Return the decoded body. `cut`: we stopped reading, so the coding need not have come to its end."""
        if self._waiting:
            body = None if cut else _gunzip(_joined(self._waiting), self._kept.room)
            if body is not None:
                return body
            self._wait_no_more()
        if self._started and not cut and not self.truncated:
            self._guarded(self._finish_stages, b"")
        return _joined(self._kept.pieces)

    def _wait_no_more(self) -> None:
        """Decode what waited, and all that comes, piece by piece."""
        chunks, self._waiting = self._waiting or [], None
        for chunk in chunks:
            if not self.truncated:
                self._guarded(self._first, chunk)

    def _guarded(self, step: Out, data: bytes) -> None:
        try:
            step(data)
        except _FullError:
            self.truncated = True
        except _ERRORS as error:
            raise BrokenCodingError(str(error)) from error

    def _finish_stages(self, _: bytes) -> None:
        for stage in self._stages:
            stage.finish()


def _stages(content_encoding: str, out: Out) -> list[Stage]:
    """Return the stages, the one for the wire first: codings are listed in the order applied (RFC 9110 section 8.4)."""
    names = [name for token in content_encoding.split(",") if (name := token.strip().lower()) not in ("", "identity")]
    if len(names) > MAX_CODINGS:
        raise BrokenCodingError(f"{len(names)} stacked codings")
    stages: list[Stage] = []
    for name in names:
        if name not in CODINGS:
            raise BrokenCodingError(f"unknown content coding {name[:40]!r}")
        stages.insert(0, CODINGS[name](out))
        out = stages[0].feed
    return stages


class Gzip:
    """gzip (RFC 1952): any number of members; what follows the last and is none is ignored, as browsers do.

    isal takes 140 us for 130 KB of HTML, zlib 380, libdeflate 120 but only on the whole body (bench/fetch.py).
    """

    def __init__(self, out: Out) -> None:
        self._out = out
        self._inflate = isal_zlib.decompressobj(GZIP)
        self._members = 0
        self._ended = False

    def feed(self, data: bytes) -> None:
        step = FLOOD_STEP_BYTES if self._members else len(data)
        for start in range(0, len(data), step):
            self._feed_step(data[start : start + step])

    def _feed_step(self, data: bytes) -> None:
        while data and not self._ended:
            if self._inflate.eof and not self._next_member(data):
                return
            _inflate(self._inflate, data, self._out)
            data = self._inflate.unused_data

    def _next_member(self, data: bytes) -> bool:
        self._members += 1
        if self._members > MAX_MEMBERS:
            raise BrokenCodingError("too many gzip members")
        self._ended = not GZIP_MAGIC.startswith(data[:2])
        if not self._ended:
            self._inflate = isal_zlib.decompressobj(GZIP)
        return not self._ended

    def finish(self) -> None:
        if not self._inflate.eof:
            raise BrokenCodingError("gzip ends early")


class Deflate:
    """deflate as sent: the zlib format, or the bare stream that some servers send (RFC 9110 section 8.4.1.2)."""

    def __init__(self, out: Out) -> None:
        self._out = out
        self._inflate: isal_zlib.Decompress | None = None
        self._start = b""

    def feed(self, data: bytes) -> None:
        if self._inflate is None:
            data = self._start = self._start + data
            if len(data) < 2:
                return
            self._inflate = isal_zlib.decompressobj(ZLIB if _has_zlib_header(data) else RAW_DEFLATE)
        if not self._inflate.eof:
            _inflate(self._inflate, data, self._out)

    def finish(self) -> None:
        if self._inflate is None or not self._inflate.eof:
            raise BrokenCodingError("deflate ends early")


class Brotli:
    """br (RFC 7932)."""

    LIMIT_BYTES: Final = PIECE_BYTES // 2
    """The library fills whole buffers of 32 KB, then 64 KB: asked for half a piece it stops after the first."""

    def __init__(self, out: Out) -> None:
        self._out = out
        self._brotli = brotli.Decompressor()

    def feed(self, data: bytes) -> None:
        while True:
            piece = self._brotli.process(data, output_buffer_limit=self.LIMIT_BYTES)
            if piece:
                self._out(piece)
            data = b""
            if len(piece) < self.LIMIT_BYTES and self._brotli.can_accept_more_data():
                return

    def finish(self) -> None:
        if not self._brotli.is_finished():
            raise BrokenCodingError("br ends early")


class Zstd:
    """zstd (RFC 8878), any number of frames.

    Only zstandard's stream writer hands output on in bounded pieces, but it does not tell whether the last frame was
    whole. A small frame of our own after the end does: it comes out unchanged only from between two frames.
    """

    LAST: Final = b"\0whole\0"
    LAST_FRAME: Final = zstandard.ZstdCompressor(write_checksum=True).compress(LAST)

    def __init__(self, out: Out) -> None:
        self._outlet = _Outlet(out)
        context = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_BYTES)
        self._writer = context.stream_writer(self._outlet, write_size=PIECE_BYTES)  # type: ignore[arg-type]

    def feed(self, data: bytes) -> None:
        self._writer.write(data)

    def finish(self) -> None:
        tail: list[bytes] = []
        out, self._outlet.out = self._outlet.out, tail.append
        self._writer.write(self.LAST_FRAME)
        rest = b"".join(tail)
        if not rest.endswith(self.LAST):
            raise BrokenCodingError("zstd ends early")
        if len(rest) > len(self.LAST):
            out(rest.removesuffix(self.LAST))


class _Outlet:
    """What zstandard's stream writer takes for a file."""

    def __init__(self, out: Out) -> None:
        self.out = out

    def write(self, piece: bytes) -> int:
        if piece:
            self.out(bytes(piece))
        return len(piece)


CODINGS: Final[dict[str, Callable[[Out], Stage]]] = {
    "gzip": Gzip,
    "x-gzip": Gzip,
    "deflate": Deflate,
    "br": Brotli,
    "zstd": Zstd,
}
"""Codings we offer and undo; `x-gzip` is gzip (RFC 9110 section 8.4.1.3)."""

ACCEPT_ENCODING: Final = "gzip, deflate, br, zstd"


def _inflate(inflate: isal_zlib.Decompress, data: bytes, out: Out) -> None:
    """Decode all of `data`: a full piece means that more may be waiting inside, even when the input is used up."""
    while True:
        piece = inflate.decompress(data, PIECE_BYTES)
        if piece:
            out(piece)
        data = inflate.unconsumed_tail
        if inflate.eof or (not data and len(piece) < PIECE_BYTES):
            return


def _joined(pieces: list[bytes]) -> bytes:
    """Return the pieces as one, without a copy where there is one alone."""
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _gunzip(wire: bytes, room: int) -> bytes | None:
    """Inflate a whole gzip body at once; None where it is no single member, or too large to be held while it grows.

    Its last four bytes say how long it is (RFC 1952 section 2.3.1): whatever they say, no more is inflated.
    """
    size = int.from_bytes(wire[-4:], "little")
    if size > room // 2:
        return None
    inflate = isal_zlib.decompressobj(GZIP)
    try:
        body = inflate.decompress(wire, size + 1)
    except _ERRORS:
        return None  # the stages say what is wrong
    return body if inflate.eof and not inflate.unused_data else None


def _has_zlib_header(data: bytes) -> bool:
    """RFC 1950 section 2.2: method 8, and the two bytes together divisible by 31."""
    return data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0
