"""bench ab: two revisions of a repository, and no worktree left whatever ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from command import command

from bench.run import arms, lock
from bench.run import run as runs
from bench.run.session import Arm

SUITE = "name: s\nbackbones: [resnet20]\nmethods: [dense]\n"


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """A repository with one commit in the folder where the command runs; calls git there."""

    def git(*words: str) -> str:
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        done = subprocess.run(
            ["git", "-C", str(tmp_path), *who, *words], capture_output=True, text=True, check=True
        )
        return done.stdout

    (tmp_path / "s.yaml").write_text(SUITE)
    git("init", "--quiet")
    git("add", "s.yaml")
    git("commit", "--quiet", "-m", "one")
    before = signal.getsignal(signal.SIGHUP)
    yield git
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_request_to_end_removes_the_worktrees_and_is_code_130(
    bench: Callable[..., Any],
    repository: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    number: int,
) -> None:
    seen: list[int] = []

    def execute(*_: Any, arms: tuple[Arm, ...], **__: Any) -> None:
        assert [arm.name for arm in arms] == ["base", "head"]
        seen.append(len(repository("worktree", "list").splitlines()))
        os.kill(os.getpid(), number)
        time.sleep(10)

    monkeypatch.setattr(runs, "execute", execute)
    said = bench("ab", "HEAD", "HEAD", "s.yaml")
    assert seen == [3]
    assert (said.code, said.out) == (130, "")
    assert said.err.splitlines()[-1] == "bench: interrupted"
    assert len(repository("worktree", "list").splitlines()) == 1


def test_bug_sigterm_to_a_real_comparison_left_its_worktrees(
    repository: Callable[..., str], tmp_path: Path
) -> None:
    package = tmp_path / "bench"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "counter.py").write_text("import time\ntime.sleep(600)\n")
    repository("add", "bench")
    repository("commit", "--quiet", "-m", "a revision that never finishes counting")
    inside = tmp_path / "inside"
    inside.mkdir()
    words = command(tmp_path / "lock", "ab", "HEAD~", "HEAD", "../s.yaml")
    process = subprocess.Popen(words, cwd=inside, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        for _ in range(1200):
            if len(repository("worktree", "list").splitlines()) == 3 or process.poll() is not None:
                break
            time.sleep(0.1)
        assert process.poll() is None, process.communicate()
        process.terminate()
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1] in (
        "bench: interrupted",
        "interrupted: nothing is said about what was measured so far",
    )
    assert len(repository("worktree", "list").splitlines()) == 1
    assert not list((tmp_path / ".git" / "worktrees").glob("*"))


def test_waiting_for_another_run_tells_its_pid(
    bench: Callable[..., Any], repository: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Busy:
        def __init__(self, wait: bool, waiting: Callable[[str], None]) -> None:
            assert wait
            waiting("4711")

        def __enter__(self) -> None:
            raise KeyboardInterrupt

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(lock, "HostLock", Busy)
    said = bench("ab", "HEAD", "HEAD", "s.yaml")
    assert said.code == 130
    assert "waiting: another run (pid 4711) is measuring on this host\n" in said.err


def test_a_results_folder_that_cannot_be_written_is_told_before_anything_is_checked_out(
    bench: Callable[..., Any],
    repository: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(arms, "worktrees", lambda *_: pytest.fail("checked out"))
    (tmp_path / "file").touch()
    said = bench("ab", "HEAD", "HEAD", "s.yaml", "--results", "file")
    assert (said.code, said.out) == (2, "")
    assert "is a file, not a folder" in said.err
    assert len(said.err.splitlines()) == 1
