"""The scale benchmark looks at the powers of ten and compares what lies between its looks."""

from __future__ import annotations

import pytest

from bench.results import Row
from bench.scale import marks, shown, stretches


def look(pages: int, cpu_s: float) -> dict[str, float]:
    return {
        "pages": pages,
        "links": pages * 20,
        "queued": 5,
        "cpu_s": cpu_s,
        "rss_mib": 200.0,
        "disk_bytes": pages * 400,
    }


LOOKS = [look(0, 0.5), look(1_000, 2.0), look(11_000, 12.0), look(21_000, 23.0)]


@pytest.mark.parametrize(
    ("pages", "expected"),
    [(5_000, (1_000,)), (20_000, (1_000, 10_000)), (100_001, (1_000, 10_000, 20_000, 50_000, 100_000))],
)
def test_marks_are_below_the_size_of_the_web(pages: int, expected: tuple[int, ...]) -> None:
    assert marks(pages) == expected


def test_stretches_leave_the_start_out() -> None:
    assert [(found["pages"], round(found["us_per_page"])) for found in stretches(LOOKS)] == [
        (11_000, 1_000),
        (21_000, 1_100),
    ]


def test_stretches_without_pages_are_none() -> None:
    assert len(stretches([*LOOKS, LOOKS[-1]])) == 2


def test_table_compares_with_the_first_stretch() -> None:
    text = shown(Row("scale", {}, {"looks": LOOKS}, {})).splitlines()
    assert "1.00 x" in text[1]
    assert "1.10 x" in text[2]
    assert text[1].split()[2:4] == ["20.0", "50.0"]
