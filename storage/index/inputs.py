"""What the statements of a build and of questions are given beside the segments: the policy, and the hosts' domains.

Rule: these are the tables `kinds`, `policy` and `host_domains` of the statements.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from storage.index.policy import MAX_HOPS, MOVE_DELAY_S, NOFOLLOW_RELS, ROLES, SINGLE
from storage.records import Kind, Robots

KINDS: Final = pa.table(
    {
        "kind": pa.array([int(kind) for kind in Kind], pa.uint8()),
        "role": pa.array([ROLES[kind] for kind in Kind], pa.string()),
        "single": pa.array([kind in SINGLE for kind in Kind], pa.bool_()),
    }
)

POLICY: Final = pa.table(
    {
        "nofollow_rels": pa.array([int(NOFOLLOW_RELS)], pa.uint16()),
        "nofollow": pa.array([int(Robots.NOFOLLOW)], pa.uint16()),
        "noindex": pa.array([int(Robots.NOINDEX)], pa.uint16()),
        "move_delay_s": pa.array([MOVE_DELAY_S], pa.float64()),
        "max_hops": pa.array([MAX_HOPS], pa.int32()),
    }
)

HOST_DOMAINS: Final = pa.schema(
    [
        pa.field("host", pa.string(), nullable=False),
        pa.field("domain", pa.string(), nullable=False),
        pa.field("domain_private", pa.string(), nullable=False),
        pa.field("reversed_host", pa.string(), nullable=False),
    ]
)
"""What the caller of a build computes for each host: its registered domains, and its labels from the last one."""
