"""The scripts of the workflows: they run here, without the service that calls them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from made_history import CASE, Repository

ROOT = Path(__file__).resolve().parents[1]
CI = ROOT / ".ci"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def call(folder: Path, script: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a script of a checkout's ``.ci``."""
    return subprocess.run(
        [str(folder / ".ci" / script), *words],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Repository:
    """A repository with the scripts, and a bare one to push to."""
    made = Repository(tmp_path / "checkout")
    shutil.copytree(CI, made.folder / ".ci", ignore=shutil.ignore_patterns("__pycache__"))
    made.commit("one")
    subprocess.run(["git", "init", "--quiet", "--bare", str(tmp_path / "origin")], check=True)
    made.git("remote", "add", "origin", str(tmp_path / "origin"))
    return made


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_every_script_that_a_workflow_calls_is_there_and_can_be_run(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    for name in re.findall(r"(?<![\w/])\.ci/([\w.-]+)", text):
        assert os.access(CI / name, os.X_OK), name
    assert "${{ github.event.pull_request.title" not in text  # what somebody else wrote is no shell code


@pytest.mark.parametrize("file", [f for f in sorted(CI.iterdir()) if f.is_file()], ids=lambda file: file.name)
def test_every_script_is_of_its_language(file: Path) -> None:
    if file.suffix == ".py":
        compile(file.read_text(encoding="utf-8"), file.name, "exec")
    elif file.suffix == ".cjs":
        if shutil.which("node") is None:
            pytest.skip("node is not installed")
        subprocess.run(["node", "--check", str(file)], check=True)
    else:
        assert not file.suffix, "of which language?"
        subprocess.run(["bash", "-n", str(file)], check=True)


@pytest.mark.slow
def test_actionlint_finds_nothing(tmp_path: Path) -> None:
    done = call(ROOT, "lint-workflows", MISSING_IS="77")
    if done.returncode == 77:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stdout


def test_a_machine_is_described_once_and_then_left_alone(checkout: Repository, tmp_path: Path) -> None:
    words = ("gha-x86", "ubuntu-24.04", "x86_64", "hosted", "4", "16GB")
    assert call(checkout.folder, "asv-machine", *words, HOME=str(tmp_path)).returncode == 0
    file = tmp_path / ".asv-machine.json"
    assert json.loads(file.read_text()) == {
        "version": 1,
        "gha-x86": {
            "machine": "gha-x86", "os": "ubuntu-24.04", "arch": "x86_64", "cpu": "hosted", "num_cpu": "4",
            "ram": "16GB",
        },
    }  # fmt: skip
    before = file.read_text()
    said = call(checkout.folder, "asv-machine", "gha-x86", "another", HOME=str(tmp_path))
    assert (said.returncode, file.read_text()) == (0, before)
    assert "left as it is" in said.stdout
    call(checkout.folder, "asv-machine", "second", HOME=str(tmp_path))
    assert set(json.loads(file.read_text())) == {"version", "gha-x86", "second"}


def test_make_track_leaves_a_machine_file_alone() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert '@test -e "$$HOME/.asv-machine.json" || $(BIN)/asv machine --yes' in text


def keep(checkout: Repository, what: str) -> subprocess.CompletedProcess[str]:
    return call(checkout.folder, "keep-results", what, PAUSE="0", TRIES="3")


def write(checkout: Repository, name: str, text: str) -> None:
    file = checkout.folder / "results" / "asv" / "m" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_results_are_kept_in_a_branch_of_their_own_and_come_back(checkout: Repository) -> None:
    assert keep(checkout, "fetch").returncode == 0
    write(checkout, "a.json", "1")
    assert "kept in asv-results" in keep(checkout, "push").stdout
    assert "nothing new to keep" in keep(checkout, "push").stdout
    write(checkout, "b.json", "2")
    assert keep(checkout, "push").returncode == 0
    shutil.rmtree(checkout.folder / "results")
    assert keep(checkout, "fetch").returncode == 0
    assert {f.name: f.read_text() for f in (checkout.folder / "results" / "asv" / "m").iterdir()} == {
        "a.json": "1",
        "b.json": "2",
    }
    branch = checkout.git("ls-remote", "--heads", "origin", "asv-results").split()[0]
    assert checkout.git("log", "--format=%s", branch).count("Results up to") == 2
    assert checkout.git("ls-tree", "-r", "--name-only", branch).splitlines() == ["m/a.json", "m/b.json"]
    assert len(checkout.git("worktree", "list").splitlines()) == 1


def test_two_machines_that_push_at_once_both_arrive(checkout: Repository, tmp_path: Path) -> None:
    """A hook lets somebody else be faster, once."""
    write(checkout, "a.json", "1")
    keep(checkout, "push")
    hook = tmp_path / "origin" / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\n[ -e refused ] && exit 0\ntouch refused\nexit 1\n")
    hook.chmod(0o755)
    write(checkout, "b.json", "2")
    said = keep(checkout, "push")
    assert (said.returncode, "somebody was faster (try 1 of 3)" in said.stderr) == (0, True)


def test_a_branch_that_cannot_be_pushed_is_said(checkout: Repository, tmp_path: Path) -> None:
    hook = tmp_path / "origin" / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    write(checkout, "a.json", "1")
    said = keep(checkout, "push")
    assert (said.returncode, "could not be pushed in 3 tries" in said.stderr) == (1, True)
    assert keep(checkout, "else").returncode == 2


def history(*steps: Mapping[str, Any]) -> dict[str, Any]:
    points = [{"at": at, "commit": f"{at}" * 40} for at in range(1, 4)]
    return {"steps": list(steps), "series": [{"points": points}], "subjects": {"3" * 40: "by @all `x`"}}


def step(commit: str = "3" * 40, rise: bool = True, ratio: float | None = None) -> dict[str, Any]:
    times = {"ratio": ratio, "low": ratio, "high": ratio}
    return {
        "case": CASE,
        "metric": "params",
        "candidates": [commit],
        "before": 5,
        "after": 6,
        "rise": rise,
        **times,
    }


def python(script: str, *words: Path) -> str:
    return subprocess.run(
        [sys.executable, str(CI / script), *map(str, words)], capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize(
    ("steps", "message", "colour"),
    [
        ((), "none", "brightgreen"),
        ((step(rise=False),), "none", "brightgreen"),
        ((step(),), "1 in 1 cases", "orange"),
    ],
)
def test_the_badge_tells_rises(tmp_path: Path, steps: Any, message: str, colour: str) -> None:
    (tmp_path / "history.json").write_text(json.dumps(history(*steps)))
    python("badge.py", tmp_path / "history.json", tmp_path / "badge.json")
    badge = json.loads((tmp_path / "badge.json").read_text())
    assert badge == {
        "schemaVersion": 1,
        "label": "regressions, 3 commits",
        "message": message,
        "color": colour,
    }


def test_a_regression_is_announced_once(tmp_path: Path) -> None:
    (tmp_path / "history.json").write_text(
        json.dumps(history(step(), step(ratio=1.14), step("2" * 40, rise=False)))
    )
    (file,) = python("announce.py", tmp_path / "history.json", tmp_path / "new").splitlines()
    title, *text = Path(file).read_text(encoding="utf-8").splitlines()
    assert title == "Regression at 333333333333"
    assert text[0] == "333333333333: by @\u200ball \\`x\\`"
    assert text[2:] == [f"- `{CASE}` params: 5 → 6", f"- `{CASE}` params: × 1.140 (1.140 … 1.140)"]
    (tmp_path / "known").write_text(f"{title}\n")
    assert python("announce.py", tmp_path / "history.json", tmp_path / "newer", tmp_path / "known") == ""


FAKE_GH = """#!/bin/sh
echo "$@" >>"$CALLS"
case "$*" in
  *".head.sha"*) echo "$ANSWER" ;;
  *comments*--jq*) echo "$KNOWN" ;;
esac
"""


@pytest.fixture
def comment(tmp_path: Path, checkout: Repository) -> Callable[..., tuple[int, str]]:
    """Calls the script with a made-up ``gh``; its code and what gh was asked."""
    (tmp_path / "bin").mkdir()
    gh = tmp_path / "bin" / "gh"
    gh.write_text(FAKE_GH)
    gh.chmod(0o755)
    folder = tmp_path / "gate"
    folder.mkdir()
    (folder / "verdict.md").write_text("verdict $(touch owned) `touch owned`\n")

    def run(number: str, answer: str = "sha", known: str = "") -> tuple[int, str]:
        (folder / "number").write_text(number)
        calls = tmp_path / "calls"
        calls.write_text("")
        done = call(
            checkout.folder, "comment", str(folder), PATH=f"{tmp_path / 'bin'}:{os.environ['PATH']}",
            GITHUB_REPOSITORY="o/r", HEAD_SHA="sha", CALLS=str(calls), ANSWER=answer, KNOWN=known,
        )  # fmt: skip
        return done.returncode, calls.read_text()

    return run


def test_a_comment_is_made_and_then_renewed(comment: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    code, calls = comment("12\n")
    assert code == 0
    assert "--method POST repos/o/r/issues/12/comments" in calls
    code, calls = comment("12\n", known="77")
    assert "--method PATCH repos/o/r/issues/comments/77" in calls
    assert not list(tmp_path.rglob("owned"))


@pytest.mark.parametrize("number", ["", "x", "1; touch owned", "../1"])
def test_a_number_that_is_none_is_refused(
    comment: Callable[..., tuple[int, str]], number: str, tmp_path: Path
) -> None:
    assert comment(number) == (2, "")
    assert not list(tmp_path.rglob("owned"))


def test_a_pull_request_with_another_head_gets_no_comment(comment: Callable[..., tuple[int, str]]) -> None:
    code, calls = comment("12", answer="another")
    assert (code, "POST" in calls) == (2, False)


def test_the_gate_wants_a_base_and_a_word(checkout: Repository) -> None:
    assert call(checkout.folder, "gate").returncode == 2
    said = call(checkout.folder, "gate", "counts", BASE_REF="gone")
    assert (said.returncode, "no branch gone here" in said.stderr) == (2, True)


def test_the_gate_passes_its_code_on(checkout: Repository) -> None:
    bench = checkout.folder / ".venv" / "bin" / "bench"
    bench.parent.mkdir(parents=True)
    bench.write_text('#!/bin/sh\necho "$@"\nexit 4\n')
    bench.chmod(0o755)
    checkout.git("checkout", "--quiet", "-b", "change")
    checkout.commit("two")
    said = call(checkout.folder, "gate", "counts")
    assert said.returncode == 4
    assert said.stdout.split() == [
        "gate", "--base", checkout.commits[0], "--markdown", "gate/verdict.md", "--fail-on", "bigger",
    ]  # fmt: skip
    assert (checkout.folder / "gate" / "exit-code").read_text() == "4\n"
    assert "--time-fails never" in call(checkout.folder, "gate", "times").stdout
