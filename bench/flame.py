"""A flame graph of a crawl: `make flame`, or `python -m bench.flame --py-spy PATH [--profile 40] [--native]`.

py-spy samples the crawling process (not the web) from the opening of the data directory to its close, loading included,
and writes an SVG; wider is more time. Only threads at work are drawn. `--native` shows C code too, and samples slower.
"""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Final

from bench.crawl import PAGES, shown
from bench.results import head
from bench.trial import Trial, measure, web_of

RATE: Final = 200
"""Samples a second: a profile of ten seconds shows what takes half a per cent."""


def recording(options: argparse.Namespace) -> tuple[str, ...]:
    """Return the command that runs another and draws it."""
    extra = ("--native",) if options.native else ()
    return (options.py_spy, "record", "--rate", str(RATE), "--output", str(options.output.absolute()), *extra, "--")


def main() -> None:
    """Crawl as the command line says and draw it."""
    parser = argparse.ArgumentParser(prog="python -m bench.flame", description=__doc__)
    parser.add_argument("--py-spy", default="py-spy", help="the program")
    parser.add_argument("--output", type=Path, default=Path("flame.svg"))
    parser.add_argument("--profile", type=int, choices=sorted(PAGES), default=40, help="median KB of a page")
    parser.add_argument("--pages", type=int, help="pages of the web")
    parser.add_argument("--gzip", action="store_true", help="serve compressed pages")
    parser.add_argument("--tls", action="store_true", help="serve https")
    parser.add_argument("--native", action="store_true", help="C functions too")
    options = parser.parse_args()
    spec = web_of(options.profile, options.pages or PAGES[options.profile])
    spec = replace(spec, gzip=options.gzip, tls=options.tls)
    row = asyncio.run(measure("flame", Trial(spec, wrapper=recording(options))))
    print(head())
    print(shown([row]))
    print(f"{options.output}: open it in a browser. The sampling is in none of these figures.")


if __name__ == "__main__":
    main()
