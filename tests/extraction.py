"""Extracts from a snippet of HTML on one page, for the tests of `crawler.extract`."""

from __future__ import annotations

from typing import Any

from crawler.extract import ExtractSettings, Page, extract
from storage.records import LinkRow

PAGE = "https://www.example.org/dir/page.html"
HERE = "https://www.example.org/dir/"


def read(html: str | bytes, encoding: str = "utf-8", **options: Any) -> Page:
    body = html.encode() if isinstance(html, str) else html
    return extract(body, encoding, PAGE, ExtractSettings(**options))


def only(html: str | bytes, **options: Any) -> LinkRow:
    (link,) = read(html, **options).links
    return link
