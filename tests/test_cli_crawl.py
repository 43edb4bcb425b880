"""`crawl` as an operator sees it: signals, resuming, the live display, log lines; then `status` and the questions."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import termios
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
import pytest_asyncio

from bench.vweb.expected import Expected
from bench.vweb.process import Running, serve
from bench.vweb.reach import reachable
from bench.vweb.site import Web
from config import load
from crawler.url import host_of
from storage.manifest import Manifest
from storage.records import Failure, PageRow
from storage.segments import read_pages
from storage.status import read_status
from tests.commands import SMALL, WAIT_S, Run, Started, runner, small_web, start, write_config

SOON = '[log]\nperiod = "100ms"\n'
JSON = SOON + 'format = "json"\n'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def web() -> AsyncIterator[Running]:
    """Serve one small web for all tests here."""
    async with small_web() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def slow_web() -> AsyncIterator[Running]:
    """Serve a web whose every answer takes longer than any test."""
    async with serve(replace(SMALL, hosts=2, latency_s=WAIT_S)) as running:
        yield running


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs a command in an empty folder."""
    return runner(tmp_path, monkeypatch, capfd)


@pytest.fixture
def started() -> Iterator[list[Started]]:
    """Collect the processes that a test starts; none outlives it."""
    processes: list[Started] = []
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


def wait_for(process: Started, pattern: str) -> str:
    """Read standard error up to the first line that `pattern` is found in."""
    assert process.stderr is not None
    read = []
    for line in process.stderr:
        if re.search(pattern, line):
            return line
        read.append(line)
    pytest.fail(f"it ended without {pattern!r}: {''.join(read)}")


def stored_rows(data_dir: Path) -> list[PageRow]:
    with Manifest.open(data_dir) as manifest:
        return [row for part in manifest.segments("pages") for row in read_pages(data_dir / part.path)]


def stored_urls(data_dir: Path) -> list[str]:
    return [row.url for row in stored_rows(data_dir)]


@pytest.mark.parametrize(
    ("number", "workers"),
    [
        pytest.param(signal.SIGINT, 1, id="SIGINT"),
        pytest.param(signal.SIGTERM, 1, id="SIGTERM"),
        pytest.param(signal.SIGINT, 2, id="two workers"),
    ],
)
def test_first_signal_stops_with_everything_committed_and_the_crawl_goes_on(
    run: Run, tmp_path: Path, web: Running, started: list[Started], number: signal.Signals, workers: int
) -> None:
    config = write_config(web, tmp_path, more=SOON, delay="300ms", workers=workers)
    process = start(tmp_path, "crawl", config)
    started.append(process)
    wait_for(process, r"progress pages=[1-9]")
    running = run("status", config)
    assert running.code == 0
    assert re.search(r"^state +running$", running.out, re.MULTILINE)
    process.send_signal(number)
    out, err = process.communicate(timeout=WAIT_S)
    assert (process.returncode, out) == (0, "")
    told = re.search(r"run 1: interrupted after \d+s: (\d+) pages in .*, (\d+) still queued\n", err)
    assert told is not None
    assert err.endswith(f"`linkmill crawl {config}` goes on; `linkmill index {config}` works on what is there\n")
    found = read_status(tmp_path / "data")
    assert (found.stop_reason, found.totals.conserved) == ("interrupted", True)
    assert (found.totals.done, found.totals.queued) == (int(told[1]), int(told[2]))
    assert found.totals.queued > 0

    write_config(web, tmp_path)
    assert run("crawl", config).code == 0
    reach = reachable(Expected(Web(web.spec)), Web(web.spec).seeds())
    assert sorted(stored_urls(tmp_path / "data")) == sorted([*reach.fetched, *reach.disallowed])
    assert read_status(tmp_path / "data").stop_reason == "exhausted"
    assert ", resumed 1 time\n" in run("status", config).out


def test_seeds_left_by_the_scope_are_told_when_the_crawl_starts(run: Run, tmp_path: Path, web: Running) -> None:
    config = write_config(web, tmp_path, more="max_pages = 1")
    one, two = web.seeds[:2]
    for excluded, told in (
        ([one], f"1 of 4 seeds left by the scope, the first {one} (excluded)\n"),
        ([two, one], f"2 of 4 seeds left by the scope, the first {one} (excluded); `linkmill config check {config}` "),
    ):
        rules = orjson.dumps(excluded).decode()
        text = (tmp_path / config).read_text()
        (tmp_path / config).write_text(
            re.sub(r"(?m)^\[scope\]\n(exclude .*\n)?", f"[scope]\nexclude = {rules}\n", text)
        )
        code, _, err = run("crawl", "--fresh", config)
        assert (code, err.startswith(f"linkmill: {told}"), "1 page in 1 request" in err) == (0, True, True)
    with (tmp_path / config).open("a") as file:
        file.write(JSON)
    line = orjson.loads(run("crawl", "--fresh", config).err.splitlines()[0])
    assert (line["event"], line["number"], line["of"], line["first"]) == ("seeds left by the scope", 2, 4, one)


@pytest.mark.parametrize("workers", [1, 2])
def test_second_signal_ends_at_once_with_130(
    run: Run, tmp_path: Path, slow_web: Running, started: list[Started], workers: int
) -> None:
    process = start(tmp_path, "crawl", write_config(slow_web, tmp_path, more=SOON, workers=workers))
    started.append(process)
    wait_for(process, r"progress .*open=[1-9]")
    process.send_signal(signal.SIGINT)
    wait_for(process, r"info stopping open=[1-9]")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=WAIT_S / 3)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert read_status(tmp_path / "data").totals.conserved
    status = run("status", "--data", "data").out
    assert re.search(r"^state +ended without a last word; `linkmill crawl` goes on$", status, re.MULTILINE)


@pytest.mark.parametrize("template", ["demo", "bench"])
def test_ready_file_crawls_the_virtual_web_as_it_stands(run: Run, tmp_path: Path, web: Running, template: str) -> None:
    assert run("init", "mine.toml", "--template", template).code == 0
    text = (tmp_path / "mine.toml").read_text()
    (tmp_path / "mine.toml").write_text(re.sub(r"127\.0\.0\.1:890\d", f"127.0.0.1:{web.port}", text))
    assert run("crawl", "mine.toml").code == 0
    pages = stored_urls(tmp_path / "linkmill-data" / template)
    assert {host_of(url) for url in pages} == {host_of(seed) for seed in web.seeds}


def test_finished_run_says_how_to_start_another(run: Run, tmp_path: Path, web: Running) -> None:
    config = write_config(web, tmp_path)
    first = run("crawl", config)
    assert (first.code, first.out) == (0, "")
    assert re.search(
        r"^run 1: exhausted after \d+s: \d+ pages in \d+ requests, [\d,]+ links, .*, 0 still queued$", first.err, re.M
    )
    assert first.err.endswith(f"next: `linkmill index {config}`\n")
    pages = len(stored_urls(tmp_path / "data"))

    again = run("crawl", config)
    assert (again.code, again.out) == (0, "")
    assert again.err.endswith(f"run 1 is finished; `linkmill crawl --fresh {config}` starts another\n")
    assert len(stored_urls(tmp_path / "data")) == pages

    fresh = run("crawl", "--fresh", config)
    assert "run 2: exhausted" in fresh.err
    assert len(stored_urls(tmp_path / "data")) == 2 * pages


def test_crawl_at_its_limit_says_which_setting_lets_it_go_on(run: Run, tmp_path: Path, web: Running) -> None:
    config = write_config(web, tmp_path, more="max_pages = 3")
    for _ in range(2):
        code, _, err = run("crawl", config)
        assert (code, "run 1: page limit after" in err) == (0, True)
        assert err.endswith("or raise crawl.max_pages and crawl on\n")


def test_crawl_that_reaches_nothing_says_why(run: Run, tmp_path: Path, web: Running) -> None:
    config = write_config(web, tmp_path)
    text = (tmp_path / config).read_text()
    (tmp_path / config).write_text(text.replace(f":{web.port}", ":1") + '[fetch]\nretries = 0\nretry_wait = "10ms"\n')
    code, _, err = run("crawl", config)
    assert code == 0
    assert re.search(r"^run 1: .* 0 links", err, re.MULTILINE)
    assert re.search(r"^(failed|denied): \w+ \d", err, re.MULTILINE) or "still queued" in err


def test_log_is_one_line_of_text_a_period(tmp_path: Path, web: Running, started: list[Started]) -> None:
    config = write_config(web, tmp_path, more=SOON, delay="100ms")
    process = start(tmp_path, "crawl", config)
    started.append(process)
    _, err = process.communicate(timeout=WAIT_S)
    lines = [line for line in err.splitlines() if " info progress " in line]
    assert len(lines) > 1
    for line in lines:
        fields = dict(field.split("=", 1) for field in line.split(" ")[3:])
        assert line.startswith(("20", "21"))
        assert {"pages", "pages_per_s", "links_per_s", "queued", "hosts", "failed", "bytes", "eta_s"} <= set(fields)
    assert any("pages_per_s=0.0" not in line for line in lines[:2])
    assert "\x1b" not in err


@pytest.mark.parametrize("workers", [1, 2])
def test_pause_for_free_space_is_told_at_once_by_status_and_at_the_end(
    run: Run, tmp_path: Path, web: Running, started: list[Started], workers: int
) -> None:
    config = write_config(web, tmp_path, workers=workers)
    text = (tmp_path / config).read_text("utf-8")
    (tmp_path / config).write_text(text.replace("[storage]", '[storage]\nmin_free = "1000000 TiB"'), "utf-8")
    process = start(tmp_path, "crawl", config)
    started.append(process)
    wait_for(process, "warning paused reason=.*less free space than storage.min_free")
    assert "running, but paused while the disk has less free space than storage.min_free" in run("status", config).out
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert "\npaused: some of the time, or all, the disk had less free space than storage.min_free\n" in err
    assert "waited_for_space=True" in err


@pytest.mark.parametrize("workers", [1, 2])
def test_log_as_json_has_one_object_a_period_for_the_whole_crawl(
    tmp_path: Path, web: Running, started: list[Started], workers: int
) -> None:
    process = start(tmp_path, "crawl", write_config(web, tmp_path, more=JSON, delay="100ms", workers=workers))
    started.append(process)
    _, err = process.communicate(timeout=WAIT_S)
    *progress, ended = (orjson.loads(line) for line in err.splitlines())
    assert {line["event"] for line in progress} == {"progress"}
    assert (ended["event"], ended["reason"], ended["queued"]) == ("ended", "exhausted", 0)
    assert progress[-1]["hosts"]
    moments, attempts = ([line[name] for line in (*progress, ended)] for name in ("elapsed_s", "attempts"))
    assert len(set(moments[:-1])) == len(progress) > 1, "one at a time, not one of each worker"
    assert attempts == sorted(attempts)
    assert attempts[-1] == len([row for row in stored_rows(tmp_path / "data") if row.failure != Failure.ROBOTS])


def test_every_request_is_logged_at_level_debug(run: Run, tmp_path: Path, web: Running) -> None:
    config = write_config(web, tmp_path, more='[log]\nlevel = "debug"\nfile = "crawl.log"\n')
    assert run("crawl", config).code == 0
    log = load(tmp_path / config).log.file
    assert log is not None
    text = log.read_text()
    for url in web.seeds:
        assert re.search(rf'debug request url={re.escape(url)} outcome="HTTP 200, [\d,]+ bytes"$', text, re.MULTILINE)
    assert " info ended run=1 reason=exhausted " in text


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux's file without room")
def test_crawl_goes_on_without_its_log_and_says_so_once(run: Run, tmp_path: Path, web: Running) -> None:
    config = write_config(web, tmp_path, more='[log]\nperiod = "10ms"\nfile = "/dev/full"\n')
    code, out, err = run("crawl", config)
    lost, ended, *_ = err.splitlines()
    assert (code, out, err.count("linkmill: ")) == (4, "", 1)
    assert lost.startswith("linkmill: log.file /dev/full: The output could not be written whole; see where")
    assert ended.startswith("run 1: exhausted after ")
    assert read_status(tmp_path / "data").stop_reason == "exhausted"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux's file without room")
def test_crawl_goes_on_without_standard_error(tmp_path: Path, web: Running) -> None:
    config = write_config(web, tmp_path, more='[log]\nperiod = "10ms"\n')
    with Path("/dev/full").open("w") as full:
        process = start(tmp_path, "crawl", config, err=full.fileno())
        assert process.communicate(timeout=WAIT_S)[0] == ""
    assert process.returncode == 4
    assert read_status(tmp_path / "data").stop_reason == "exhausted"


def on_terminal(folder: Path, *arguments: str, interrupt: str | None = None) -> tuple[int, str]:
    """Run a command on a terminal of its own and interrupt it once `interrupt` is shown; return code and output."""
    terminal, inside = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    process = start(folder, *arguments, out=inside, err=inside)
    os.close(inside)
    shown = b""
    try:
        while piece := _read(terminal):
            shown += piece
            if interrupt is not None and interrupt.encode() in shown:
                process.send_signal(signal.SIGINT)
                interrupt = None
        return process.wait(WAIT_S), shown.decode()
    finally:
        process.kill()
        process.wait()
        os.close(terminal)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # Linux's way to say that the other side has closed
        return b""


def test_terminal_shows_the_crawl_live_until_it_is_stopped(tmp_path: Path, web: Running) -> None:
    config = write_config(web, tmp_path, more="max_pages = 1000", delay="300ms")
    code, shown = on_terminal(tmp_path, "crawl", config, interrupt="waiting for their delay")
    assert code == 0
    for row in (
        r"pages +\d+ +[\d.]+ a second",
        r"links +\d+ +\d+ a second",
        r"bytes +[\d.]+ (B|KiB) +[\d.]+ (B|KiB) a second",
        r"queued +\d+ +\d+ open",
        r"hosts +.*4 waiting for their delay",
        r"failed +none",
        r"elapsed +\d+s",
    ):
        assert re.search(row, shown)
    last = shown[shown.rindex("\x1b[2K") :]
    assert "run 1: interrupted after" in last
    assert "pages  " not in last
    assert " info progress " not in shown


def test_quiet_crawl_writes_log_lines_on_a_terminal(tmp_path: Path, web: Running) -> None:
    code, shown = on_terminal(tmp_path, "crawl", "--quiet", write_config(web, tmp_path, more=SOON))
    assert (code, "\x1b[2K" in shown) == (0, False)
    assert " info ended run=1 reason=exhausted " in shown


def test_questions_are_answered_about_what_was_crawled(run: Run, tmp_path: Path, web: Running) -> None:
    config = write_config(web, tmp_path)
    assert run("crawl", config).code == 0
    status = run("status", config)
    assert (status.code, status.err) == (0, "")
    assert re.search(
        r"^fetched +\d+ pages in \d+ requests; redirects \d+, retries 0, outages of the network 0$", status.out, re.M
    )
    assert re.search(r"^answers +200: \d+", status.out, re.M)
    assert re.search(r"^state +exhausted$", status.out, re.MULTILINE)
    assert run("anchors", "alpha.test", "-c", config).code == 3
    built = run("index", config)
    assert (built.code, built.out.startswith("Generation 1: ")) == (0, True)
    for command in ("summary", "backlinks", "domains", "anchors", "outlinks"):
        scope = () if command == "summary" else ("--scope", "all")
        code, out, err = run(command, web.seeds[0], "-c", config, *scope)
        assert (code, err) == (0, "")
        assert len(out.splitlines()) > 1
    data = run("status", "--data", "data")
    assert data.out == status.out
