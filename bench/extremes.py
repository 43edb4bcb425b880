"""Webs of odd shapes: `python -m bench.extremes [--case links hosts hot]`; do they keep the rate of ordinary ones?

links: pages of 100,000 links (`extract.max_links` raised; by default 20,000 are kept), links a CPU second beside pages
of 60. hosts: hosts with one page each, ten times as many against a tenth of them, CPU a page (a name, an address, a
robots.txt and a connection each). hot: one host of 5 million URLs beside 1,000 of ten, in the frontier alone
(`bench.frontier`), pages a second that the delays allow.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
from typing import Any, Final

from bench.results import head, table
from bench.trial import Trial, measure, measure_on, web_of
from bench.vweb.process import ROOT, Running, serve_with
from bench.vweb.spec import WebSpec

LINKS: Final = 100_000
BIG_PAGES: Final = 8
HOSTS: Final = 100_000
HOT: Final = ("--urls", "10000", "--hosts", "1000", "--hot", "5000000", "--pages", "6000")
MAX_S: Final = 900.0
WORDS: Final = "river garden music paper stone winter letter bridge market field".split()


def big_page(number: int, links: int) -> bytes:
    """Return an honest page of so many links, as an archive or a directory of a large site has them."""
    rows = [
        f'<li><a href="http://site-{at % 997}.test/{number}/{WORDS[at % 10]}/{at}.html">{WORDS[at % 7]} {at}</a></li>\n'
        for at in range(links)
    ]
    return f"<!doctype html><title>{number}</title><ul>\n{''.join(rows)}</ul>\n".encode()


async def serve_big(links: int) -> None:
    """Serve the big pages on a free port until killed."""
    bodies = {f"/{number}.html": big_page(number, links) for number in range(BIG_PAGES)}
    bodies["/"] = b"".join(f'<a href="{path}">page</a>\n'.encode() for path in bodies)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readline():
            while (await reader.readline()).strip():
                pass
            body = bodies.get(head.split()[1].decode())
            status = b"200 OK" if body else b"404 Not Found"
            fields = b"Content-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(body or b"")
            writer.write(b"HTTP/1.1 " + status + b"\r\n" + fields + (body or b""))
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(f"listening on 127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.wait_for(server.serve_forever(), MAX_S)


async def measure_links(links: int) -> list[list[str]]:
    """Crawl pages of many links, and ordinary ones."""
    ordinary = await measure("extremes", Trial(web_of(40, 2_000)))
    changes: dict[str, dict[str, Any]] = {
        "extract": {"max_links": links},
        "scope": {"follow": "host"},
        "fetch": {"concurrency": 2},
    }
    command = ("-m", "bench.extremes", "--serve", str(links))
    async with serve_with(command) as at:
        web = Running(WebSpec(hosts=1, pages_per_host=1), ("127.0.0.1",), at, 0)
        big = await measure_on("extremes", web, Trial(web.spec, changes=changes))
    rows = [("pages of 60 links", ordinary.figures), (f"pages of {links:,} links", big.figures)]
    return [_cells(name, figures, f"{figures['links_per_cpu_s']:,.0f} links/CPU s") for name, figures in rows]


async def measure_hosts(hosts: int) -> list[list[str]]:
    """Crawl hosts of one page, a tenth of them and all."""
    rows = []
    for number in (hosts // 10, hosts):
        row = await measure("extremes", Trial(web_of(4, number, number), max_s=MAX_S))
        figures = row.figures
        rows.append(
            _cells(
                f"{number:,} hosts of one page", figures, f"{figures['cpu_s'] / figures['pages'] * 1e6:,.0f} us/page"
            )
        )
    return rows


def _cells(name: str, figures: dict[str, Any], rate: str) -> list[str]:
    cells = [f"{figures['pages']:,}", f"{figures['links']:,}", f"{figures['cpu_s']:.2f}", rate, f"{figures['rss_mib']}"]
    return [name, *cells, figures["reason"]]


def main() -> None:
    """Run the cases named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.extremes", description=__doc__)
    cases = ("links", "hosts", "hot")
    parser.add_argument("--case", nargs="+", choices=cases, default=cases)
    parser.add_argument("--links", type=int, default=LINKS)
    parser.add_argument("--hosts", type=int, default=HOSTS)
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve_big(options.serve))
        return
    rows = []
    if "links" in options.case:
        rows += asyncio.run(measure_links(options.links))
    if "hosts" in options.case:
        rows += asyncio.run(measure_hosts(options.hosts))
    print(head())
    if rows:
        print(table(("", "pages", "links", "CPU s", "rate", "RSS MiB", "ended"), rows), flush=True)
    if "hot" in options.case:
        print(f"\npython -m bench.frontier {' '.join(HOT)}", flush=True)
        subprocess.run([sys.executable, "-m", "bench.frontier", *HOT], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
