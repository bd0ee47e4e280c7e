"""One measuring run at a time on a host."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.errors import InputError
from bench.run.lock import HostLock, default_path

HOLDER = """
import sys
from pathlib import Path
from bench.run.lock import HostLock
with HostLock(wait=False, path=Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_the_lock_names_its_holder_and_lets_go(tmp_path: Path) -> None:
    with HostLock(wait=False, path=tmp_path / "lock"):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
    with HostLock(wait=False, path=tmp_path / "lock"):
        pass


def test_a_second_run_refuses_and_names_the_first(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    try:
        with (
            pytest.raises(InputError, match=rf"pid {holder.pid}\) is measuring"),
            HostLock(wait=False, path=tmp_path / "lock"),
        ):
            pass
    finally:
        end(holder)


def test_a_second_run_waits_until_the_first_ends(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    told: list[str] = []

    def waiting(pid: str) -> None:
        told.append(pid)
        end(holder)  # only now can the wait come to its end

    with HostLock(wait=True, waiting=waiting, path=tmp_path / "lock"):
        assert told == [str(holder.pid)]


def test_the_lock_of_a_killed_run_is_taken_over(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    end(holder)
    with HostLock(wait=False, path=tmp_path / "lock"):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


def test_bug_a_symbolic_link_in_the_locks_place_truncated_its_victim(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    victim.chmod(0o600)
    (tmp_path / "lock").symlink_to(victim)
    with (
        pytest.raises(InputError, match=r"lock .*: .*symbolic link"),
        HostLock(False, path=tmp_path / "lock"),
    ):
        pass
    assert victim.read_text() == "precious"
    assert victim.stat().st_mode & 0o777 == 0o600


def test_a_hard_link_or_a_folder_in_the_locks_place_is_refused(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "hard").hardlink_to(victim)
    with pytest.raises(InputError, match="not a file of its own"), HostLock(False, path=tmp_path / "hard"):
        pass
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="Is a directory"), HostLock(False, path=tmp_path / "folder"):
        pass
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="not a file of its own"), HostLock(False, path=tmp_path / "pipe"):
        pass
    assert victim.read_text() == "precious"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's file")
def test_another_users_file_is_locked_and_not_written_to(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.write_text("123\n")
    os.chown(path, 12345, -1)
    with HostLock(False, path=path):
        with pytest.raises(InputError, match=r"pid 123\) is measuring"), HostLock(False, path=path):
            pass
        assert path.read_text() == "123\n"


def test_bug_another_temporary_folder_measured_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    before = default_path()
    monkeypatch.setenv("TMPDIR", "/var/tmp")
    monkeypatch.setattr("tempfile.tempdir", None)
    assert default_path() == before
