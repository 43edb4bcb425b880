"""What the operator has to mend of a crawl, beside its data directory: each is the one line that is printed.

Rule: nothing is imported here, so that a command that tells a fault need not load the crawler.
"""

from __future__ import annotations


class WorkerDies(Exception):
    """Worker processes end again and again before they have fetched anything; what they wrote above tells why."""

    def __str__(self) -> str:
        return type(self).__doc__ or type(self).__name__


class UnsafeLibraryError(Exception):
    """{name} {found} is installed, but {least} or later is needed: {reason}."""

    def __init__(self, name: str, found: str, least: str, reason: str) -> None:
        super().__init__((self.__doc__ or "").format(name=name, found=found, least=least, reason=reason))
