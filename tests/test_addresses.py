from __future__ import annotations

from ipaddress import ip_network

import ada_url
import pytest

from crawler.addresses import NOT_PUBLIC_V4, NOT_PUBLIC_V6, AddressGuard, Endpoint, is_loopback, literal
from tests.vectors import load


@pytest.mark.parametrize(
    ("ip", "why"),
    [
        ("10.1.2.3", "private"),
        ("172.31.255.255", "last private"),
        ("100.100.100.200", "metadata of a cloud"),
        ("168.63.129.16", "host agent of a cloud"),
        ("192.0.0.8", "protocol assignments"),
        ("198.19.255.255", "benchmarks"),
        ("203.0.113.9", "documentation"),
        ("239.255.255.255", "multicast"),
        ("255.255.255.255", "broadcast"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("::ffff:8.8.8.8", "mapped, whatever it carries"),
        ("::8.8.8.8", "compatible, whatever it carries"),
        ("64:ff9b::8.8.8.8", "NAT64, whatever it carries"),
        ("64:ff9b:1::1", "local NAT64"),
        ("2002:808:808::1", "6to4, whatever it carries"),
        ("2001:0:4136:e378::1", "Teredo"),
        ("fc00::1", "unique local"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "scoped"),
        ("2606:4700::1%1", "scoped, though public"),
        ("fec0::1", "site-local"),
        ("ff02::1", "multicast"),
        ("4000::1", "not assigned"),
        ("example.com", "a name"),
        ("", "nothing"),
        ("127.1", "not canonical"),
        ("0x7f.0.0.1", "not canonical"),
        ("2130706433", "not canonical"),
        ("[::1]", "brackets are of URLs"),
    ],
)
def test_address_that_is_not_public_is_refused(ip: str, why: str) -> None:
    assert not AddressGuard().permits(ip), why


@pytest.mark.parametrize("ip", ["1.1.1.1", "93.184.216.34", "172.32.0.0", "2606:4700:4700::1111", "2a00:1450::1"])
def test_public_address_is_permitted(ip: str) -> None:
    assert AddressGuard().permits(ip)


def test_allowed_networks_are_permitted_and_nothing_beside_them() -> None:
    guard = AddressGuard(["127.0.0.0/8", "fd00:1234::/32", "10.0.0.5"])
    assert all(map(guard.permits, ["127.0.0.1", "127.9.9.9", "fd00:1234::7", "10.0.0.5"]))
    assert not any(map(guard.permits, ["10.0.0.6", "::1", "fd00:1235::7", "::ffff:127.0.0.1", "169.254.169.254"]))


def test_every_row_of_the_tables_is_refused_from_first_to_last() -> None:
    guard = AddressGuard()
    for network, why in NOT_PUBLIC_V4 + NOT_PUBLIC_V6:
        block = ip_network(network)
        assert not any(map(guard.permits, [str(block[0]), str(block[-1])])), (network, why)


def test_reference_addresses_are_judged_as_recorded() -> None:
    guard = AddressGuard()
    rows = [row for row in load("ssrf.json") if row["what"] == "addresses" and row["must_block"] is not None]
    wrong = [row["address"] for row in rows if guard.permits(row["address"]) == row["must_block"]]
    assert len(rows) > 50
    assert not wrong


# Refused by the resolver, which needs an answer to judge.
NAMES = {
    "localhost",
    "foo.localhost",
    "169.254.169.254.nip.example",
    "metadata.google.internal",
    "a..b",
    "xn--zn7c.com",
}


def test_reference_urls_spell_refused_addresses_or_no_http_url() -> None:
    guard = AddressGuard()
    for row in load("ssrf.json"):
        if row["what"] != "urls":
            continue
        try:
            url = ada_url.URL(row["url"])
        except ValueError:
            continue
        if url.protocol not in ("http:", "https:"):
            continue
        ip = literal(url.hostname)
        assert (ip is not None and not guard.permits(ip)) or url.hostname in NAMES, row["url"]


def test_loopback_is_known_in_both_families() -> None:
    assert all(map(is_loopback, ["127.0.0.1", "127.255.0.9", "::1"]))
    assert not any(map(is_loopback, ["128.0.0.1", "::2", "localhost"]))


@pytest.mark.parametrize(
    ("host", "ip"),
    [("1.2.3.4", "1.2.3.4"), ("[2606:4700::1]", "2606:4700::1"), ("example.com", None), ("1.2.3.4.example", None)],
)
def test_literal_reads_a_host_as_urls_spell_it(host: str, ip: str | None) -> None:
    assert literal(host) == ip


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("10.0.0.1", Endpoint("10.0.0.1", None)),
        ("10.0.0.1:8080", Endpoint("10.0.0.1", 8080)),
        ("::1", Endpoint("::1", None)),
        ("[::1]", Endpoint("::1", None)),
        ("[::1]:443", Endpoint("::1", 443)),
    ],
)
def test_endpoint_is_read_from_settings(text: str, endpoint: Endpoint) -> None:
    assert Endpoint.parse(text) == endpoint


@pytest.mark.parametrize("text", ["", "host", "host:80", "1.2.3.4:0", "1.2.3.4:65536", "1.2.3.4:x", "[::1", "[::1]:²"])
def test_endpoint_that_cannot_be_read_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="not an address"):
        Endpoint.parse(text)
