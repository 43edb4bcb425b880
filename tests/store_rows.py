"""Rows to store: plausible pages, links, queue rows and hosts with the columns a test does not name filled in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from storage.records import Batch, HostRow, LinkRow, PageRow, QueueRow, RobotsRow

NOW = 1_760_000_000.0
"""UTC, seconds since the epoch."""

PAGE = PageRow(
    run=1,
    fetch=1 << 40,
    url="https://a.example/",
    host="a.example",
    domain="a.example",
    domain_private="a.example",
    shard=7,
    depth=0,
    discovered_from=None,
    via=0,
    fetched_at=1_760_000_000_123_456,
    fetch_ms=12.5,
    status=200,
    ip="127.0.0.1",
    body_hash=bytes(range(16)),
    title="Ünïcode ✓",
    parser="p",
    psl="q",
    normaliser="r",
)

LINK = LinkRow(
    target="https://b.example/x?y=1",
    target_host="b.example",
    fragment="top",
    kind=0,
    rel=3,
    anchor="an anchor \U0001f517",
    anchor_source=1,
    anchor_cut=True,
    image=False,
    place=2,
    ordinal=0,
    repeats=4,
    text_before=None,
    text_after="after",
    hreflang="de",
)


def page(fetch: int = 1 << 40, links: int = 0, **columns: Any) -> PageRow:
    """Return a page with `links` links."""
    return replace(PAGE, fetch=fetch, links=links, **columns)


def link(ordinal: int = 0, **columns: Any) -> LinkRow:
    """Return a link at a place of its page."""
    return LINK._replace(ordinal=ordinal, **columns)


def queued(host_id: int, seq: int, **columns: Any) -> QueueRow:
    """Return a URL of a host that waits."""
    return QueueRow(host_id, seq, f"https://h{host_id}.example/{seq}", 1, 1, 1 << 40, NOW, 0, 0, 0.0)._replace(
        **columns
    )


def host(host_id: int, **columns: Any) -> HostRow:
    """Return a host with its counts."""
    name = f"h{host_id}.example"
    return HostRow(host_id, name, name, name, host_id % 4096, **columns)


def robots(host_id: int, **columns: Any) -> RobotsRow:
    """Return a host's robots.txt answer."""
    origin = f"https://h{host_id}.example"
    return RobotsRow(origin, host_id, "rules", 200, b"User-agent: *\nDisallow: /x\n", NOW, NOW + 86400)._replace(
        **columns
    )


def found(*rows: QueueRow) -> Batch:
    """Return the batch that queues URLs no page has revealed: seeds, each of a host of its own."""
    return Batch(added=list(rows), hosts={row.host_id: host(row.host_id, discovered=1) for row in rows})


def fetched(fetch: int, links: int) -> Batch:
    """Return the batch of one page with its links."""
    return Batch(pages=[page(fetch, links)], links=[link(at) for at in range(links)])
