"""Text from the web can neither command a terminal nor forge or reorder what it shows."""

from __future__ import annotations

import orjson
import pytest

from crawler.cli.escapes import plain, plain_json, plain_lines


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("plain ✓ ünï", "plain ✓ ünï", id="letters of all kinds"),
        pytest.param("a\nb\r\tc", r"a\x0ab\x0d\x09c", id="line breaks"),
        pytest.param("\x1b[31mred", r"\x1b[31mred", id="colours of a terminal"),
        pytest.param("\x7f\x80\x9b31m", r"\x7f\x80\x9b31m", id="DEL and the C1 controls"),
        pytest.param("\x00", r"\x00", id="NUL"),
        pytest.param("a\u202eb\u2066\u200f\ufeff", r"a\u202eb\u2066\u200f\ufeff", id="marks that reorder text"),
        pytest.param("a\u2028b\u2029", r"a\u2028b\u2029", id="separators of lines"),
    ],
)
def test_what_is_no_text_is_shown_as_escapes(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_lines_stay_lines() -> None:
    assert plain_lines("a\r\nb\x1b[2J\u2028\n") == "a\r\nb\\x1b[2J\\u2028\n"


def test_json_keeps_its_meaning() -> None:
    text = "é a\u2028b\u202e\x9b\x7f\n"
    line = plain_json(orjson.dumps(text).decode())
    assert line == r'"é a\u2028b\u202e\u009b\u007f\n"'
    assert orjson.loads(line) == text
