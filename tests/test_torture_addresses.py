from __future__ import annotations

import re
from pathlib import Path

from bench.torture import addresses
from tests.vectors import load

NAMES = ("a..b", "xn--zn7c.com")
"""Refused by the reference for their form, not for where they lead: a name server decides."""


def spelled() -> list[str]:
    """Return the hosts of the reference's refused http URLs as they are written there."""
    urls = [re.sub(r"\s", "", row["url"]) for row in load("ssrf.json") if row["what"] == "urls" and row["must_refuse"]]
    hosts = [url.removeprefix("http://").partition("/")[0].rpartition(":80")[0] or url[7:-1] for url in urls]
    return [host for url, host in zip(urls, hosts, strict=True) if url.startswith("http://") and host not in NAMES]


def refused() -> list[str]:
    """Return the reference's refused addresses."""
    return [row["address"] for row in load("ssrf.json") if row["what"] == "addresses" and row["must_block"]]


async def test_no_refused_address_is_reached_in_any_spelling_by_any_way(tmp_path: Path) -> None:
    ips = [*addresses.ADDRESSES, *refused()]
    hosts = [*addresses.all_hosts(), *spelled(), *(f"[{ip}]" if ":" in ip else ip for ip in refused())]
    tried = await addresses.matrix(hosts, ips, tmp_path)
    assert tried.recorded > 1000
    assert (tried.wrong, [figure for figure in addresses.matrix_figures(tried) if not figure.holds]) == ([], [])


async def test_no_refused_address_is_reached_by_a_name_that_changes_over_100_fetches() -> None:
    tried = await addresses.rebinding(addresses.REBINDINGS)
    assert (tried.fetched, tried.blocked, tried.odd) == (60, 40, [])
    assert not tried.reached
