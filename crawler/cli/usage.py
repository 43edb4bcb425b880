"""What is said of a command line that cannot be understood: one line with what is wrong and what helps.

Rule: Typer finds the fault and has pydantic judge values; the wording of neither is shown. Faults that the commands
find themselves come with their advice.
"""

from __future__ import annotations

from typing import Final

from typer import BadParameter, TyperException, echo

from crawler.cli.streams import tell

QUOTE: Final = "'"
_WORDING: Final = (
    ("Value error, ", ""),
    ("Input should be", "must be"),
    (", unable to parse string as an integer", ""),
    ("extra argument(s) ", "extra argument "),
)


def tell_usage(error: TyperException) -> None:
    """Tell a fault of the command line; where a command is named without anything, its help."""
    text = error.format_message()
    if "\n" in text:
        echo(text, err=True)
    else:
        tell(_line_of(error, text))


def _line_of(error: TyperException, text: str) -> str:
    if isinstance(error, BadParameter) and isinstance(error.param_hint, str):
        return f"{error.param_hint}: {error.message}"
    if isinstance(error, BadParameter) and error.param is not None and error.message:
        text = f"{error.param.get_error_hint().replace(QUOTE, '')}: {error.message}"
    for theirs, ours in _WORDING:
        text = text.replace(theirs, ours)
    context = getattr(error, "ctx", None)
    command = "linkmill" if context is None else context.command_path
    return f"{text.rstrip('.?')}; `{command} --help` shows its use"
