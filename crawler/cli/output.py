"""Where answers go: a table for people, or a file format to standard output or a file.

Rule: what came from the web never reaches a terminal with its control characters; a regular file is there whole or not
at all, and whatever else stands at a path (a pipe, a device) is written to, never replaced.
"""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

import pyarrow as pa
import typer
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from crawler.cli.escapes import plain, plain_lines
from crawler.cli.streams import STANDARD_OUTPUT, written_to
from storage.asking import Format
from storage.export import Rows, named, write

if TYPE_CHECKING:
    from typing_extensions import Buffer

CELL_CHARACTERS: Final = 100
"""Longest cell of a table without a terminal, whose width is not known: beyond it the end is left out."""

FOLDED: Final = 24
"""Least width of a column that is folded: in narrower ones a URL comes in pieces that nobody can read."""
GAP: Final = 2
"""At most, between two columns."""


class Destination(NamedTuple):
    """How and where an answer is written."""

    form: Format
    file: Path | None
    raw: bool


def note(text: str) -> None:
    """Tell the person at the terminal something that is not part of the answer."""
    typer.echo(plain(text), err=True)


def deliver(rows: Rows, columns: Sequence[str], to: Destination) -> int:
    """Write an answer, of which a table shows only `columns`, and return its rows."""
    if to.form is Format.TABLE:
        with text_sink(to.file) as sink:
            return show_rows(rows, columns, sink)
    with _binary_sink(to.file, to.form) as binary:
        return write(rows, to.form, binary, to.raw)


def show_rows(rows: Rows, columns: Sequence[str], sink: io.TextIOBase | None = None) -> int:
    """Print rows as a table: drawn by Rich on a terminal, aligned columns elsewhere."""
    shown = [[shown_value(row[column]) for column in columns] for batch in rows for row in named(batch).to_pylist()]
    heads = [column.replace("_", " ") for column in columns]
    numeric = [pa.types.is_integer(_type_of(rows.schema, column)) for column in columns]
    if sink is None and sys.stdout.isatty():
        _draw(heads, shown, numeric)
    elif shown:
        for line in _aligned([heads, *shown], numeric):
            print(line, file=sink or sys.stdout)
    return len(shown)


def _type_of(schema: pa.Schema, column: str) -> pa.DataType:
    # Kinds and places are numbers in the answer and names in the table.
    kind: pa.DataType = schema.field(column).type
    return kind if pa.types.is_int64(kind) else pa.string()


def shown_value(value: object) -> str:
    """Return a value as tables show it."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case datetime():
            return value.strftime("%Y-%m-%d %H:%M")
        case list():
            return plain(" ".join(str(part) for part in value))
        case _:
            return plain(str(value))


def _draw(heads: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[bool]) -> None:
    """Draw as many columns as the terminal has room for, from the left, and name the others."""
    console = Console()
    widths = [min(FOLDED, max(map(cell_len, column))) for column in zip(heads, *rows, strict=True)]
    ends = accumulate(width + GAP for width in widths)
    shown = max(1, sum(end - GAP <= console.width for end in ends))
    table = Table(box=None, header_style="bold", pad_edge=False)
    for head, is_number, width in list(zip(heads, numeric, widths, strict=True))[:shown]:
        table.add_column(head, justify="right" if is_number else "left", overflow="fold", min_width=width)
    for row in rows:
        # Text, not str: brackets in an anchor are no markup.
        table.add_row(*(Text(cell) for cell in row[:shown]))
    console.print(table)
    if shown < len(heads):
        note(f"No room for: {', '.join(heads[shown:])}. A wider terminal shows them, and so does --format csv.")


def _aligned(rows: Sequence[Sequence[str]], numeric: Sequence[bool]) -> Iterator[str]:
    cut = [[_shortened(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cut, strict=True)]
    for row in cut:
        cells = zip(row, widths, numeric, strict=True)
        yield "  ".join(cell.rjust(width) if right else cell.ljust(width) for cell, width, right in cells).rstrip()


def _shortened(cell: str) -> str:
    return cell if len(cell) <= CELL_CHARACTERS else cell[: CELL_CHARACTERS - 1] + "…"


@contextmanager
def text_sink(file: Path | None) -> Iterator[io.TextIOBase | None]:
    """Open where a table goes; None stands for standard output."""
    if file is None:
        with written_to(STANDARD_OUTPUT):
            yield None
        return
    with _placed(file) as binary, io.TextIOWrapper(binary, encoding="utf-8") as text:
        yield text


@contextmanager
def _binary_sink(file: Path | None, form: Format) -> Iterator[BinaryIO]:
    if file is not None:
        with _placed(file) as binary:
            yield binary
    elif not sys.stdout.isatty():
        with written_to(STANDARD_OUTPUT):
            yield sys.stdout.buffer
            sys.stdout.flush()
    elif form is Format.PARQUET:
        raise typer.BadParameter("parquet is not for terminals: name a file or redirect", param_hint="--output")
    else:
        yield _Terminal()


class _Terminal(io.BytesIO):
    """Standard output, with what could command the terminal written as escapes."""

    def write(self, content: Buffer, /) -> int:
        text = bytes(content)
        sys.stdout.write(plain_lines(text.decode("utf-8", "replace")))
        return len(text)


@contextmanager
def _placed(file: Path) -> Iterator[BinaryIO]:
    """Open what stands at a path for writing; a regular file takes its name when it is complete."""
    # A symbolic link stays one: what it leads to is written.
    place = Path(os.path.realpath(file))
    if place.is_dir():
        raise typer.BadParameter(f"{file} is a directory; name a file in it", param_hint="--output")
    if place.exists() and not place.is_file():
        with _opened(place, file) as sink:
            yield sink
        return
    unfinished = place.with_name(f".{place.name}.unfinished")
    try:
        with _opened(unfinished, file) as sink:
            if place.exists():
                unfinished.chmod(stat.S_IMODE(place.stat().st_mode))
            yield sink
        unfinished.replace(place)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def _opened(place: Path, file: Path) -> Iterator[BinaryIO]:
    """Open `place` for writing on behalf of `file`, the path that was asked for."""
    try:
        sink = place.open("wb")
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be written: {error.strerror}", param_hint="--output") from error
    with written_to(str(file)), sink:
        yield sink
