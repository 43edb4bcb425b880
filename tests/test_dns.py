from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from bench.torture.names import AAAA, SERVFAIL, A, Zone, name_server
from crawler import dns
from crawler.addresses import AddressGuard, Endpoint
from crawler.dns import BlockedAddress, DnsFailure, Resolved, Resolver
from tests.vectors import load

PUBLIC = "93.184.216.34"
OTHER = "1.1.1.1"


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def resolving(zone: Zone, clock: Clock | None = None, allowed: tuple[str, ...] = ()) -> AsyncIterator[Resolver]:
    async with (
        name_server(zone) as server,
        Resolver(AddressGuard(allowed), {}, [server], clock or Clock()) as resolver,
    ):
        yield resolver


async def test_name_resolves_to_its_addresses() -> None:
    zone = Zone({("site.example", A): [PUBLIC, OTHER]}, ttl=120)
    async with resolving(zone) as resolver:
        answer = await resolver.resolve("site.example")
    assert answer == Resolved((PUBLIC, OTHER), None, 1120.0)
    assert answer.endpoint == Endpoint(PUBLIC, None)
    assert zone.asked == [("site.example", A)]


async def test_aaaa_is_asked_when_there_is_no_a() -> None:
    zone = Zone({("six.example", AAAA): ["2606:4700::1111"]}, ttl=600)
    async with resolving(zone) as resolver:
        assert await resolver.resolve("six.example") == Resolved(("2606:4700::1111",), None, 1600.0)
    assert zone.asked == [("six.example", A), ("six.example", AAAA)]


@pytest.mark.parametrize(
    ("ttl", "kept_s"),
    [(0, dns.MIN_TTL_S), (29, dns.MIN_TTL_S), (100, 100.0), (90_000, dns.MAX_TTL_S)],
)
async def test_answer_is_kept_for_its_time_within_bounds(ttl: int, kept_s: float) -> None:
    zone, clock = Zone({("site.example", A): [PUBLIC]}, ttl=ttl), Clock()
    async with resolving(zone, clock) as resolver:
        first = await resolver.resolve("site.example")
        assert first.expires_at == clock.now + kept_s
        clock.now += kept_s - 0.1
        assert await resolver.resolve("site.example") is first
        assert len(zone.asked) == 1


async def test_changed_answer_is_seen_when_the_old_one_has_expired_and_is_judged_again() -> None:
    zone, clock = Zone({("flip.example", A): [PUBLIC]}), Clock()
    async with resolving(zone, clock) as resolver:
        assert isinstance(await resolver.resolve("flip.example"), Resolved)
        zone.records["flip.example", A] = ["169.254.169.254"]
        clock.now += dns.MIN_TTL_S
        assert isinstance(await resolver.resolve("flip.example"), BlockedAddress)
    assert len(zone.asked) == 2


async def test_missing_name_is_a_final_failure_and_remembered() -> None:
    zone, clock = Zone(), Clock()
    async with resolving(zone, clock) as resolver:
        answer = await resolver.resolve("gone.example")
        assert isinstance(answer, DnsFailure)
        assert answer.is_final
        assert await resolver.resolve("gone.example") is answer
        clock.now += dns.NOT_FOUND_TTL_S
        zone.records["gone.example", A] = [PUBLIC]
        assert isinstance(await resolver.resolve("gone.example"), Resolved)


async def test_name_without_addresses_is_a_final_failure() -> None:
    zone = Zone({("mail.example", 15): []})
    async with resolving(zone) as resolver:
        answer = await resolver.resolve("mail.example")
    assert isinstance(answer, DnsFailure)
    assert answer.is_final


async def test_failing_server_is_asked_again_sooner() -> None:
    async with resolving(Zone(code=SERVFAIL)) as resolver:
        answer = await resolver.resolve("site.example")
    assert isinstance(answer, DnsFailure)
    assert not answer.is_final
    assert answer.expires_at == 1000.0 + dns.FAILED_TTL_S


async def test_silent_server_is_a_failure_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns, "QUERY_TIMEOUT_S", 0.1)
    monkeypatch.setattr(dns, "QUERY_TRIES", 1)
    async with resolving(Zone(silent=True)) as resolver, asyncio.timeout(3):
        answer = await resolver.resolve("site.example")
    assert isinstance(answer, DnsFailure)
    assert not answer.is_final
    assert "time" in answer.detail


async def test_name_server_that_is_slower_than_usual_is_waited_for() -> None:
    zone = Zone({("site.example", A): [PUBLIC]}, default=[PUBLIC])
    async with resolving(zone) as resolver, asyncio.timeout(10):
        for number in range(8):  # so that c-ares knows it for quick
            await resolver.resolve(f"h{number}.example")
        zone.silent = True
        waiting = asyncio.create_task(resolver.resolve("site.example"))
        while zone.asked.count(("site.example", A)) < 3:
            await zone.heard.get()
        zone.silent = False
        assert isinstance(await waiting, Resolved)


async def test_same_name_is_asked_once_at_a_time() -> None:
    zone = Zone({("site.example", A): [PUBLIC]})
    async with resolving(zone) as resolver:
        answers = await asyncio.gather(*(resolver.resolve("site.example") for _ in range(50)))
    assert len(zone.asked) == 1
    assert len(set(map(id, answers))) == 1


async def test_one_caller_giving_up_does_not_stop_the_look_up_of_others() -> None:
    zone = Zone({("site.example", A): [PUBLIC]})
    async with resolving(zone) as resolver:
        first, second = (asyncio.create_task(resolver.resolve("site.example")) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        assert isinstance(await second, Resolved)
        with pytest.raises(asyncio.CancelledError):
            await first


async def test_look_ups_in_flight_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns, "MAX_LOOKUPS", 2)
    zone = Zone(silent=True)
    async with resolving(zone) as resolver:
        tasks = [asyncio.create_task(resolver.resolve(f"h{i}.example")) for i in range(10)]
        async with asyncio.timeout(3):
            await zone.heard.get()
            await zone.heard.get()
        await asyncio.sleep(0.05)
        assert len(zone.asked) == 2
        assert not any(task.done() for task in tasks)
    # Leaving the resolver ends what still waits.
    assert all(isinstance(end, asyncio.CancelledError) for end in await asyncio.gather(*tasks, return_exceptions=True))


async def test_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns, "MAX_NAMES", 3)
    zone = Zone({(f"h{i}.example", A): [PUBLIC] for i in range(5)})
    async with resolving(zone) as resolver:
        for i in range(5):
            await resolver.resolve(f"h{i}.example")
        await resolver.resolve("h4.example")
        assert len(zone.asked) == 5
        await resolver.resolve("h0.example")
        assert len(zone.asked) == 6


@pytest.mark.parametrize(
    ("host", "endpoint"),
    [
        ("exact.test", Endpoint("127.0.0.1", None)),
        ("exact.test.", Endpoint("127.0.0.1", None)),
        ("a.suffix.test", Endpoint("127.0.0.2", 8080)),
        ("a.b.suffix.test", Endpoint("127.0.0.2", 8080)),
        ("a.deep.suffix.test", Endpoint("127.0.0.3", 81)),
        ("suffix.test", Endpoint("::1", 8443)),
        ("anything.example", Endpoint("::1", 8443)),
    ],
)
async def test_settings_name_addresses_most_exact_first(host: str, endpoint: Endpoint) -> None:
    hosts = {
        "exact.test": "127.0.0.1",
        "*.suffix.test": "127.0.0.2:8080",
        "*.deep.suffix.test": "127.0.0.3:81",
        "*": "[::1]:8443",
    }
    async with Resolver(AddressGuard(["127.0.0.0/8", "::1/128"]), hosts) as resolver:
        answer = await resolver.resolve(host)
    assert isinstance(answer, Resolved)
    assert answer.endpoint == endpoint


async def test_settings_do_not_go_round_the_guard() -> None:
    async with Resolver(AddressGuard(), {"*": "127.0.0.1:80"}) as resolver:
        assert isinstance(await resolver.resolve("any.example"), BlockedAddress)


def test_unreadable_address_in_the_settings_is_named() -> None:
    with pytest.raises(ValueError, match=r"not\.an\.ip"):
        Resolver(AddressGuard(), {"a.test": "not.an.ip"})


@pytest.mark.parametrize(
    ("host", "outcome"),
    [
        ("1.1.1.1", Resolved),
        ("[2606:4700:4700::1111]", Resolved),
        ("10.0.0.1", BlockedAddress),
        ("[::1]", BlockedAddress),
        ("localhost", BlockedAddress),
        ("a.localhost", BlockedAddress),
        ("localhost.", BlockedAddress),
        ("a..b", DnsFailure),
        (".a", DnsFailure),
        ("", DnsFailure),
        ("a" * 64 + ".example", DnsFailure),
        ("abc." * 64 + "example", DnsFailure),
    ],
)
async def test_literals_and_odd_names_need_no_query(host: str, outcome: type) -> None:
    zone = Zone()
    async with resolving(zone) as resolver:
        assert isinstance(await resolver.resolve(host), outcome)
    assert zone.asked == []


async def test_reference_rebinding_answers_never_hand_out_a_private_address() -> None:
    rows = [row for row in load("ssrf.json") if row["what"] == "rebinding"]
    assert rows
    for row in rows:
        zone, clock = Zone(), Clock()
        async with resolving(zone, clock) as resolver:
            for answers in row["answers"]:
                kinds = {A: [ip for ip in answers if ":" not in ip], AAAA: [ip for ip in answers if ":" in ip]}
                zone.records = {("re.example", kind): ips for kind, ips in kinds.items() if ips}
                answer = await resolver.resolve("re.example")
                addresses = answer.addresses if isinstance(answer, Resolved) else ()
                assert set(addresses) <= {"93.184.216.34"}, row["name"]
                clock.now += dns.MIN_TTL_S
