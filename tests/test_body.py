from __future__ import annotations

import base64
import gzip
import hashlib
import random
import time
import tracemalloc
import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.body import MAX_MEMBERS, WAITING_BYTES, BrokenCodingError, Decoder
from tests.vectors import load

PAGE = b"<html><body>" + b"".join(b'<a href="/page/%d">page %d</a>\n' % (i, i * i) for i in range(3000)) + b"</body>"
CAP = 16 * 1024 * 1024


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


CODINGS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("x-gzip", gzip.compress),
    "upper case": ("GZIP", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "raw deflate": ("deflate", raw_deflate),
    "br": ("br", brotli.compress),
    "zstd": ("zstd", zstd),
    "identity": ("identity", bytes),
    "gzip then br": ("gzip, br", lambda data: brotli.compress(gzip.compress(data))),
    "three": ("deflate,gzip , zstd", lambda data: zstd(gzip.compress(zlib.compress(data)))),
}


def decode(coding: str | None, wire: bytes, step: int = 65_536, cap: int = CAP) -> tuple[bytes, bool]:
    decoder = Decoder(coding, cap)
    for start in range(0, len(wire), step):
        decoder.feed(wire[start : start + step])
    return decoder.finish(), decoder.truncated


@pytest.mark.parametrize("step", [1, 7, 1000, 1 << 20])
@pytest.mark.parametrize("case", CODINGS)
def test_body_decodes_however_it_is_split(case: str, step: int) -> None:
    coding, encode = CODINGS[case]
    page = PAGE[:5000] if step == 1 else PAGE
    assert decode(coding, encode(page), step) == (page, False)


@settings(deadline=None, max_examples=60)
@given(
    case=st.sampled_from(sorted(CODINGS)),
    size=st.integers(0, 140_000),
    step=st.integers(1, 70_000),
    alike=st.booleans(),
)
def test_any_size_comes_out_as_it_went_in(case: str, size: int, step: int, alike: bool) -> None:
    coding, encode = CODINGS[case]
    body = bytes(size) if alike else (PAGE * 2)[:size]
    assert decode(coding, encode(body), max(step, 64)) == (body, False)


@pytest.mark.parametrize("case", [name for name in CODINGS if name != "identity"])
def test_body_cut_by_the_sender_is_broken(case: str) -> None:
    coding, encode = CODINGS[case]
    wire = encode(PAGE)
    for missing in (1, 4, 20, len(wire) // 2, len(wire) - 1):
        with pytest.raises(BrokenCodingError):
            decode(coding, wire[:-missing])


@pytest.mark.parametrize("case", CODINGS)
def test_body_cut_by_us_is_kept_up_to_the_cut(case: str) -> None:
    coding, encode = CODINGS[case]
    wire = encode(PAGE)
    decoder = Decoder(coding, CAP)
    decoder.feed(wire[: len(wire) // 2])
    assert PAGE.startswith(decoder.finish(cut=True))


@pytest.mark.parametrize("cap", [0, 1, 1000, 32_768, len(PAGE) - 1])
@pytest.mark.parametrize("case", CODINGS)
def test_cap_cuts_the_decoded_body(case: str, cap: int) -> None:
    coding, encode = CODINGS[case]
    assert decode(coding, encode(PAGE), 4096, cap) == (PAGE[:cap], True)


def test_body_of_exactly_the_cap_is_whole() -> None:
    assert decode("gzip", gzip.compress(PAGE), cap=len(PAGE)) == (PAGE, False)


@pytest.mark.parametrize("coding", ["sdch", "gzip, sdch", "utf-8", "gzip,gzip,gzip,gzip"])
def test_unknown_or_too_many_codings_are_broken(coding: str) -> None:
    with pytest.raises(BrokenCodingError):
        Decoder(coding, CAP)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_plain_text_under_a_coding_is_broken(coding: str) -> None:
    with pytest.raises(BrokenCodingError):
        decode(coding, b"<html>not packed at all</html>" * 100)


@pytest.mark.parametrize("coding", [None, "", "identity", "gzip", "deflate", "br", "zstd", "gzip, br"])
def test_empty_body_is_an_empty_page(coding: str | None) -> None:
    assert decode(coding, b"") == (b"", False)


def test_gzip_members_are_joined_and_garbage_after_them_is_ignored() -> None:
    wire = gzip.compress(b"one ") + gzip.compress(b"two") + b"\0" * 50
    for step in (1, 3, 10_000):
        assert decode("gzip", wire, step) == (b"one two", False)


def gzip_of(body: bytes, size: int) -> bytes:
    """Pack a body and lie about its length."""
    return gzip.compress(body)[:-4] + size.to_bytes(4, "little")


@pytest.mark.parametrize("step", [1000, 1 << 20])
@pytest.mark.parametrize("size", [0, 1, len(PAGE) - 1, len(PAGE) + 1, CAP // 2, CAP, 2**32 - 1])
def test_gzip_that_lies_about_its_length_is_broken_and_costs_no_more_than_its_body(size: int, step: int) -> None:
    wire = gzip_of(PAGE, size)
    tracemalloc.start()
    with pytest.raises(BrokenCodingError):
        decode("gzip", wire, step)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * len(PAGE) + 200_000


@pytest.mark.parametrize(
    ("tail", "body"),
    [
        (gzip.compress(PAGE), PAGE * 2),
        (gzip.compress(b""), PAGE),
        (len(PAGE).to_bytes(4, "little"), PAGE),
        (b"\0", PAGE),
        (gzip.compress(PAGE)[:30], None),
        (b"\x1f", None),
        (b"\x1f\x8b\x07" + bytes(20) + gzip.compress(PAGE)[-8:], None),
    ],
    ids=["itself", "nothing", "its length", "a byte", "half a member", "half a magic", "another method"],
)
def test_what_follows_a_gzip_member_is_judged_alike_at_once_and_in_pieces(tail: bytes, body: bytes | None) -> None:
    for step in (100, 1 << 20):
        if body is None:
            with pytest.raises(BrokenCodingError):
                decode("gzip", gzip.compress(PAGE) + tail, step)
        else:
            assert decode("gzip", gzip.compress(PAGE) + tail, step) == (body, False)


@pytest.mark.parametrize("step", [65_536, 1 << 20])
@pytest.mark.parametrize("more", [-1000, -98, -97, 1000], ids=["shorter", "just", "not quite", "longer"])
def test_gzip_body_that_is_too_long_to_wait_for_comes_out_alike(more: int, step: int) -> None:
    noise = random.Random(4).randbytes(WAITING_BYTES + more)  # does not pack: the wrapper and block heads add 98 bytes
    assert decode("gzip", gzip.compress(noise), step) == (noise, False)


def test_flood_of_gzip_members_is_refused() -> None:
    with pytest.raises(BrokenCodingError, match="members"):
        decode("gzip", gzip.compress(b"") * (MAX_MEMBERS + 2))


def test_zstd_frames_are_joined() -> None:
    assert decode("zstd", zstd(b"one ") + zstd(b"two")) == (b"one two", False)


@pytest.mark.parametrize(
    ("coding", "bomb"),
    [
        ("gzip", gzip.compress(bytes(64 << 20))),
        ("deflate", zlib.compress(bytes(64 << 20))),
        ("br", brotli.compress(bytes(64 << 20), quality=1)),
        ("zstd", zstd(bytes(64 << 20))),
        ("gzip, gzip, gzip", gzip.compress(gzip.compress(gzip.compress(bytes(64 << 20))))),
    ],
    ids=["gzip", "deflate", "br", "zstd", "stacked"],
)
def test_bomb_never_holds_more_than_the_cap_and_a_little(coding: str, bomb: bytes) -> None:
    cap = 1_000_000
    Decoder(coding, cap)
    tracemalloc.start()
    decoder = Decoder(coding, cap)
    decoder.feed(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    body = decoder.finish()
    joined_peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert decoder.truncated
    # What the decoders allocate outside Python is not seen here; copies of the packed input are.
    allowed = cap + 100_000 + 2 * len(bomb) + 400_000
    assert peak < allowed
    assert joined_peak < allowed + cap
    assert len(body) == cap


# What each row must come to; a row that is not here must decode to its recorded hash.
BROKEN = {"gzip unexpected EOF", "unknown coding"}
OTHERWISE = {"empty body with gzip": b"", "gzip then trailing junk": None, "gzip 10,000 empty members": None}
BOMB_CAP = 1_000_000


def test_reference_bodies_come_to_the_recorded_end() -> None:
    for row in load("content_encoding_bodies.json"):
        coding, wire = row["content_encoding"], base64.b64decode(row["body_base64"])
        started = time.process_time()
        if row["name"] in BROKEN:
            with pytest.raises(BrokenCodingError):
                decode(coding, wire)
        elif row["name"].startswith("bomb"):
            body, truncated = decode(coding, wire, cap=BOMB_CAP)
            assert (len(body), truncated) == (BOMB_CAP, True), row["name"]
        elif row["name"] in OTHERWISE:
            body, _ = decode(coding, wire)
            assert OTHERWISE[row["name"]] in (None, body), row["name"]
            assert body or not wire
        else:
            body, _ = decode(coding, wire)
            assert hashlib.sha256(body).hexdigest() == row["decoded_sha256"], row["name"]
        assert time.process_time() - started < 1.0, row["name"]
