"""One measuring run at a time on a host."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.errors import InputError
from bench.run.lock import HostLock

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
