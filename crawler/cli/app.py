"""The application: all commands under one name, and the exit code of every operator fault.

Rule: what only one command needs is imported by that command when it runs, so that `--help` is quick.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from crawler.cli.configuring import configuring
from crawler.cli.crawling import crawling
from crawler.cli.fetching import fetching
from crawler.cli.interrupts import INTERRUPTED, Interrupts, tell_interrupted
from crawler.cli.questions import questions
from crawler.cli.streams import LOST, STANDARD_OUTPUT, OutputLost, close_output, tell
from crawler.cli.usage import tell_usage

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


def main(interrupts: Interrupts) -> None:
    """Run the command named on the command line; exit with its code."""
    code = _run(interrupts)
    try:
        close_output()
    except BrokenPipeError:
        pass  # the reader has what it wanted
    except OutputLost as error:
        if code != LOST:  # the same fault, told when it was first met
            tell(str(error))
        code = code or LOST
    sys.exit(code)


def _run(interrupts: Interrupts) -> int:
    """Run the command and return its exit code, its fault told."""
    try:
        with interrupts.kept():
            code = app(prog_name="linkmill", standalone_mode=False)
    except KeyboardInterrupt:
        return tell_interrupted()
    except SystemExit as ended:
        # Typer makes it 1 where the reader of our output has gone (`| head`), though nothing is wrong.
        code = 0 if isinstance(ended.__context__, BrokenPipeError) else ended.code
    except typer.TyperException as error:
        tell_usage(error)
        return error.exit_code
    except Exception as error:
        fault = fault_of(error)
        if fault is None:
            raise
        code, lines = fault
        for line in lines:
            tell(line)
        return code
    if code == INTERRUPTED:
        return tell_interrupted()
    return code if isinstance(code, int) else 0


def fault_of(error: Exception) -> tuple[int, tuple[str, ...]] | None:
    """Return the exit code and the lines of what the operator has to mend; None for a bug."""
    from config import ConfigError
    from crawler.errors import UnsafeLibraryError, WorkerDies
    from storage.errors import DataMissing, StorageError

    match error:
        case ConfigError(lines=lines):
            return 2, lines
        case WorkerDies():
            return 1, (str(error),)
        case DataMissing():
            return 3, (str(error),)
        case StorageError() | UnsafeLibraryError() | OutputLost():
            return LOST, (str(error),)
        case OSError(filename=None, strerror=str(reason)):
            # What is read or stored names its file, and the web's faults are values: this is what was printed.
            return LOST, (str(OutputLost(STANDARD_OUTPUT, reason)),)
        case _:
            return None
