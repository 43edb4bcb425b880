"""The settings: their units, their defaults, the ready files, and what a file becomes."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from bench.vweb.site import Web
from bench.vweb.spec import WebSpec
from config import ConfigError, Settings, load, load_crawl, schema
from config.diagnosis import SECTIONS
from config.models import Override
from config.units import duration_s, size_bytes
from storage.records import Kind

FOLDER = Path(__file__).resolve().parent.parent / "config"
SEED = '[crawl]\nseeds = ["https://example.org/"]\n'
CONTACT = '[fetch]\ncontact = "crawler@example.org"\n'

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to_file(text: str) -> Path:
        path = tmp_path / "crawl.toml"
        path.write_text(text, "utf-8")
        return path

    return to_file


# ---- units


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("1.5s", 1.5),
        ("200ms", 0.2),
        ("2 min", 120),
        ("1h", 3600),
        ("1d", 86400),
        (" 3 days ", 259200),
        ("5 S", 5),
        ("5", 5),
        (0, 0),
        (0.25, 0.25),
    ],
)
def test_duration_is_seconds(value: object, seconds: float) -> None:
    assert duration_s(value) == seconds


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ("2 MiB", 2 * 1024**2),
        ("500kB", 500_000),
        ("1 GiB", 1024**3),
        ("0.5 KiB", 512),
        ("7 B", 7),
        ("1tb", 10**12),
        (1024, 1024),
    ],
)
def test_size_is_bytes(value: object, size: int) -> None:
    assert size_bytes(value) == size


@pytest.mark.parametrize(
    "value", ["", "fast", "1 parsec", "-1s", "1h30", "1e3", -1, True, None, float("nan"), float("inf"), []], ids=repr
)
def test_what_is_no_quantity_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        duration_s(value)
    with pytest.raises(ValueError, match="is not a size"):
        size_bytes(value)


def test_part_of_a_byte_is_refused() -> None:
    with pytest.raises(ValueError, match="whole number of bytes"):
        size_bytes("0.3 B")


@given(st.integers(0, 10**15), st.sampled_from(["", "ms", "s", "min", "h", "d"]))
def test_duration_is_proportional(amount: int, unit: str) -> None:
    assert duration_s(f"{amount}{unit}") == pytest.approx(amount * duration_s(f"1{unit}"))


# ---- default.toml, schema and the ready files say what the models say


def every_key() -> Iterator[tuple[str, FieldInfo]]:
    """Yield every dotted key of the models."""
    for section, part in Settings():
        yield from ((f"{section}.{key}", field) for key, field in type(part).model_fields.items())


def default_of(field: FieldInfo) -> object:
    return field.get_default(call_default_factory=True)


def entries(text: str) -> Iterator[tuple[str, tuple[str, bool]]]:
    """Yield dotted key, the comment above it and whether it is set, from a file of the form of default.toml."""
    section = ""
    comment: list[str] = []
    for line in text.splitlines():
        entry = re.fullmatch(r"(# )?([a-z_]+) = .*", line)
        if entry:
            yield f"{section}.{entry[2]}", (" ".join(comment), not entry[1])
        if line.startswith("["):
            section = line.strip("[]")
        comment = [*comment, line[2:]] if line.startswith("# ") and not entry else []


def test_default_toml_equals_the_models() -> None:
    text = (FOLDER / "default.toml").read_text("utf-8")
    assert Settings.model_validate(tomllib.loads(text)) == Settings()


def test_default_toml_has_every_key_with_its_reason() -> None:
    written = dict(entries((FOLDER / "default.toml").read_text("utf-8")))
    reasons = {key: " ".join((field.description or "").split()) for key, field in every_key()}
    assert written == {key: (reasons[key], default_of(field) is not None) for key, field in every_key()}


def test_kinds_of_link_are_those_that_are_stored(write: Write) -> None:
    labels = [kind.label for kind in Kind]
    assert load(write(SEED + CONTACT + f"[extract]\nkinds = {labels}\n")).extract.kinds == tuple(labels)
    assert set(schema()["$defs"]["ExtractSettings"]["properties"]["kinds"]["items"]["enum"]) == set(labels)  # type: ignore[index]


def test_schema_describes_every_key() -> None:
    found: Any = schema()
    assert found["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    for section, keys in SECTIONS.items():
        table = found["$defs"][found["properties"][section]["$ref"].rpartition("/")[2]]
        assert table["additionalProperties"] is False
        assert {key for key, value in table["properties"].items() if value["description"]} == keys


@pytest.mark.parametrize("name", ["demo", "bench"])
def test_ready_file_for_loopback_loads(name: str) -> None:
    settings, seeds = load_crawl(FOLDER / f"{name}.toml")
    assert settings.loopback_only
    assert set(seeds) <= set(Web(WebSpec()).seeds()), "hosts that `python -m bench.vweb` serves"
    assert settings.crawl.data_dir == FOLDER / "linkmill-data" / name


@pytest.mark.parametrize("name", ["quickstart", "nightly"])
def test_ready_file_for_the_web_asks_for_a_contact(name: str, write: Write) -> None:
    path = FOLDER / f"{name}.toml"
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert len(caught.value.lines) == 1
    assert caught.value.lines[0].startswith(f'{path}: fetch.contact: "" is empty, but https://example.org/ is beyond')
    filled_in = path.read_text("utf-8").replace('contact = ""', 'contact = "https://example.org/crawler"')
    assert not load(write(filled_in)).loopback_only


def test_every_ready_file_is_tested() -> None:
    assert {path.stem for path in FOLDER.glob("*.toml")} == {"default", "demo", "bench", "quickstart", "nightly"}


# ---- what loads


def test_values_arrive_parsed_and_paths_stand_beside_the_file(write: Write, tmp_path: Path) -> None:
    (tmp_path / "seeds.txt").write_text("# mine\n\nexample.org\nhttps://example.org/\nhttp://b.example/x\n")
    settings, seeds = load_crawl(
        write(
            '[crawl]\nseeds_file = "seeds.txt"\ndata_dir = "out/x"\nmax_time = "2 min"\nmax_bytes = "1 GB"\n'
            '[fetch]\ncontact = "https://example.org/crawler"\nheaders = { Accept-Language = "en" }\n'
            '[[politeness.overrides]]\nmatch = "*.Example"\ndelay = "5s"\nconnections = 2\n'
        )
    )
    assert settings.crawl.data_dir == tmp_path / "out/x"
    assert (settings.crawl.max_time, settings.crawl.max_bytes) == (120.0, 10**9)
    assert settings.politeness.overrides[0].model_dump() == {"match": "*.example", "delay": 5.0, "connections": 2}
    assert settings.fetch.user_agent == "Linkmill/0.1 (+https://example.org/crawler)"
    assert seeds == ["https://example.org/", "http://b.example/x"]


def test_user_agent_without_contact_is_the_product() -> None:
    assert Settings().fetch.user_agent == "Linkmill/0.1"


def test_file_saved_with_byte_order_mark_loads(tmp_path: Path) -> None:
    path = tmp_path / "crawl.toml"
    path.write_bytes((SEED + CONTACT).replace("\n", "\r\n").encode("utf-8-sig"))
    assert load(path).crawl.seeds == ("https://example.org/",)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        Settings().crawl.name = "other"


def test_every_setting_has_a_reason() -> None:
    assert all(field.description for _, field in every_key())
    assert all(field.description for field in Override.model_fields.values())
