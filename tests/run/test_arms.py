"""Two revisions in one run: interleaved, and an arm that does not build harms no other."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from made_trials import made_count, made_error, made_trial

from bench.analysis.compare import compare_arms
from bench.analysis.frame import make_frame
from bench.analysis.records import Trial
from bench.analysis.store import Results, read_results
from bench.errors import InputError
from bench.plan.plan import Plan, make_plan
from bench.plan.suite import load_suite
from bench.run import arms as ab
from bench.run import commits, rounds
from bench.run import run as runs
from bench.run import session as session_of_a_run
from bench.run.session import Arm, Session
from bench.run.sitting import Place

SUITE = "name: s\nbackbones: [resnet20]\nmethods: [dense]\nmeasure: {min_rounds: 3, max_rounds: 6}\n"
NO = made_error("does not build", "launch", "ImportError")


class Quiet:
    def counting(self, done: int, total: int) -> None: ...

    def probing(self, done: int, total: int) -> None: ...
    def remaining(self, seconds: float) -> None: ...

    def trial(self, done: int, total: int, trial: Trial | None) -> None: ...


def run_ab(
    plan: Plan,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    seconds: Any,
    broken: str = "",
    uncountable: str = "",
) -> Results:
    """Runs with made-up measurements: ``seconds(arm, round)``."""

    def count_networks(session: Session) -> None:
        for arm in session.arms:
            for case in plan.cases:
                error = NO if arm.name == uncountable else ""
                session.add_count(made_count(case, arm.name, error=error))

    def sit(session: Session, places: Sequence[Place], apart: bool, note: str = "") -> list[Trial]:
        return [made(place) for place in places]

    def made(place: Place) -> Trial:
        arm, number = place.arm.name, place.number
        assert place.arm.checkout == Path(arm)
        if arm == broken:
            return made_trial(place.case, number, arm=arm, error=NO)
        return made_trial(place.case, number, seconds(arm, number), arm=arm)

    monkeypatch.setattr(runs, "count_networks", count_networks)
    monkeypatch.setattr(runs, "probe_cases", lambda *_: None)
    monkeypatch.setattr(session_of_a_run, "knows_turns", lambda checkout: True)
    monkeypatch.setattr(rounds, "sit", sit)
    file, start = runs.begin(plan, folder, 1, {"base": "1", "head": "2"})
    arms = (Arm("base", Path("base")), Arm("head", Path("head")))
    runs.execute(plan, file, start, Quiet(), arms=arms)
    return read_results(file)


@pytest.fixture
def plan(suite_file: Any) -> Plan:
    return make_plan(load_suite(suite_file(SUITE)), resolution=0.03)


def test_arms_stand_next_to_each_other_and_a_known_ratio_ends_after_the_rounds(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = run_ab(plan, tmp_path, monkeypatch, lambda arm, number: 1.0 + number).trials
    assert [t.round for t in trials] == [0, 0, 1, 1, 2, 2]
    assert all({a.arm, b.arm} == {"base", "head"} for a, b in zip(trials[::2], trials[1::2], strict=True))


def test_an_unresolved_case_goes_on_to_the_last_round(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def seconds(arm: str, number: int) -> float:
        return 1.0 + (0.5 * (-1) ** number if arm == "head" else 0)

    trials = run_ab(plan, tmp_path, monkeypatch, seconds).trials
    assert {t.round for t in trials} == set(range(6))


def test_an_arm_that_does_not_build_is_given_up_and_the_other_is_kept(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = run_ab(plan, tmp_path, monkeypatch, lambda arm, number: 1.0, broken="head").trials
    assert [t.status for t in trials if t.arm == "head"] == ["failed", "failed"]
    assert [t.round for t in trials if t.arm == "base"] == [0, 1, 2]


def test_bug_a_case_that_cannot_be_counted_ran_four_useless_trials(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = run_ab(plan, tmp_path, monkeypatch, lambda arm, number: 1.0, uncountable="head")
    assert {t.arm for t in results.trials} == {"base"}
    assert {t.status for t in results.trials} == {"ok"}
    (change,) = compare_arms(results, "base", "head", 0.03).cases
    assert change.note == "HEAD has no trial: does not build"


def test_an_arm_is_a_column_of_the_frame(plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = make_frame([run_ab(plan, tmp_path, monkeypatch, lambda arm, number: 1.0)])
    assert list(frame["arm"]) == ["base", "head"]
    assert list(frame["case"]) == [plan.cases[0].id] * 2


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
    commit = commits.resolve("HEAD", tmp_path)
    assert commit == git("rev-parse", "HEAD")
    with pytest.raises(InputError, match="'nothing' is no revision"):
        commits.resolve("nothing", tmp_path)
    with ab.worktrees(tmp_path, {"base": commit, "head": commit}) as both:
        paths = [arm.checkout for arm in both if arm.checkout is not None]
        assert [(path / "x").read_text() for path in paths] == ["1", "1"]
    assert len(git("worktree", "list").splitlines()) == 1
    assert not any(path.exists() for path in paths)
    with pytest.raises(InputError, match="in no git checkout"):
        commits.repository_of(Path("/"))


def test_a_run_that_is_not_timed_counts_and_takes_no_trial(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def count_networks(session: Session) -> None:
        for arm in session.arms:
            for case in plan.cases:
                session.add_count(made_count(case, arm.name, params=100 + len(arm.name)))

    monkeypatch.setattr(runs, "count_networks", count_networks)
    monkeypatch.setattr(runs, "probe_cases", lambda *_: None)
    monkeypatch.setattr(runs, "run_rounds", lambda *_: pytest.fail("timed"))
    file, start = runs.begin(plan, tmp_path, 1, {"base": "1", "header": "2"}, timed=False)
    runs.execute(plan, file, start, Quiet(), arms=(Arm("base", Path("base")), Arm("header", Path("head"))))
    (change,) = compare_arms(read_results(file), "base", "header", 0.03, ["bigger"]).cases
    assert (change.verdict, change.changed, change.note) == ("not timed", {"params": (104, 106)}, "")
