"""`crawler.suffixes`: the answers of the package whose list is read, for every rule of the list."""

from __future__ import annotations

from typing import Any

import pytest
from publicsuffixlist import PublicSuffixList

from crawler.suffixes import suffix_lists
from tests.vectors import load

ODD_NAMES = ("", ".", "a.", "a..", ".a", "a..com", "com.", "x.com.", "COM", "X.Example.COM", "never-heard-of", "a.b.c")


@pytest.mark.parametrize("row", load("psl.json"), ids=lambda row: str(row["host"]))
def test_registered_domain_is_the_public_suffix_lists(row: dict[str, Any]) -> None:
    assert suffix_lists().whole.registered_domain(row["host"] or "") == row["registered_domain"]


@pytest.mark.parametrize("only_icann", [True, False], ids=["ICANN's section", "whole list"])
def test_every_rule_has_the_effect_that_the_package_gives_it(only_icann: bool) -> None:
    package, whole = PublicSuffixList(only_icann=only_icann), PublicSuffixList()
    own = suffix_lists().icann if only_icann else suffix_lists().whole
    tails = {rule.removeprefix("!").removeprefix("*.") for rule in whole._publicsuffix}
    names = [*ODD_NAMES, *(labels + tail for tail in tails for labels in ("", "a.", "b.a."))]
    assert [own.registered_domain(name) for name in names] == [package.privatesuffix(name) for name in names]
