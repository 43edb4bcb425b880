"""How each element links: one function for each tag, and the table of attributes that hold URLs.

Rule: an attribute that is not there is no link, an empty one is the same document. What becomes of an href is decided
by `crawler.extract.rows`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from crawler import headers
from crawler.doubles import NATIVE
from crawler.extract import head
from crawler.extract.anchor import collapse, cut
from crawler.extract.page import ExtractSettings, Page, Refresh
from crawler.extract.rel import kind_of_link, rel_bits
from crawler.extract.rows import Rows
from crawler.extract.srcset import candidates
from crawler.extract.tree import TAGS, Attributes
from crawler.extract.walk import Element
from crawler.extract.words import NO_WORDS, hreflang_of, sources_of, words_of, words_of_anchor, words_of_area
from crawler.url import URL_BYTES_MAX, is_plain, normalise, plain_hosts
from storage.records import AnchorSource, Kind, LinkRow

# Kinds as plain numbers: `int(kind)` of an enum's member takes 0.1 us.
_A: Final = int(Kind.A)
_AREA: Final = int(Kind.AREA)
_FORM: Final = int(Kind.FORM)
_META_REFRESH: Final = int(Kind.META_REFRESH)
_CANONICAL: Final = int(Kind.LINK_CANONICAL)
_ALTERNATE: Final = int(Kind.LINK_ALTERNATE)
_EMBED: Final = int(Kind.EMBED)
_FRAME: Final = int(Kind.FRAME)


@dataclass(slots=True)
class Reading:
    """One page being read: what the functions below share."""

    page: Page
    base_url: str
    rows: Rows
    settings: ExtractSettings


Reader = Callable[[Reading, Element], None]


def read_a(reading: Reading, element: Element) -> None:
    """Read <a>, HTML's or SVG's. Without href it is no link."""
    attributes = element[1]
    href = attributes.get("href")
    if href is None:
        if "href" not in attributes and "xlink:href" not in attributes:
            return
        href = "" if "href" in attributes else attributes["xlink:href"] or ""
    rows = reading.rows
    target = rows.known.get(href) or rows.parts(href)
    if not isinstance(target, tuple):
        rows.refuse(target)
    elif rows.full:
        rows.drop()
    else:
        rel = attributes.get("rel")
        edge = (_A, rel_bits(rel) if rel else 0, element[2], None)
        rows.add(target, edge, words_of_anchor(element, reading.settings.anchor_bytes))


def read_area(reading: Reading, element: Element) -> None:
    """Read <area>."""
    attributes = element[1]
    if "href" not in attributes:
        return
    target = reading.rows.target(attributes["href"] or "", _AREA)
    if target is not None:
        words = words_of_area(element, reading.settings.anchor_bytes)
        edge = (_AREA, rel_bits(attributes.get("rel") or ""), element[2], None)
        reading.rows.add(target, edge, words)


def read_link(reading: Reading, element: Element) -> None:
    """Read <link>: its kind follows from rel and type."""
    attributes = element[1]
    if "href" not in attributes:
        return
    href = attributes["href"] or ""
    rel = attributes.get("rel") or ""
    kind = kind_of_link(rel, attributes.get("type") or "")
    if kind == _CANONICAL and reading.page.canonical is None:
        reading.page.canonical = _canonical(reading, href)
    target = reading.rows.target(href, kind)
    if target is not None:
        words = words_of(attributes, ("title",), reading.settings.anchor_bytes)
        hreflang = hreflang_of(attributes) if kind == _ALTERNATE else None
        reading.rows.add(target, (kind, rel_bits(rel), element[2], hreflang), words)


def _canonical(reading: Reading, href: str) -> str | None:
    """Return the normal form of a canonical href, which may be the page itself; None when it has none."""
    # Mostly what the link's row needs too: 0.7 us instead of 4. The page's encoding changes no ASCII.
    if href.isascii() and isinstance(target := reading.rows.parts(href), tuple):
        return target[0]
    return normalise(href, reading.base_url) if href.strip() else None


def read_meta(reading: Reading, element: Element) -> None:
    """Read <meta>: a refresh is a link, the rest describes the page."""
    attributes = element[1]
    pragma = (attributes.get("http-equiv") or "").strip().lower()
    content = attributes.get("content") or ""
    if pragma == "refresh":
        _read_refresh(reading, element, content)
    elif pragma == "content-language":
        head.read_content_language(reading.page, content)
    else:
        head.read_named_meta(reading.page, attributes, reading.settings.product)


def _read_refresh(reading: Reading, element: Element, content: str) -> None:
    refresh = headers.refresh(content)
    if refresh is None or not refresh[1]:
        return
    url = normalise(refresh[1], reading.base_url)
    if url is not None and reading.page.refresh is None:
        reading.page.refresh = Refresh(refresh[0], url)
    target = reading.rows.target(refresh[1], _META_REFRESH)
    if target is not None:
        reading.rows.add(target, (_META_REFRESH, 0, element[2], None), NO_WORDS)


def read_title(reading: Reading, element: Element) -> None:
    """Read <title>."""
    head.read_title(reading.page, element[3])


def read_form(reading: Reading, element: Element) -> None:
    """Read <form>: where it is sent to."""
    attributes = element[1]
    if "action" in attributes:
        target = reading.rows.target(attributes["action"] or "", _FORM)
        if target is not None:
            rel = rel_bits(attributes.get("rel") or "")
            reading.rows.add(target, (_FORM, rel, element[2], None), NO_WORDS)


def read_input(reading: Reading, element: Element) -> None:
    """Read <input type=image>."""
    attributes = element[1]
    if (attributes.get("type") or "").strip().lower() == "image":
        _read_urls(reading, element, attributes, _EMBED_IMAGE)


@dataclass(frozen=True, slots=True)
class _Urls:
    """Which attributes of an element hold URLs, and which say what it shows."""

    kind: int
    urls: tuple[str, ...]
    srcset: bool = False
    words: tuple[str, ...] = ()


_EMBED_IMAGE: Final = _Urls(_EMBED, ("src",), srcset=True, words=("alt",))


def _read_urls(reading: Reading, element: Element, attributes: Attributes, urls: _Urls) -> None:
    hrefs = [attributes[name] or "" for name in urls.urls if name in attributes]
    if urls.srcset and (srcset := attributes.get("srcset")):
        hrefs += candidates(srcset)
    rows, kind = reading.rows, urls.kind
    targets = [target for href in hrefs if (target := rows.target(href, kind)) is not None]
    if targets:
        words = words_of(attributes, urls.words, reading.settings.anchor_bytes) if urls.words else NO_WORDS
        edge = (kind, 0, element[2], None)
        for target in targets:
            rows.add(target, edge, words)


def _others(urls: _Urls) -> frozenset[str]:
    """Return the attributes with URLs but for the first."""
    return frozenset(urls.urls[1:]) | ({"srcset"} if urls.srcset else frozenset())


def _reader_of(urls: _Urls) -> Reader:
    kind, first, words = urls.kind, urls.urls[0], urls.words
    others = _others(urls)

    def read(reading: Reading, element: Element) -> None:
        attributes = element[1]
        href = attributes.get(first)
        if href is None or not others.isdisjoint(attributes):
            _read_urls(reading, element, attributes, urls)
        elif (target := reading.rows.target(href, kind)) is not None:  # nearly all: half the time of the general way
            said = words_of(attributes, words, reading.settings.anchor_bytes) if words else NO_WORDS
            reading.rows.add(target, (kind, 0, element[2], None), said)

    return read


_CITE: Final = _Urls(int(Kind.CITE), ("cite",))

_URLS: Final = {
    "img": _EMBED_IMAGE,
    "source": _Urls(_EMBED, ("src",), srcset=True),
    "video": _Urls(_EMBED, ("src", "poster")),
    "audio": _Urls(_EMBED, ("src",)),
    "track": _Urls(_EMBED, ("src",)),
    "embed": _Urls(_EMBED, ("src",)),
    "object": _Urls(_EMBED, ("data",)),
    "iframe": _Urls(_FRAME, ("src",), words=("title",)),
    "frame": _Urls(_FRAME, ("src",), words=("title",)),
    "script": _Urls(int(Kind.RESOURCE), ("src",)),
    "blockquote": _CITE,
    "q": _CITE,
    "ins": _CITE,
    "del": _CITE,
}

READERS: Final[dict[int, Reader]] = {
    TAGS["a"]: read_a,
    TAGS["area"]: read_area,
    TAGS["link"]: read_link,
    TAGS["meta"]: read_meta,
    TAGS["title"]: read_title,
    TAGS["form"]: read_form,
    TAGS["input"]: read_input,
} | {TAGS[name]: _reader_of(urls) for name, urls in _URLS.items()}
"""By tag number; elements without an entry hold no URL that is recorded."""


@lru_cache(maxsize=16)
def readers_of(kinds: frozenset[Kind]) -> dict[int, Reader]:
    """Return the readers that links of these kinds need (none given: all); the others check the kind themselves."""
    if not kinds or Kind.A in kinds:
        return READERS
    return {tag: read for tag, read in READERS.items() if read is not read_a}


def _linker() -> Any:  # noqa: ANN401
    """Return the native reader of plain links (`crawler/native.pyi`), None without one."""
    if NATIVE is None:
        return None
    plain: dict[int, tuple[int, str, str, dict[str, int], frozenset[str]]] = {
        TAGS[name]: (urls.kind, urls.urls[0], "", sources_of(urls.words), _others(urls)) for name, urls in _URLS.items()
    }
    plain[TAGS["a"]] = (_A, "href", "rel", sources_of(("title", "aria-label")), frozenset())
    sources = {source.name.lower(): int(source) for source in AnchorSource}
    return NATIVE.Linker(
        READERS, plain, rel_bits, collapse, cut, plain_hosts, is_plain, LinkRow, sources, URL_BYTES_MAX
    )


_LINKER: Final = _linker()


def read(reading: Reading, elements: Collection[Element]) -> None:
    """Read what `walk` found, in its order."""
    wanted = reading.settings.wanted
    if _LINKER is None or wanted or isinstance(elements, list):
        read_slowly(reading, elements, readers_of(wanted))
    else:
        _LINKER.read(reading, elements)


def read_slowly(reading: Reading, elements: Iterable[Element], readers: dict[int, Reader]) -> None:
    """Read elements through functions in Python."""
    for element in elements:
        reader = readers.get(element[0])
        if reader is not None:
            reader(reading, element)
