"""Gates, penalties and paces on a simulated clock."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import PolitenessSettings
from crawler.outcome import Failed, Fetched, Redirected
from crawler.politeness import (
    PARK_AFTER_FAILURES,
    PENALTY_MAX_S,
    PENALTY_START_S,
    SLOWS_HOST,
    Courtesy,
    Gate,
    Pace,
    PaceTable,
)
from storage.records import Failure, RedirectKind
from tests.crawling import answered

GENERAL = Pace(2.0, 3)


def paces(*overrides: dict[str, Any]) -> PaceTable:
    settings = {"delay": GENERAL.delay_s, "connections_per_host": GENERAL.connections, "overrides": overrides}
    return PaceTable(PolitenessSettings.model_validate(settings))


@pytest.mark.parametrize(
    ("host", "pace"),
    [
        pytest.param("a.example", GENERAL, id="no pattern"),
        pytest.param("own.example", Pace(0.0, 8), id="the host itself"),
        pytest.param("x.own.example", GENERAL, id="a name is no suffix"),
        pytest.param("a.slow.example", Pace(30.0, 3), id="a glob, connections left as they are"),
        pytest.param("a.b.slow.example", Pace(30.0, 3), id="a glob takes in all levels"),
        pytest.param("slow.example", GENERAL, id="a glob over subdomains leaves the domain out"),
        pytest.param("slow.example.org", GENERAL, id="a pattern ends where the host ends"),
        pytest.param("upper.example", Pace(2.0, 1), id="case does not matter, delay left as it is"),
        pytest.param("both.first.example", Pace(1.0, 3), id="the first that matches wins"),
    ],
)
def test_pace_of_a_host_is_the_first_override_that_matches(host: str, pace: Pace) -> None:
    table = paces(
        {"match": "own.example", "delay": 0.0, "connections": 8},
        {"match": "*.slow.example", "delay": 30.0},
        {"match": "UPPER.example", "connections": 1},
        {"match": "*.first.example", "delay": 1.0},
        {"match": "both.*", "delay": 9.0},
    )
    assert table.pace_of(host) == pace


def test_gate_opens_after_the_delay_from_the_start_and_from_the_end() -> None:
    gate = Gate(delay_s=2.0, limit=1)
    gate.start(10.0)
    assert (gate.open, gate.next_at) == (1, 12.0)
    gate.end(15.0)
    assert (gate.open, gate.next_at) == (0, 17.0)


def test_hold_never_shortens_an_earlier_one() -> None:
    gate = Gate(delay_s=1.0, limit=1, next_at=5.0)
    gate.hold(100.0)
    gate.hold(50.0)
    assert gate.next_at == 100.0


@pytest.mark.parametrize(
    ("gate", "now"),
    [
        pytest.param(Gate(1.0, 1, next_at=10.0), 9.999, id="too early"),
        pytest.param(Gate(1.0, 0), 10.0, id="too many open"),
    ],
)
def test_request_through_a_closed_gate_is_a_bug(gate: Gate, now: float) -> None:
    with pytest.raises(AssertionError, match="closed gate"):
        gate.start(now)


def test_end_without_a_start_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="not started"):
        Gate(1.0, 1).end(5.0)


@pytest.mark.parametrize(
    ("delay_s", "penalties"),
    [
        pytest.param(1.0, [1.0, 2.0, 4.0, 8.0], id="begins with the delay"),
        pytest.param(0.0, [PENALTY_START_S, 0.2, 0.4, 0.8], id="begins with a tenth of a second without a delay"),
        pytest.param(400.0, [400.0, PENALTY_MAX_S, PENALTY_MAX_S], id="ends at ten minutes"),
    ],
)
def test_penalty_doubles_with_every_failure(delay_s: float, penalties: list[float]) -> None:
    courtesy = Courtesy(Pace(delay_s, 1))
    found = []
    for _ in penalties:
        courtesy.went_badly()
        found.append(courtesy.penalty_s)
    assert found == pytest.approx(penalties)
    assert courtesy.delay_s == pytest.approx(delay_s + penalties[-1])


def test_penalty_halves_with_every_success_until_it_is_gone() -> None:
    courtesy = Courtesy(Pace(1.0, 1), penalty_s=0.4)
    delays = []
    for _ in range(5):
        courtesy.went_well()
        delays.append(courtesy.delay_s)
    assert delays == pytest.approx([1.2, 1.1, 1.05, 1.0, 1.0])


@pytest.mark.parametrize(
    ("crawl_delay_s", "delay_s"),
    [
        pytest.param(None, 2.0, id="none"),
        pytest.param(0.5, 2.0, id="a shorter one changes nothing"),
        pytest.param(7.0, 7.0, id="a longer one takes the place of the pace"),
    ],
)
def test_crawl_delay_only_lengthens(crawl_delay_s: float | None, delay_s: float) -> None:
    courtesy = Courtesy(GENERAL, penalty_s=3.0)
    courtesy.crawl_delay_s = crawl_delay_s
    assert courtesy.delay_s == delay_s + 3.0


@pytest.mark.parametrize("failure", [pytest.param(one, id=one.name.lower()) for one in Failure if one])
def test_only_failures_of_the_host_slow_it_down(failure: Failure) -> None:
    of_the_host = {"DNS", "CONNECT", "TLS", "TIMEOUT", "RESET", "SERVER_ERROR", "THROTTLED"}
    courtesy = Courtesy(Pace(1.0, 1))
    courtesy.learn(Failed(failure, ""))
    assert (courtesy.failures, courtesy.penalty_s) == ((1, 1.0) if failure.name in of_the_host else (0, 0.0))


def test_page_that_is_answered_with_an_error_again_says_nothing_of_its_host() -> None:
    courtesy = Courtesy(Pace(1.0, 1))
    courtesy.learn(Failed(Failure.SERVER_ERROR, ""), failed_before=True)
    assert (courtesy.failures, courtesy.penalty_s) == (0, 0.0)
    courtesy.learn(Failed(Failure.TIMEOUT, ""), failed_before=True)
    courtesy.learn(Failed(Failure.SERVER_ERROR, ""))
    assert courtesy.failures == 2


@pytest.mark.parametrize(
    "outcome",
    [
        pytest.param(Fetched(answered(404), b""), id="any answer, also 404"),
        pytest.param(Redirected(answered(301), "/", RedirectKind.MOVED_301), id="a redirect"),
    ],
)
def test_host_is_exhausted_by_failures_in_a_row_only(outcome: Fetched | Redirected) -> None:
    courtesy = Courtesy(Pace(1.0, 1))
    for _ in range(PARK_AFTER_FAILURES - 1):
        courtesy.learn(Failed(Failure.TIMEOUT, ""))
    courtesy.learn(outcome)
    assert (courtesy.failures, courtesy.exhausted) == (0, False)
    for _ in range(PARK_AFTER_FAILURES):
        assert not courtesy.exhausted
        courtesy.learn(Failed(Failure.TIMEOUT, ""))
    assert courtesy.exhausted


@given(
    delay_s=st.floats(0.0, 900.0),
    crawl_delay_s=st.none() | st.floats(0.0, 60.0),
    outcomes=st.lists(st.sampled_from([Fetched(answered(), b""), *(Failed(one, "") for one in SLOWS_HOST)])),
)
def test_delay_is_never_below_what_was_asked_and_never_without_bound(
    delay_s: float, crawl_delay_s: float | None, outcomes: list[Fetched | Failed]
) -> None:
    courtesy = Courtesy(Pace(delay_s, 1))
    courtesy.crawl_delay_s = crawl_delay_s
    asked_s = max(delay_s, crawl_delay_s or 0.0)
    for outcome in outcomes:
        courtesy.learn(outcome)
        assert asked_s <= courtesy.delay_s <= asked_s + PENALTY_MAX_S
