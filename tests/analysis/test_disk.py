"""A file appears whole or not at all, and what the disk says becomes one line."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from bench.analysis.disk import check_writable, naming, write_whole
from bench.errors import InputError

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_file_is_written_with_its_folders_and_without_a_draft(tmp_path: Path) -> None:
    write_whole(tmp_path / "a" / "b" / "f.txt", "äö\udc80")
    assert (tmp_path / "a" / "b" / "f.txt").read_text(encoding="utf-8") == "äö\\udc80"
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["f.txt"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
@pytest.mark.parametrize("failing", ["write_bytes", "replace"])
def test_what_was_there_stays_when_the_disk_says_no(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, failing: str
) -> None:
    file = tmp_path / "f.txt"
    file.write_text("old")

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, failing, refuse)
    with pytest.raises(InputError, match=rf"f\.txt: cannot be written: {os.strerror(number)}"):
        write_whole(file, "new")
    assert file.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["f.txt"]


def test_an_interrupted_write_leaves_no_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "f.txt", "new")
    assert not list(tmp_path.iterdir())


def test_a_place_is_tried_without_a_trace(tmp_path: Path) -> None:
    check_writable(tmp_path / "a" / "b" / "f.txt")
    assert not list(tmp_path.iterdir())


def test_trying_a_place_never_shows_a_file_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Path] = []
    monkeypatch.setattr(Path, "write_bytes", lambda path, _: written.append(path))
    check_writable(tmp_path / "run.jsonl")
    assert [path.suffix for path in written] == [".draft"]


def test_a_file_that_is_there_is_tried_and_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "f.txt"
    file.write_text("old")
    before = file.stat().st_mtime_ns
    check_writable(file)
    assert (file.read_text(), file.stat().st_mtime_ns) == ("old", before)
    assert [path.name for path in tmp_path.iterdir()] == ["f.txt"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("file/f.txt", "is a file, not a folder"),
        ("file/sub/f.txt", "Not a directory"),
        ("folder", "Is a directory"),
        ("n" * 300, "File name too long"),
    ],
)
def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=f"cannot be written: .*{reason}"):
        check_writable(tmp_path / name)
    assert {path.name for path in tmp_path.rglob("*")} == {"file", "folder"}


def test_a_full_disk_is_found_by_trying(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise FULL

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(InputError, match=r"f\.txt: cannot be written: No space left on device"):
        check_writable(tmp_path / "sub" / "f.txt")
    assert not list(tmp_path.iterdir())


def test_an_error_of_the_disk_gets_the_name_of_the_file_that_was_open() -> None:
    with (
        pytest.raises(InputError, match=r"r\.jsonl: No space left on device; go on with X"),
        naming(Path("r.jsonl"), "go on with X"),
    ):
        raise FULL


@pytest.mark.parametrize(
    "other", [OSError(errno.EAGAIN, "fork"), OSError(errno.EIO, "read", "/dev/other"), ValueError("x")]
)
def test_other_errors_are_left_alone(other: Exception) -> None:
    with pytest.raises(type(other)) as caught, naming(Path("r.jsonl"), ""):
        raise other
    assert caught.value is other
