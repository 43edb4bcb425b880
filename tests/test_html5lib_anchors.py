"""Anchors in misnested markup: the adoption agency, foster parenting and templates, against the html5lib suite."""

from __future__ import annotations

from typing import Any

import pytest

from crawler.extract import ExtractSettings, extract
from crawler.extract.tree import TAGS, parse
from storage.records import Kind
from tests.vectors import load

ANCHORS = ExtractSettings(kinds=frozenset({Kind.A, Kind.AREA}))


@pytest.mark.parametrize("row", load("html5lib_anchors.json"), ids=lambda row: str(row["id"]))
def test_the_tree_holds_the_anchors_of_the_suite(row: dict[str, Any]) -> None:
    root = parse(row["html"].encode(), "utf-8").root
    assert root is not None
    found = [node for node in root.traverse() if node.tag_id in {TAGS["a"], TAGS["area"]}]
    expected = [anchor for anchor in row["expected_anchors"] if not anchor["in_template"]]
    assert [(node.tag, node.attributes.get("href"), node.text_lexbor()) for node in found] == [
        (anchor["tag"], anchor["href"], anchor["text"]) for anchor in expected
    ]


@pytest.mark.parametrize("row", load("html5lib_anchors.json"), ids=lambda row: str(row["id"]))
def test_links_are_those_of_the_suite(row: dict[str, Any]) -> None:
    page = extract(row["html"].encode(), "utf-8", row["base_url"], ANCHORS)
    expected = [link for link in row["expected_links"] if not link.startswith(row["base_url"] + "#")]
    assert [link.target for link in page.links] == expected
    assert page.same_document == len(row["expected_links"]) - len(expected)
    assert page.base == row["expected_base_href"]
