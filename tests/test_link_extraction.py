"""Extraction against the link extraction cases of six crawlers, each under what its suite says it keeps.

A case with default options must give the same links; a case with filters of its own (restricted paths, denied
extensions, dropped nofollow) must find its links among ours. Differences are in `known_differences_extract`.
"""

from __future__ import annotations

import base64
from typing import Any

import pytest

from crawler import charset
from crawler.extract import ExtractSettings, Page, extract
from crawler.url import normalise
from storage.records import Kind, LinkRow, Rel
from tests.known_differences_extract import KNOWN_DIFFERENCES
from tests.vectors import load

ROWS = load("link_extraction.json")
HYPERLINKS = frozenset({Kind.A, Kind.AREA})
NUTCH_KINDS = HYPERLINKS | {Kind.FRAME, Kind.EMBED}


def page_of(row: dict[str, Any], kinds: frozenset[Kind] = frozenset()) -> Page:
    body = base64.b64decode(row["html_b64"]) if "html_b64" in row else row["html"].encode()
    label = row.get("encoding", "utf-8").replace("cp1252", "windows-1252").replace("iso8859-15", "iso-8859-15")
    encoding = charset.label_to_encoding(label)
    assert encoding is not None
    url = row.get("base_url") or (row["args"][0] if "args" in row else None) or "https://page.example/"
    normal = normalise(url)
    assert normal is not None
    return extract(body, encoding, normal, ExtractSettings(kinds=kinds))


def address(link: LinkRow) -> str:
    return link.target + ("#" + link.fragment if link.fragment else "")


def normal(url: str) -> str:
    """Bring an expected URL into the form rows have: the suites keep their own spelling of `http://host`."""
    whole, mark, fragment = url.partition("#")
    return (normalise(whole) or whole) + mark + fragment


def rows_of(suite: str, *, default: bool | None = None) -> list[Any]:
    chosen = [
        row
        for row in ROWS
        if suite in row["suite"] and row["id"] not in KNOWN_DIFFERENCES
        if default is None or row.get("default_options") is default
    ]
    return [pytest.param(row, id=f"{row['id']} {row['test']}") for row in chosen]


@pytest.mark.parametrize("row", rows_of("scrapy", default=True))
def test_scrapys_default_extractor_finds_the_same_links(row: dict[str, Any]) -> None:
    first: dict[str, LinkRow] = {}
    for link in page_of(row, HYPERLINKS).links:
        first.setdefault(address(link), link)
    assert list(first) == row["expected_links"]
    for expected in row["expected_detail"]:
        link = first[expected["url"]]
        assert bool(link.rel & Rel.NOFOLLOW) == expected["nofollow"]
        assert expected["text"] in {link.anchor, ""}


@pytest.mark.parametrize("row", rows_of("scrapy", default=False))
def test_links_of_scrapys_filtered_extractors_are_among_ours(row: dict[str, Any]) -> None:
    found = {address(link): link for link in page_of(row).links}
    assert set(row["expected_links"]) <= set(found)


@pytest.mark.parametrize("row", rows_of("lychee"))
def test_links_of_lychee_are_among_ours(row: dict[str, Any]) -> None:
    found = {address(link) for link in page_of(row).links}
    assert {normal(raw["text"]) for raw in row["expected_raw"]} <= found


@pytest.mark.parametrize("row", rows_of("nutch"))
def test_nutch_finds_the_same_links_that_may_be_followed(row: dict[str, Any]) -> None:
    links = [link for link in page_of(row, NUTCH_KINDS).links if not link.rel & Rel.NOFOLLOW]
    assert [(address(link), link.anchor) for link in links] == [
        (normal(expected["url"]), expected["text"]) for expected in row["expected_detail"]
    ]


@pytest.mark.parametrize("row", rows_of("heritrix"))
def test_heritrix_finds_the_same_links(row: dict[str, Any]) -> None:
    page = page_of(row)
    found = [address(link) for link in page.links]
    if "must_contain" in row:
        assert set(row["must_contain"]) <= set(found)
    elif "meta_robots" in row:  # recorded all the same: following is another decision
        assert page.robots and found
    else:
        assert found == row["expected_links"]


@pytest.mark.parametrize("row", rows_of("courlan"))
def test_links_of_courlan_are_among_ours(row: dict[str, Any]) -> None:
    found = {address(link) for link in page_of(row).links}
    assert {normal(url) for url in row["expected"]["__set__"]} <= found


@pytest.mark.parametrize("row_id", KNOWN_DIFFERENCES)
def test_a_known_difference_still_is_one(row_id: str) -> None:
    row = next(row for row in ROWS if row["id"] == row_id)
    expected = row.get("expected_links") or [raw["text"] for raw in row["expected_raw"]]
    assert not {normal(url) for url in expected} <= {address(link) for link in page_of(row).links}
