"""`init`, `config check`, `config schema`: writing a config file, and trying it before a crawl does."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Final

import typer

configuring = typer.Typer()
config_commands = typer.Typer(help="Check a config file, or print what one may hold.", no_args_is_help=True)
configuring.add_typer(config_commands, name="config")

READY_FILES: Final = {
    "quickstart": "set crawl.seeds and fetch.contact",
    "nightly": "set crawl.seeds and fetch.contact",
    "demo": "serve the web it crawls with `python -m bench.vweb --port 8901`",
    "bench": "serve the web it crawls with `python -m bench.vweb --port 8902`",
    "default": "set crawl.seeds and fetch.contact",
}
"""Template to what is to be done before it can be used."""

ConfigPath = Annotated[Path, typer.Argument(help="Config file (TOML).", metavar="CONFIG")]


@configuring.command()
def init(
    path: Annotated[Path, typer.Argument(help="File to write.", metavar="FILE")] = Path("crawl.toml"),
    template: Annotated[
        str, typer.Option(help=f"What to start from: {', '.join(READY_FILES)}.", metavar="NAME")
    ] = "quickstart",
) -> None:
    """Write a config file to start from."""
    if template not in READY_FILES:
        raise typer.BadParameter(f"{template!r} is none of {', '.join(READY_FILES)}", param_hint="--template")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write((files("config") / f"{template}.toml").read_text("utf-8"))
    except FileExistsError as error:
        raise typer.BadParameter(f"{path} exists; name another file", param_hint="FILE") from error
    except OSError as error:
        raise typer.BadParameter(f"{path} cannot be written: {error.strerror}", param_hint="FILE") from error
    typer.echo(f"{path} written: {READY_FILES[template]}, then run `linkmill config check {path}`")


@config_commands.command()
def check(
    path: ConfigPath,
    offline: Annotated[
        bool, typer.Option("--offline", help="Check the file only; ask no name server, no host.")
    ] = False,
) -> None:
    """Check a config file and try its seeds.

    What the crawl would follow and when it would stop is told. Seeds are resolved and their robots.txt is read; what
    the crawl would do with each is told. Exit code 2 when the file cannot be used or no seed may be crawled, 4 when the
    data directory cannot be made; nothing is written.
    """
    import asyncio

    import config as settings_of
    from crawler.cli.checking import check_crawl
    from crawler.cli.escapes import plain
    from crawler.cli.logs import check_log
    from crawler.cli.reach import reach
    from crawler.cli.wording import many
    from storage.directory import DataDirectory, check_place

    settings, seeds = settings_of.load_crawl(path)
    check_log(settings.log)
    check_place(DataDirectory(settings.crawl.data_dir))
    typer.echo(f"{path}: valid, {many(len(seeds), 'seed')}, data in {settings.crawl.data_dir}")
    for name, text in reach(settings, seeds):
        typer.echo(plain(f"  {name:<12}{text}"))
    if not offline and not asyncio.run(check_crawl(settings, seeds)):
        raise typer.Exit(2)


@config_commands.command()
def schema() -> None:
    """Print the JSON Schema of config files, for editors."""
    import orjson

    import config as settings_of

    typer.echo(orjson.dumps(settings_of.schema(), option=orjson.OPT_INDENT_2).decode())
