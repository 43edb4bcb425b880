"""The quick forms of what `make torture` tries in full."""

from __future__ import annotations

from bench.torture import politeness


def test_servers_see_every_delay_kept_over_two_restarts() -> None:
    assert [figure for figure in politeness.run(0.12) if not figure.holds] == []
