"""Two revisions in one run: interleaved, and an arm that does not build harms no other."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from made_trials import made_count, made_error, made_trial

from bench.analysis.records import Count, Trial
from bench.analysis.store import read_results
from bench.errors import InputError
from bench.plan.plan import Plan, make_plan
from bench.plan.suite import load_suite
from bench.run import arms as ab
from bench.run.run import begin

SUITE = "name: s\nbackbones: [resnet20]\nmethods: [dense]\nmeasure: {rounds: 3, max_rounds: 6}\n"
NO = made_error("does not build", "launch", "ImportError")


class Quiet:
    def counting(self, done: int, total: int) -> None: ...

    def trial(self, done: int, total: int, trial: Trial | None) -> None: ...


def run_ab(
    plan: Plan, folder: Path, monkeypatch: pytest.MonkeyPatch, seconds: Any, broken: str = ""
) -> list[Trial]:
    """Runs with made-up measurements: ``seconds(arm, round)``."""

    def count_networks(plan: Plan, run_id: str, *_: Any, arm: str, **__: Any) -> dict[str, Count]:
        return {case.count_id: made_count(case, arm) for case in plan.cases}

    def measure(
        plan: Plan,
        case: Any,
        count: Count,
        run_id: str,
        number: int,
        position: int,
        clock: Any,
        arm: str,
        path: Path,
    ) -> Trial:
        assert path == Path(arm)
        if arm == broken:
            return made_trial(case, number, arm=arm, error=NO)
        return made_trial(case, number, seconds(arm, number), arm=arm)

    monkeypatch.setattr(ab, "count_networks", count_networks)
    monkeypatch.setattr(ab, "measure", measure)
    file, start = begin(plan, folder, 1, {"base": "1", "head": "2"})
    ab.execute_ab(plan, {"base": Path("base"), "head": Path("head")}, file, start, Quiet())
    return read_results(file).trials


@pytest.fixture
def plan(suite_file: Any) -> Plan:
    return make_plan(load_suite(suite_file(SUITE)), resolution=0.03)


def test_arms_stand_next_to_each_other_and_a_known_ratio_ends_after_the_rounds(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = run_ab(plan, tmp_path, monkeypatch, lambda arm, number: 1.0 + number)
    assert [t.round for t in trials] == [0, 0, 1, 1, 2, 2]
    assert all({a.arm, b.arm} == {"base", "head"} for a, b in zip(trials[::2], trials[1::2], strict=True))


def test_an_unresolved_case_goes_on_to_the_last_round(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = run_ab(
        plan, tmp_path, monkeypatch, lambda arm, number: 1.0 + (0.5 * (-1) ** number if arm == "head" else 0)
    )
    assert {t.round for t in trials} == set(range(6))


def test_an_arm_that_does_not_build_is_given_up_and_the_other_is_kept(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = run_ab(plan, tmp_path, monkeypatch, lambda arm, number: 1.0, broken="head")
    assert [t.status for t in trials if t.arm == "head"] == ["failed", "failed"]
    assert [t.round for t in trials if t.arm == "base"] == [0, 1, 2]


def test_a_revision_that_is_none_is_refused_and_worktrees_go_away(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        done = subprocess.run(
            ["git", "-C", str(tmp_path), *who, *words], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    git("init", "--quiet")
    (tmp_path / "x").write_text("1")
    git("add", "x")
    git("commit", "--quiet", "-m", "one")
    commit = ab.resolve("HEAD", tmp_path)
    assert commit == git("rev-parse", "HEAD")
    with pytest.raises(InputError, match="'nothing' is no revision"):
        ab.resolve("nothing", tmp_path)
    with ab.worktrees(tmp_path, {"base": commit, "head": commit}) as paths:
        assert [(path / "x").read_text() for path in paths.values()] == ["1", "1"]
    assert len(git("worktree", "list").splitlines()) == 1
    assert not any(path.exists() for path in paths.values())
    with pytest.raises(InputError, match="in no git checkout"):
        ab.repository_of(Path("/"))
