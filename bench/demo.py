"""`make run`: crawl the bundled virtual web on loopback, index its links, ask who links to whom.

Every step is the command a user would type, run as a process of its own on `config/demo.toml`; the only differences are
that the virtual web listens on a free port, that all its front pages are seeds, and where config and data are: they
stay in ./linkmill-data, to look at and to ask on. Ends with an error where an answer is not the one computed.
"""

from __future__ import annotations

import asyncio
import csv
import io
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Final

from bench.vweb.expected import Expected
from bench.vweb.process import ROOT, Running, serve
from bench.vweb.reach import Reach, reachable
from bench.vweb.site import Fate, Web
from bench.vweb.spec import Faults, WebSpec
from crawler.url import domains_of, host_of
from storage.records import Kind

CONFIG: Final = ROOT / "config" / "demo.toml"
DATA_DIR: Final = ROOT / "linkmill-data" / "demo"
OWN_CONFIG: Final = DATA_DIR.with_suffix(".toml")
SPEC: Final = WebSpec(hosts=40, pages_per_host=25, profile=40, faults=Faults(cut=0.0, slow_s=0.2, crawl_delay_s=0.1))
ASKED_KINDS: Final = (Kind.A, Kind.AREA)
SHOWN: Final = 10


def main() -> None:
    """Run the demo."""
    asyncio.run(_demo())


async def _demo() -> None:
    shutil.rmtree(DATA_DIR, ignore_errors=True)
    DATA_DIR.parent.mkdir(parents=True, exist_ok=True)
    config, data = _shown(OWN_CONFIG), _shown(DATA_DIR)
    async with serve(SPEC) as web:
        _write_config(web)
        print(f"A virtual web of {SPEC.hosts} hosts is served on 127.0.0.1:{web.port}.\n", flush=True)
        await _run("crawl", config)
    await _run("index", config)
    target, backlinks = _most_linked(reachable(Expected(Web(SPEC)), Web(SPEC).seeds()))
    domain = domains_of(host_of(target)).domain
    await _run("domains", domain, "--data", data, "--limit", str(SHOWN))
    await _run("backlinks", target, "--data", data, "--limit", str(SHOWN))
    await _check(target, backlinks)
    print(
        f"\nThe answers are right: all {backlinks} backlinks of that page were found.\n"
        "The virtual web is no longer served, so there is nothing more of it to crawl; its index stays.\n"
        f"Ask on:          .venv/bin/linkmill anchors {domain} --data {data}\n"
        "Crawl your own:  .venv/bin/linkmill init my.toml, set its seeds and contact, then make run CONFIG=my.toml"
    )


def _shown(path: Path) -> str:
    """Return a path as it is typed at the root of the source tree, where the commands run."""
    return str(path.relative_to(ROOT))


def _write_config(web: Running) -> None:
    """Write demo.toml with the web's seeds and address in place of its placeholders."""
    text = CONFIG.read_text("utf-8")
    seeds = ", ".join(f'"{seed}"' for seed in web.seeds)
    for placeholder, value in (
        ('seeds = ["http://h0000.alpha.test/"]', f"seeds = [{seeds}]"),
        ('data_dir = "./linkmill-data/demo"', f'data_dir = "{DATA_DIR}"'),
        ('"127.0.0.1:8901"', f'"127.0.0.1:{web.port}"'),
    ):
        assert placeholder in text, f"{CONFIG} no longer has {placeholder}"
        text = text.replace(placeholder, value)
    OWN_CONFIG.write_text(text, "utf-8")


def _most_linked(reach: Reach) -> tuple[str, int]:
    """Return the page with the most hyperlinks to it, and their number, as the web's spec has them."""
    links = Counter(
        row.target
        for facts in reach.fetched.values()
        if facts.fate is not Fate.CUT
        for row in facts.rows
        if row.kind in ASKED_KINDS
    )
    return max(links.items(), key=lambda item: (item[1], item[0]))


async def _run(*words: str) -> str:
    """Run a linkmill command, shown as typed, with its output; stop the demo where it fails."""
    print(f"$ linkmill {' '.join(words)}", flush=True)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "crawler", *words, cwd=ROOT, stdout=subprocess.PIPE
    )
    output, _ = await process.communicate()
    print(output.decode(), flush=True)
    if process.returncode:
        raise SystemExit(f"linkmill {words[0]} ended with {process.returncode}")
    return output.decode()


async def _check(target: str, backlinks: int) -> None:
    """Compare the number of backlinks in the index with the computed one."""
    command = ("backlinks", target, "--data", str(DATA_DIR), "--format", "csv", "--state", "all", "--scope", "all")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "crawler", *command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    output, _ = await process.communicate()
    found = len(list(csv.reader(io.StringIO(output.decode())))) - 1
    if found != backlinks:
        raise SystemExit(f"{target}: {found} backlinks in the index, {backlinks} in the web")


if __name__ == "__main__":
    main()
