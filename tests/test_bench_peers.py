"""What peers wrote is counted, their processes are measured, and their ratios are told."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from bench.peers.__main__ import PEERS, _links_in, _run, shown
from bench.peers.environments import HERE, version_of
from bench.results import Row

BURNS = """
import resource, sys, time
assert sys.stdin.readline() == "order\\n"
print(0.0, flush=True)
while time.process_time() < 0.2: pass
"""


def row(peer: str, variant: str, rate: float, reason: str = "exhausted") -> Row:
    figures = {"pages": 100, "links": 4_000, "cpu_s": 100 / rate, "pages_per_cpu_s": rate, "rss_mib": 90}
    case = {"peer": peer, "variant": variant, "version": "1.2"}
    return Row("peers", case, {**figures, "disk_bytes": 80_000, "reason": reason}, {})


def test_links_are_counted_in_lines_and_in_files_of_a_page(tmp_path: Path) -> None:
    pages = [{"page": "p", "links": [["a", "", ""], ["b", "", ""]]}, {"page": "q", "links": []}]
    (tmp_path / "links.jsonl").write_text("\n".join(map(json.dumps, [*pages, {"page": "p", "target": "c"}])))
    for folder, name in (("datasets", "1.json"), ("datasets", "__metadata__.json"), ("request_queues", "2.json")):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / name).write_text(json.dumps(pages[0]))
    assert sum(_links_in(tmp_path)) == 2 + 0 + 1 + 2


def test_process_is_measured_without_its_loading() -> None:
    spent = _run([sys.executable, "-c", BURNS], "order\n")
    assert 0.2 <= spent.cpu_s < 2.0
    assert (spent.rss_mib > 0, spent.ended) == (True, "exhausted")


def test_process_that_says_nothing_or_fails_ends_the_benchmark() -> None:
    with pytest.raises(SystemExit, match="ended with 3"):
        _run([sys.executable, "-c", "import sys; print(0.1, flush=True); sys.exit(3)"], "\n")


def test_ratios_are_of_the_medians_of_all_rounds() -> None:
    rows = [row("linkmill", "", rate) for rate in (1_000, 900, 1_400)]
    rows += [row("scrapy", "tuned", rate) for rate in (190, 200, 400)] + [row("scrapy", "plain", 50, "ended after 9 s")]
    text = shown(rows).splitlines()
    assert text[1].split()[:2] == ["linkmill", "1.2"]
    assert text[2].endswith("5.0 x")
    assert "not to the end" in text[3]
    assert text[3].endswith("20.0 x")


@pytest.mark.parametrize("name", PEERS)
def test_every_peer_has_a_program_and_pinned_requirements(name: str) -> None:
    assert (HERE / f"peer_{name}.py").exists()
    assert version_of(name)[0].isdigit()
    lines = (HERE / f"{name}.txt").read_text().split()
    assert all("==" in line for line in lines)
