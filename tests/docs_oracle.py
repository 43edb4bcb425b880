"""What a crawl of documentation trees has to find, from their files alone: by libxml2, ada and the standard library.

Rule: shares no code with the crawler, only the records' names. libxml2 builds its tree by rules of its own, so markup
that is not well-formed can read differently here; `known_differences_documentation` has those pages.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit
from urllib.robotparser import RobotFileParser

from ada_url import join_url
from lxml import etree

from storage.records import Place
from tests.docserver import locate

CHARSET: Final = re.compile(rb"""<meta [^>]*charset=["']?([\w-]+)""", re.IGNORECASE)
WHITE_SPACE: Final = re.compile("[\t\n\f\r ]+")
STRIPPED: Final = "".join(map(chr, range(0x21)))

FOLLOWED: Final = {"a": "href", "area": "href", "frame": "src", "iframe": "src", "link": "href"}
FOLLOWED_RELS: Final = frozenset({"canonical", "alternate", "next", "prev"})
UNREAD: Final = etree.XPath(
    "boolean(//base | //template | //meta[@name = 'robots' or translate(@http-equiv, 'REFSH', 'refsh') = 'refresh'])"
)
"""What the trees do not have and this reader does not know."""

PLACES: Final = {place.name.lower(): place for place in Place if place is not Place.OTHER}
ROLES: Final = {
    "article": Place.ARTICLE,
    "banner": Place.HEADER,
    "complementary": Place.ASIDE,
    "contentinfo": Place.FOOTER,
    "figure": Place.FIGURE,
    "form": Place.FORM,
    "main": Place.MAIN,
    "navigation": Place.NAV,
    "none": None,
    "presentation": None,
    "region": Place.SECTION,
    "table": Place.TABLE,
}


class Link(NamedTuple):
    """An `a` link as far as it is compared."""

    target: str
    fragment: str | None
    anchor: str
    nofollow: bool = False
    place: int = Place.OTHER


@dataclass
class Document:
    """One HTML file, read."""

    encoding: str
    body_bytes: int
    links: dict[Link, int] = field(default_factory=dict)
    """Times that each link is there, in the order of the page; of links alike but for the fragment, the first's."""
    followed: list[str] = field(default_factory=list)


@dataclass
class Expected:
    """Everything that is reachable."""

    statuses: dict[str, int] = field(default_factory=dict)
    """By URL."""
    documents: dict[str, Document] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)
    """What robots.txt disallows."""


def reachable(trees: Mapping[str, Path], seeds: Iterable[str]) -> Expected:
    """Walk the files breadth first from the seeds; other hosts are left alone."""
    found = Expected()
    robots = {host: _robots(root) for host, root in trees.items()}
    queue = deque(seeds)
    seen = set(queue)
    while queue:
        url = queue.popleft()
        host = urlsplit(url).netloc
        if not robots[host].can_fetch("Linkmill", url):
            found.denied.add(url)
            continue
        for target in _visit(found, url, trees[host]):
            if target not in seen and urlsplit(target).netloc in trees:
                seen.add(target)
                queue.append(target)
    return found


def _robots(root: Path) -> RobotFileParser:
    robots, file = RobotFileParser(), root / "robots.txt"
    robots.parse(file.read_text().splitlines() if file.is_file() else [])
    return robots


def _visit(found: Expected, url: str, root: Path) -> list[str]:
    """Note what is at a URL and return where to go from there."""
    place = locate(root, url.split("/", 3)[3])
    found.statuses[url] = 404 if place is None else 301 if place.is_dir() else 200
    if place is None:
        return []
    if place.is_dir():
        return [f"{url}/"]
    if place.suffix != ".html":
        return []
    found.documents[url] = read_document(place.read_bytes(), url)
    return found.documents[url].followed


def read_document(body: bytes, url: str) -> Document:
    """Read the `a` links of a page and the targets that a crawler follows."""
    declared = CHARSET.search(body[:1024])
    encoding = declared[1].decode().lower() if declared else "windows-1252"
    parser = etree.HTMLParser(encoding="utf-8", huge_tree=True)
    root = etree.fromstring(body.decode(encoding, "replace").encode(), parser)
    assert not UNREAD(root), url
    document = Document(encoding, len(body))
    first: dict[Link, Link] = {}
    for element, target, fragment in _targets(root, url):
        rels = set((element.get("rel") or "").lower().split())
        if "nofollow" not in rels and (element.tag != "link" or rels & FOLLOWED_RELS):
            document.followed.append(target)
        if element.tag == "a":
            link = Link(target, fragment, _words(element), "nofollow" in rels, _place(element))
            link = first.setdefault(link._replace(fragment=None), link)
            document.links[link] = document.links.get(link, 0) + 1
    return document


def _targets(root: etree._Element, url: str) -> Iterator[tuple[etree._Element, str, str | None]]:
    """Yield the elements that lead to another document over http, each with its target and fragment."""
    for element in root.iter(*FOLLOWED):
        href = (element.get(FOLLOWED[element.tag]) or "").strip(STRIPPED)
        joined = join_url(url, href) if href else ""
        target, mark, fragment = joined.partition("#")
        if target.startswith(("http://", "https://")) and not (mark and target == url):
            yield element, target, fragment or None


_text: Final = etree.XPath("string()")


def _words(element: etree._Element) -> str:
    """Return the text of an anchor, else the texts for its images, else its title."""
    alts = (image.get("alt") for image in element.iter("img"))
    return _collapse(str(_text(element))) or _collapse(" ".join(filter(None, alts))) or element.get("title") or ""


def _collapse(text: str) -> str:
    return WHITE_SPACE.sub(" ", text).strip(" ")


def _place(element: etree._Element) -> int:
    """Return the nearest part of the page that holds an element: by role, else by name."""
    for ancestor in element.iterancestors():
        role = ancestor.get("role")
        place = ROLES[role] if role in ROLES else PLACES.get(ancestor.tag)
        if place is not None:
            return place
    return Place.OTHER
