"""Commits: their order, and a clear word about each that is not there."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from made_history import Repository

from bench.errors import InputError
from bench.run import commits


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "repository")
    for number in range(3):
        made.commit(f"number {number}", x=str(number))
    return made


def test_a_line_is_the_first_parents_oldest_first(repository: Repository) -> None:
    repository.git("checkout", "--quiet", "-b", "side", "HEAD~1")
    repository.commit("aside")
    repository.git("checkout", "--quiet", "main")
    repository.git("merge", "--quiet", "--no-ff", "-m", "merged", "side")
    line = commits.line_of(repository.folder)
    assert [commit.subject for commit in line] == ["number 0", "number 1", "number 2", "merged"]
    assert line[0].id == repository.commits[0]


def test_a_commit_is_found_by_a_part_of_its_name(repository: Repository) -> None:
    first = repository.commits[0]
    assert commits.full_name(first[:12], repository.folder) == first
    assert commits.commit_of("HEAD", repository.folder) == commits.Commit(repository.commits[2], "number 2")


@pytest.mark.parametrize(
    ("revision", "said"),
    [
        ("0123456789ab-dirty", "commit first"),
        ("unknown", "no commit"),
        ("0123456789ab", "no commit of"),
        ("HEAD", "no commit"),
        ("--help", "no commit"),
    ],
)
def test_a_revision_that_is_no_commit_is_refused(repository: Repository, revision: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        commits.full_name(revision, repository.folder)
    assert revision in str(error.value)


@pytest.mark.parametrize("revision", ["nothing", "--output=x", ""])
def test_a_name_that_is_none_is_refused(repository: Repository, revision: str) -> None:
    with pytest.raises(InputError, match="is no revision"):
        commits.resolve(revision, repository.folder)


def test_a_shallow_clone_says_that_it_is_one(repository: Repository, tmp_path: Path) -> None:
    url = f"file://{repository.folder}"
    subprocess.run(["git", "clone", "--quiet", "--depth", "1", url, str(tmp_path / "clone")], check=True)
    assert commits.is_shallow(tmp_path / "clone")
    assert not commits.is_shallow(repository.folder)
    for ask in (commits.resolve, commits.full_name):
        with pytest.raises(InputError, match="git fetch --unshallow"):
            ask(repository.commits[0], tmp_path / "clone")
    assert len(commits.line_of(tmp_path / "clone")) == 1


def test_what_lies_behind_what(repository: Repository) -> None:
    first, _, last = repository.commits
    assert commits.is_ancestor(first, last, repository.folder)
    assert not commits.is_ancestor(last, first, repository.folder)
    assert commits.merge_base(first, last, repository.folder) == first
    repository.git("checkout", "--quiet", "--orphan", "apart")
    apart = repository.commit("apart")
    assert commits.merge_base(apart, last, repository.folder) is None


def test_a_file_as_a_commit_has_it(repository: Repository) -> None:
    first, *_ = repository.commits
    assert commits.text_at(first, "x", repository.folder) == "0"
    assert commits.text_at(first, "y", repository.folder) is None


def test_when_commits_were_made(repository: Repository) -> None:
    found = commits.committed_at(repository.commits, repository.folder)
    assert set(found) == set(repository.commits)
    assert min(found.values()) > 1_700_000_000
    assert commits.committed_at([], repository.folder) == {}
