"""Which URLs the crawl may follow, and under which reason the others are left."""

from __future__ import annotations

from typing import Any

import pytest

from config import ScopeSettings
from crawler.scope import Budget, Left, Rules, Scope

SEEDS = ["https://www.shop.example.co.uk/a", "https://user.github.io/", "http://127.0.0.1/"]


def scope(**settings: Any) -> Scope:
    return Scope(ScopeSettings(**settings), SEEDS)


@pytest.mark.parametrize(
    ("host", "admitted_by"),
    [
        pytest.param("www.shop.example.co.uk", "host domain any listed", id="the seed's host"),
        pytest.param("example.co.uk", "domain any listed", id="the seed's registered domain"),
        pytest.param("other.example.co.uk", "domain any listed", id="another host of the domain"),
        pytest.param("other.co.uk", "any listed", id="another domain of the same public suffix"),
        pytest.param("notexample.co.uk", "any listed", id="a domain that ends alike"),
        pytest.param("user.github.io", "host domain any listed", id="a user's site"),
        pytest.param("www.user.github.io", "domain any listed", id="a host of the user's site"),
        pytest.param("other.github.io", "any listed", id="another user's site"),
        pytest.param("github.io", "any listed", id="the private suffix itself"),
        pytest.param("127.0.0.1", "host domain any listed", id="an address"),
        pytest.param("127.0.0.2", "any listed", id="another address"),
    ],
)
@pytest.mark.parametrize("follow", ["host", "domain", "any", "listed"])
def test_host_is_admitted_by_follow(host: str, admitted_by: str, follow: str) -> None:
    judged = scope(follow=follow, include=["https://*"])
    expected = follow in admitted_by.split()
    assert judged.admits_host(host) == expected
    assert judged.admits_host(host) == expected, "the remembered verdict"


@pytest.mark.parametrize(
    ("rule", "matched", "not_matched"),
    [
        pytest.param(
            "https://a.example/docs/",
            ["https://a.example/docs/", "https://a.example/docs/x?y=1"],
            ["https://a.example/docs", "http://a.example/docs/", "https://a.example/x/https://a.example/docs/"],
            id="prefix",
        ),
        pytest.param(
            "*.example/blog/*",
            ["https://a.example/blog/", "http://a.b.example/blog/x?y"],
            ["https://a.example/blog", "https://example/blog/x", "https://a.example/x/blog"],
            id="glob over host and path",
        ),
        pytest.param(
            "a.example/x*",
            ["http://a.example/x", "http://a.example:8080/xy"],
            ["http://a.example:x/x", "http://a.example.org/x"],
            id="glob on any port",
        ),
        pytest.param(
            "a.example:81/*",
            ["http://a.example:81/"],
            ["http://a.example/", "http://a.example:82/"],
            id="glob on a port",
        ),
        pytest.param(
            "https://a.example/*.pdf",
            ["https://a.example/x/y.pdf"],
            ["http://a.example/x.pdf", "https://a.example/x.pdf?y", "https://a.example/xpdf"],
            id="glob with a scheme",
        ),
        pytest.param(
            "a.example/x?y=*",
            ["http://a.example/x?y=1"],
            ["http://a.example/y=1", "http://axexample/x?y=1"],
            id="in a glob only the star is special",
        ),
        pytest.param(
            r"re:/\d{4}/\d{2}/",
            ["https://a.example/2024/05/x"],
            ["https://a.example/20/05/"],
            id="expression, searched anywhere",
        ),
        pytest.param("re:^https://a*", ["https://b.example/"], ["http://a.example/"], id="star in an expression"),
    ],
)
def test_rule_matches_prefixes_globs_and_expressions(rule: str, matched: list[str], not_matched: list[str]) -> None:
    rules = Rules([rule])
    assert [url for url in matched if not rules.match(url)] == []
    assert [url for url in not_matched if rules.match(url)] == []


def test_one_rule_of_several_is_enough() -> None:
    rules = Rules(["https://a.example/", "*/feed", "re:[?&]sort="])
    assert [rules.match(f"https://{rest}") for rest in ("a.example/", "b.example/feed", "c.example/?sort=1")] == [
        True
    ] * 3
    assert not rules.match("https://c.example/")


def test_no_rules_match_nothing() -> None:
    assert not Rules([])
    assert not Rules([]).match("https://a.example/")


def test_expression_is_matched_in_linear_time() -> None:
    assert not Rules(["re:(a+)+$"]).match("https://a.example/" + "a" * 100_000 + "!")


LONG = "https://a.example/" + "x" * 46  # 64 bytes


@pytest.mark.parametrize(
    ("url", "depth", "settings", "left"),
    [
        pytest.param("https://a.example/", 99, {}, None, id="no limits"),
        pytest.param("https://a.example/", 3, {"max_depth": 3}, None, id="as deep as allowed"),
        pytest.param("https://a.example/", 4, {"max_depth": 3}, Left.TOO_DEEP, id="deeper"),
        pytest.param(LONG, 0, {"max_url_bytes": 64}, None, id="as long as allowed"),
        pytest.param(LONG + "x", 0, {"max_url_bytes": 64}, Left.LONG_URL, id="longer"),
        pytest.param("https://a.example/?12345", 0, {"max_query_bytes": 5}, None, id="query as long as allowed"),
        pytest.param("https://a.example/?123456", 0, {"max_query_bytes": 5}, Left.LONG_QUERY, id="longer query"),
        pytest.param("https://a.example/?", 0, {"max_query_bytes": 0}, None, id="empty query"),
        pytest.param("https://a.example/?a?b", 0, {"max_query_bytes": 2}, Left.LONG_QUERY, id="from the first mark on"),
        pytest.param("https://a.example/x", 0, {"exclude": ["*/x"]}, Left.EXCLUDED, id="excluded"),
        pytest.param("https://a.example/y", 0, {"exclude": ["*/x"]}, None, id="not excluded"),
        pytest.param("https://a.example/x", 0, {"include": ["*/x"]}, None, id="included"),
        pytest.param("https://a.example/y", 0, {"include": ["*/x"]}, Left.NOT_INCLUDED, id="not included"),
        pytest.param(
            "https://a.example/x", 0, {"include": ["*/x"], "exclude": ["re:a"]}, Left.EXCLUDED, id="exclude wins"
        ),
        pytest.param("https://a.example/1/2/3/4?/5/6", 0, {"max_path_segments": 4}, None, id="as many segments"),
        pytest.param("https://a.example/1/2/3/4/5", 0, {"max_path_segments": 4}, Left.DEEP_PATH, id="more segments"),
        pytest.param("https://a.example/x/a/a/a/", 0, {}, None, id="repeated as often as allowed"),
        pytest.param("https://a.example/x/a/a/a/a", 0, {}, Left.REPEATED_PATH, id="repeated more often"),
        pytest.param("https://a.example/" + "a/b/c/" * 4, 0, {}, Left.REPEATED_PATH, id="repeated in blocks"),
        pytest.param("https://a.example/x", 9, {"max_depth": 1, "exclude": ["*/x"]}, Left.TOO_DEEP, id="depth first"),
    ],
)
def test_url_is_left_for_one_reason(url: str, depth: int, settings: dict[str, Any], left: Left | None) -> None:
    assert scope(**settings).judge(url, depth) is left


@pytest.mark.parametrize(
    ("limits", "admitted", "reasons"),
    [
        pytest.param((0, 0, 0), [3, 3, 3, 3], {}, id="no limits"),
        pytest.param((2, 0, 0), [2, 2, 2, 2], {Left.HOST_BUDGET: 4}, id="per host"),
        pytest.param((0, 4, 0), [3, 1, 3, 3], {Left.DOMAIN_BUDGET: 2}, id="per domain"),
        pytest.param((2, 3, 0), [2, 1, 2, 2], {Left.HOST_BUDGET: 3, Left.DOMAIN_BUDGET: 2}, id="both"),
        pytest.param((0, 0, 1), [2, 2, 2, 2], {Left.PART_BUDGET: 4}, id="per part"),
    ],
)
def test_budgets_are_met_exactly(limits: tuple[int, int, int], admitted: list[int], reasons: dict[Left, int]) -> None:
    hosts = ["a.example.com", "b.example.com", "x.github.io", "y.github.io"]
    budget, found, left = Budget(*limits), dict.fromkeys(hosts, 0), dict.fromkeys(reasons, 0)
    for host, path in [(host, path) for host in hosts for path in ("cal?1", "cal?2", "x/y")]:
        url = f"http://{host}/{path}"
        reason = budget.refuse(url, host)
        if reason is None:
            budget.spend(url, host)
            found[host] += 1
        else:
            left[reason] += 1
    assert list(found.values()) == admitted
    assert left == reasons


def test_what_an_earlier_start_spent_counts() -> None:
    budget = Budget(per_host=10, per_domain=15, per_part=0)
    budget.restore("a.example.com", 9)
    url = "http://a.example.com/"
    assert budget.refuse(url, "a.example.com") is None
    budget.spend(url, "a.example.com")
    assert budget.refuse(url, "a.example.com") is Left.HOST_BUDGET
    budget.restore("b.example.com", 5)
    assert budget.refuse("http://b.example.com/", "b.example.com") is Left.DOMAIN_BUDGET
    assert budget.refuse("http://other.test/", "other.test") is None
