"""A request and what became of it: the values that cross the line between the pure core and the async shell.

Rule: the web's faults are values. A fetch always ends in exactly one of `Fetched`, `Redirected` or `Failed`.
All are named tuples: the three that a page makes take 1.5 us, and 4 as frozen dataclasses, which set fields by calls.
"""

from __future__ import annotations

from typing import NamedTuple

from storage.records import Failure, RedirectKind, Truncated


class Request(NamedTuple):
    """One page to fetch, as the frontier hands it out."""

    url: str
    """Normal form: no fragment, no userinfo."""
    host: str
    host_id: int
    seq: int
    depth: int
    via: int
    """A `Via`, as the queue holds it."""
    discovered_from: int | None
    discovered_at: float
    """UTC, seconds since the epoch."""
    tries: int
    hops: int


Headers = list[tuple[str, str]]
"""Response header fields in the order received; names in lower case, values stripped, repeated fields kept apart."""


def first_of(fields: Headers, name: str) -> str | None:
    """Return the first value of the field `name` (lower case), or None."""
    for key, value in fields:
        if key == name:
            return value
    return None


class Answer(NamedTuple):
    """The head of an HTTP response and how it came."""

    status: int
    headers: Headers
    ip: str | None
    http_version: str
    """`1.1`, `1.0`."""
    started_at: float
    """UTC, seconds since the epoch."""
    ended_at: float
    elapsed_s: float
    """Measured on the monotonic clock."""
    wire_bytes: int = 0

    def header(self, name: str) -> str | None:
        """Return the first value of the field `name` (lower case), or None."""
        return first_of(self.headers, name)

    def values(self, name: str) -> list[str]:
        """Return all values of the field `name` (lower case), in order."""
        return [value for key, value in self.headers if key == name]


class Fetched(NamedTuple):
    """A final answer with its decoded body, whole unless `truncated` says which cap cut it."""

    answer: Answer
    body: bytes
    truncated: Truncated = Truncated.NO


class Redirected(NamedTuple):
    """A 301, 302, 303, 307 or 308 with a Location; the target has not been resolved or judged."""

    answer: Answer
    location: str
    """The raw field value."""
    kind: RedirectKind


class Failed(NamedTuple):
    """No usable answer. `answer` is there when a head was received."""

    failure: Failure
    detail: str
    """One line for people; never parsed."""
    answer: Answer | None = None
    elapsed_s: float = 0.0
    ip: str | None = None
    """The address that was tried."""
    ended_at: float = 0.0
    """UTC, seconds since the epoch."""
    outage: bool = False
    """The network as a whole is out (`crawler.outage`): neither the URL nor its host is to blame."""


Outcome = Fetched | Redirected | Failed
