"""The command line: `linkmill COMMAND`. The only place that prints.

Rule: answers go to standard output, everything else to standard error. Exit codes: 0 done, 1 a bug (with its
traceback), 2 bad input, 3 nothing there to answer from, 4 a fault of the data directory or the machine, 130 ended by
Ctrl-C, a crawl by the second.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command named on the command line."""
    try:
        # Here, because workers use the package's logs and have no commands.
        from crawler.cli.streams import prepare_streams

        prepare_streams()
        from crawler.cli.interrupts import Interrupts

        with Interrupts() as interrupts, interrupts.kept():
            from crawler.cli.app import main as run

            run(interrupts)
    except KeyboardInterrupt:  # while commands were loaded, or what was left to write
        from crawler.cli.interrupts import tell_interrupted

        sys.exit(tell_interrupted())
