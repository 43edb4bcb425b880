"""Results are written and read back, compared, tabulated and drawn."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import tune
from bench.compare import compared, differing, medians
from bench.results import Row, chart, circumstances, head, rows_in, table


def row(rate: float, commit: str = "a", bench: str = "crawl", **case: object) -> Row:
    figures = {"pages_per_cpu_s": rate, "cpu_s": 1000 / rate, "reason": "exhausted"}
    return Row(bench, {"profile_kb": 40, "tls": False, **case}, figures, {"commit": commit, "cores": 2})


def test_rows_are_read_back_from_a_file_with_tables_between_them(tmp_path: Path) -> None:
    rows = [row(900.0), row(800.0, tls=True)]
    path = tmp_path / "rows.jsonl"
    path.write_text(f"profile  pages\n{rows[0].line()}\n40 KB  7\n\n{rows[1].line()}\n")
    assert rows_in(path) == rows


def test_circumstances_name_commit_interpreter_and_machine() -> None:
    told = circumstances()
    assert {"commit", "python", "interpreter", "loop_ns", "cores", "processor", "aiohttp"} <= told.keys()
    assert told["loop_ns"] > 0
    assert "profile-guided optimisation" in told["interpreter"]
    assert told["python"] in head()


def test_table_aligns_names_to_the_left_and_figures_to_the_right() -> None:
    assert table(("name", "n"), [("a", "1,000"), ("longer", "2")]) == "name        n\na       1,000\nlonger      2"


def test_chart_has_bars_as_long_as_the_ratios_and_marks_the_best() -> None:
    lines = chart({"8": 50.0, "16": 100.0, "none": 0.0}, width=10).splitlines()
    assert [line.count("█") for line in lines] == [5, 10, 0]
    assert [line.endswith("best") for line in lines] == [False, True, False]
    assert chart({"a": 0.0, "b": 0.0}).count("█") == 0


def test_comparison_takes_medians_and_judges_each_figure_by_its_direction() -> None:
    before, after = [row(100.0), row(300.0), row(200.0)], [row(400.0, "b")]
    text = compared(before, after)
    assert "commit: a -> b" in text
    assert "cores" not in text
    rate, cpu = [
        next(line for line in text.splitlines() if line.split()[:1] == [name]) for name in ("pages_per_cpu_s", "cpu_s")
    ]
    assert rate.split()[1:] == ["200", "400", "2.000", "better"]
    assert cpu.split()[1:] == ["5", "2.5", "0.500", "better"]
    assert "worse" in compared(after, before)


def test_comparison_names_cases_that_only_one_has_and_says_nothing_of_small_differences() -> None:
    text = compared([row(100.0), row(100.0, bench="tune")], [row(101.0), row(100.0, tls=True)])
    assert text.count("only in the first") == text.count("only in the second") == 1
    assert "better" not in text


def test_equal_circumstances_do_not_differ() -> None:
    assert differing([row(1.0)], [row(2.0)]) == {}
    assert list(medians([row(1.0), row(2.0, tls=True)])) != []


@pytest.mark.parametrize("sweep", tune.SWEEPS)
def test_sweep_changes_its_setting_alone(sweep: str, tmp_path: Path) -> None:
    section, setting, values = tune.SWEEPS[sweep]
    for value in values:
        changes = tune.changes_for(sweep, value)
        assert changes[section][setting] == value
        assert ("commit_interval" in changes.get("storage", {})) == (sweep == "batch")


def test_sweep_prints_the_best_value() -> None:
    figures = {"rss_mib": 90, "disk_bytes": 1_000, "links": 100}
    rows = {
        value: [Row("tune", {}, {**figures, "pages_per_cpu_s": rate}, {}) for rate in rates]
        for value, rates in {8: (1.0, 9.0, 2.0), 16: (3.0, 4.0, 5.0)}.items()
    }
    text = tune.shown("concurrency", rows)
    assert text.splitlines()[-1] == "best: concurrency = 16"
    assert "10.0 B/link" in text
