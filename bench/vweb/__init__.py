"""A virtual web for tests, the demo and benchmarks: seeded hosts and pages on loopback whose every record is known.

`spec` says what a web is like; `site`, `graph`, `links`, `media`, `text` and `robots` derive hosts and pages from its
seed; `page`, `answers` and `server` serve them; `expected` and `reach` compute what a perfect crawler stores.
"""

from __future__ import annotations

from bench.vweb.process import Running, serve
from bench.vweb.spec import NO_FAULTS, Faults, WebSpec

__all__ = ["NO_FAULTS", "Faults", "Running", "WebSpec", "serve"]
