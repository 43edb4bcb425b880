"""Real pages, header fields, hrefs and robots.txt files, and copies of them with faults.

Rule: a number stands for one mutant for as long as the seeds are the same, so that a found case can be made again.
Seeds come from the virtual web, from documentation where Debian's packages are installed, and from the reference cases
where they are at hand.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Final, TypeVar

from bench.vweb.answers import Answers
from bench.vweb.robots import body as robots_body
from bench.vweb.site import RobotsKind, Web
from bench.vweb.spec import WebSpec

DOC_TREES: Final = (
    Path("/usr/share/doc/sqlite3"),
    Path("/usr/share/doc/postgresql-doc-15/html"),
    Path("/usr/share/doc/python3.11/html"),
)
DOCS_A_TREE: Final = 25
VECTORS: Final = Path(os.environ.get("LINKMILL_VECTORS", Path(__file__).parents[3] / "shared" / "vectors"))
VECTOR_PAGES: Final = ("link_extraction.json", "html5lib_anchors.json", "charset_html5lib.json")
LARGEST_BYTES: Final = 150_000
"""A larger seed adds time, not cases."""

MARKUP: Final = tuple(
    "< > </ /> <!-- --> <!--> <![CDATA[ ]]> <? <!DOCTYPE & &amp; &#x &#0; &#xD800; &colon; &NewLine; \" ' ` = \0 \r \t"
    " <a <a> </a> <a\thref= href= src= srcset= rel= name= content= <base\thref= <meta\tcharset= <link\trel=canonical"
    " <meta\thttp-equiv=refresh <form\taction= <button> <table> <tr> <td> </table> <template> </template> <noscript>"
    " <script> </script> <style> <title> </title> <textarea> <plaintext> <svg> <math> <mi> <mtext> <foreignObject>"
    " <frameset> <select> <option> <body> </body> </html> <head> <p> <div> <b> <i> <nobr> <applet> <object> <img"
    " <iframe\tsrcdoc= charset=utf-16 charset=gbk charset=iso-2022-jp \ufeff \ufffd \u2028 \u202e é 😀"
    " data: javascript: http:// // ../ ?# %00".split(" ")
)
OCTETS: Final = (
    b"\xff",
    b"\x00",
    b"\x80",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\x1b$B",
    b"\x1b(J",
    b"\xfe\xff",
)
FIELD_PIECES: Final = tuple(
    "< > ; , = \" ' \\ * % : / ? # @ ( ) \t \0 é 0 1 9 url= URL\t= rel= rel*= title*=UTF-8'' anchor= charset="
    " text/html multipart/ q=0 max-age= no-store s-maxage= noindex nofollow none linkmill: unavailable_after: GMT Sun,"
    " 06 Nov 1994 08:49:37 31 99999999999999999999 -1 .5 https://a.example/ utf-8 gzip".split(" ")
)
HREF_PIECES: Final = tuple(
    "/ // \\ . .. ../ ./ %2e %2E%2e %2f %00 % ? # : @ [ ] [::1] [::ffff:127.0.0.1] ^ | ` { } < > \" ' & = ; + ~ \t \n"
    " \r \0 http: https: HTTP:// http:/ ws: ftp: file: javascript: mailto: a.example xn--bcher-kva bücher faß xn-- 0x7f"
    " 127.1 017700000001 4294967296 :0 :80 :443 :65536 user:pass@ ☃ \u00ad \u3002 \uff0f é 😀 a b 1".split(" ")
)
ROBOTS_PIECES: Final = tuple(
    "User-agent: Disallow: Allow: Crawl-delay: Sitemap: : * $ / # % %2 %2f ? \n \r \r\n \t \0 é \ufeff linkmill a 1 1e9"
    " . -".split(" ")
)
Text = TypeVar("Text", str, bytes)


def page_seeds(seed: int = 1) -> list[bytes]:
    """Return whole pages, in the same order each time."""
    return [*_vweb_pages(), *_documents(Random(seed)), *_reference_pages()]


def _vweb_pages() -> Iterator[bytes]:
    for profile in (4, 40):
        web = Web(WebSpec(hosts=20, pages_per_host=3, profile=profile))
        answers = Answers(web)
        for number in range(20):
            site = web.site(number)
            reply = answers.answer(site.name, site.paths[0])
            yield reply.wire[reply.head_bytes : reply.head_bytes + LARGEST_BYTES]


def _documents(chance: Random) -> Iterator[bytes]:
    for tree in DOC_TREES:
        files = sorted(file for file in tree.rglob("*.html") if file.is_file() and file.stat().st_size <= LARGEST_BYTES)
        for file in chance.sample(files, min(DOCS_A_TREE, len(files))):
            yield file.read_bytes()


def _reference_pages() -> Iterator[bytes]:
    for name in VECTOR_PAGES:
        file = VECTORS / name
        for row in json.loads(file.read_bytes()) if file.is_file() else ():
            yield base64.b64decode(row["html_b64"]) if "html_b64" in row else str(row["html"]).encode()


def robots_seeds() -> list[bytes]:
    """Return the virtual web's robots.txt files."""
    return [text.encode() for kind in RobotsKind if (text := robots_body(kind, 1.0)) is not None]


def mutate(chance: Random, seeds: Sequence[Text], pieces: Sequence[Text]) -> Text:
    """Return one of the seeds with a few faults: cut, doubled, moved, overwritten, strewn with pieces, or spliced."""
    text = chance.choice(seeds)
    for _ in range(1 << chance.randrange(5)):
        fault: Callable[[Random, Text, Text, Sequence[Text]], Text] = chance.choice(FAULTS)
        text = fault(chance, text, chance.choice(seeds), pieces)
    return text[:LARGEST_BYTES]


def _span(chance: Random, size: int) -> tuple[int, int]:
    """Return start and end of a part, mostly a short one."""
    start = chance.randrange(size + 1)
    return start, min(size, start + chance.randrange(1 << chance.randrange(1, 12)))


def _put(chance: Random, text: Text, other: Text, pieces: Sequence[Text]) -> Text:
    at = chance.randrange(len(text) + 1)
    return text[:at] + chance.choice(pieces) + text[at:]


def _drop(chance: Random, text: Text, other: Text, pieces: Sequence[Text]) -> Text:
    start, end = _span(chance, len(text))
    return text[:start] + text[end:]


def _double(chance: Random, text: Text, other: Text, pieces: Sequence[Text]) -> Text:
    start, end = _span(chance, len(text))
    return text[:end] + text[start:end] * chance.choice((1, 1, 2, 50)) + text[end:]


def _overwrite(chance: Random, text: Text, other: Text, pieces: Sequence[Text]) -> Text:
    start, end = _span(chance, len(text))
    piece = chance.choice(pieces)
    return text[:start] + piece * min(end - start, 20) + text[end:]


def _cut(chance: Random, text: Text, other: Text, pieces: Sequence[Text]) -> Text:
    return text[: chance.randrange(len(text) + 1)]


def _splice(chance: Random, text: Text, other: Text, pieces: Sequence[Text]) -> Text:
    start, end = _span(chance, len(other))
    at = chance.randrange(len(text) + 1)
    return text[:at] + other[start:end] + text[at:]


FAULTS: Final = (_put, _put, _put, _drop, _double, _overwrite, _cut, _splice)
