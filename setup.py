"""Compiles the crawler's core where LINKMILL_COMPILE is set; pyproject.toml says everything else.

Rule: what mypyc compiles is the source itself, and what Cython compiles has a double in Python that gives the same
answers; without a C compiler nothing is lost but speed.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

from setuptools import Extension, setup

COMPILED: Final = [
    "crawler/addressgate.py",
    "crawler/addresstable.py",
    "crawler/admission.py",
    "crawler/body.py",
    "crawler/charset.py",
    "crawler/counted.py",
    "crawler/deadlines.py",
    "crawler/encodings.py",
    *sorted(map(str, Path("crawler/extract").glob("[a-z]*.py"))),
    "crawler/fetch.py",
    "crawler/fields.py",
    "crawler/frontier.py",
    "crawler/guard.py",
    "crawler/headers.py",
    "crawler/hostqueue.py",
    "crawler/jobs.py",
    "crawler/limits.py",
    "crawler/outage.py",
    "crawler/outcome.py",
    "crawler/pages.py",
    "crawler/politeness.py",
    "crawler/refill.py",
    "crawler/robots.py",
    "crawler/robots_book.py",
    "crawler/robots_policy.py",
    "crawler/robots_rules.py",
    "crawler/scope.py",
    "crawler/seen.py",
    "crawler/settling.py",
    "crawler/share.py",
    "crawler/stats.py",
    "crawler/traps.py",
    "crawler/url.py",
    "storage/records.py",
]
"""What every page passes through, and what those modules share. Of the async shell only `fetch`, which does much
between its waits: awaiting gains nothing."""

NATIVE: Final = {"crawler.native": "crawler/native.pyx", "storage.native": "storage/native.pyx"}
"""Doubles of functions in Python that pass over every byte or node of a page, or every row of a batch."""


def _extensions() -> list[Any]:
    if not os.environ.get("LINKMILL_COMPILE"):
        return []
    from Cython.Build import cythonize
    from mypyc.build import mypycify

    # The name of the group keeps the library that the modules share inside the package.
    level = os.environ.get("LINKMILL_COMPILE_LEVEL", "2")
    quiet = ["-Wno-unused-function"]  # Cython writes some that are not called
    modules = [Extension(name, [source], extra_compile_args=quiet) for name, source in NATIVE.items()]
    native = cythonize(modules, build_dir="build/native", quiet=True)
    return [*mypycify(COMPILED, opt_level=level, debug_level="0", group_name="crawler.compiled"), *native]


setup(ext_modules=_extensions())
