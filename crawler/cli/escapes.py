"""Text on its way to a terminal or a log, with what is no text written as escapes.

Rule: what came from the web passes here, so that no page can command a terminal, forge a line or reorder what is shown.
"""

from __future__ import annotations

from typing import Final

BIDI_AND_BREAKS: Final = (*range(0x200E, 0x2010), *range(0x2028, 0x202F), *range(0x2066, 0x206A), 0x061C, 0xFEFF)
"""Line separators and marks that reorder text: they make a terminal show something else than what is there."""

ESCAPES: Final = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))} | {
    code: f"\\u{code:04x}" for code in BIDI_AND_BREAKS
}
ESCAPES_IN_JSON: Final = {code: f"\\u{code:04x}" for code in ESCAPES if code > 0x7E}
"""JSON escapes the others itself."""
ESCAPES_IN_LINES: Final = {code: text for code, text in ESCAPES.items() if code not in (0x0A, 0x0D)}


def plain(text: str) -> str:
    """Return `text` with control, bidirectional and line-breaking characters written as escapes."""
    return text.translate(ESCAPES)


def plain_lines(text: str) -> str:
    """Return the same for lines of text: CR and LF stay."""
    return text.translate(ESCAPES_IN_LINES)


def plain_json(text: str) -> str:
    """Return the same for a line of JSON, with the same meaning."""
    return text.translate(ESCAPES_IN_JSON)
