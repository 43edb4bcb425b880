"""Every link of a page is either queued or counted under exactly one reason."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import PolitenessSettings, ScopeSettings
from crawler import admission
from crawler.admission import Admission
from crawler.frontier import Frontier
from crawler.jobs import Discovery
from crawler.politeness import Manners, PaceTable
from crawler.scope import FOLLOWED_KINDS, Budget, Scope
from crawler.seen import Seen
from crawler.url import fingerprint, host_of
from storage.records import Kind, LinkRow, QueueRow, Rel, Via
from tests.compiled import interpreted
from tests.store_rows import LINK

NOW = 100.0
FROM_A_PAGE = Discovery(depth=2, via=Via.LINK, hops=0, fetch=77)
KNOWN = "http://a.example/known"


def link(target: str, kind: Kind = Kind.A, rel: Rel = Rel.NONE) -> LinkRow:
    return LINK._replace(target=target, target_host=host_of(target), kind=kind, rel=rel)


class Gate:
    """An admission with everything it decides by, and what it counted."""

    def __init__(self, **settings: Any) -> None:
        politeness, scope = PolitenessSettings(), ScopeSettings(**settings)
        self.frontier = Frontier(PaceTable(politeness), Manners.of(politeness), 1000.0, first_seq=5)
        self.admission = Admission(
            Scope(scope, ["http://a.example/"]),
            Seen([fingerprint(KNOWN)]),
            Budget(scope.max_pages_per_host, scope.max_pages_per_domain, scope.max_pages_per_part),
            self.frontier,
            scope.nofollow == "skip",
        )
        self.counters: Counter[str] = Counter()

    def admit(self, *links: LinkRow) -> list[tuple[QueueRow, int]]:
        return list(self.admission.admit_links(links, FROM_A_PAGE, self.counters, NOW))


def test_admitted_link_becomes_a_queue_row_with_its_fingerprint() -> None:
    gate = Gate()
    (admitted,) = gate.admit(link("http://a.example/x"))
    host_id = gate.frontier.host("a.example").record.host_id
    row = QueueRow(host_id, 5, "http://a.example/x", 2, Via.LINK, 77, NOW + 1000.0, 0, 0, 0.0)
    assert admitted == (row, fingerprint("http://a.example/x"))
    assert gate.frontier.queued == gate.frontier.host("a.example").record.discovered == 1
    assert gate.counters == {}


@pytest.mark.parametrize(
    ("found", "settings", "reason"),
    [
        pytest.param(link("http://a.example/", Kind.EMBED), {}, "kind", id="an image"),
        pytest.param(link("http://a.example/", rel=Rel.NOFOLLOW), {}, "nofollow", id="nofollow"),
        pytest.param(link("http://a.example/", rel=Rel.UGC | Rel.ME), {}, "nofollow", id="ugc"),
        pytest.param(link("http://a.example/", rel=Rel.SPONSORED), {}, "nofollow", id="sponsored"),
        pytest.param(link("http://b.example/"), {}, "out_of_scope", id="another domain"),
        pytest.param(link(KNOWN), {}, "seen", id="known"),
        pytest.param(link("http://a.example/"), {"max_depth": 1}, "too_deep", id="too deep"),
        pytest.param(link("http://a.example/" + "x" * 99), {"max_url_bytes": 64}, "long_url", id="long"),
        pytest.param(link("http://a.example/?ab"), {"max_query_bytes": 1}, "long_query", id="long query"),
        pytest.param(link("http://a.example/x"), {"exclude": ["*/x"]}, "excluded", id="excluded"),
        pytest.param(link("http://a.example/x"), {"include": ["*/y"]}, "not_included", id="not included"),
        pytest.param(link("http://b.example/", Kind.EMBED, Rel.NOFOLLOW), {}, "kind", id="kind comes first"),
        pytest.param(link("http://b.example/", rel=Rel.NOFOLLOW), {}, "nofollow", id="then nofollow"),
        pytest.param(link(KNOWN), {"exclude": ["*"]}, "seen", id="seen comes before the rules"),
    ],
)
def test_link_that_is_left_is_counted_under_one_reason(found: LinkRow, settings: dict[str, Any], reason: str) -> None:
    gate = Gate(**settings)
    assert gate.admit(found) == []
    assert gate.counters == {f"left.{reason}": 1}
    assert gate.frontier.queued == 0


@pytest.mark.parametrize("rel", [Rel.NOFOLLOW, Rel.UGC, Rel.SPONSORED], ids=["nofollow", "ugc", "sponsored"])
def test_nofollow_is_followed_when_the_settings_say_so(rel: Rel) -> None:
    gate = Gate(nofollow="follow")
    assert len(gate.admit(link("http://a.example/x", rel=rel))) == 1


@pytest.mark.parametrize("kind", [pytest.param(kind, id=kind.label) for kind in Kind])
def test_only_links_to_pages_are_followed(kind: Kind) -> None:
    followed = "a area link-canonical link-alternate link-next link-prev redirect meta-refresh frame".split()
    vias = {"redirect": Via.REDIRECT, "meta-refresh": Via.REDIRECT, "link-canonical": Via.CANONICAL}
    gate = Gate()
    admitted = gate.admit(link("http://a.example/x", kind))
    assert [row.via for row, _ in admitted] == ([vias.get(kind.label, Via.LINK)] if kind.label in followed else [])
    assert gate.counters == ({} if kind.label in followed else {"left.kind": 1})


def test_link_repeated_on_a_page_is_queued_once() -> None:
    gate = Gate()
    assert len(gate.admit(*[link("http://a.example/x")] * 3)) == 1
    assert gate.counters == {"left.seen": 2}


def test_budgets_are_used_up_by_admitted_links_alone() -> None:
    gate = Gate(max_pages_per_host=2, max_pages_per_domain=3, exclude=["*/no*"])
    paths = ["no1", "no2", "1", "1", "2", "3"]
    admitted = gate.admit(*(link(f"http://{host}.example.com/{path}") for host in "xy" for path in paths))
    assert admitted == []
    assert gate.counters == {"left.out_of_scope": 12}
    admitted = gate.admit(*(link(f"http://{host}.a.example/{path}") for host in "xy" for path in paths))
    assert [row.url for row, _ in admitted] == ["http://x.a.example/1", "http://x.a.example/2", "http://y.a.example/1"]
    gate.counters.pop("left.out_of_scope")
    traps = {"trap.x.a.example": 1, "trap.a.example": 2}
    assert gate.counters == {
        "left.excluded": 4,
        "left.seen": 2,
        "left.host_budget": 1,
        "left.domain_budget": 2,
        **traps,
    }


@interpreted
def test_places_of_traps_are_named_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "TRAPS_NAMED", 2)
    gate = Gate(max_pages_per_part=1)
    scripts = [f"http://a.example/{name}?page={page}" for name in "cal fil top end".split() for page in (1, 2, 3)]
    gate.admit(*map(link, scripts))
    named = {"trap.a.example/cal": 2, "trap.a.example/fil": 2, "trap.elsewhere": 4}
    assert gate.counters == {"left.part_budget": 8, **named}


@pytest.mark.parametrize(
    ("url", "settings", "counters"),
    [
        pytest.param("http://elsewhere.example/", {}, None, id="its host is in scope by being a seed"),
        pytest.param(KNOWN, {}, {"left.seen": 1}, id="known from before"),
        pytest.param("http://a.example/x", {"exclude": ["*/x"]}, {"left.excluded": 1}, id="excluded"),
    ],
)
def test_seed_is_queued_unless_known_or_ruled_out(
    url: str, settings: dict[str, Any], counters: dict[str, int] | None
) -> None:
    gate = Gate(**settings)
    admitted = gate.admission.admit_seed(url, host_of(url), gate.counters, NOW)
    assert (admitted is None) == (counters is not None)
    assert gate.counters == (counters or {})
    if admitted is not None:
        assert (admitted[0].via, admitted[0].depth, admitted[0].discovered_from) == (Via.SEED, 0, None)


LINKS = st.builds(
    link,
    st.builds(
        "http://{}.{}.example/{}".format,
        st.sampled_from("xy"),
        st.sampled_from("ab"),
        st.sampled_from("1234?" + "q" * 30),
    ),
    st.sampled_from(Kind),
    st.sampled_from([Rel.NONE, Rel.NOFOLLOW, Rel.ME]),
)


@given(st.lists(LINKS, max_size=60), st.sampled_from(["host", "domain", "any"]), st.integers(0, 3), st.integers(0, 4))
def test_links_are_queued_or_counted_once_each(
    links: list[LinkRow], follow: str, per_host: int, per_domain: int
) -> None:
    gate = Gate(follow=follow, max_pages_per_host=per_host, max_pages_per_domain=per_domain)
    admitted = gate.admit(*links)
    left = sum(number for name, number in gate.counters.items() if name.startswith("left."))
    assert len(admitted) + left == len(links)
    assert len({row.url for row, _ in admitted}) == len({mark for _, mark in admitted}) == len(admitted)
    if per_host:
        assert max(Counter(host_of(row.url) for row, _ in admitted).values(), default=0) <= per_host
    wanted = {one.target for one in links if one.kind in FOLLOWED_KINDS and not one.rel & Rel.NOFOLLOW}
    assert {row.url for row, _ in admitted} <= wanted
