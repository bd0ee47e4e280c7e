"""Commits of the repository: their order, their subjects, and which lies behind which."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.errors import InputError, quoted


@dataclass(frozen=True)
class Commit:
    """A commit by its full name, with the first line of its message."""

    id: str
    subject: str

    @property
    def short(self) -> str:
        """Its first twelve letters."""
        return self.id[:12]


def git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What git answers in a folder, whatever its exit code. Raises InputError where there is no git."""
    try:
        return subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=120,
            check=False,
        )
    except OSError as error:
        raise InputError(f"git: {error.strerror}; commits cannot be read without it") from None


def resolve(revision: str, repository: Path) -> str:
    """The full commit of a revision. Raises InputError when there is none of that name."""
    answer = git(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if answer.returncode:
        hidden = (
            "; this clone is shallow: `git fetch --unshallow` brings the rest"
            if is_shallow(repository)
            else ""
        )
        raise InputError(
            f"{quoted(revision)} is no revision of {repository}; `git log --oneline` lists them{hidden}"
        )
    return answer.stdout.strip()


def repository_of(folder: Path) -> Path:
    """The top of the git checkout around ``folder``. Raises InputError outside one."""
    answer = git(folder, "rev-parse", "--show-toplevel")
    if answer.returncode:
        raise InputError(f"{folder} is in no git checkout, and this command reads the commits of one")
    return Path(answer.stdout.strip())


def commit_of(revision: str, repository: Path) -> Commit:
    """The commit of a revision with its subject. Raises InputError when there is none of that name."""
    full = resolve(revision, repository)
    return Commit(full, git(repository, "show", "-s", "--format=%s", full).stdout.strip())


def line_of(repository: Path, revision: str = "HEAD") -> tuple[Commit, ...]:
    """The first parents of a revision and itself, oldest first: what a branch was, one commit after the
    other."""
    full = resolve(revision, repository)
    answer = git(repository, "log", "--first-parent", "--reverse", "--format=%H%x09%s", full)
    found = (line.partition("\t") for line in answer.stdout.splitlines() if line)
    return tuple(Commit(commit, subject) for commit, _, subject in found)


def full_name(revision: str, repository: Path) -> str:
    """The commit that a results file names. Raises InputError for none, a foreign or a changed one."""
    if revision.endswith("-dirty"):
        raise InputError(
            f"revision {quoted(revision)}: measured with changes that no commit holds; commit first"
        )
    if not re.fullmatch(r"[0-9a-f]{7,64}", revision):
        raise InputError(
            f"revision {quoted(revision)}: no commit; a run outside of a git checkout knows none"
        )
    answer = git(repository, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    if answer.returncode:
        hidden = " (this clone is shallow: `git fetch --unshallow`)" if is_shallow(repository) else ""
        raise InputError(f"revision {quoted(revision)}: no commit of {repository}{hidden}")
    return answer.stdout.strip()


def merge_base(one: str, other: str, repository: Path) -> str | None:
    """The newest commit that both have in common; None where there is none, or it is hidden."""
    answer = git(repository, "merge-base", one, other)
    return answer.stdout.strip() if answer.returncode == 0 else None


def is_ancestor(older: str, newer: str, repository: Path) -> bool:
    """Whether ``newer`` has ``older`` in its history (a commit has itself)."""
    return git(repository, "merge-base", "--is-ancestor", older, newer).returncode == 0


def is_shallow(repository: Path) -> bool:
    """Whether the clone was cut off, as those of CI services are."""
    return git(repository, "rev-parse", "--is-shallow-repository").stdout.strip() == "true"


def text_at(commit: str, path: str, repository: Path) -> str | None:
    """A file as that commit has it; None where it has none."""
    answer = git(repository, "show", f"{commit}:{path}")
    return answer.stdout if answer.returncode == 0 else None


def committed_at(commits: Sequence[str], repository: Path) -> dict[str, int]:
    """Commit -> when it was made, in seconds since 1970."""
    answer = git(repository, "show", "-s", "--format=%H %ct", *commits) if commits else None
    lines = answer.stdout.split("\n") if answer is not None else []
    return {commit: int(seconds) for commit, _, seconds in (line.partition(" ") for line in lines) if seconds}
