"""Every attempt and everything that was dropped is counted once, by name."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from crawler.outcome import Failed, Fetched, Outcome, Redirected
from crawler.stats import Stats
from storage.records import Failure, RedirectKind, Truncated
from tests.crawling import answered
from tests.store_rows import page

WELL = Fetched(answered(), b"")
MOVED = Redirected(answered(301), "/", RedirectKind.MOVED_301)


@pytest.mark.parametrize(
    ("columns", "outcome", "counted"),
    [
        pytest.param({"status": 200}, WELL, {"pages": 1, "status.200": 1}, id="page"),
        pytest.param({"status": 404}, WELL, {"pages": 1, "status.404": 1}, id="page of an error"),
        pytest.param(
            {"status": 200, "failure": Failure.UNSAFE_HTML},
            WELL,
            {"failed.unsafe_html": 1, "status.200": 1},
            id="page that nobody may parse",
        ),
        pytest.param({"status": 301}, MOVED, {"redirects": 1, "status.301": 1}, id="redirect"),
        pytest.param({"status": None}, Failed(Failure.DNS, ""), {"failed.dns": 1}, id="failure without an answer"),
        pytest.param(
            {"status": 503},
            Failed(Failure.SERVER_ERROR, ""),
            {"failed.server_error": 1, "status.503": 1},
            id="failure with an answer",
        ),
        pytest.param(
            {"status": 200, "truncated": Truncated.BODY},
            WELL,
            {"pages": 1, "status.200": 1, "cut.body": 1},
            id="cut body",
        ),
        pytest.param(
            {"wire_bytes": 7, "body_bytes": 9, "links": 5},
            WELL,
            {"pages": 1, "status.200": 1, "bytes.wire": 7, "bytes.body": 9, "links": 5},
            id="sizes",
        ),
        pytest.param(
            {"bad_href": 1, "same_document": 2, "other_scheme": 3, "links_dropped": 4},
            WELL,
            {
                "pages": 1,
                "status.200": 1,
                "dropped.bad_href": 1,
                "dropped.same_document": 2,
                "dropped.other_scheme": 3,
                "dropped.over_max_links": 4,
            },
            id="what was no link or one too many",
        ),
    ],
)
def test_attempt_is_counted_by_how_it_ended(columns: dict[str, Any], outcome: Outcome, counted: dict[str, int]) -> None:
    stats = Stats()
    stats.count_page(page(**columns), outcome)
    assert +stats.counters == Counter({"attempts": 1} | counted)


@pytest.mark.parametrize("failure", [pytest.param(one, id=one.name.lower()) for one in Failure if one])
def test_every_failure_has_a_counter_of_its_own(failure: Failure) -> None:
    stats = Stats()
    stats.count_page(page(status=None, failure=failure), Failed(failure, ""))
    assert [name for name in +stats.counters if name.startswith("failed.")] == [f"failed.{failure.name.lower()}"]


def test_attempts_are_pages_redirects_and_failures() -> None:
    stats = Stats(Counter({"attempts": 10, "pages": 10}))
    for outcome in (WELL, MOVED, MOVED, Failed(Failure.TIMEOUT, "")):
        stats.count_page(page(), outcome)
    counters = stats.counters
    assert counters["attempts"] == counters["pages"] + counters["redirects"] + counters["failed.timeout"] == 14
