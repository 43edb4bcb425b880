"""What `make bench` runs: the figures that matter most, within five minutes; or one benchmark in full, by its name.

`python -m bench` runs the selection; `python -m bench crawl --tls` is `python -m bench.crawl --tls`. Rule: the time is
kept. A part is given what is left; one that would not fit, on a slow or busy machine, is named and left out.
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


class Part(NamedTuple):
    """One benchmark in short."""

    what: str
    command: str
    usual_s: float
    """On two cores of a busy virtual machine."""


SELECTION: Final = (
    Part("Crawls: pages of 4, 40 and 130 KB", "crawl", 60.0),
    Part(
        "The same over TLS, compressed, 2 pages a connection",
        "crawl --profile 130 --gzip --tls --per-connection 2 --pages 2000",
        20.0,
    ),
    Part("Two workers", "crawl --profile 40 --workers 1 2 --pages 5000", 30.0),
    Part("Politeness, off and on", "crawl --profile 40 --polite --pages 4000", 25.0),
    Part("As a crawl grows", "scale --pages 20000", 30.0),
    Part("Frontier of 300,000 URLs on 30,000 hosts", "frontier", 30.0),
    Part("Index of a million links", "index", 30.0),
    Part("Hot functions", "micro", 40.0),
)
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
        _run([sys.executable, "-m", f"bench.{module}", *arguments], left_s)
    print(REST)


def _run(command: list[str], left_s: float) -> None:
    """Run a part with all that it starts as one group, so that nothing of it is left when its time is over."""
    process = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
    try:
        if process.wait(left_s):
            raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    except subprocess.TimeoutExpired:
        print("cut off: the five minutes are over")
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
