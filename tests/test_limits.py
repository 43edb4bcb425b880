"""The limits of a run count what is under way and what earlier starts used up."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from config import CrawlSettings
from crawler.board import Board
from crawler.limits import Limits
from crawler.stats import Stats


def limits(counters: dict[str, int], sent: int = 0, **settings: Any) -> Limits:
    found = Limits(CrawlSettings(**settings), Stats(Counter(counters)))
    found.sent = sent
    return found


@pytest.mark.parametrize(
    ("counters", "sent", "settings", "reached"),
    [
        pytest.param({"attempts": 10**9, "bytes.wire": 10**15}, 256, {}, None, id="no limits"),
        pytest.param({"attempts": 9}, 0, {"max_pages": 10}, None, id="one page to go"),
        pytest.param({"attempts": 10}, 0, {"max_pages": 10}, "page limit", id="pages had"),
        pytest.param({"attempts": 7}, 3, {"max_pages": 10}, "page limit", id="pages had and under way"),
        pytest.param({}, 1, {"max_pages": 1}, "page limit", id="the only page is under way"),
        pytest.param({"bytes.wire": 999}, 5, {"max_bytes": 1000}, None, id="a byte to go"),
        pytest.param({"bytes.wire": 1000}, 0, {"max_bytes": 1000}, "byte limit", id="bytes had"),
        pytest.param(
            {"attempts": 1, "bytes.wire": 5}, 0, {"max_pages": 1, "max_bytes": 5}, "page limit", id="both at once"
        ),
        pytest.param({"attempts": 50}, 0, {"max_pages": 10}, "page limit", id="lowered since the last start"),
    ],
)
def test_limit_is_reached_by_what_was_had_and_what_is_under_way(
    counters: dict[str, int], sent: int, settings: dict[str, int], reached: str | None
) -> None:
    assert limits(counters, sent, **settings).reached() == reached


def test_counts_are_read_anew_at_every_question() -> None:
    stats = Stats()
    found = Limits(CrawlSettings(max_pages=1), stats)
    assert found.reached() is None
    stats.counters["attempts"] += 1
    assert found.reached() == "page limit"


def test_last_page_that_several_workers_see_is_claimed_by_one_of_them() -> None:
    supervisor = Board.make(2)
    supervisor.start_from(297, 0)
    one, two = (Limits(CrawlSettings(max_pages=300), Stats(), Board(supervisor.handle, 2, at)) for at in range(2))
    assert (one.claim(), two.claim()) == (None, None)
    assert (one.reached(), two.reached()) == (None, None), "both see that one page is left"
    assert (one.claim(), two.claim()) == (None, "page limit")
    assert (one.sent, two.sent, two.reached()) == (2, 1, "page limit")
    supervisor.close()
