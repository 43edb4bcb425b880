"""Settings: what they are, how they are read, and what is said when they cannot be used.

Rule: a section class per table of the TOML file, handed to whoever needs that section; there are no global settings.
Imports neither crawler nor storage.
"""

from __future__ import annotations

from config.errors import ConfigError
from config.load import load, load_crawl
from config.models import (
    CrawlSettings,
    ExtractSettings,
    FetchSettings,
    LogSettings,
    NetworkSettings,
    Override,
    PolitenessSettings,
    ScopeSettings,
    Settings,
    StorageSettings,
)
from config.schema import schema

__all__ = [
    "ConfigError",
    "CrawlSettings",
    "ExtractSettings",
    "FetchSettings",
    "LogSettings",
    "NetworkSettings",
    "Override",
    "PolitenessSettings",
    "ScopeSettings",
    "Settings",
    "StorageSettings",
    "load",
    "load_crawl",
    "schema",
]
