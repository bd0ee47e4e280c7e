"""bench history: names commits, and a clear line with its own code for each bad input."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from made_history import CASE, DENSE, Repository, asv_result, write_asv
from made_trials import CSR_CASE, DENSE_CASE, made_count, made_end, made_results, made_trial

from bench.analysis.asv_results import BENCHMARKS
from bench.analysis.compare import CaseChange, Comparison
from bench.analysis.records import Record
from bench.analysis.stats import Interval
from bench.analysis.store import Store
from bench.cli import two_revisions

PARAMS, RATIO, LATENCY = (BENCHMARKS[name] for name in ("params", "ratio", "latency"))


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Eight commits in the folder where the command runs."""
    made = Repository(tmp_path)
    for number in range(8):
        made.commit(f"number {number}")
    return made


def write(repository: Repository, values: Sequence[Any], benchmark: str = PARAMS, case: str = CASE) -> None:
    """One result of asv for each of the first commits."""
    made = [
        asv_result(commit, {benchmark: {case: value}})
        for commit, value in zip(repository.commits, values, strict=False)
    ]
    write_asv(repository.folder / "results" / "asv", made)


def test_each_rise_and_fall_is_told_with_its_commit_and_subject(
    bench: Callable[..., Any], repository: Repository
) -> None:
    write(repository, [5, 5, 6, 6, 4, 4, 4, 4])
    said = bench("history")
    assert said.code == 0
    rows = [line.split("\t") for line in said.out.splitlines()]
    assert [(row[0], row[5], row[6]) for row in rows] == [
        (repository.commits[4][:12], "-2", "number 4"),
        (repository.commits[2][:12], "+1", "number 2"),
    ]


def test_json_has_steps_series_and_notes(bench: Callable[..., Any], repository: Repository) -> None:
    write(repository, [5, 6])
    said = json.loads(bench("history", "--json").out)
    (step,) = said["steps"]
    assert (step["candidates"], step["before"], step["after"]) == ([repository.commits[1]], 5, 6)
    assert said["subjects"] == {repository.commits[1]: "number 1"}


def test_markdown_is_a_table(bench: Callable[..., Any], repository: Repository) -> None:
    repository.commit("a | b <script>@you")
    write(repository, [5] * 8 + [6])
    said = bench("history", "--markdown").out
    assert "| commit | case | metric |" in said
    assert "a \\| b &lt;script>@&#8203;you" in said


def test_a_history_without_a_change_says_so(bench: Callable[..., Any], repository: Repository) -> None:
    write(repository, [5, 5, 5])
    said = bench("history")
    assert (said.code, said.out) == (0, "nothing rose and nothing fell in 3 commits\n")


def test_several_candidates_come_with_the_command_that_would_tell(
    bench: Callable[..., Any], repository: Repository
) -> None:
    first, *_ = repository.commits
    last = repository.commits[3]
    made = [asv_result(first, {PARAMS: {CASE: 5}}), asv_result(last, {PARAMS: {CASE: 6}})]
    write_asv(repository.folder / "results" / "asv", made)
    said = bench("history")
    assert "one of 3" in said.out
    assert f"`bench ab {first[:12]} {last[:12]} suites/asv.yaml --only '{CASE}' --fail-on bigger`" in said.err
    assert f"`bench history --bisect '{CASE}' --metric params`" in said.err


def test_runs_of_a_commit_are_read_beside_asv(bench: Callable[..., Any], repository: Repository) -> None:
    write(repository, [5], case=CSR_CASE.id)
    counts = [made_count(case, params=6) for case in (DENSE_CASE, CSR_CASE)]
    for name, revision in (("a", repository.commits[1][:12]), ("b", "0123456789ab-dirty")):
        made = made_results([DENSE_CASE, CSR_CASE], [], counts, revision=revision)
        keep(repository.folder / "results" / f"{name}.jsonl", [made.start, *made.counts.values(), made_end()])
    said = bench("history", CSR_CASE.id, "--metric", "params")
    assert said.out.split("\t")[:3] == [repository.commits[1][:12], CSR_CASE.id, "params"]
    assert "left out: b.jsonl: revision '0123456789ab-dirty'" in said.err


def keep(file: Path, records: Sequence[Record]) -> None:
    with Store(file) as store:
        for record in records:
            store.append(record)


def test_times_of_a_run_are_read_with_their_interval(
    bench: Callable[..., Any], repository: Repository
) -> None:
    trials = [
        made_trial(case, n, t * (1 + n / 1000))
        for case, t in ((DENSE_CASE, 1.0), (CSR_CASE, 2.0))
        for n in range(5)
    ]
    for number, commit in enumerate(repository.commits[:2]):
        made = made_results([DENSE_CASE, CSR_CASE], trials, revision=commit[:12])
        records: list[Record] = [made.start, *made.counts.values(), *made.trials, made_end()]
        keep(repository.folder / "results" / f"{number}.jsonl", records)
    said = json.loads(bench("history", CSR_CASE.id, "--metric", "ratio", "--json").out)
    (series,) = said["series"]
    assert [point["value"] for point in series["points"]] == pytest.approx([2, 2])
    assert series["points"][0]["low"] is not None


def test_what_asvs_page_says_otherwise_is_told(bench: Callable[..., Any], repository: Repository) -> None:
    write(repository, [5, 6])
    page = repository.folder / "reports" / "asv"
    page.mkdir(parents=True)
    (page / "regressions.json").write_text('{"regressions": []}')
    (page / "index.json").write_text('{"revision_to_hash": {}}')
    assert "asv's page does not list the rise of params" in bench("history").err


def one_line(said: Any, code: int) -> str:
    """The only line on stderr."""
    assert said.code == code, said
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert line.startswith("bench: ")
    return str(line)


def test_outside_of_a_checkout(bench: Callable[..., Any]) -> None:
    assert "is in no git checkout" in one_line(bench("history"), 2)


def test_nothing_was_measured(bench: Callable[..., Any], repository: Repository) -> None:
    assert "no results of a commit" in one_line(bench("history"), 2)


def test_another_schema_of_asv(bench: Callable[..., Any], repository: Repository) -> None:
    result = asv_result(repository.commits[0], {PARAMS: {CASE: 5}}, schema=3)
    write_asv(repository.folder / "results" / "asv", [result])
    assert "asv's schema 3" in one_line(bench("history"), 2)


def test_a_case_that_nobody_measured(bench: Callable[..., Any], repository: Repository) -> None:
    write(repository, [5, 6])
    assert f"did you mean '{CASE}'?" in one_line(bench("history", CASE.replace("T=4", "T=5")), 2)
    assert "'parms' is not known; did you mean 'params'?" in one_line(
        bench("history", "--metric", "parms"), 2
    )
    assert "no commit has this number" in one_line(bench("history", "--metric", "ratio"), 2)


def test_a_missing_branch(bench: Callable[..., Any], repository: Repository) -> None:
    write(repository, [5, 6])
    assert "'gone' is no revision" in one_line(bench("history", "--of", "gone"), 2)


def test_a_missing_folder_that_was_named(bench: Callable[..., Any], repository: Repository) -> None:
    assert "gone: no such folder" in one_line(bench("history", "--asv", "gone"), 2)


def test_a_shallow_clone_whose_commits_were_not_measured(
    bench: Callable[..., Any], repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write(repository, [5, 6])
    clone = tmp_path / "clone"
    url = f"file://{repository.folder}"
    subprocess.run(["git", "clone", "--quiet", "--depth", "1", url, str(clone)], check=True)
    shutil.copytree(repository.folder / "results", clone / "results")
    monkeypatch.chdir(clone)
    said = bench("history")
    assert (said.code, said.out) == (2, "")
    assert "this clone is shallow: `git fetch --unshallow`" in said.err


def test_a_detached_checkout_is_read(bench: Callable[..., Any], repository: Repository) -> None:
    write(repository, [5, 6])
    repository.git("checkout", "--quiet", "--detach")
    repository.git("branch", "--quiet", "-D", "main")
    assert bench("history").code == 0


def test_a_history_of_one_commit_cannot_be_told(bench: Callable[..., Any], repository: Repository) -> None:
    write(repository, [5])
    said = bench("history")
    assert said.code == 4
    assert "one commit alone was measured" in said.err


@pytest.mark.parametrize("missing", [None, math.nan])
def test_a_gap_is_passed_over_and_one_at_the_newest_commit_cannot_be_told(
    bench: Callable[..., Any], repository: Repository, missing: float | None
) -> None:
    write(repository, [5, missing, 6])
    said = bench("history")
    assert (said.code, "one of 2" in said.out) == (0, True)
    write(repository, [5, 6, missing])
    said = bench("history")
    assert said.code == 4
    assert f"{repository.commits[2][:12]}, has no number" in said.err


def comparison(verdict: str) -> Comparison:
    return Comparison((CaseChange(CASE, Interval(1, 0.99, 1.01, 5), verdict, {}),))


def test_a_bisection_asks_ab_until_one_commit_is_left(
    bench: Callable[..., Any], repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The fifth of eight commits is slower; asv measured the first and the last alone."""
    made = [asv_result(repository.commits[at], {LATENCY: {CASE: 1.0}}) for at in (0, 7)]
    write_asv(tmp_path / "results" / "asv", made)
    (tmp_path / "s.yaml").write_text("name: s\nbackbones: [resnet20]\nmethods: [dense, csr_conv: {T: 4}]\n")
    asked: list[str] = []

    def measure(both: two_revisions.Both, _: str = "") -> str:
        assert both.base == repository.commits[0]
        asked.append(both.head)
        return both.head

    def compare_arms(head: str, *_: Any) -> Comparison:
        return comparison("slower" if repository.commits.index(head) >= 4 else "same")

    monkeypatch.setattr(two_revisions, "measure", measure)
    monkeypatch.setattr("bench.analysis.compare.compare_arms", compare_arms)
    said = bench("history", "--bisect", CASE, "--metric", "latency", "--suite", "s.yaml")
    assert said.out == f"{repository.commits[4][:12]}\tnumber 4\n"
    assert (said.code, len(asked)) == (0, 4)


@pytest.mark.parametrize(
    ("verdict", "words"), [("cannot tell", "one of 7 commits"), ("same", "do not differ")]
)
def test_a_bisection_that_cannot_tell_has_its_own_code(
    bench: Callable[..., Any],
    repository: Repository,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    verdict: str,
    words: str,
) -> None:
    made = [asv_result(repository.commits[at], {LATENCY: {CASE: 1.0}}) for at in (0, 7)]
    write_asv(tmp_path / "results" / "asv", made)
    (tmp_path / "s.yaml").write_text("name: s\nbackbones: [resnet20]\nmethods: [dense, csr_conv: {T: 4}]\n")
    monkeypatch.setattr(two_revisions, "measure", lambda *_: None)
    monkeypatch.setattr("bench.analysis.compare.compare_arms", lambda *_: comparison(verdict))
    said = bench("history", "--bisect", CASE, "--metric", "latency", "--suite", "s.yaml")
    assert said.code == 4
    assert words in said.err


def test_a_bisection_wants_one_case(bench: Callable[..., Any], repository: Repository) -> None:
    result = asv_result(repository.commits[0], {PARAMS: {CASE: 5, DENSE: 5}})
    write_asv(repository.folder / "results" / "asv", [result])
    assert "fits 2 cases; name one" in one_line(bench("history", "--bisect", "resnet20"), 2)
