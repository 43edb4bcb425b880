"""The application: all commands under one name, and the exit code of every operator fault."""

from __future__ import annotations

import sys

import typer

from config import ConfigError
from crawler.cli.configuring import configuring
from crawler.cli.crawling import crawling
from crawler.cli.fetching import fetching
from crawler.cli.questions import questions
from crawler.fetch import UnsafeLibraryError
from crawler.supervisor import BadSeed
from storage.errors import DataMissing, StorageError

app = typer.Typer(
    name="linkmill",
    help="Crawl politely, write down every link with its evidence, and ask who links to whom.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for part in (configuring, crawling, fetching, questions):
    app.add_typer(part)


def main() -> None:
    """Run the command named on the command line; exit with its code."""
    try:
        app()
    except ConfigError as error:
        _fail(2, *error.lines)
    except BadSeed as error:
        _fail(2, str(error))
    except DataMissing as error:
        _fail(3, str(error))
    except (StorageError, UnsafeLibraryError) as error:
        _fail(4, str(error))
    except BrokenPipeError:
        # The reader of our output has gone (`| head`): nobody is left to tell.
        sys.stderr.close()
        sys.exit(0)


def _fail(code: int, *lines: str) -> None:
    for line in lines:
        typer.echo(f"linkmill: {line}", err=True)
    sys.exit(code)
