"""`init`, `config check`, `config schema`: writing a config file, and trying it before a crawl does."""

from __future__ import annotations

import asyncio
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import orjson
import typer

import config as settings_of
from crawler.cli.checking import check_crawl

configuring = typer.Typer()
config_commands = typer.Typer(help="Check a config file, or print what one may hold.", no_args_is_help=True)
configuring.add_typer(config_commands, name="config")

READY_FILES = ("quickstart", "nightly", "demo", "bench", "default")

ConfigPath = Annotated[Path, typer.Argument(help="Config file (TOML).", metavar="CONFIG")]


@configuring.command()
def init(
    path: Annotated[Path, typer.Argument(help="File to write.")] = Path("crawl.toml"),
    template: Annotated[str, typer.Option(help="One of quickstart, nightly, demo, bench, default.")] = "quickstart",
) -> None:
    """Write a config file to start from."""
    if template not in READY_FILES:
        raise typer.BadParameter(f"{template!r} is none of {', '.join(READY_FILES)}", param_hint="--template")
    if path.exists():
        raise typer.BadParameter(f"{path} exists; name another file", param_hint="PATH")
    path.write_text((files("config") / f"{template}.toml").read_text("utf-8"), "utf-8")
    typer.echo(f"{path} written: set crawl.seeds and fetch.contact, then run `linkmill config check {path}`")


@config_commands.command()
def check(
    path: ConfigPath,
    offline: Annotated[
        bool, typer.Option("--offline", help="Check the file only; ask no name server, no host.")
    ] = False,
) -> None:
    """Check a config file; then resolve the seeds, read their robots.txt and say what the crawl would admit."""
    settings = settings_of.load(path)
    seeds = settings_of.seeds(settings)
    typer.echo(f"{path}: valid, {len(seeds)} seeds, data in {settings.crawl.data_dir}")
    if not offline and not asyncio.run(check_crawl(settings, seeds)):
        raise typer.Exit(2)


@config_commands.command()
def schema() -> None:
    """Print the JSON Schema of config files, for editors."""
    typer.echo(orjson.dumps(settings_of.schema(), option=orjson.OPT_INDENT_2).decode())
