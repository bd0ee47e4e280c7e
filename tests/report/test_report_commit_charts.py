"""The charts of a history: one for each case, every step named, and nothing from outside."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_history import CASE, DENSE, Repository, asv_result, write_asv

from bench.analysis.asv_results import BENCHMARKS
from bench.analysis.commit_history import Reading, make_commit_history
from bench.analysis.frame import make_frame
from bench.report.commit_charts import MISSING, CommitsToDraw, commit_charts, words_of
from bench.report.page import render

COUNT = 24
COMMITS = [f"{number:040x}" for number in range(1, COUNT + 1)]
SUBJECTS = {commit: f"number {at} <b>" for at, commit in enumerate(COMMITS)}


def readings() -> list[Reading]:
    """18 parameters of 270,000 more at the 11th commit, a fifth slower from the 13th on."""
    noise = np.random.default_rng(1).normal(0, 0.01, COUNT)
    found = []
    for at, commit in enumerate(COMMITS):
        ratio = math.exp(noise[at]) * (1.2 if at >= 12 else 1)
        found.append(Reading("m", CASE, "ratio", commit, ratio, 0.98 * ratio, 1.02 * ratio))
        found.append(Reading("m", CASE, "params", commit, 270_000 + 18 * (at >= 10)))
        found.append(Reading("m", CASE, "macs", commit, 5))
        found.append(Reading("m", DENSE, "latency", commit, 1e-3 * math.exp(noise[at] / 2)))
    return found


@pytest.fixture(scope="module")
def past() -> CommitsToDraw:
    return CommitsToDraw(make_commit_history(readings(), COMMITS), SUBJECTS)


def test_each_case_has_a_chart_with_every_step_in_words(past: CommitsToDraw) -> None:
    chart = commit_charts(past)
    assert chart is not None
    assert [panel.title for panel in chart.panels] == [CASE, DENSE]
    of_case, of_dense = chart.panels
    assert f"params 270,000 → 270,018 at {COMMITS[10][:7]}" in of_case.summary
    assert f"at {COMMITS[12][:7]} (number 12 <b>)" in of_case.summary
    assert "no lasting change; one of" in of_dense.summary
    assert of_case.setting == "m"


def test_a_count_has_an_axis_of_its_own_and_text_is_escaped(past: CommitsToDraw) -> None:
    chart = commit_charts(past)
    assert chart is not None
    drawing = str(chart.panels[0].drawing)
    assert ">270,000</text>" in drawing
    assert ">270,018</text>" in drawing
    assert ">params</text>" in drawing
    assert ">macs</text>" not in drawing  # it never changed
    assert "<b>" not in drawing
    assert drawing.count('class="whisker"') == COUNT


def test_one_commit_is_nothing_to_plot() -> None:
    one = CommitsToDraw(
        make_commit_history([Reading("m", CASE, "ratio", COMMITS[0], 1.5)], COMMITS), SUBJECTS
    )
    chart = commit_charts(one)
    assert chart is not None
    assert (chart.panels, chart.missing) == ((), MISSING)
    assert commit_charts(None) is None


def test_several_candidates_are_a_stretch() -> None:
    gap = [Reading("m", CASE, "params", commit, 5 + at) for at, commit in ((0, COMMITS[0]), (1, COMMITS[5]))]
    made = CommitsToDraw(make_commit_history(gap, COMMITS), SUBJECTS)
    chart = commit_charts(made)
    assert chart is not None
    assert 'class="gap"' in str(chart.panels[0].drawing)
    (step,) = made.history.steps
    assert (
        words_of(step, SUBJECTS) == f"params 5 → 6 at one of 5 commits, {COMMITS[1][:7]} to {COMMITS[5][:7]}"
    )


def test_the_page_has_the_section_only_where_it_was_asked_for(past: CommitsToDraw) -> None:
    frame = make_frame([])
    text = render(frame, [], commits=past)
    assert 'id="commits"' in text
    assert "http" not in text.replace("http-equiv", "").replace("http://www.w3.org", "")
    assert text == render(frame, [], commits=past)
    assert 'id="commits"' not in render(frame, [])


def test_the_command_reads_asvs_results(bench: Any, tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    made = [repository.commit(f"number {number}") for number in range(3)]
    params = BENCHMARKS["params"]
    results = [asv_result(commit, {params: {CASE: 5 + (at > 1)}}) for at, commit in enumerate(made)]
    write_asv(tmp_path / "results" / "asv", results)
    said = bench("report", "--history", "results/asv", "-o", "page.html")
    assert said.code == 0, said
    assert f"params 5 → 6 at {made[2][:7]} (number 2)" in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert bench("report", "-o", "x.html").code == 2
    assert bench("report", "--history", "gone", "-o", "x.html").code == 2
    assert not (tmp_path / "x.html").exists()
