"""`crawler.memory`: the call is harmless where it works and where it cannot."""

from __future__ import annotations

import platform

import pytest

from crawler.memory import give_back_memory, keep_freed_memory, lay_apart


def test_freed_memory_is_kept_where_the_library_is_glibc() -> None:
    is_glibc = platform.libc_ver()[0] == "glibc"
    assert lay_apart() is is_glibc
    assert keep_freed_memory() is is_glibc


def test_other_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert keep_freed_memory() is False
    assert give_back_memory() is False
    assert lay_apart() is False
