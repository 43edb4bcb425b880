"""Trying again what a database that another process holds, or a faltering disk, has refused.

Rule: nothing stays behind of a call that succeeds. tenacity leaves twenty objects in a circle for each, which wait for
the cycle collector; a crawl reads its database several times a second and had megabytes of them.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from functools import wraps
from time import monotonic
from typing import Any, Concatenate, Final, ParamSpec, Protocol, TypeVar

from storage.errors import DatabaseBusy, DiskFault

LOCKED_MAX_S = 120.0
"""How long a crawl waits in all while another process, a backup perhaps, holds the database."""
LOCKED_LOOK_S = 0.1
COMMIT_TRIES: Final = 3
"""Of one batch, when the disk reports an error: the outcome of a commit is then unknown."""
DISK_WAIT_S: Final = 0.1
DISK_WAIT_MAX_S = 2.0
"""Between two tries: at random up to the first, which doubles with each try, and never more than the second."""


class Patient(Protocol):
    """A store that may lose its patience."""

    closing: bool
    patient_until: float


P = ParamSpec("P")
T = TypeVar("T")
S = TypeVar("S", bound=Patient)
Call = Callable[Concatenate[S, P], Coroutine[Any, Any, T]]


def while_locked(call: Call[S, P, T]) -> Call[S, P, T]:
    """Repeat a store's call as long as the database is locked and the store is patient."""

    @wraps(call)
    async def repeated(store: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        gives_up_at = monotonic() + LOCKED_MAX_S
        while True:
            try:
                return await call(store, *args, **kwargs)
            except DatabaseBusy:
                if store.closing or monotonic() >= min(gives_up_at, store.patient_until):
                    raise
            await asyncio.sleep(LOCKED_LOOK_S)

    return repeated


def despite_disk_faults(call: Call[S, P, T]) -> Call[S, P, T]:
    """Repeat a store's call that the disk has failed, a few times."""

    @wraps(call)
    async def repeated(store: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        for number in range(1, COMMIT_TRIES):
            try:
                return await call(store, *args, **kwargs)
            except DiskFault:
                await asyncio.sleep(random.uniform(0.0, min(DISK_WAIT_S * 2**number, DISK_WAIT_MAX_S)))
        return await call(store, *args, **kwargs)

    return repeated
