"""The parts of one worker, made and closed by `crawler.supervisor`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from config import Settings
    from crawler.admission import Admission
    from crawler.dns import Resolver
    from crawler.extract import ExtractSettings
    from crawler.fetch import Fetcher
    from crawler.fetch import Limits as FetchLimits
    from crawler.frontier import Frontier
    from crawler.jobs import RobotsFetch
    from crawler.limits import Limits
    from crawler.outage import Outage
    from crawler.outcome import Outcome, Request
    from crawler.recorder import Recorder
    from crawler.sandbox import Sandbox
    from crawler.share import Share
    from crawler.stats import Stats
    from storage.sqlite import CrawlStore


@dataclass(frozen=True, slots=True)
class Parts:
    """What a worker works with."""

    settings: Settings
    extract: ExtractSettings
    frontier: Frontier
    admission: Admission
    recorder: Recorder
    resolver: Resolver
    fetcher: Fetcher
    sandbox: Sandbox
    store: CrawlStore
    stats: Stats
    limits: Limits
    outage: Outage
    robots_limits: FetchLimits
    run: int
    incarnation: int
    share: Share
    """What this worker owns of the crawl."""
    watch: Callable[[Request | RobotsFetch, Outcome], None]
    """Called with every outcome, for logs and `linkmill fetch`; must not raise."""
