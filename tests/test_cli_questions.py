"""The commands that build and ask the index: what they print, where, and with which exit code."""

from __future__ import annotations

import csv
import os
import re
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import orjson
import pyarrow.parquet as pq
import pytest

from crawler.cli import main
from crawler.cli.target import TargetUnclear, name_hosts, read_target, reversed_host, understood
from crawler.url import normalise
from storage.asking import Mode, Target
from storage.records import Batch, Kind, Robots
from storage.sqlite import CrawlStore
from tests.index_web import Web, link
from tests.store_rows import NOW

SHOP = "https://www.shop.example"

CONFIG = """
[crawl]
seeds = ["http://127.0.0.1/"]
data_dir = "data"
[network]
allow_addresses = ["127.0.0.0/8"]
"""

Answered = tuple[int, str, str]
"""Exit code, standard output, standard error."""


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """Return a folder with a config file and the crawled data it names."""
    web = Web()
    web.visit("https://a.example/", link(f"{SHOP}/x", "Shop [bold]"), link(f"{SHOP}/y", "=cmd()"))
    web.visit("https://b.example/", link(f"{SHOP}/x", "bad\x1b[31m\u202etext"), robots=int(Robots.NOFOLLOW))
    web.visit(
        "https://b.example/2", link("http://plain.example/p", "p"), link("https://xn--bcher-kva.example/", "Bücher")
    )
    web.visit(f"{SHOP}/x", link(f"{SHOP}/y", "next", kind=Kind.EMBED))
    (tmp_path / "crawl.toml").write_text(CONFIG)
    async with CrawlStore.open(tmp_path / "data", compression_level=3) as store:
        await store.start_run("test", "{}", fresh=False, now=NOW)
        await store.commit(Batch(pages=web.pages, links=[row for _, row in web.links]), NOW)
    return tmp_path


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Answered]:
    """Return a function that runs a command in the folder."""
    monkeypatch.chdir(folder)

    def answer(*arguments: str) -> Answered:
        monkeypatch.setattr(sys, "argv", ["linkmill", *arguments])
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        shown = capfd.readouterr()
        return code, shown.out, shown.err

    return answer


@pytest.fixture
def ask(run: Callable[..., Answered]) -> Callable[..., Answered]:
    """Return a function that asks the built index."""
    assert run("index", "crawl.toml")[0] == 0

    def answer(*arguments: str) -> Answered:
        return run(*arguments, "--data", "data")

    return answer


def test_index_tells_what_it_built(run: Callable[..., Answered]) -> None:
    code, out, _ = run("index", "crawl.toml")
    assert code == 0
    assert out.startswith("Generation 1: 6 links, records of 4 URLs; ")


def test_without_index_one_line_says_what_to_do(run: Callable[..., Answered]) -> None:
    code, out, err = run("backlinks", "shop.example", "--data", "data")
    assert (code, out) == (3, "")
    assert err == "linkmill: data: There is no index here yet; build one with `linkmill index`.\n"


def test_without_data_one_line_says_so(run: Callable[..., Answered]) -> None:
    code, _, err = run("summary", "shop.example", "--data", "elsewhere")
    assert (code, err.count("\n")) == (3, 1)
    assert run("summary", "shop.example")[0] == 3


def test_table_shows_the_links_escaped(ask: Callable[..., Answered]) -> None:
    code, out, err = ask("backlinks", "shop.example")
    lines = out.splitlines()
    assert (code, err, len(lines)) == (0, "", 4)
    assert lines[0].split()[:4] == ["source", "url", "target", "anchor"]
    assert "Shop [bold]" in out
    assert "bad\\x1b[31m\\u202etext" in out
    assert "\x1b" not in out


def test_terminal_gets_a_drawn_table_and_escaped_text(
    ask: Callable[..., Answered], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    _, drawn, _ = ask("backlinks", "shop.example")
    assert "Shop [bold]" in drawn
    assert "\\x1b[31m" in drawn
    _, lines, _ = ask("backlinks", "shop.example", "-f", "csv")
    assert "bad\\x1b[31m\\u202etext" in lines
    assert len(lines.splitlines()) == 4
    code, _, err = ask("backlinks", "shop.example", "-f", "parquet")
    assert (code, err) == (2, "linkmill: --output: parquet is not for terminals: name a file or redirect\n")


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_narrow_terminal_gets_fewer_columns_instead_of_torn_urls(
    ask: Callable[..., Answered], monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", str(columns))
    _, drawn, err = ask("backlinks", "shop.example")
    plain = re.sub(r"\x1b\[[0-9;]*m", "", drawn)
    assert max(map(len, plain.splitlines())) <= columns
    assert plain.startswith("source url")
    assert "https://a.example/" in drawn
    assert err.startswith("No room for: ") is ("first seen" in err) is (columns < 200)


def test_json_lines_have_every_column(ask: Callable[..., Answered]) -> None:
    _, out, _ = ask("backlinks", f"{SHOP}/x", "--format", "jsonl")
    first, second = (orjson.loads(line) for line in out.splitlines())
    assert (first["source_url"], first["kind"], first["rel"], first["place"]) == ("https://a.example/", "a", [], "main")
    assert (second["nofollow"], second["source_robots"], second["anchor"]) == (
        True,
        ["nofollow"],
        "bad\x1b[31m\u202etext",
    )


def test_csv_is_guarded_unless_raw(ask: Callable[..., Answered]) -> None:
    assert ",'=cmd()," in ask("backlinks", f"{SHOP}/y", "-f", "csv")[1]
    assert ",=cmd()," in ask("backlinks", f"{SHOP}/y", "-f", "csv", "--raw")[1]


def test_output_goes_to_a_file(ask: Callable[..., Answered], folder: Path) -> None:
    assert ask("domains", "shop.example", "-f", "parquet", "-o", "out.parquet") == (0, "", "")
    assert pq.read_table(folder / "out.parquet").column("source_domain").to_pylist() == ["a.example", "b.example"]
    assert ask("domains", "shop.example", "-o", "out.txt") == (0, "", "")
    assert "a.example" in (folder / "out.txt").read_text()
    code, _, err = ask("domains", "shop.example", "-o", "missing/out.txt")
    assert (code, "cannot be written" in err) == (2, True)
    assert not list(folder.glob(".*.unfinished"))


def test_link_at_the_output_path_stays_and_what_it_leads_to_is_written(
    ask: Callable[..., Answered], folder: Path
) -> None:
    (folder / "real.csv").write_text("before")
    (folder / "real.csv").chmod(0o600)
    (folder / "linked.csv").symlink_to("real.csv")
    (folder / "dangling.csv").symlink_to("new.csv")
    for name in ("linked.csv", "dangling.csv"):
        assert ask("domains", "shop.example", "-f", "csv", "-o", name) == (0, "", "")
        assert (folder / name).is_symlink()
    assert (folder / "real.csv").read_text() == (folder / "new.csv").read_text()
    assert (folder / "real.csv").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("form", ["table", "csv", "jsonl", "parquet"])
def test_pipe_at_the_output_path_is_written_to(ask: Callable[..., Answered], folder: Path, form: str) -> None:
    os.mkfifo(folder / "pipe")
    with ThreadPoolExecutor(1) as reader:
        read = reader.submit((folder / "pipe").read_bytes)
        assert ask("domains", "shop.example", "-f", form, "-o", "pipe") == (0, "", "")
        assert b"a.example" in read.result()
    assert (folder / "pipe").is_fifo()


def test_directory_at_the_output_path_is_told_in_one_line(ask: Callable[..., Answered]) -> None:
    for name in (".", "data"):
        code, out, err = ask("domains", "shop.example", "-o", name)
        assert (code, out) == (2, "")
        assert err == f"linkmill: --output: {name} is a directory; name a file in it\n"


def test_cursor_is_told_apart_from_the_answer_and_goes_on(ask: Callable[..., Answered]) -> None:
    _, first, err = ask("backlinks", "shop.example", "--limit", "2", "-f", "csv")
    found = re.fullmatch(r"There is more: repeat the command with --cursor (\S+)\n", err)
    assert found is not None
    _, second, err = ask("backlinks", "shop.example", "--limit", "2", "-f", "csv", "--cursor", found[1])
    assert err == ""
    assert len(first.splitlines()) + len(second.splitlines()) == 5
    code, _, err = ask("backlinks", "b.example", "--cursor", found[1])
    assert (code, "another question" in err) == (2, True)


def test_empty_answer_says_why(ask: Callable[..., Answered]) -> None:
    code, out, err = ask("backlinks", "nobody.example")
    assert (code, out, err) == (0, "", "The index has no link to the domain nobody.example.\n")
    code, _, err = ask("backlinks", "shop.example", "--state", "lost")
    assert (code, err.startswith("No link to the domain shop.example matches; it has 4 ")) == (0, True)
    assert ask("outlinks", "nobody.example")[2] == "The index has no link from the domain nobody.example.\n"
    assert ask("summary", "nobody.example")[2] == "The index has no link to the domain nobody.example.\n"


BAD: dict[str, tuple[str, ...]] = {
    "target": ("backlinks", "ftp://a.example/"),
    "kind": ("backlinks", "a.example", "--kind", "nothing"),
    "mode": ("backlinks", "a.example", "--mode", "nothing"),
    "cursor": ("backlinks", "a.example", "--cursor", "nothing"),
    "limit": ("backlinks", "a.example", "--limit", "-1"),
    "both_places": ("backlinks", "a.example", "--config", "crawl.toml"),
}


@pytest.mark.parametrize("arguments", BAD.values(), ids=BAD)
def test_bad_input_ends_with_2(ask: Callable[..., Answered], arguments: tuple[str, ...]) -> None:
    code, out, err = ask(*arguments)
    assert (code, out) == (2, "")
    assert err


def test_filters_reach_the_question(ask: Callable[..., Answered]) -> None:
    counts = {
        options: len(ask("backlinks", "shop.example", "-f", "jsonl", *options)[1].splitlines())
        for options in [("--follow",), ("--nofollow",), ("--kind", "embed", "--scope", "all"), ("--kind", "all")]
    }
    assert list(counts.values()) == [2, 1, 1, 3]


def test_summary_counts_and_names_the_most_frequent(ask: Callable[..., Answered]) -> None:
    code, out, _ = ask("summary", "shop.example")
    assert code == 0
    assert re.search(r"^  backlinks +3$", out, re.MULTILINE)
    assert "Referring domains" in out
    assert "Anchors" in out
    figures = orjson.loads(ask("summary", "shop.example", "-f", "jsonl")[1])
    assert (figures["backlinks"], figures["domains"]) == (3, 2)
    assert [row["source_domain"] for row in figures["top_domains"]] == ["a.example", "b.example"]
    assert len(figures["top_anchors"]) == 3


def test_summary_of_a_url_says_whose_links_are_counted(ask: Callable[..., Answered]) -> None:
    out = ask("summary", f"{SHOP}/x")[1]
    assert re.search(r"^  backlinks +2 +from all pages, those of its own host too$", out, re.MULTILINE)
    assert re.search(r"^  external +2 +of the backlinks, from other domains$", out, re.MULTILINE)
    assert "inside" not in out
    assert "outside" not in out
    of_host = ask("summary", "www.shop.example")[1]
    assert re.search(r"^  inside +0 +hyperlinks between its own pages, not among the backlinks$", of_host, re.MULTILINE)


def test_summary_is_written_in_every_format(ask: Callable[..., Answered], folder: Path) -> None:
    whole = orjson.loads(ask("summary", "shop.example", "-f", "jsonl")[1])
    heads, row = csv.reader(ask("summary", "shop.example", "-f", "csv")[1].splitlines())
    figures = dict(zip(heads, row, strict=True))
    assert set(whole) == {*figures, "top_domains", "top_anchors"}
    assert (figures["name"], figures["backlinks"]) == ("shop.example", str(whole["backlinks"]))
    assert ask("summary", "shop.example", "-f", "parquet", "-o", "out.parquet") == (0, "", "")
    (stored,) = pq.read_table(folder / "out.parquet").to_pylist()
    assert stored["backlinks"] == whole["backlinks"]
    assert [row["anchor"] for row in stored["top_anchors"]] == [row["anchor"] for row in whole["top_anchors"]]
    assert ask("summary", "shop.example", "-o", "out.txt") == (0, "", "")
    assert (folder / "out.txt").read_text() == ask("summary", "shop.example")[1]


@pytest.mark.parametrize(("form", "lines"), [("table", 0), ("jsonl", 0), ("csv", 1)])
def test_summary_of_what_nobody_links_to_has_no_row(ask: Callable[..., Answered], form: str, lines: int) -> None:
    code, out, err = ask("summary", "nobody.example", "-f", form)
    assert (code, out.count("\n"), err) == (0, lines, "The index has no link to the domain nobody.example.\n")


def test_data_directory_comes_from_the_config(ask: Callable[..., Answered], run: Callable[..., Answered]) -> None:
    assert run("anchors", "shop.example", "-c", "crawl.toml") == ask("anchors", "shop.example")


def test_target_may_be_international_and_without_scheme(ask: Callable[..., Answered]) -> None:
    assert "Bücher" in ask("anchors", "bücher.example")[1]
    assert "https://b.example/2" in ask("backlinks", "plain.example/p")[1]


TARGETS: dict[str, tuple[str, Mode | None, Target]] = {
    "url": ("https://A.example/x#y", None, Target(Mode.URL, "https://a.example/x", "example.a")),
    "url_without_scheme": ("a.example/x", None, Target(Mode.URL, "https://a.example/x", "example.a")),
    "home_page": ("a.example/", None, Target(Mode.URL, "https://a.example/", "example.a")),
    "domain": ("Example.COM", None, Target(Mode.DOMAIN, "example.com", "com.example")),
    "host": ("www.example.com", None, Target(Mode.HOST, "www.example.com", "com.example.www")),
    "idn": ("bücher.example", None, Target(Mode.DOMAIN, "xn--bcher-kva.example", "example.xn--bcher-kva")),
    "address": ("127.0.0.1:8080", None, Target(Mode.DOMAIN, "127.0.0.1", "127.0.0.1")),
    "domain_of_a_host": ("www.example.co.uk", Mode.DOMAIN, Target(Mode.DOMAIN, "example.co.uk", "uk.co.example")),
    "domain_of_a_url": ("http://www.example.com/x", Mode.DOMAIN, Target(Mode.DOMAIN, "example.com", "com.example")),
    "prefix": ("http://a.example/do", Mode.PREFIX, Target(Mode.PREFIX, "http://a.example/do", "example.a")),
}


@pytest.mark.parametrize(("text", "mode", "expected"), TARGETS.values(), ids=TARGETS)
def test_target_is_read_as_people_write_it(text: str, mode: Mode | None, expected: Target) -> None:
    assert read_target(text, mode, lambda _: False) == expected


def test_known_variant_of_a_url_without_scheme_is_meant() -> None:
    found = read_target("a.example/x", None, lambda target: target.name.startswith("http:"))
    assert found.name == "http://a.example/x"


UNDERSTOOD: dict[str, tuple[str, Mode | None, str | None]] = {
    "as_it_stands": ("https://a.example/x", None, None),
    "home_page": ("HTTPS://A.example", None, None),
    "domain": ("Example.COM", None, None),
    "port_of_a_domain": ("a.example:8099", None, "a.example:8099 is taken as the domain a.example on every port"),
    "port_of_a_host": ("x.a.example:80", None, "x.a.example:80 is taken as the host x.a.example on every port"),
    "port_of_a_url": ("http://a.example:8099/x", None, None),
    "host_as_domain": ("docs.a.example", Mode.DOMAIN, "docs.a.example is taken as the domain a.example"),
    "scheme": ("a.example/x/", None, "a.example/x/ is taken as the url https://a.example/x/"),
    "fragment": ("http://a.example/x#y", None, "http://a.example/x#y is taken as the url http://a.example/x"),
    "idn": ("bücher.example", None, "bücher.example is taken as the domain xn--bcher-kva.example"),
}


@pytest.mark.parametrize(("text", "mode", "expected"), UNDERSTOOD.values(), ids=UNDERSTOOD)
def test_what_was_not_taken_as_it_stands_is_told(text: str, mode: Mode | None, expected: str | None) -> None:
    assert understood(text, read_target(text, mode, lambda _: False)) == expected


def test_understanding_is_told_beside_the_answer(ask: Callable[..., Answered]) -> None:
    _, out, err = ask("backlinks", "www.shop.example", "--mode", "domain", "-f", "csv")
    assert err == "www.shop.example is taken as the domain shop.example\n"
    assert out == ask("backlinks", "shop.example", "-f", "csv")[1]


def test_empty_answer_about_one_scheme_names_the_other(ask: Callable[..., Answered]) -> None:
    for command, scheme in (("backlinks", "http"), ("summary", "http"), ("outlinks", "http")):
        url = f"{scheme}://b.example/2" if command == "outlinks" else f"{scheme}://www.shop.example/x"
        direction = "from" if command == "outlinks" else "to"
        other = url.replace("http:", "https:")
        err = ask(command, url)[2]
        assert re.fullmatch(
            rf"The index has no link {direction} the url {url}\. It has \d {direction} {other}\.\n", err
        )


ODD_HOSTS: Final = ("a..odd.example", "odd.example..", "..", "*.odd.example", "a,b'c", "-a-")
"""Hosts that the URL Standard takes, so that a page can link there (for ".." see url_wpt.json)."""


async def test_whatever_is_stored_as_a_target_can_be_asked_about(tmp_path: Path, run: Callable[..., Answered]) -> None:
    web = Web()
    targets = [f"http://{host}/x" for host in ODD_HOSTS]
    assert [normalise(target) for target in targets] == targets
    web.visit("https://a.example/", *(link(target, "odd") for target in targets))
    async with CrawlStore.open(tmp_path / "odd", compression_level=3) as store:
        await store.start_run("test", "{}", fresh=False, now=NOW)
        await store.commit(Batch(pages=web.pages, links=[row for _, row in web.links]), NOW)
    (tmp_path / "odd.toml").write_text(CONFIG.replace('"data"', '"odd"'))
    assert run("index", "odd.toml")[0] == 0
    for target, host in zip(targets, ODD_HOSTS, strict=True):
        for mode in Mode:
            code, out, err = run("backlinks", target, "--mode", mode.value, "--data", "odd", "-f", "csv")
            found = [row["target"] for row in csv.DictReader(out.splitlines())]
            assert (code, target in found, "no link" in err) == (0, True, False), (mode, host, err)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mailto://x",
        "http://",
        "a b",
        "://",
        "mailto:x@y",
        "x@y",
        "tel:123x",
        "tel:123",
        "javascript:1",
        "JavaScript:0/a",
        "..",
        "*",
        "*.example",
        "a..b",
        ".",
    ],
)
def test_other_text_is_no_target(text: str) -> None:
    with pytest.raises(TargetUnclear):
        read_target(text, None, lambda _: False)


def test_hosts_are_named_with_their_domains() -> None:
    rows = name_hosts(["www.example.co.uk", "127.0.0.1", "[::1]", "me.github.io", "www.a.test."]).to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        ("www.example.co.uk", "example.co.uk", "example.co.uk", "uk.co.example.www"),
        ("127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.1"),
        ("[::1]", "[::1]", "[::1]", "[::1]"),
        ("me.github.io", "github.io", "me.github.io", "io.github.me"),
        ("www.a.test.", "a.test", "a.test", "test.a.www."),
    ]
    assert reversed_host("localhost") == "localhost"
