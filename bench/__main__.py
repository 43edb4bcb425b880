"""What `make bench` runs: the figures that matter most, within five minutes; or one benchmark in full, by its name.

`python -m bench` runs the selection; `python -m bench crawl --tls` is `python -m bench.crawl --tls`. Rule: the time is
kept. On a slow or busy machine a part is cut off after three times its usual time, and one that no longer fits is named
and left out.
"""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import Final, NamedTuple

from bench.vweb.process import ROOT

LIMIT_S: Final = 290.0
PATIENCE: Final = 3.0
"""A part may take so many times what it usually does."""


class Part(NamedTuple):
    """One benchmark in short."""

    what: str
    command: str
    usual_s: float
    """On two cores that nobody else uses."""


SELECTION: Final = (
    Part("Crawls: pages of 4, 40 and 130 KB", "crawl --pages 2000", 25.0),
    Part(
        "Compressed, over TLS, 2 a connection", "crawl --profile 130 --gzip --tls --per-connection 2 --pages 600", 10.0
    ),
    Part("Politeness, off and on", "crawl --profile 40 --polite --pages 2000", 15.0),
    Part("Two workers", "crawl --profile 40 --workers 1 2 --pages 2000", 15.0),
    Part("As a crawl grows", "scale --pages 20000", 30.0),
    Part("Frontier of 100,000 URLs on 10,000 hosts", "frontier --urls 100000 --hosts 10000 --pages 2000", 15.0),
    Part("Index of 300,000 links", "index --links 300000", 20.0),
    Part("Hot functions", "micro", 40.0),
)
"""In the order in which they matter; half the time, so that a busy machine gets through as well."""
PARTS: Final = (
    "crawl",
    "scale",
    "tune",
    "peers",
    "extremes",
    "frontier",
    "index",
    "micro",
    "fetch",
    "store",
    "compare",
)
REST: Final = """
In full:
  make bench ARGS="crawl --workers 1 2 4 --tls both --rounds 3 --json new.jsonl"
  make bench ARGS="scale --pages 1000000"                    twenty minutes
  make bench ARGS="peers --rounds 3"                         Scrapy and Crawlee; installs them once
  make bench ARGS="tune"                                     concurrency, batches, compression
  make bench ARGS="extremes"                                 huge pages, one huge host, 100,000 hosts
  make bench ARGS="frontier --urls 10000000 --hosts 1000000 --pages 10000"
  make bench ARGS="index --links 10000000"
  make bench ARGS="fetch", "store", "micro"                  parts of a crawl alone
  make bench ARGS="compare old.jsonl new.jsonl"              two results side by side
  make flame                                                 where a crawl's time goes"""


def select() -> None:
    """Run the selection."""
    ends_at = time.monotonic() + LIMIT_S
    for part in SELECTION:
        left_s = ends_at - time.monotonic()
        print(f"\n== {part.what}: python -m bench.{part.command}", flush=True)
        if left_s < part.usual_s:
            print(f"left out: it takes about {part.usual_s:.0f} s, and {left_s:.0f} are left of {LIMIT_S:.0f}")
            continue
        module, *arguments = part.command.split()
        _run([sys.executable, "-m", f"bench.{module}", *arguments], min(left_s, PATIENCE * part.usual_s))
    print(REST)


def _run(command: list[str], left_s: float) -> None:
    """Run a part with all that it starts as one group, so that nothing of it is left when its time is over."""
    process = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
    try:
        if process.wait(left_s):
            raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    except subprocess.TimeoutExpired:
        print(f"cut off after {left_s:.0f} s")
    finally:
        with suppress(ProcessLookupError):  # the group is gone as a rule
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def main() -> None:
    """Run the selection, or what the command line names."""
    if len(sys.argv) == 1:
        select()
    elif sys.argv[1] in PARTS:
        module = f"bench.{sys.argv[1]}"
        del sys.argv[1]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    else:
        sys.exit(f"python -m bench: {sys.argv[1]} is none of {', '.join(PARTS)}; without a name a selection is run")


if __name__ == "__main__":
    main()
