"""The Arrow schemas of segments: a field per column of `PageRow`, and of `LinkRow` with the page's `fetch` before it.

Rule: part of the stored format, like the enums of `storage.records`: append, or raise SCHEMA_VERSION.
"""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa

_PAGE_FIELDS: Final[list[pa.Field[Any]]] = [
    pa.field("run", pa.int32(), nullable=False),
    pa.field("fetch", pa.int64(), nullable=False),
    pa.field("url", pa.string(), nullable=False),
    pa.field("host", pa.string(), nullable=False),
    pa.field("domain", pa.string(), nullable=False),
    pa.field("domain_private", pa.string(), nullable=False),
    pa.field("shard", pa.int16(), nullable=False),
    pa.field("depth", pa.int32(), nullable=False),
    pa.field("discovered_from", pa.int64()),
    pa.field("via", pa.uint8(), nullable=False),
    pa.field("fetched_at", pa.timestamp("us", tz="UTC"), nullable=False),
    pa.field("fetch_ms", pa.float32(), nullable=False),
    pa.field("queue_ms", pa.float32(), nullable=False),
    pa.field("status", pa.int16()),
    pa.field("failure", pa.uint8()),
    pa.field("http_version", pa.string()),
    pa.field("ip", pa.string()),
    pa.field("server", pa.string()),
    pa.field("redirect_to", pa.string()),
    pa.field("redirect_kind", pa.uint8()),
    pa.field("redirect_delay_s", pa.float32()),
    pa.field("content_type", pa.string()),
    pa.field("charset", pa.string()),
    pa.field("charset_source", pa.uint8(), nullable=False),
    pa.field("content_encoding", pa.string()),
    pa.field("wire_bytes", pa.int64(), nullable=False),
    pa.field("body_bytes", pa.int64(), nullable=False),
    pa.field("truncated", pa.uint8(), nullable=False),
    pa.field("etag", pa.string()),
    pa.field("last_modified", pa.string()),
    pa.field("not_modified", pa.bool_(), nullable=False),
    pa.field("body_hash", pa.binary(16)),
    pa.field("title", pa.string()),
    pa.field("lang", pa.string()),
    pa.field("canonical", pa.string()),
    pa.field("canonical_source", pa.uint8(), nullable=False),
    pa.field("base", pa.string()),
    pa.field("generator", pa.string()),
    pa.field("robots", pa.uint16(), nullable=False),
    pa.field("robots_source", pa.uint8(), nullable=False),
    pa.field("links", pa.int32(), nullable=False),
    pa.field("internal", pa.int32(), nullable=False),
    pa.field("external", pa.int32(), nullable=False),
    pa.field("external_domains", pa.int32(), nullable=False),
    pa.field("nofollow", pa.int32(), nullable=False),
    pa.field("bad_href", pa.int32(), nullable=False),
    pa.field("same_document", pa.int32(), nullable=False),
    pa.field("other_scheme", pa.int32(), nullable=False),
    pa.field("links_dropped", pa.int32(), nullable=False),
    pa.field("parser", pa.string(), nullable=False),
    pa.field("psl", pa.string(), nullable=False),
    pa.field("normaliser", pa.string(), nullable=False),
]
PAGES: Final = pa.schema(_PAGE_FIELDS)

_LINK_FIELDS: Final[list[pa.Field[Any]]] = [
    pa.field("fetch", pa.int64(), nullable=False),
    pa.field("target", pa.string(), nullable=False),
    pa.field("target_host", pa.string(), nullable=False),
    pa.field("fragment", pa.string()),
    pa.field("kind", pa.uint8(), nullable=False),
    pa.field("rel", pa.uint16(), nullable=False),
    pa.field("anchor", pa.string(), nullable=False),
    pa.field("anchor_source", pa.uint8(), nullable=False),
    pa.field("anchor_cut", pa.bool_(), nullable=False),
    pa.field("image", pa.bool_(), nullable=False),
    pa.field("place", pa.uint8(), nullable=False),
    pa.field("ordinal", pa.int32(), nullable=False),
    pa.field("repeats", pa.int32(), nullable=False),
    pa.field("text_before", pa.string()),
    pa.field("text_after", pa.string()),
    pa.field("hreflang", pa.string()),
]
LINKS: Final = pa.schema(_LINK_FIELDS)
