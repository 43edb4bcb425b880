"""Values planted on the web stay values: in logs, on a terminal, in file names, in patterns; and secrets stay secret.

CSV cells are tested in `test_export`, questions to the index in `test_query`. Nothing here writes HTML, so the values
for HTML reports have nothing to be tried on.
"""

from __future__ import annotations

import json
import re
import time
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from config import Settings
from crawler.cli.logs import open_log, request_log
from crawler.cli.output import shown_value
from crawler.scope import Scope
from crawler.supervisor import Crawl, resolve_seeds
from storage.records import LinkRow
from tests.crawling import Stored, crawl, moved, page, serving, settings_at
from tests.servers import Exchange
from tests.vectors import load

ELSEWHERE = {"csv_formula", "sql_query", "html_report"}
HERE = {"log_line", "output_path", "redos_pattern"}
SECRET = "s3cret"
FILE = re.compile(r"data/(crawl\.db(-wal|-shm)?|lock|segments/run=\d{6}/(pages|links)-\d{9}\.parquet)")


def planted(*kinds: str) -> list[str]:
    return [case["value"] for case in load("injection.json") if case["kind"] in kinds]


def test_every_kind_of_the_reference_is_tried() -> None:
    assert {case["kind"] for case in load("injection.json")} == HERE | ELSEWHERE


def is_plain(text: str) -> bool:
    """Tell whether no character of a line commands a terminal, ends the line or reorders it."""
    reordering = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    return not any(
        unicodedata.category(character) in {"Cc", "Zl", "Zp"} or unicodedata.bidirectional(character) in reordering
        for character in text
    )


@pytest.mark.parametrize("form", ["text", "json"])
def test_event_is_one_plain_line_whatever_is_in_it(tmp_path: Path, form: str) -> None:
    values = planted("log_line", "html_report", "output_path", "csv_formula") + ["\x9b31m", "a\x85b", "\u2066x", "\x7f"]
    settings = Settings.model_validate({"log": {"file": tmp_path / "log", "format": form}})
    with open_log(settings.log) as log:
        for value in values:
            log.warning("event", extra={"fields": {"value": value}})
    lines = (tmp_path / "log").read_text("utf-8").split("\n")
    assert lines.pop() == ""
    assert len(lines) == len(values)
    assert all(map(is_plain, lines))
    if form == "json":
        assert [json.loads(line)["value"] for line in lines] == values


def test_cell_of_a_table_is_plain() -> None:
    assert all(is_plain(shown_value(value)) for value in planted("log_line", "html_report", "csv_formula"))


async def test_files_stay_in_the_data_directory_under_their_own_names(tmp_path: Path) -> None:
    names = [name.replace("\0", "%00") for name in planted("output_path")]
    hosts = [f"http://{name}.test/" for name in ("..a", "-rf", "con", "aux.txt", "a" * 63)]
    answers = {"http://a.test/": page(*[f"/{name}" for name in names], *hosts, *names)}
    crawled = await crawl(answers, tmp_path / "data")
    assert len(crawled.web.pages_asked) > 5
    files = files_in(tmp_path)
    assert len(files) > 3
    assert [file for file in files if FILE.fullmatch(file) is None] == []


def files_in(folder: Path) -> list[str]:
    return [file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()]


@pytest.mark.parametrize("name", [name for name in planted("output_path") if name != "aux.txt"])
def test_name_of_a_crawl_is_no_path(name: str) -> None:
    with pytest.raises(ValueError, match="is not a name"):
        Settings.model_validate({"crawl": {"name": name}})


@pytest.mark.parametrize(
    "case", [case for case in load("injection.json") if case["kind"] == "redos_pattern"], ids=lambda case: case["value"]
)
def test_pattern_is_refused_or_linear(case: dict[str, Any]) -> None:
    given = {"scope": {"follow": "any", "exclude": [f"re:{case['value']}"]}}
    if "\\1" in case["value"]:
        with pytest.raises(ValueError, match="RE2"):
            Settings.model_validate(given)
        return
    scope = Scope(Settings.model_validate(given).scope, ["http://a.test/"])
    start = time.process_time()
    scope.judge(f"http://a.test/{case['text'] * 30}", 1)
    assert time.process_time() - start < 0.1


def with_user(path: str) -> str:
    return f"//user:{SECRET}@a.test/{path}"


WAYS_TO_TELL = {
    "http://a.test/": page(
        f"http:{with_user('link')}",
        f"http:////user:{SECRET}@a.test/slashes",
        f"http:\\\\user:{SECRET}@a.test/backslashes",
        f"http://user:{SECRET}@a.test:65536/bad-port",
        "/redirects",
        "/refreshes",
        head=f"<base href='http:{with_user('')}'><link rel=canonical href='{with_user('canonical')}'>",
        Link=f"<{with_user('header')}>; rel=next",
    ),
    "http://a.test/redirects": moved(f"http:{with_user('target')}"),
    "http://a.test/refreshes": page(Refresh=f"0; url={with_user('refreshed')}"),
    "http://a.test/robots.txt": moved(f"http:{with_user('robots.txt?moved')}"),
}


async def test_credentials_in_urls_are_neither_sent_nor_stored_nor_logged(tmp_path: Path) -> None:
    heads = []
    async with serving(WAYS_TO_TELL) as (web, served):
        ask = Exchange.ask

        async def noted(exchange: Exchange) -> str | None:
            head = await ask(exchange)
            heads.append(head or "")
            return head

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Exchange, "ask", noted)
            log = {"file": tmp_path / "log", "level": "debug"}
            seeds = [f"http://user:{SECRET}@a.test/"]
            settings = settings_at(served.at, tmp_path / "data", log=log, crawl={"seeds": seeds})
            with open_log(settings.log) as logger:
                await Crawl(settings, resolve_seeds(settings.crawl.seeds), *request_log(logger)).run()
    assert {"http://a.test/link", "http://a.test/target", "http://a.test/refreshed"} <= set(web.asked)
    assert [head for head in heads if SECRET in head or "authorization" in head.lower()] == []
    assert "/redirects" in (tmp_path / "log").read_text()
    assert SECRET not in (tmp_path / "log").read_text()
    assert found_in(tmp_path / "data") == []


def found_in(data_dir: Path) -> list[str]:
    """Return where the secret is stored; what an anchor's text says is the page's own word."""
    stored = Stored(data_dir)
    rows: list[object] = [row for pages in stored.pages.values() for row in pages]
    rows += [link._replace(anchor="") for links in stored.links.values() for link in links]
    assert any(isinstance(row, LinkRow) for row in rows)
    places = [repr(row) for row in rows if SECRET in repr(row)]
    return places + found_in_database(data_dir)


async def test_secrets_of_the_settings_are_not_stored(tmp_path: Path) -> None:
    async with serving({}) as (_, served):
        proxy = f"http://user:{SECRET}@{served.at.ip}:{served.at.port}"
        settings = settings_at(
            None,
            tmp_path,
            network={"proxy": proxy},
            fetch={"headers": {"X-Key": SECRET}, "contact": "https://me.test/"},
        )
        await Crawl(settings, resolve_seeds(settings.crawl.seeds)).run()
    kept = Settings.model_validate_json(settings.for_the_record())
    assert set(kept.fetch.headers) == {"X-Key"}
    assert found_in_database(tmp_path) == []


def found_in_database(data_dir: Path) -> list[str]:
    return [file.name for file in data_dir.glob("crawl.db*") if SECRET.encode() in file.read_bytes()]
