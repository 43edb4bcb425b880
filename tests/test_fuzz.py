"""Mutated pages, fields, hrefs and robots.txt files break no reader; in full: `python -m bench.torture.fuzz`."""

from __future__ import annotations

from random import Random

import pytest

from bench.torture import fuzz
from bench.torture.fuzz import MARKUP_PIECES
from bench.torture.mutants import mutate, page_seeds

NUMBERS = range(100_000, 100_300)
"""Other cases than the full run's."""


@pytest.mark.parametrize("sort", fuzz.SORTS)
def test_mutants_are_read_without_fault(sort: str) -> None:
    cases = fuzz.examine(sort, NUMBERS)
    assert [case for case in cases if case.fault is not None or case.cpu_s > fuzz.SLOW_S] == []


def test_number_stands_for_one_mutant() -> None:
    pages = page_seeds()
    assert pages == page_seeds()
    assert mutate(Random(7), pages, MARKUP_PIECES) == mutate(Random(7), pages, MARKUP_PIECES)
