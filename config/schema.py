"""The settings as JSON Schema (draft 2020-12), so that editors complete and check a config file while it is written."""

from __future__ import annotations

from config.models import Settings

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, object]:
    """Return the schema of a config file; descriptions are the reasons that `default.toml` gives."""
    return {"$schema": DIALECT, **Settings.model_json_schema(), "title": "Linkmill settings"}
