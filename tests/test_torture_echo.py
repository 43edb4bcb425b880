from __future__ import annotations

from pathlib import Path

import pytest
import uvloop

from bench.torture import echo
from bench.torture.echo_server import Turn, turn_of


def test_every_way_to_answer_is_among_the_first_requests() -> None:
    assert {turn_of(number) for number in range(300)} == set(Turn)


@pytest.mark.parametrize(("requests", "workers", "hosts"), [(1000, 50, 5), (600, 200, 50)])
def test_every_body_is_its_own_requests_and_whole_on_shared_connections(
    requests: int, workers: int, hosts: int
) -> None:
    tally = uvloop.run(echo.fetches(requests, workers, hosts))
    assert (tally.wrong, tally.lost) == ([], [])
    assert tally.given_up > 0
    assert tally.complete > requests / 2


def test_bodies_stored_by_a_crawl_are_their_urls_own(tmp_path: Path) -> None:
    tally = uvloop.run(echo.crawled(200, 40, tmp_path))
    assert (tally.wrong, tally.lost) == ([], [])
    assert tally.complete > 120
