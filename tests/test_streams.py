"""Output that cannot be written ends a command with one line and 4, wherever it goes; text is UTF-8 in every locale."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from bench.vweb.process import ROOT
from storage.index.publish import build_index
from storage.records import Batch
from storage.sqlite import CrawlStore
from tests.commands import Answered
from tests.index_web import LIMITS, Web, link, name_hosts
from tests.store_rows import NOW

LOST: Final = ": The output could not be written whole; see where it goes, and whether there is space left. "
ANCHOR: Final = "Bücher über Brücken"
FULL_BYTES: Final = 48 << 10
"""What a file may hold in these tests: answers are larger, what SQLite writes beside the database to read it is not."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an index whose answers are larger than FULL_BYTES."""
    folder = tmp_path_factory.mktemp("streams")
    web = Web()
    for number in range(400):
        web.visit(f"https://{number}.example/{os.urandom(200).hex()}", link("https://shop.example/", ANCHOR))
    async with CrawlStore.open(folder / "data", compression_level=3) as store:
        await store.start_run("test", "{}", fresh=False, now=NOW)
        await store.commit(Batch(pages=web.pages, links=[row for _, row in web.links]), NOW)
    build_index(folder / "data", name_hosts, LIMITS)
    return folder


def command(folder: Path, words: str, shell: str, full_bytes: int = FULL_BYTES, /, **environment: str) -> Answered:
    """Run a command, its output sent where `shell` says, in a process whose files may have `full_bytes`."""
    line = f'exec "{sys.executable}" -m crawler {words} {shell}'
    ran = subprocess.run(
        ["/bin/sh", "-c", line],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"} | environment,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (full_bytes, full_bytes)),
        capture_output=True,
        check=False,
    )
    return Answered(ran.returncode, ran.stdout.decode(), ran.stderr.decode())


@pytest.mark.parametrize("form", ["table", "csv", "jsonl", "parquet"])
def test_answer_that_finds_no_room_is_told(folder: Path, form: str) -> None:
    question = f"backlinks shop.example --data data --limit 0 --format {form}"
    reason = "(File too large)\n"
    assert command(folder, question, "> out") == (4, "", f"linkmill: standard output{LOST}{reason}")
    assert command(folder, f"{question} --output out2", "") == (4, "", f"linkmill: out2{LOST}{reason}")
    assert not [entry for entry in folder.iterdir() if "out2" in entry.name]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        pytest.param("backlinks shop.example --data data", 4, id="table"),
        pytest.param("backlinks shop.example --data data -f jsonl", 4, id="jsonl"),
        pytest.param("config schema", 4, id="schema"),
        pytest.param("status --data data", 4, id="status"),
        pytest.param("backlinks shop.example --data data -o out", 0, id="nothing_printed"),
    ],
)
def test_closed_output_is_noticed_by_who_writes_to_it(folder: Path, words: str, code: int) -> None:
    answered = command(folder, words, ">&-")
    expected = f"linkmill: standard output{LOST}(Bad file descriptor)\n" if code else ""
    assert (answered.code, answered.err.partition("There is more")[0]) == (code, expected)


def test_closed_standard_error_takes_nothing_from_the_answer(folder: Path) -> None:
    answered = command(folder, "summary shop.example --data data", "2>&-")
    assert (answered.code, "Referring domains" in answered.out) == (0, True)
    assert command(folder, "status nothing.toml", "2>&-").code == 2


@pytest.mark.parametrize("closed", ["<&-", "<&- >&- 2>&-"])
def test_crawl_runs_with_standard_streams_closed(folder: Path, closed: str) -> None:
    (folder / "none.toml").write_text("""
[crawl]
seeds = ["http://127.0.0.1:9/"]
data_dir = "none"
max_time = "1ms"
[network]
allow_addresses = ["127.0.0.0/8"]
""")
    answered = command(folder, "crawl --fresh none.toml", closed, resource.RLIM_INFINITY)
    assert (answered.code, answered.out) == (0, "")
    assert ("linkmill crawl" in answered.err) == ("2>" not in closed)


@pytest.mark.parametrize("closed", [">&-", "<&- >&-"])
def test_closed_output_is_told_beside_a_closed_input(folder: Path, closed: str) -> None:
    answered = command(folder, "status --data data", closed)
    assert (answered.code, answered.err) == (4, f"linkmill: standard output{LOST}(Bad file descriptor)\n")


LOCALES: Final = [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}]


@pytest.mark.parametrize("locale", LOCALES, ids=["asked_for", "bare"])
@pytest.mark.parametrize("form", ["table", "csv"])
def test_answers_are_utf_8_in_every_locale(folder: Path, form: str, locale: dict[str, str]) -> None:
    answered = command(folder, f"anchors shop.example --data data -f {form}", "", **locale)
    assert (answered.code, answered.err, ANCHOR in answered.out) == (0, "", True)
