"""What the index takes each kind of link and each directive for.

Rule: the statements of a build name these through the tables of `storage.index.inputs`, never by number.
"""

from __future__ import annotations

from typing import Final

from storage.records import Kind, Rel

HYPERLINK: Final = "hyperlink"
INDIRECT: Final = "indirect"
EMBED: Final = "embed"
RESOURCE: Final = "resource"
REFERENCE: Final = "reference"

ROLES: Final[dict[Kind, str]] = {
    Kind.A: HYPERLINK,  # what a reader can follow: the backlinks of every report
    Kind.AREA: HYPERLINK,
    Kind.REDIRECT: INDIRECT,  # the page itself says where it is: shown apart, and proof of its own fate
    Kind.META_REFRESH: INDIRECT,
    Kind.LINK_CANONICAL: INDIRECT,
    Kind.FRAME: EMBED,  # fetched as a part of the page
    Kind.EMBED: EMBED,
    Kind.RESOURCE: RESOURCE,
    Kind.LINK_ALTERNATE: REFERENCE,  # named for machines, seen by nobody
    Kind.LINK_NEXT: REFERENCE,
    Kind.LINK_PREV: REFERENCE,
    Kind.LINK_AMPHTML: REFERENCE,
    Kind.LINK_OTHER: REFERENCE,
    Kind.FORM: REFERENCE,
    Kind.CITE: REFERENCE,
    Kind.HEADER_LINK: REFERENCE,
    Kind.SITEMAP: REFERENCE,
    Kind.FEED: REFERENCE,
}

SINGLE: Final = frozenset(
    {Kind.REDIRECT, Kind.META_REFRESH, Kind.LINK_CANONICAL, Kind.LINK_AMPHTML, Kind.LINK_NEXT, Kind.LINK_PREV}
)
"""Kinds of which a page has one: another target in its place is a changed target, not a removed link."""

NOFOLLOW_RELS: Final = Rel.NOFOLLOW | Rel.UGC | Rel.SPONSORED
"""Each asks engines not to count the link (Google: "Qualify your outbound links")."""

MOVE_DELAY_S: Final = 10.0
"""A refresh within so many seconds moves the visitor on; a later one reloads a page that is read meanwhile."""

MAX_HOPS: Final = 10
"""Redirects and canonicals followed from a target: as many redirects as Googlebot follows."""
