"""The command: `python -m bench.vweb` serves a virtual web, or prints its seeds or its host map."""

from __future__ import annotations

import argparse
import signal
from pathlib import Path
from typing import Final

import uvloop

from bench.vweb.answers import Answers
from bench.vweb.certificate import context
from bench.vweb.log import RequestLog
from bench.vweb.process import READY
from bench.vweb.server import Doors, listen, run
from bench.vweb.site import Web, host_map
from bench.vweb.spec import NO_FAULTS, PROFILES, Faults, WebSpec

MAX_SECONDS: Final = 600.0
"""A server that nobody stops ends by itself."""
_DEFAULT: Final = WebSpec()


def main() -> None:
    """Read the command line and do what it says."""
    parser = _parser()
    arguments = parser.parse_args()
    spec, addresses = _spec(arguments), arguments.addresses.split(",")
    if spec.tls != bool(arguments.certificate):
        parser.error("a web of https URLs needs a --certificate, and no other takes one")
    if arguments.print_seeds or arguments.print_hosts:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # a reader that has enough ends it, as any other filter
    if arguments.print_seeds:
        print("\n".join(Web(spec).seeds()))
    elif arguments.print_hosts:
        print("\n".join(f'"{name}" = "{at}"' for name, at in host_map(spec, addresses, arguments.port).items()))
    else:
        _serve(spec, addresses, arguments)


def _serve(spec: WebSpec, addresses: list[str], arguments: argparse.Namespace) -> None:
    port: int = arguments.port
    log_path: Path | None = arguments.log
    max_s: float = arguments.max_seconds
    certificate: Path | None = arguments.certificate
    doors = Doors(listen(addresses, port), context(certificate) if certificate else None)
    log = RequestLog.open(log_path) if log_path else None
    name, bound_port = doors.sockets[0].getsockname()

    def ready() -> None:
        print(f"{READY}{name}:{bound_port}", flush=True)

    try:
        uvloop.run(run(Answers(Web(spec)), doors, log, max_s, ready))
    finally:
        if log is not None:
            log.close()


def _spec(arguments: argparse.Namespace) -> WebSpec:
    if arguments.spec:
        return WebSpec.from_json(arguments.spec)
    return WebSpec(
        seed=arguments.seed,
        hosts=arguments.hosts,
        pages_per_host=arguments.pages,
        profile=arguments.profile,
        faults=NO_FAULTS if arguments.clean else Faults(),
        gzip=arguments.gzip,
        tls=arguments.certificate is not None,
        latency_s=arguments.latency,
        suffixes=tuple(arguments.suffixes.split(",")),
        cache_bytes=arguments.cache_mib << 20,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.vweb", description="Serve a virtual web on loopback.")
    add = parser.add_argument
    add("--seed", type=int, default=_DEFAULT.seed)
    add("--hosts", type=int, default=_DEFAULT.hosts)
    add("--pages", type=int, default=_DEFAULT.pages_per_host, help="pages per host")
    add("--profile", type=int, default=_DEFAULT.profile, choices=sorted(PROFILES), help="median size of a page in KB")
    add("--clean", action="store_true", help="no faults, no redirects, plain robots.txt")
    add("--gzip", action="store_true", help="compress the pages")
    add("--certificate", type=Path, metavar="PEM", help="serve https with this file's certificate and key")
    add("--latency", type=float, default=0.0, metavar="SECONDS", help="wait before every answer")
    add("--suffixes", default=",".join(_DEFAULT.suffixes), help="top-level names, with commas")
    add("--cache-mib", type=int, default=_DEFAULT.cache_bytes >> 20, help="rendered answers kept, in MiB")
    add("--spec", metavar="JSON", help="the whole web in one value, instead of the options above")
    add("--addresses", default="127.0.0.1", help="loopback addresses to listen on, with commas")
    add("--port", type=int, default=0, help="0 takes a free one")
    add("--log", type=Path, help="file for one line per request")
    add("--max-seconds", type=float, default=MAX_SECONDS, help="end after this time")
    add("--print-seeds", action="store_true", help="print the front page of every host and end")
    add("--print-hosts", action="store_true", help="print the lines of [network.hosts] for --port and end")
    return parser


if __name__ == "__main__":
    main()
