"""How the process treats memory: what the C library's allocator keeps, and when Python looks for reference cycles.

Rule: called when a worker starts; it changes speed and resident size, never results. What a page may cost is
bounded by the caps on bodies, not here.
"""

from __future__ import annotations

import ctypes
import gc
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
"""Numbers of mallopt(3), the same on every glibc."""

KEPT_BYTES: Final = 64 << 20
"""Freed memory that stays with the process; a page of 16 MiB parses within it."""
APART_BYTES: Final = 128 << 10
"""Pieces from here on lie outside of the heap while a crawl is opened."""


def keep_freed_memory() -> bool:
    """Keep freed memory for the next page instead of giving it back to the kernel page by page; False without glibc.

    A parse frees about ten times the page's size. By default glibc gives that back whenever it lies at the end of the
    heap, and the next parse takes it again with a page fault for each 4 KiB. Measured: a 130 KB page 284 us and 67
    faults without, 142 us and none with; a 1 MB page 2.1 ms and 650 faults, against 1.1 ms (`bench/micro.py` shows it).
    """
    return _set({_M_TRIM_THRESHOLD: KEPT_BYTES, _M_MMAP_THRESHOLD: KEPT_BYTES})


def lay_apart() -> bool:
    """Lay large pieces outside of the heap until `keep_freed_memory` is called again; False without glibc.

    For what is read when a crawl goes on and not kept. In the heap it would leave holes of many megabytes, which come
    back to life piece by piece for half an hour and look like a leak (`python -m bench.torture.soak`).
    """
    return _set({_M_MMAP_THRESHOLD: APART_BYTES})


def _set(options: dict[int, int]) -> bool:
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    mallopt.argtypes = [ctypes.c_int, ctypes.c_int]
    mallopt.restype = ctypes.c_int
    return all(mallopt(option, value) == 1 for option, value in options.items())


def give_back_memory() -> bool:
    """Give freed memory back to the kernel once, after much was read that is not kept; False without glibc.

    Measured: 50 MB after the start of a crawl that knows ten million URLs (`python -m bench.frontier`).
    """
    return platform.libc_ver()[0] == "glibc" and ctypes.CDLL(None).malloc_trim(0) == 1


COLLECT_AFTER: Final = 200_000
"""New container objects between two looks for cycles, twice the links that wait to be stored and to be freed: with
50,000 each batch was looked through once, 15 ms a time and 1.2 % of a crawl. Python's 700 are made by a dozen links."""


@contextmanager
def collecting_seldom() -> Iterator[None]:
    """Look for reference cycles less often while the block runs, and not at all at what was loaded before.

    A crawl makes no cycles in number: everything dies by its reference count. 5 to 9 % of the CPU of a 40 KB crawl
    (`bench/crawl.py`); resident size is the same.
    """
    before = gc.get_threshold()
    gc.freeze()  # with the 40 objects of loading that could be freed: to look for them takes 30 ms of every worker
    gc.set_threshold(COLLECT_AFTER, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
