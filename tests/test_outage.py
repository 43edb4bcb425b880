"""A network that is out for a while costs no URL and no host anything; dead hosts are no outage."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

import pytest

from crawler.outage import HOSTS_FAILED, LONGEST_S, NETWORK, PROBE_FIRST_S, PROBE_LONGEST_S, Outage
from crawler.outcome import Failed, Fetched, Outcome
from crawler.supervisor import Crawl, resolve_seeds
from storage.records import Failure
from storage.status import read_status
from tests.crawling import Stored, Web, answered, page, settings_at
from tests.servers import Exchange, serve

NOW: Final = 1000.0
FAILED: Final = Failed(Failure.CONNECT, "refused")
ANSWERED: Final = Fetched(answered(), b"")


def out(now: float = NOW) -> Outage:
    outage = Outage()
    for host in range(HOSTS_FAILED):
        assert not outage.learn(host, FAILED, True, now), "the failures that show an outage count"
    assert outage.ongoing
    return outage


@pytest.mark.parametrize("failure", sorted(NETWORK), ids=lambda failure: failure.name)
def test_outage_begins_when_hosts_that_answered_fail_one_after_the_other(failure: Failure) -> None:
    outage = Outage()
    for host in range(HOSTS_FAILED):
        assert not outage.ongoing
        outage.learn(host, Failed(failure, ""), True, NOW)
    assert outage.ongoing


@pytest.mark.parametrize(
    ("outcomes", "has_answered"),
    [
        pytest.param([(host, FAILED) for host in range(100)], False, id="hosts that never answered"),
        pytest.param([(1, FAILED)] * 100, True, id="one host again and again"),
        pytest.param([(1, FAILED), (2, FAILED), (3, ANSWERED)] * 10, True, id="an answer in between"),
        pytest.param(
            [(host, Failed(Failure.SERVER_ERROR, "", answered(500))) for host in range(9)], True, id="server errors"
        ),
        pytest.param([(host, Failed(Failure.TIMEOUT, "", answered())) for host in range(9)], True, id="slow bodies"),
        pytest.param([(host, Failed(Failure.PROTOCOL, "")) for host in range(9)], True, id="nonsense"),
    ],
)
def test_what_is_no_outage(outcomes: list[tuple[int, Outcome]], has_answered: bool) -> None:
    outage = Outage()
    assert not any(outage.learn(host, outcome, has_answered, NOW) for host, outcome in outcomes)
    assert not outage.ongoing
    assert outage.admits(NOW)


def test_failures_during_an_outage_are_nobodys_fault_until_the_next_answer() -> None:
    outage = out()
    assert outage.learn(7, FAILED, False, NOW + 1.0)
    assert not outage.learn(8, ANSWERED, True, NOW + 2.0)
    assert not outage.ongoing
    assert not outage.learn(7, FAILED, True, NOW + 3.0)


def test_probes_go_out_one_at_a_time_and_ever_less_often() -> None:
    outage, now, waits = out(), NOW, []
    for _ in range(12):
        assert not outage.admits(outage.probe_at - 0.001)
        waits.append(outage.probe_at - now)
        now = outage.probe_at
        assert outage.admits(now)
        assert not outage.admits(now)
    assert waits[0] == PROBE_FIRST_S
    assert waits == sorted(waits)
    assert waits[-1] == pytest.approx(PROBE_LONGEST_S)


def test_outage_without_end_is_believed_for_a_limited_time() -> None:
    outage = out()
    assert outage.learn(1, FAILED, True, NOW + LONGEST_S - 1.0)
    assert not outage.learn(1, FAILED, True, NOW + LONGEST_S)


class Line:
    """Hosts behind one line that goes dead when so many pages have come, and comes back after a while."""

    def __init__(self, web: Web, dead_after: int, dead_s: float) -> None:
        self._web = web
        self._dead_after = dead_after
        self._dead_s = dead_s
        self.is_dead = False
        self.cut = 0

    async def script(self, exchange: Exchange) -> None:
        if not self.is_dead and len(self._web.asked) >= self._dead_after and not self.cut:
            self.is_dead = True
            asyncio.get_running_loop().call_later(self._dead_s, self._revive)
        if self.is_dead:
            self.cut += 1
            exchange.reset()
        else:
            await self._web.script(exchange)

    def _revive(self) -> None:
        self.is_dead = False


async def test_outage_in_a_crawl_kills_no_url_and_costs_each_a_try_at_most(tmp_path: Path) -> None:
    hosts = [f"h{number}.test" for number in range(8)]
    paths = [f"/{number}" for number in range(12)]
    closing = {"Connection": "close"}  # every page comes over the line anew
    web = Web(
        {f"http://{host}/": page(*paths, **closing) for host in hosts}
        | {f"http://{host}{path}": page(**closing) for host in hosts for path in paths}
    )
    line = Line(web, dead_after=60, dead_s=2.6)
    async with serve(line.script) as served:
        settings = settings_at(
            served.at,
            tmp_path,
            crawl={"seeds": [f"http://{host}/" for host in hosts]},
            fetch={"retries": 1, "retry_wait": 0.01},
            politeness={"connections_per_host": 2},
        )
        report = await Crawl(settings, resolve_seeds(settings.crawl.seeds)).run()
    totals, stored = read_status(tmp_path).totals, Stored(tmp_path)
    assert (report.reason, totals.conserved) == ("exhausted", True)
    assert (totals.done, totals.failed, totals.queued) == (len(hosts) * 13, 0, 0)
    assert {rows[-1].status for rows in stored.pages.values()} == {200}
    assert report.snapshot is not None
    assert report.snapshot.counters["outages"] == 1
    assert report.snapshot.counters["retries"] <= HOSTS_FAILED
    # What was under way, and two or three probes.
    assert HOSTS_FAILED < line.cut <= 16 + 4
