from __future__ import annotations

import pytest

from crawler.fields import decode, encode


@pytest.mark.parametrize(
    ("name", "raw", "value"),
    [
        (b"X", b"plain", "plain"),
        (b"X", "ç".encode(), "ç"),
        (b"X", b"\xff\xe7", "ÿç"),
        (b"Location", b"/%20x", "/%20x"),
        (b"LOCATION", b"/\xe7\xe9", "/%E7%E9"),
        (b"location", b"/a b\xff", "/a%20b%FF"),
        (b"location", "/ç".encode(), "/ç"),
    ],
)
def test_value_becomes_text_that_can_be_stored(name: bytes, raw: bytes, value: str) -> None:
    assert decode([(name, raw)]) == [(name.decode().lower(), value)]
    assert value.encode()


def test_repeated_fields_stay_apart_and_in_order() -> None:
    assert decode([(b"A", b"1"), (b"b", b"2"), (b"a", b"3")]) == [("a", "1"), ("b", "2"), ("a", "3")]


def test_extra_fields_replace_standard_ones_of_any_case() -> None:
    assert (
        encode({"Accept": "a", "User-Agent": "u"}, {"accept": "b", "X": "y"})
        == b"accept: b\r\nUser-Agent: u\r\nX: y\r\n"
    )


@pytest.mark.parametrize("value", ["a\r\nEvil: yes", "a\nb", "a\rb"])
def test_line_break_in_a_field_to_send_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="line break"):
        encode({"User-Agent": value}, None)
