"""The commands around a crawl: writing and checking a config file, one page explained, and how each of them ends."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Final

import orjson
import pytest
import pytest_asyncio

from bench.vweb.process import Running
from config import load
from crawler.cli.configuring import READY_FILES
from crawler.cli.wording import many
from tests.commands import Run, runner, small_web, start, write_config


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def web() -> AsyncIterator[Running]:
    """Serve one small web for all tests here."""
    async with small_web() as running:
        yield running


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs a command in an empty folder."""
    return runner(tmp_path, monkeypatch, capfd)


@pytest.mark.parametrize("template", READY_FILES)
def test_init_writes_a_config_file_that_only_lacks_the_contact(run: Run, tmp_path: Path, template: str) -> None:
    code, out, err = run("init", "mine.toml", "--template", template)
    assert (code, err) == (0, "")
    assert out.startswith("mine.toml written: ")
    assert (tmp_path / "mine.toml").read_text().startswith("#")
    checked = run("config", "check", "mine.toml", "--offline")
    for line in checked.err.splitlines():
        assert re.match(r"linkmill: mine\.toml: (fetch\.contact|crawl\.seeds): ", line)
    assert checked.code == (0 if template in ("demo", "bench") else 2)
    if checked.code == 0:
        assert f"data in {tmp_path / 'linkmill-data' / template}\n" in checked.out


def test_init_never_overwrites(run: Run, tmp_path: Path) -> None:
    (tmp_path / "crawl.toml").write_text("kept")
    code, _, err = run("init")
    assert (code, "crawl.toml exists; name another file" in err) == (2, True)
    assert (tmp_path / "crawl.toml").read_text() == "kept"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(("init", "x.toml", "--template", "nope"), "'nope' is none of quickstart", id="template"),
        pytest.param(("init", "no/x.toml"), "no/x.toml cannot be written: No such file or directory", id="no_folder"),
        pytest.param(("nothing",), "No such command 'nothing'; `linkmill --help` shows its use\n", id="command"),
        pytest.param(("config", "chek"), "'check', 'schema'; `linkmill config --help` shows its use\n", id="part"),
        pytest.param(("crawl",), "Missing argument 'CONFIG'; `linkmill crawl --help` shows its use\n", id="no_config"),
        pytest.param(("crawl", "a", "b"), "extra argument (b); `linkmill crawl --help` shows its use\n", id="more"),
        pytest.param(("crawl", "--nope", "a"), "No such option: --nope; `linkmill crawl", id="option"),
        pytest.param(("anchors", "a", "--limit"), "Option '--limit' requires an argument", id="no_value"),
        pytest.param(("anchors", "a", "--limit", "x"), "linkmill: --limit: must be a valid integer; `", id="number"),
        pytest.param(("anchors", "a", "--limit", "-1"), "--limit: must be greater than or equal to 0; `", id="range"),
        pytest.param(("anchors", "a", "-f", "x"), "linkmill: --format / -f: 'x' is not one of 'table', ", id="choice"),
        pytest.param(("crawl", "no.toml"), "linkmill: no.toml: cannot be read: No such file or directory\n", id="file"),
        pytest.param(("status",), "name a config file or --data DIR", id="status"),
        pytest.param(("fetch", "mailto:me"), "'mailto:me' is not a URL of scheme http or https", id="scheme"),
        pytest.param(("fetch", "http://a b/"), "'http://a b/' is not a URL of scheme http or https", id="blank"),
    ],
)
def test_bad_input_is_told_and_ends_with_2(run: Run, arguments: tuple[str, ...], expected: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("linkmill: ")
    assert expected in err


def test_command_without_words_shows_its_help(run: Run) -> None:
    code, out, err = run("config")
    assert (code, out, err.splitlines()[0]) == (2, "", "Usage: linkmill config [OPTIONS] COMMAND [ARGS]...")


@pytest.mark.parametrize(("number", "said"), [(0, "0 pages"), (1, "1 page"), (2000, "2,000 pages")])
def test_what_is_counted_stands_in_its_right_number(number: int, said: str) -> None:
    assert many(number, "page") == said


def test_every_mistake_of_a_config_file_is_told_at_once_in_a_line_of_its_own(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("""
[crawl]
seeds = ["http://127.0.0.1/"]
max_pages = "many"
max_page = 3
[politeness]
delay = "1 fortnight"
robots = "yes"
[network]
allow_addresses = ["127.0.0.0/8"]
""")
    for command in (("config", "check"), ("crawl",), ("index",)):
        code, out, err = run(*command, "bad.toml")
        assert (code, out) == (2, "")
        keys = [re.fullmatch(r"linkmill: bad\.toml: ([\w.]+): .+", line) for line in err.splitlines()]
        assert sorted(found[1] for found in keys if found) == [
            "crawl.max_page",
            "crawl.max_pages",
            "politeness.delay",
            "politeness.robots",
        ]
        assert all(keys)


def test_bad_seeds_are_told_by_place_before_anything_is_asked(run: Run, tmp_path: Path) -> None:
    (tmp_path / "seeds.txt").write_text("http://127.0.0.1/\nhttp://a^b.test/\n")
    (tmp_path / "bad.toml").write_text("""
[crawl]
seeds = ["http://a^b.test/", "http://127.0.0.1/", "http://256.1.1.1/"]
seeds_file = "seeds.txt"
[network]
allow_addresses = ["127.0.0.0/8"]
""")
    for command in (("config", "check"), ("config", "check", "--offline"), ("crawl",)):
        code, out, err = run(*command, "bad.toml")
        assert (code, out) == (2, "")
        assert [line.partition(" is not a URL")[0] for line in err.splitlines()] == [
            'linkmill: bad.toml: crawl.seeds[0]: "http://a^b.test/"',
            'linkmill: bad.toml: crawl.seeds[2]: "http://256.1.1.1/"',
            f'linkmill: {tmp_path}/seeds.txt:2: "http://a^b.test/"',
        ]


def test_check_tells_what_would_become_of_every_seed(run: Run, tmp_path: Path, web: Running) -> None:
    seeds = f'["{web.seeds[0]}", "{web.seeds[0]}private/x", "http://a.test:99/", "http://localhost/"]'
    text = (tmp_path / write_config(web, tmp_path)).read_text()
    (tmp_path / "web.toml").write_text(re.sub(r"seeds = .*", f"seeds = {seeds}", text))
    code, out, err = run("config", "check", "web.toml")
    assert (code, err) == (0, "")
    first, *lines, last = out.splitlines()
    verdicts = [line for line in lines if not line.startswith("  ")]
    assert "  follows     links to any host" in lines
    assert "  only        *.test/*" in lines
    assert first == f"web.toml: valid, 4 seeds, data in {tmp_path / 'data'}"
    assert verdicts[0] == f"{web.seeds[0]}: admitted; at 127.0.0.1, robots.txt read (HTTP 200)"
    assert "private/x: " in verdicts[1]
    assert verdicts[3] == "http://localhost/: left by the scope (not_included)"
    assert re.fullmatch(r"\d of 4 seeds may be crawled", last)


def test_check_of_seeds_that_cannot_be_crawled_ends_with_2(run: Run, tmp_path: Path, web: Running) -> None:
    write_config(web, tmp_path, more='[fetch]\nconnect_timeout = "1s"')
    text = (tmp_path / "web.toml").read_text()
    (tmp_path / "web.toml").write_text(text.replace("*.test/*", "*.other/*"))
    code, out, _ = run("config", "check", "web.toml")
    assert code == 2
    assert "left by the scope (not_included)" in out
    assert f"0 of {len(web.seeds)} seeds may be crawled" in out
    offline = run("config", "check", "web.toml", "--offline")
    assert (offline.code, "  only        *.other/*\n" in offline.out) == (0, True)


def test_schema_is_json_schema_of_the_draft_it_names(run: Run) -> None:
    code, out, err = run("config", "schema")
    schema = orjson.loads(out)
    assert (code, err) == (0, "")
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert set(schema["properties"]) >= {"crawl", "scope", "politeness", "fetch", "network", "storage", "log"}
    references = set(re.findall(r'"\$ref": "#/\$defs/(\w+)"', out))
    assert references == set(schema["$defs"])


def test_fetch_explains_a_page(run: Run, tmp_path: Path, web: Running) -> None:
    code, out, err = run("fetch", web.seeds[0], "--config", write_config(web, tmp_path))
    assert code == 0
    assert re.fullmatch(r"asked: robots\.txt \S+: HTTP 200, .+\nasked: page \S+: HTTP 200, .+\n", err)
    assert out.startswith(f"robots.txt {web.seeds[0]}robots.txt: HTTP 200, ")
    for line in (
        f"page {web.seeds[0]}: HTTP 200, ",
        "  content-type: text/html",
        "robots verdict: allowed; robots.txt read (HTTP 200)",
        "  charset_source: ",
        f"  0  link-canonical  other  canonical  {web.seeds[0]}  -",
    ):
        assert f"\n{line}" in out
    stored = re.search(r"^stored links: (\d+)$", out, re.MULTILINE)
    assert stored is not None
    assert len(out[stored.end() :].split("\n  ")) - 1 == int(stored[1]) > 5
    assert not (tmp_path / "data").exists()


REFUSED: Final = {
    "http://example.org/": "fetch.contact: ",
    "example.org": "fetch.contact: ",
    "http://127.0.0.1:9/": "network.allow_addresses",
}


@pytest.mark.parametrize("url", REFUSED)
def test_fetch_beyond_what_the_settings_open_is_refused_in_one_line(run: Run, url: str) -> None:
    code, out, err = run("fetch", url)
    assert (code, out, err.count("linkmill: ")) == (2, "", 1)
    assert err.startswith("linkmill: no --config: ")
    assert REFUSED[url] in err
    assert "\n" not in err.rstrip("\n")


def test_fetch_asks_once_for_a_robots_txt_that_cannot_be_had(
    run: Run, tmp_path: Path, hostile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "local.toml").write_text(LOCAL.format(seed=hostile))
    monkeypatch.setattr(_Hostile, "robots_status", 503)
    for url, reason in (("http://127.0.0.1:1/", "connect: Connection refused"), (hostile, "server_error: HTTP 503")):
        code, out, err = run("fetch", url, "-c", "local.toml")
        assert (code, err) == (0, f"asked: robots.txt {url}robots.txt: {reason}\n")
        assert f"robots verdict: disallowed; robots.txt unreachable ({reason})\n" in out
        assert "page: nothing was sent: robots.txt could not be had" in out


def test_contact_may_be_given_for_one_request(run: Run) -> None:
    code, _, err = run("fetch", "http://example.org/", "--contact", "nobody")
    assert (code, "linkmill: --contact: 'nobody' is neither a URL nor an e-mail address" in err) == (2, True)
    code, _, err = run("fetch", "http://10.0.0.1/", "--contact", "me@example.org")
    assert (code, "network.allow_addresses" in err, "fetch.contact" in err) == (2, True, False)
    assert "--contact gives one for this request" in run("fetch", "http://example.org/")[2]


LOCAL: Final = """
[crawl]
seeds = ["{seed}"]
data_dir = "data"
[network]
allow_addresses = ["127.0.0.0/8"]
"""


class _Hostile(BaseHTTPRequestHandler):
    """A page that tries to command the terminal of whoever looks at it."""

    robots_status = 404

    def do_GET(self) -> None:
        self.send_response(self.robots_status if self.path == "/robots.txt" else 200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("X-Note", "a\x9b31mb")
        self.end_headers()
        self.wfile.write(b"<title>\x1b]0;owned\x07\x1b[2J</title><a href=/x>bad\x1b[31m\xc2\x9b0mtext</a>")

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet."""


@pytest.fixture
def hostile() -> Iterator[str]:
    """Serve the hostile page and return its URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Hostile) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_no_control_character_of_a_page_reaches_the_terminal(run: Run, tmp_path: Path, hostile: str) -> None:
    (tmp_path / "local.toml").write_text(LOCAL.format(seed=hostile))
    code, out, _ = run("fetch", hostile, "-c", "local.toml")
    assert code == 0
    assert "robots verdict: allowed; no robots.txt (HTTP 404)" in out
    assert r"title: \x1b]0;owned\x07\x1b[2J" in out
    assert r'"bad\x1b[31m\x9b0mtext"' in out
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", out)


def test_data_of_another_schema_version_is_refused_in_one_line(run: Run, tmp_path: Path, web: Running) -> None:
    config = write_config(web, tmp_path, more="max_pages = 1")
    assert run("crawl", config).code == 0
    database = sqlite3.connect(tmp_path / "data" / "crawl.db")
    with database:
        database.execute("UPDATE meta SET value = 999 WHERE key = 'schema_version'")
    database.close()
    for command in (("crawl", config), ("status", config), ("index", config), ("summary", "a.test", "-c", config)):
        code, out, err = run(*command)
        assert (code, out, err.count("\n")) == (4, "", 1)
        assert "was written by another version of Linkmill" in err


def test_where_nothing_was_crawled_commands_end_with_3(run: Run, tmp_path: Path, web: Running) -> None:
    config = write_config(web, tmp_path)
    for command in (("status", config), ("status", "--data", "none"), ("index", config), ("anchors", "a.test")):
        code, out, err = run(*command)
        assert (code, out, err.count("\n")) == (3, "", 1)
        assert "There is no crawl here; check the path, or start one with `linkmill crawl`" in err


def test_file_in_place_of_a_data_directory_is_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for command in (("status",), ("anchors", "a.test")):
        code, _, err = run(*command, "--data", "file")
        assert (code, err.endswith("(it is no directory)\n")) == (3, True)


def test_data_that_is_no_crawl_of_ours_ends_with_4(run: Run, tmp_path: Path, web: Running) -> None:
    config = write_config(web, tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "crawl.db").write_bytes(b"something else" * 100)
    code, out, err = run("crawl", config)
    assert (code, out, err.count("\n")) == (4, "", 1)
    assert err.startswith(f"linkmill: {tmp_path / 'data' / 'crawl.db'}: ")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unreadable for root")
def test_data_directory_that_cannot_be_read_is_told(run: Run, tmp_path: Path, web: Running) -> None:
    config = write_config(web, tmp_path)
    assert run("crawl", config).code == 0
    (tmp_path / "data").chmod(0)
    answers = [run(*command, config) for command in (("crawl",), ("status",), ("index",), ("summary", "a.test", "-c"))]
    (tmp_path / "data").chmod(0o700)
    for code, out, err in answers:
        assert (code, out, err.count("\n")) == (4, "", 1)
        assert "This place is not readable" in err


@pytest.mark.parametrize(
    ("arguments", "unneeded"),
    [
        pytest.param(("--help",), {"duckdb", "numpy", "pyarrow", "pydantic", "rich"}, id="help"),
        pytest.param(("crawl", "no.toml"), {"duckdb"}, id="crawl"),
    ],
)
def test_command_loads_only_what_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], unneeded: set[str]
) -> None:
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    _, err = start(tmp_path, *arguments).communicate()
    loaded = {line.rpartition("|")[2].strip() for line in err.splitlines() if line.startswith("import time:")}
    assert "typer" in loaded
    assert not loaded & unneeded


def test_help_tells_every_command_in_whole_sentences(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = run("--help")
    commands = out.partition("Commands:\n")[2].splitlines()
    assert (code, len(commands)) == (0, 11)
    assert all(line.endswith(".") and not line.endswith("...") for line in commands)


def test_version_is_that_of_the_installed_package(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", {"linkmill": "9.8.7"}.__getitem__)
    assert run("--version") == (0, "linkmill 9.8.7\n", "")


def test_log_file_that_cannot_be_written_is_told(run: Run, tmp_path: Path, web: Running) -> None:
    config = write_config(web, tmp_path, more='[log]\nfile = "no/crawl.log"')
    code, _, err = run("crawl", config)
    path = load(tmp_path / config).log.file
    assert (code, err) == (2, f"linkmill: {path}: log.file cannot be written: No such file or directory\n")


@pytest.mark.parametrize(
    ("more", "code"),
    [
        pytest.param('[log]\nfile = "no/crawl.log"', 2, id="log in no folder"),
        pytest.param('[log]\nfile = "."', 2, id="log is a folder"),
        pytest.param('[log]\nfile = "web.toml/log"', 2, id="log below a file"),
        pytest.param("", 4, id="data below a file"),
    ],
)
def test_check_tells_of_places_what_the_crawl_would_tell(
    run: Run, tmp_path: Path, web: Running, more: str, code: int
) -> None:
    config = write_config(web, tmp_path, more=more)
    if not more:
        text = (tmp_path / config).read_text("utf-8")
        (tmp_path / config).write_text(text.replace('"data"', '"web.toml/deeper/data"'), "utf-8")
    checked = run("config", "check", "--offline", config)
    assert (checked.code, checked.out, checked.err.count("\n")) == (code, "", 1)
    assert checked == run("crawl", config)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unwritable for root")
def test_check_tells_of_a_folder_that_cannot_be_written_what_the_crawl_would_tell(
    run: Run, tmp_path: Path, web: Running
) -> None:
    config = write_config(web, tmp_path)
    tmp_path.chmod(0o500)
    answers = run("config", "check", "--offline", config), run("crawl", config)
    tmp_path.chmod(0o700)
    assert (answers[0].code, answers[0]) == (4, answers[1])


def test_check_creates_nothing(run: Run, tmp_path: Path, web: Running) -> None:
    config = write_config(web, tmp_path, more='[log]\nfile = "crawl.log"')
    assert run("config", "check", "--offline", config).code == 0
    assert [path.name for path in tmp_path.iterdir()] == [config]


@pytest.mark.parametrize(
    "arguments",
    [("config", "schema"), ("fetch", "{seed}", "-c", "web.toml"), ("--help",)],
    ids=["schema", "fetch", "help"],
)
def test_reader_that_goes_away_is_no_fault(tmp_path: Path, web: Running, arguments: tuple[str, ...]) -> None:
    write_config(web, tmp_path)
    reader = subprocess.Popen(["true"], stdin=subprocess.PIPE, text=True)
    reader.wait()
    started = start(tmp_path, *(word.format(seed=web.seeds[0]) for word in arguments), out=reader.stdin or 0)
    _, err = started.communicate()
    assert reader.stdin is not None
    reader.stdin.close()
    assert (started.returncode, [line for line in err.splitlines() if not line.startswith("asked: ")]) == (0, [])
