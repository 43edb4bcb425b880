from __future__ import annotations

import base64
from typing import Any

import pytest

from crawler import robots_policy
from crawler.robots_policy import (
    FETCH_BYTES,
    FIRST_WAIT_S,
    LONGEST_S,
    LONGEST_WAIT_S,
    SHORTEST_S,
    STALE_S,
    RobotsAnswer,
    RobotsState,
    Verdict,
    after_answer,
    after_failure,
    follows,
    restore,
    to_row,
)
from tests.vectors import load

NOW = 1_700_000_000.0
DAY_S = 86400.0
BODY = b"User-agent: *\nDisallow: /x\n"


def answered(status: int = 200, body: bytes = BODY, now: float = NOW, **more: Any) -> RobotsState:
    return after_answer(None, RobotsAnswer(status, body, **more), "Linkmill", now)


def body_of(response: dict[str, Any]) -> bytes:
    if "body_b64" in response:
        return base64.b64decode(response["body_b64"])
    if "body_generator" in response:
        parts = response["body_generator"]
        start, end = parts["prefix"].encode(), parts["suffix"].encode()
        return bytes((start + b"#").ljust(parts["pad_comment_to_bytes"], b"x") + b"\n" + end)
    return str(response.get("body", "")).encode()


def lived_through(responses: list[dict[str, Any]]) -> RobotsState:
    """Let one origin give these responses: redirects are hops of one fetch, each other one ends a fetch a day later."""
    state: RobotsState | None = None
    now, hops = NOW, 0
    for response in responses:
        if "location" in response and follows(hops):
            hops += 1
            continue
        for _ in range(response.get("repeat_days", 1)):
            now, hops = now + DAY_S, 0
            if "network_error" in response:
                state = after_failure(state, response["network_error"], now)
            else:
                truncated = response.get("then") == "close"
                answer = RobotsAnswer(response["status"], body_of(response), truncated)
                state = after_answer(state, answer, "Linkmill", now)
        if "location" in response:
            break
    assert state is not None
    return state


def reading(state: RobotsState, expected: object) -> bool:
    opens = state.rules.allowed("/") and state.rules.allowed("/private") and not state.unreachable
    match expected:
        case "allow_all":
            return opens
        case "disallow_all":
            return state.unreachable and not state.rules.allowed("/")
        case "parse_final":
            return state.verdict is Verdict.RULES and state.body != b"" and state.rules.allowed("/")
        case "disallow_all_or_cached":
            return state.unreachable or (state.stale and not state.rules.allowed("/x"))
        case "may_allow" | "allow_or_disallow_without_crash":
            return True
        case {"/first": False}:
            return not state.rules.allowed("/first") and len(state.body) <= FETCH_BYTES
        case _:
            raise AssertionError(f"unknown expectation {expected!r}")


def test_reference_rows_end_as_the_rfc_and_google_say() -> None:
    rows = load("robots_http.json")
    assert [row["id"] for row in rows if not reading(lived_through(row["responses"]), row["expected"])] == []


def test_file_holds_for_a_day_at_most_and_an_hour_at_least() -> None:
    assert answered().expires_at == NOW + LONGEST_S == NOW + DAY_S
    assert answered(max_age_s=7200.0).expires_at == NOW + 7200
    assert answered(max_age_s=0.0).expires_at == NOW + SHORTEST_S
    assert answered(max_age_s=1e9).expires_at == NOW + LONGEST_S
    assert answered(404, max_age_s=0.0).expires_at == NOW + SHORTEST_S


def test_waits_between_failures_grow_to_a_bound() -> None:
    state, waits = None, []
    for _ in range(20):
        state = after_failure(state, "timeout", NOW)
        waits.append(state.expires_at - NOW)
    assert waits[:4] == [FIRST_WAIT_S, FIRST_WAIT_S * 2, FIRST_WAIT_S * 4, FIRST_WAIT_S * 8]
    assert waits[-1] == LONGEST_WAIT_S
    assert state is not None
    assert state.failures == 20


def test_retry_after_lengthens_the_wait_within_a_day() -> None:
    assert answered(429, retry_after_s=1000.0).expires_at == NOW + 1000
    assert answered(503, retry_after_s=1.0).expires_at == NOW + FIRST_WAIT_S
    assert answered(503, retry_after_s=1e9).expires_at == NOW + LONGEST_S


def test_stale_copy_serves_for_thirty_days_and_no_longer() -> None:
    state = after_failure(answered(), "timeout", NOW + STALE_S)
    assert (state.verdict, state.stale, state.unreachable) == (Verdict.RULES, True, False)
    assert not state.rules.allowed("/x")
    assert state.fetched_at == NOW
    state = after_failure(state, "timeout", NOW + STALE_S + 1)
    assert (state.verdict, state.stale, state.unreachable) == (Verdict.DISALLOW_ALL, False, True)
    assert state.body == b""
    assert state.fetched_at == NOW + STALE_S + 1


def test_missing_file_is_no_copy_to_serve() -> None:
    assert after_failure(answered(404), "timeout", NOW + 1).unreachable


def test_unreachable_origin_remembers_since_when() -> None:
    state = after_failure(after_failure(None, "timeout", NOW), "timeout", NOW + 60)
    assert (state.fetched_at, state.failures, state.reason) == (NOW, 2, "timeout")


def test_answer_ends_the_failures() -> None:
    state = after_answer(after_failure(None, "timeout", NOW), RobotsAnswer(200, BODY), "Linkmill", NOW + 60)
    assert (state.failures, state.stale, state.fetched_at) == (0, False, NOW + 60)


@pytest.mark.parametrize("status", [100, 199, 600, 999])
def test_status_outside_of_http_counts_as_unreachable(status: int) -> None:
    assert answered(status).unreachable


def test_five_redirects_are_followed() -> None:
    assert [follows(hops) for hops in range(7)] == [True] * 5 + [False] * 2


@pytest.mark.parametrize(
    "state",
    [
        pytest.param(answered(), id="rules"),
        pytest.param(answered(404), id="allow_all"),
        pytest.param(answered(503), id="disallow_all"),
        pytest.param(after_failure(answered(), "timeout", NOW + 5), id="stale"),
        pytest.param(answered(truncated=True), id="cut short"),
    ],
)
def test_state_survives_a_restart(state: RobotsState) -> None:
    row = to_row(state, "https://a.example", 7)
    assert (row.origin, row.host_id, row.verdict) == ("https://a.example", 7, str(state.verdict))
    back = restore(row, "Linkmill", NOW + 6)
    assert to_row(back, "https://a.example", 7) == row
    assert (back.stale, back.unreachable, back.failures) == (state.stale, state.unreachable, state.failures)
    for path in ("/", "/x", "/y"):
        assert back.rules.allowed(path) == state.rules.allowed(path)


def test_no_copy_outlives_a_day_when_the_clock_was_set_back() -> None:
    row = to_row(answered(), "https://a.example", 7)
    back = restore(row, "Linkmill", NOW - 1e6)
    assert (back.fetched_at, back.expires_at) == (NOW - 1e6, NOW - 1e6 + LONGEST_S)


def test_policy_reads_more_than_the_parser_needs() -> None:
    assert robots_policy.FETCH_BYTES > 500 * 1024
    assert len(answered(body=b"#" * (FETCH_BYTES * 2)).body) == FETCH_BYTES
