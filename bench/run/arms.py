"""Two revisions of this package measured in one run: their trials interleave, so drift falls on both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.errors import InputError
from bench.run.commits import git
from bench.run.session import Arm

BASE, HEAD = "base", "head"


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
                answer = git(repository, "worktree", "add", "--detach", "--quiet", str(path), commit)
                if answer.returncode:
                    raise InputError(f"cannot check out {commit[:12]}: {answer.stderr.strip()}")
            yield tuple(arms)
        finally:
            for arm in arms:
                git(repository, "worktree", "remove", "--force", str(arm.checkout))
