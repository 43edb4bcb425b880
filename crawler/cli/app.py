"""The application: all commands under one name, and the exit code of every operator fault.

Rule: what only one command needs is imported by that command when it runs, so that `--help` is quick.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from crawler.cli.configuring import configuring
from crawler.cli.crawling import crawling
from crawler.cli.fetching import fetching
from crawler.cli.questions import questions

app = typer.Typer(
    name="linkmill",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for part in (configuring, crawling, fetching, questions):
    app.add_typer(part)


def _tell_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"linkmill {version('linkmill')}")
        raise typer.Exit


@app.callback()
def linkmill(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_tell_version, is_eager=True)
    ] = False,
) -> None:
    """Crawl politely, write down every link with its evidence, and ask who links to whom."""


def main() -> None:
    """Run the command named on the command line; exit with its code."""
    try:
        app(prog_name="linkmill")
    except SystemExit as ended:
        # Typer makes it 1 where the reader of our output has gone (`| head`), though nothing is wrong.
        _leave(0 if isinstance(ended.__context__, BrokenPipeError) else ended.code)
    except Exception as error:
        fault = _fault(error)
        if fault is None:
            raise
        code, lines = fault
        for line in lines:
            typer.echo(f"linkmill: {line}", err=True)
        _leave(code)


def _fault(error: Exception) -> tuple[int, tuple[str, ...]] | None:
    """Return the exit code and the lines of what the operator has to mend; None for a bug."""
    from config import ConfigError
    from crawler.fetch import UnsafeLibraryError
    from storage.errors import DataMissing, StorageError

    match error:
        case ConfigError(lines=lines):
            return 2, lines
        case DataMissing():
            return 3, (str(error),)
        case StorageError() | UnsafeLibraryError():
            return 4, (str(error),)
        case _:
            return None


def _leave(code: object) -> None:
    """Exit with `code`; what is left of the output is dropped when its reader has gone."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes once more while it ends, and would complain then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)  # type: ignore[arg-type]
