"""SQL files are found by name, and their names are unambiguous."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage import statements


def test_statements_are_found_by_name() -> None:
    found = statements.load("storage.sql", "directory")
    assert found["tables"] == "SELECT count(*) FROM sqlite_schema;"
    assert set(found) == {"application_id", "tables", "table_definitions", "schema_version", "describe", "sum_meta"}


def test_name_used_twice_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "twice.sql").write_text("-- name: a\nSELECT 1;\n-- name: a\nSELECT 2;\n")
    monkeypatch.setattr(statements, "files", lambda _: tmp_path)
    with pytest.raises(ValueError, match="uses a name twice"):
        statements.load("made.up", "twice")
