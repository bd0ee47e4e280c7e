"""Two revisions of this package measured in one run: their trials interleave, so drift falls on both."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.errors import InputError
from bench.run.session import Arm

BASE, HEAD = "base", "head"


def resolve(revision: str, repository: Path) -> str:
    """The full commit of a revision. Raises InputError when there is none of that name."""
    answer = _git(repository, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    if answer.returncode:
        raise InputError(f"'{revision}' is no revision of {repository}; `git log --oneline` lists them")
    return answer.stdout.strip()


def repository_of(folder: Path) -> Path:
    """The top of the git checkout around ``folder``. Raises InputError outside one."""
    answer = _git(folder, "rev-parse", "--show-toplevel")
    if answer.returncode:
        raise InputError(f"{folder} is in no git checkout; `bench ab` compares two revisions of one")
    return Path(answer.stdout.strip())


@contextmanager
def worktrees(repository: Path, commits: dict[str, str]) -> Iterator[tuple[Arm, ...]]:
    """One arm per commit, checked out in a temporary folder that is removed at the end.

    The caller's own checkout is left alone. Raises InputError for a commit that cannot be checked out.
    """
    with TemporaryDirectory(prefix="bench-ab-") as folder:
        arms: list[Arm] = []
        try:
            for name, commit in commits.items():
                path = Path(folder) / name
                arms.append(Arm(name, path))  # before it is there: a request to end may come meanwhile
                answer = _git(repository, "worktree", "add", "--detach", "--quiet", str(path), commit)
                if answer.returncode:
                    raise InputError(f"cannot check out {commit[:12]}: {answer.stderr.strip()}")
            yield tuple(arms)
        finally:
            for arm in arms:
                _git(repository, "worktree", "remove", "--force", str(arm.checkout))


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=120, check=False
        )
    except OSError as error:
        raise InputError(f"git: {error.strerror}; `bench ab` needs it") from None
