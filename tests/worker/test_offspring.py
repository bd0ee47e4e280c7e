"""What a worker started ends with it, also in a session of its own, and when nobody is left to end it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import alive, gone, number_in

from bench.run.launch import WorkerProcess
from bench.worker import offspring
from bench.worker.offspring import MARK, end_marked

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="no /proc")

OK = '{"status": "ok", "error": null}'


def test_bug_a_child_in_a_session_of_its_own_outlived_its_worker(tmp_path: Path) -> None:
    script = f"setsid sh -c 'echo $$ > {tmp_path}/child; exec sleep 600' & read line; echo '{OK}'; sleep 600"
    with WorkerProcess(["/bin/sh", "-c", script], dict(os.environ)) as worker:
        assert worker.ask({}, 60)["status"] == "ok"
        child = number_in(tmp_path / "child")
        assert alive(child)
    assert gone(child)


def test_only_what_has_the_mark_is_ended() -> None:
    other = subprocess.Popen(["sleep", "600"], env={**os.environ, MARK: "another"})
    one = subprocess.Popen(["sleep", "600"], env={**os.environ, MARK: "mine"})
    try:
        assert end_marked("mine", but=one.pid) == 0
        assert end_marked("mine") == 1
        assert one.wait(60) < 0
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_process_never_ends_itself_or_the_group_of_somebody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MARK, "of this test")
    offspring.end_offspring()
    monkeypatch.delenv(MARK)
    offspring.end_offspring()


def test_without_proc_nothing_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(offspring, "_PROC", tmp_path / "nowhere")
    assert end_marked("x") == 0


def test_bug_a_zygote_that_imports_lived_on_when_its_harness_was_killed() -> None:
    zygote = subprocess.Popen(
        [sys.executable, "-m", "bench.worker.zygote"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert zygote.stdin is not None
    time.sleep(0.5)  # torch takes longer
    zygote.stdin.close()
    assert zygote.wait(60) in (0, -9)


@pytest.mark.parametrize("module", ["bench.counter", "bench.worker"])
def test_bug_a_counting_process_that_hangs_lived_on_when_its_harness_was_killed(
    tmp_path: Path, module: str
) -> None:
    """And so did what it had started: the pipe closes, and all of it ends."""
    (tmp_path / "hangs.py").write_text(
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        f"open({str(tmp_path / 'child')!r}, 'w').write(str(child.pid))\n"
        "time.sleep(600)\n"
    )
    from bench.case import DENSE, Case
    from bench.worker.protocol import Job

    job = Job(
        Case("layer/4-4-k3", DENSE, input=(4, 8, 8)), recipes=(None,), plugins=(str(tmp_path / "hangs.py"),)
    )
    worker = subprocess.Popen(
        [sys.executable, "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env={**os.environ, MARK: f"of {module}"},
        start_new_session=True,
    )
    assert worker.stdin is not None
    worker.stdin.write(json.dumps(job.to_json()).encode() + b"\n")
    worker.stdin.flush()
    child = number_in(tmp_path / "child")
    assert alive(child)
    assert worker.poll() is None
    worker.stdin.close()
    assert worker.wait(60) != 0
    assert gone(child)
