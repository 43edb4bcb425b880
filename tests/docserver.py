"""A static file server for documentation trees: one tree a host name, all on one loopback port.

Rule: files as they are and no charset in Content-Type, so that the bytes alone say how a page is encoded. Nothing
outside a tree is served, but for what the packages' own symbolic links lead to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from tests.servers import Exchange, response

INDEX: Final = "index.html"
TYPES: Final = {
    ".css": "text/css",
    ".gif": "image/gif",
    ".gz": "application/gzip",
    ".html": "text/html",
    ".jpg": "image/jpeg",
    ".js": "text/javascript",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".xml": "application/xml",
}
OTHER_TYPE: Final = "application/octet-stream"


def locate(root: Path, path: str) -> Path | None:
    """Return the file that a request target names, or the folder where only the slash at its end is missing."""
    parts = unquote(path.partition("?")[0]).split("/")
    if ".." in parts:
        return None
    place = root.joinpath(*filter(None, parts))
    if not (place / INDEX).is_file():
        return place if place.is_file() and parts[-1] else None
    return place if parts[-1] else place / INDEX


class DocServer:
    """Answers for the trees, by host name, and counts what it is asked for."""

    def __init__(self, trees: Mapping[str, Path]) -> None:
        self._trees = trees
        self.asked: Counter[str] = Counter()
        """By URL."""

    async def answer_all(self, exchange: Exchange) -> None:
        """Answer the requests of one connection until the client closes it."""
        while (head := await exchange.ask()) is not None:
            lines = head.split("\r\n")
            path = lines[0].split(" ")[1]
            host = next(line[6:] for line in lines if line.lower().startswith("host: "))
            self.asked[f"http://{host}{path}"] += 1
            await exchange.send(_answer(self._trees[host], path))


def _answer(root: Path, path: str) -> bytes:
    place = locate(root, path)
    if place is None:
        return response("404 Not Found", b"<a href=/never-linked>no such page</a>", Content_Type="text/html")
    if place.is_dir():
        return response("301 Moved Permanently", Location=f"{path}/")
    return response(body=place.read_bytes(), Content_Type=TYPES.get(place.suffix, OTHER_TYPE))
