from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.charset import charset_of_content, decode, label_to_encoding, prescan, sniff
from crawler.encodings import ENCODING_OF_LABEL, single_byte_table
from crawler.headers import content_type
from storage.records import CharsetSource
from tests.known_differences import CHARSET_HTML5LIB
from tests.vectors import load

ENCODINGS = sorted(set(ENCODING_OF_LABEL.values()))
META = b"<meta charset=koi8-r>"


def test_reference_pages_are_sniffed() -> None:
    missed = {
        row["suite"].rpartition("encoding/")[2]
        for row in load("charset_html5lib.json")
        if sniff(base64.b64decode(row["html_b64"]), row["content_type"])[0] != row["expected_encoding"].lower()
    }
    assert missed == CHARSET_HTML5LIB.keys()


def test_reference_labels_are_known() -> None:
    for row in load("charset_labels.json"):
        assert label_to_encoding(row["label"]) == row["encoding"], row
        assert label_to_encoding(f"\t{row['label'].upper()} \n") == row["encoding"], row


def test_reference_content_types_name_their_charset() -> None:
    for row in load("charset_content_type.json"):
        mime, charset = content_type(row["content_type"])
        encoding = label_to_encoding(charset) if charset is not None else None
        assert encoding == (row["charset"].lower() if row["charset"] is not None else None), row
        assert (mime is not None) == row["valid_mime"], row


@pytest.mark.parametrize("label", ["", "utf-7", "utf_8", "latin-9999", "utf-8\u00a0"])
def test_unknown_label_is_none(label: str) -> None:
    assert label_to_encoding(label) is None


@pytest.mark.parametrize(
    ("body", "header", "expected"),
    [
        pytest.param(b"\xef\xbb\xbf" + META, "text/html; charset=gbk", ("utf-8", CharsetSource.BOM), id="mark first"),
        pytest.param(b"\xff\xfe<\0", None, ("utf-16le", CharsetSource.BOM), id="UTF-16 little"),
        pytest.param(b"\xfe\xff\0<", None, ("utf-16be", CharsetSource.BOM), id="UTF-16 big"),
        pytest.param(META, "text/html; charset=gbk", ("gbk", CharsetSource.HEADER), id="header before meta"),
        pytest.param(META, "text/html; charset=what", ("koi8-r", CharsetSource.META), id="unknown in the header"),
        pytest.param(META, "text/html", ("koi8-r", CharsetSource.META), id="no charset in the header"),
        pytest.param(b"<p>", "rubbish", ("windows-1252", CharsetSource.DEFAULT), id="nothing"),
        pytest.param(b"", None, ("windows-1252", CharsetSource.DEFAULT), id="empty"),
    ],
)
def test_first_rule_that_knows_names_the_encoding(
    body: bytes, header: str | None, expected: tuple[str, CharsetSource]
) -> None:
    assert sniff(body, header) == expected


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        pytest.param(b"<!-- " + META + b" -->", None, id="in a comment"),
        pytest.param(b"<!-->" + META, "koi8-r", id="after the shortest comment"),
        pytest.param(b"<!-- " + META, None, id="in an unclosed comment"),
        pytest.param(b'<a title="' + META + b'">', None, id="in an attribute"),
        pytest.param(b"<!doctype x" + META, None, id="in a declaration"),
        pytest.param(b"</p x='>'>< <?x><1>" + META, "koi8-r", id="after odd markup"),
        pytest.param(b"<meta charset=koi8-r", None, id="unclosed"),
        pytest.param(b"<meta/charset=koi8-r/>", None, id="the slash is part of a bare value"),
        pytest.param(b"<meta/charset='koi8-r'/>", "koi8-r", id="slashes between"),
        pytest.param(b"<META CHARSET = 'KOI8-R'>", "koi8-r", id="upper case"),
        pytest.param(b"<metadata charset=koi8-r>", None, id="another element"),
        pytest.param(b"<meta =charset=koi8-r>", None, id="a name that starts with an equals sign"),
        pytest.param(b"<meta charset charset=koi8-r>", None, id="the first of equal names"),
        pytest.param(b"<meta charset=what>" + META, "koi8-r", id="an unknown one is passed over"),
        pytest.param(b"<meta charset=utf-16>", "utf-8", id="UTF-16 cannot be"),
        pytest.param(b"<meta charset=x-user-defined>", "windows-1252", id="x-user-defined is not meant"),
        pytest.param(b"<meta http-equiv=content-type content='x; charset=koi8-r'>", "koi8-r", id="pragma"),
        pytest.param(b"<meta content='x; charset=koi8-r' http-equiv=content-type>", "koi8-r", id="pragma last"),
        pytest.param(b"<meta name=content-type content='x; charset=koi8-r'>", None, id="no pragma"),
        pytest.param(b"<meta http-equiv=content-type content='x; charset=gbk' charset=what>", None, id="both"),
        pytest.param(b"<?xml version='1.0' encoding='koi8-r'?><html>", "koi8-r", id="XML declaration"),
        pytest.param(b"<?xml encoding='koi8-r'?><meta charset=gbk>", "gbk", id="meta before XML declaration"),
        pytest.param(b"<?xml encoding='koi8-r'", None, id="unclosed XML declaration"),
        pytest.param(" <?xml".encode("utf-16le")[2:], "utf-16le", id="XML in UTF-16 little"),
        pytest.param("<?xml".encode("utf-16be"), "utf-16be", id="XML in UTF-16 big"),
    ],
)
def test_prescan_finds_what_the_standard_finds(head: bytes, expected: str | None) -> None:
    assert prescan(head) == expected


@pytest.mark.parametrize(
    ("content", "label"),
    [
        ("text/html; charset=gbk", "gbk"),
        ("charset = 'gbk'", "gbk"),
        ("charset charset=gbk;x", "gbk"),
        ("text/html", None),
        ("charset='gbk", "'gbk"),
    ],
)
def test_label_in_content_is_found(content: str, label: str | None) -> None:
    assert charset_of_content(content) == label


@pytest.mark.parametrize(
    ("encoding", "body", "text"),
    [
        ("windows-1252", b"\x80\x81\x99", "\u20ac\x81\u2122"),
        ("windows-1253", b"\xaa", "\ufffd"),
        ("windows-1255", b"\xca", "\u05ba"),
        ("koi8-u", b"\xae\xbe", "\u045e\u040e"),
        ("iso-8859-8-i", b"\xe0", "\u05d0"),
        ("macintosh", b"\xdb", "\u20ac"),
        ("x-mac-cyrillic", b"\xff", "\u20ac"),
        ("x-user-defined", b"A\x80\xff", "A\uf780\uf7ff"),
        ("gbk", b"\x81\x30\x81\x30", "\x80"),
        ("shift_jis", b"\x87\x40", "\u2460"),
        ("euc-jp", b"\xad\xa1\xa1\xc1\xa4\xa2", "\u2460\uff5e\u3042"),
        ("euc-jp", b"\xff<\xa4", "\ufffd<\ufffd"),
        ("euc-kr", b"\x81\x41", "\uac02"),
        ("big5", b"\xa4\x40", "\u4e00"),
        ("iso-2022-jp", b'\x1b$B$"\x1b(B', "\u3042"),
        ("utf-8", b"\xef\xbb\xbfa\xff", "a\ufffd"),
        ("utf-16le", b"\xff\xfea\0b", "a\ufffd"),
        ("utf-16be", b"\xfe\xff\0a", "a"),
        ("replacement", b"abc", "\ufffd"),
        ("replacement", b"", ""),
    ],
)
def test_body_is_decoded_as_the_standard_says(encoding: str, body: bytes, text: str) -> None:
    assert decode(body, encoding) == text


def test_every_encoding_keeps_ascii_that_may_carry_markup() -> None:
    for encoding in ENCODINGS:
        if encoding not in {"replacement", "utf-16le", "utf-16be"}:
            assert decode(b"<a href='x'>", encoding) == "<a href='x'>", encoding


def test_single_byte_tables_are_whole() -> None:
    for encoding in ("windows-1252", "ibm866", "x-user-defined", "iso-8859-8-i", "windows-874"):
        table = single_byte_table(encoding)
        assert len(table) == 256
        assert table[:128] == bytes(range(128)).decode()


@given(st.binary(max_size=200), st.sampled_from(ENCODINGS))
def test_any_bytes_decode(body: bytes, encoding: str) -> None:
    decode(body, encoding).encode("utf-8")


@given(
    st.binary(max_size=100)
    | st.lists(st.sampled_from([b"<meta ", b"charset", b"=", b'"', b">", b"<!--", b"gbk", b" "])).map(b"".join),
    st.none() | st.text(max_size=50),
)
def test_any_page_has_an_encoding(body: bytes, header: str | None) -> None:
    assert sniff(body, header)[0] in ENCODINGS
