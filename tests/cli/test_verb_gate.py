"""bench gate: the base, what is declared, and what every ending leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from made_history import Repository
from made_trials import CSR_CASE, made_count, made_results, made_trial

from bench.analysis.store import Results
from bench.cli import two_revisions
from bench.run import run as runs
from bench.run.lock import HostLock

SUITE = "name: s\nbackbones: [resnet20]\nmethods: [csr_conv: {T: 4}]\n"
CASE = CSR_CASE.id
DECLARED = f"- {CASE} params 100 → 101 a bias\n"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """main with two commits, and a branch with one more that is checked out."""
    made = Repository(tmp_path)
    (tmp_path / "suites").mkdir()
    made.commit("zero", **{"s.yaml": SUITE})
    made.commit("one")
    made.git("checkout", "--quiet", "-b", "change")
    made.commit("two *bold* @you")
    return made


def measured(head: Mapping[str, Any], factor: float = 1.0, rounds: int = 5) -> Results:
    """A run of both arms; ``head``: counts that differ there."""
    trials = [
        made_trial(CSR_CASE, n, (factor if arm == "head" else 1.0) * (1 + n / 1e5), arm=arm)
        for arm in ("base", "head")
        for n in range(rounds)
    ]
    counts = [made_count(CSR_CASE, "base"), made_count(CSR_CASE, "head", **head)]
    measure = {"rounds": 5, "min_rounds": 5}
    return made_results([CSR_CASE], trials, counts, arms={"base": "1", "head": "2"}, measure=measure)


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[two_revisions.Both]]:
    """Makes every measurement answer a made-up run; what was asked for."""

    def use(head: Mapping[str, int] | None = None, factor: float = 1.0, rounds: int = 5) -> list[Any]:
        asked: list[two_revisions.Both] = []

        def measure(both: two_revisions.Both, _: str) -> Results:
            asked.append(both)
            return measured(head or {}, factor, rounds)

        monkeypatch.setattr(two_revisions, "measure", measure)
        return asked

    return use


def test_nothing_changed_passes(bench: Callable[..., Any], repository: Repository, answers: Any) -> None:
    asked = answers()
    said = bench("gate", "s.yaml")
    assert said.code == 0
    assert "gate: passes" in said.err
    assert [(one.base, one.head, one.timed) for one in asked] == [(*repository.commits[1:], True)]


def test_a_count_that_changed_fails_with_the_line_to_paste_which_lets_it_pass(
    bench: Callable[..., Any], repository: Repository, answers: Any
) -> None:
    answers({"params": 101})
    said = bench("gate", "s.yaml")
    assert said.code == 1
    assert f"- {CASE} params 100 → 101 REASON" in said.out
    repository.commit("declared", **{"suites/expected.yaml": DECLARED})
    said = bench("gate", "s.yaml")
    assert (said.code, f"declared: {CASE} params 100 → 101 a bias" in said.out) == (0, True)


def test_a_fall_fails_too(bench: Callable[..., Any], repository: Repository, answers: Any) -> None:
    answers({"params": 99})
    assert bench("gate", "s.yaml").code == 1


def test_slower_fails_unless_times_never_do(
    bench: Callable[..., Any], repository: Repository, answers: Any
) -> None:
    answers(factor=1.14)
    said = bench("gate", "s.yaml")
    assert said.code == 1
    assert f"- {CASE} time 1 → 1.14 REASON" in said.out
    assert bench("gate", "s.yaml", "--time-fails", "never").code == 0


def test_counts_alone_time_nothing(bench: Callable[..., Any], repository: Repository, answers: Any) -> None:
    asked = answers(rounds=0)
    bench("gate", "s.yaml", "--fail-on", "bigger")
    assert [one.timed for one in asked] == [False]


def test_too_few_rounds_cannot_be_told(
    bench: Callable[..., Any], repository: Repository, answers: Any
) -> None:
    answers(rounds=1)
    assert bench("gate", "s.yaml").code == 4


def test_a_declaration_that_was_merged_before_is_history(
    bench: Callable[..., Any], repository: Repository, answers: Any
) -> None:
    """What is on main stays there as a record, and is no claim of the next change."""
    repository.git("checkout", "--quiet", "main")
    repository.commit("declared", **{"suites/expected.yaml": DECLARED})
    repository.git("checkout", "--quiet", "-b", "next")
    repository.commit("next")
    answers()
    assert bench("gate", "s.yaml").code == 0


def test_a_declared_change_that_did_not_happen_is_wrong_input(
    bench: Callable[..., Any], repository: Repository, answers: Any
) -> None:
    repository.commit("declared", **{"suites/expected.yaml": DECLARED})
    answers()
    said = bench("gate", "s.yaml")
    assert said.code == 2
    assert "suites/expected.yaml:1" in said.err


def test_a_declaration_that_is_not_committed_does_not_count(
    bench: Callable[..., Any], repository: Repository, answers: Any, tmp_path: Path
) -> None:
    answers({"params": 101})
    (tmp_path / "suites" / "expected.yaml").write_text(DECLARED)
    said = bench("gate", "s.yaml")
    assert said.code == 1
    assert "suites/expected.yaml differs from that of" in said.err


def test_json_and_markdown_say_the_same(
    bench: Callable[..., Any],
    repository: Repository,
    answers: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers({"params": 101}, 1.14)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    (tmp_path / "summary.md").write_text("before\n")
    said = bench("gate", "s.yaml", "--json", "--markdown", "verdict.md")
    data = json.loads(said.out)
    assert (said.code, data["exit"]) == (1, 1)
    assert (data["base"], data["head"]) == tuple(repository.commits[1:])
    text = (tmp_path / "verdict.md").read_text(encoding="utf-8")
    assert (tmp_path / "summary.md").read_text(encoding="utf-8") == f"before\n{text}"
    for words in (
        repository.commits[1][:12],
        "two \\*bold\\* @&#8203;you",
        "host-a",
        "**slower**",
        "| params | 100 | **101** | **no** |",
        "every ratio is known to ±",
        f"- {CASE} params 100 → 101 REASON",
    ):
        assert words in text


def one_line(said: Any, code: int = 2) -> str:
    assert said.code == code, said
    assert said.out == ""
    return str(said.err.splitlines()[-1])


def test_a_base_that_is_no_ancestor(bench: Callable[..., Any], repository: Repository) -> None:
    repository.git("checkout", "--quiet", "main")
    repository.commit("main went on")
    repository.git("checkout", "--quiet", "change")
    assert f"`--base {repository.commits[1][:12]}` is where they parted" in one_line(
        bench("gate", "s.yaml", "--base", "main")
    )
    repository.git("checkout", "--quiet", "--orphan", "apart")
    repository.commit("apart")
    assert "they have no commit in common" in one_line(bench("gate", "s.yaml", "--base", "main"))
    assert "have no commit in common" in one_line(bench("gate", "s.yaml"))


def test_a_head_that_is_on_main(bench: Callable[..., Any], repository: Repository) -> None:
    repository.git("checkout", "--quiet", "main")
    assert "is on main already: no change to judge" in one_line(bench("gate", "s.yaml"))
    assert "the head itself" in one_line(bench("gate", "s.yaml", "--base", "HEAD"))


def test_a_missing_branch(bench: Callable[..., Any], repository: Repository) -> None:
    assert "'gone' is no revision" in one_line(bench("gate", "s.yaml", "--base", "gone"))
    repository.git("checkout", "--quiet", "--detach")
    repository.git("branch", "--quiet", "-D", "main")
    assert "no branch main or origin/main here" in one_line(bench("gate", "s.yaml"))


def test_a_shallow_clone(
    bench: Callable[..., Any], repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone, url = tmp_path / "clone", f"file://{repository.folder}"
    depth = ["--depth", "1", "--no-single-branch", "--branch", "change"]
    subprocess.run(["git", "clone", "--quiet", *depth, url, str(clone)], check=True)
    monkeypatch.chdir(clone)
    assert "this clone is shallow: `git fetch --unshallow`" in one_line(bench("gate", "s.yaml"))


def test_no_case_fits(bench: Callable[..., Any], repository: Repository) -> None:
    assert "no case fits" in one_line(bench("gate", "s.yaml", "--only", "vgg"))


def test_a_broken_declaration(bench: Callable[..., Any], repository: Repository) -> None:
    repository.commit("declared", **{"suites/expected.yaml": f"- {CASE} parms 1 → 2 why\n"})
    assert "suites/expected.yaml:1: 'parms' is no metric" in one_line(bench("gate", "s.yaml"))


def test_a_base_that_does_not_build_cannot_be_told(
    bench: Callable[..., Any], repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = measured({})
    broken.counts["base", CSR_CASE.count_id] = made_count(CSR_CASE, "base", error="does not build")
    broken.trials[:] = [trial for trial in broken.trials if trial.arm == "head"]
    monkeypatch.setattr(two_revisions, "measure", lambda *_: broken)
    said = bench("gate", "s.yaml")
    assert said.code == 4
    assert "BASE has no trial: does not build" in said.out


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("fail_on", ["bigger", "slower,bigger"])
def test_a_request_to_end_removes_the_worktrees_and_is_code_130(
    bench: Callable[..., Any],
    repository: Repository,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    fail_on: str,
) -> None:
    seen: list[int] = []

    def execute(*_: Any, arms: Any, **__: Any) -> None:
        seen.append(len(repository.git("worktree", "list").splitlines()))
        os.kill(os.getpid(), number)
        time.sleep(10)

    monkeypatch.setattr(runs, "execute", execute)
    before = signal.getsignal(signal.SIGHUP)
    try:
        said = bench("gate", "s.yaml", "--fail-on", fail_on)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert (said.code, said.out, seen) == (130, "", [3])
    assert said.err.splitlines()[-1] == "bench: interrupted"
    assert len(repository.git("worktree", "list").splitlines()) == 1


@pytest.mark.parametrize("verb", ["gate", "ab"])
def test_another_run_is_named_by_its_pid_and_counts_do_not_wait_for_it(
    bench: Callable[..., Any], repository: Repository, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setattr(runs, "execute", lambda *_, **__: pytest.fail("measured"))
    words = ["gate", "s.yaml"] if verb == "gate" else ["ab", "main", "HEAD", "s.yaml"]
    with HostLock(wait=False):
        said = one_line(bench(*words, "--no-wait"))
        assert f"another run (pid {os.getpid()}) is measuring on this host" in said
    held: list[int] = []

    def execute(*_: Any, **__: Any) -> Any:
        held.append(1)
        raise KeyboardInterrupt

    monkeypatch.setattr(runs, "execute", execute)
    with HostLock(wait=False):
        assert bench(*words, "--fail-on", "bigger").code == 130
    assert held == [1]
