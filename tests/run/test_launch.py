"""Starting workers: whatever happens outside the worker is a failed answer, and no process is left over."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.case import DENSE, Case, MethodCall
from bench.plan.targets import Target
from bench.run.launch import CountingPool, CountingProcess, argv, environment, run_worker

CASE = Case("layer/4-4-k3", DENSE, input=(4, 8, 8))
JOB: dict[str, Any] = {"case": CASE.as_dict(), "recipes": [None]}
OK = '{"status": "ok", "error": null}'


def shell(script: str) -> Target:
    """A target whose worker is a shell script; the worker's own words are its arguments."""
    return Target("fake", "cpu", ("/bin/sh", "-c", script, "sh"))


def alive(pid: int) -> bool:
    """True while a process runs; one that has ended but was not yet collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def gone(pid: int) -> bool:
    """True once the process has ended; the kernel may take a moment after the signal."""
    for _ in range(500):
        if not alive(pid):
            return True
        time.sleep(0.01)
    return False


def test_the_command_line_is_prefix_interpreter_module() -> None:
    assert argv(Target("cpu", "cpu"), "bench.worker") == [sys.executable, "-m", "bench.worker"]
    board = Target("board", "cpu", ("ssh", "board"), "python3.11")
    assert argv(board, "bench.worker") == ["ssh", "board", "python3.11", "-m", "bench.worker"]


def test_the_prefix_gets_the_worker_as_its_arguments_and_the_job_on_stdin(tmp_path: Path) -> None:
    record = f"""echo "$@" > {tmp_path}/argv; cat > {tmp_path}/job; echo '{OK}'"""
    answer = run_worker(shell(record), JOB, 10)
    assert answer == {"status": "ok", "error": None}
    assert (tmp_path / "argv").read_text().split() == [sys.executable, "-m", "bench.worker"]
    assert json.loads((tmp_path / "job").read_text()) == JOB


def test_another_interpreter_can_be_named(tmp_path: Path) -> None:
    target = Target(
        "x", "cpu", ("/bin/sh", "-c", f"echo \"$1\" > {tmp_path}/argv; echo '{OK}'", "sh"), "python9"
    )
    run_worker(target, JOB, 10)
    assert (tmp_path / "argv").read_text().strip() == "python9"


def test_thread_pools_have_the_cases_size(tmp_path: Path) -> None:
    job = {"case": Case("x", DENSE, threads=2).as_dict()}
    names = "$OMP_NUM_THREADS $MKL_NUM_THREADS $OPENBLAS_NUM_THREADS $PYTHONHASHSEED"
    script = f"echo {names} > {tmp_path}/env; echo '{OK}'"
    run_worker(shell(script), job, 10)
    assert (tmp_path / "env").read_text().split() == ["2", "2", "2", "0"]


def test_another_checkout_stands_first_on_the_path(tmp_path: Path) -> None:
    assert environment(1, tmp_path)["PYTHONPATH"] == str(tmp_path)
    assert environment(1).get("PYTHONPATH") == os.environ.get("PYTHONPATH")


def test_what_a_prefix_prints_before_the_answer_is_skipped() -> None:
    assert run_worker(shell(f"echo Welcome; echo; echo '{OK}'"), JOB, 10)["status"] == "ok"


def test_a_worker_that_does_not_answer_is_ended(tmp_path: Path) -> None:
    script = f"echo $$ > {tmp_path}/pid; sleep 600 & echo $! > {tmp_path}/child; echo patience >&2; wait"
    answer = run_worker(shell(script), JOB, 0.5)
    assert answer["error"]["type"] == "Timeout"
    assert answer["error"]["message"] == "no answer within 0.5 s"
    assert answer["error"]["stage"] == "launch"
    assert "patience" in answer["error"]["traceback"]
    assert gone(int((tmp_path / "pid").read_text()))
    assert gone(int((tmp_path / "child").read_text()))


def test_an_interrupted_wait_ends_the_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []

    def interrupt(process: Any, *_: object) -> None:
        started.append(process)
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess.Popen, "communicate", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_worker(shell("sleep 600"), JOB, 60)
    assert started[0].returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("kill -SEGV $$", "the worker was ended by SIGSEGV"),
        ("kill -KILL $$", "the worker was ended by SIGKILL (out of memory?)"),
        ("kill -35 $$", "the worker was ended by signal 35"),
        ("echo first >&2; echo last >&2; exit 7", "the worker ended with code 7: last"),
        ("exit 7", "the worker ended with code 7: no message"),
        (f"echo '{OK}'; exit 1", "the worker ended with code 1: no message"),
        ("true", "the worker ended with code 0: no message"),
        ("echo hello", "the worker's answer is no JSON record"),
        ("echo 5", "the worker's answer is no JSON record"),
        ("echo null", "the worker's answer is no JSON record"),
        ("echo '{}'", "the worker's answer is no JSON record"),
        ("""echo '{"status": "ok"}'""", "the worker's answer is no JSON record"),
        ("echo '[1, 2]'", "the worker's answer is no JSON record"),
        ("printf '\\377\\376'", "the worker's answer is no JSON record"),
    ],
)
def test_a_crash_is_a_failed_answer(script: str, words: str) -> None:
    answer = run_worker(shell(script), JOB, 10)
    assert answer["status"] == "failed"
    assert (answer["error"]["stage"], answer["error"]["type"]) == ("launch", "Crash")
    assert answer["error"]["message"] == words


def test_a_program_that_is_not_there_is_named() -> None:
    answer = run_worker(Target("x", "cpu", ("no-such-program", "-x")), JOB, 10)
    assert answer["error"]["type"] == "FileNotFoundError"
    assert answer["error"]["message"] == "no-such-program: No such file or directory"


def test_a_program_that_may_not_be_run_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("x")
    answer = run_worker(Target("x", "cpu", (str(tmp_path / "data"),)), JOB, 10)
    assert answer["error"]["type"] == "PermissionError"


def test_an_interpreter_without_the_package_is_a_crash_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = run_worker(Target("x", "cpu", ("env", "-i"), sys._base_executable), JOB, 60)  # type: ignore[attr-defined]
    assert answer["error"]["type"] == "Crash"
    assert "bench" in answer["error"]["message"]


def test_only_the_end_of_a_long_complaint_is_kept() -> None:
    script = "i=0; while [ $i -lt 2000 ]; do echo line $i >&2; i=$((i+1)); done; exit 1"
    trace = run_worker(shell(script), JOB, 30)["error"]["traceback"]
    assert len(trace) <= 4000
    assert trace.endswith("line 1999\n")


def test_a_large_answer_comes_through() -> None:
    start = """printf '{"status": "ok", "error": null, "x": "'"""
    script = start + """; head -c 300000 /dev/zero | tr '\\0' y; echo '"}'"""
    assert len(run_worker(shell(script), JOB, 30)["x"]) == 300_000


PLUGIN = """\
from bench.methods.parts.method import Replaced, Rewritten, method

@method("leaves")
def leaves(network, context):
    '''Ends the process.'''
    import os
    os._exit(9)

@method("hangs")
def hangs(network, context):
    '''Never comes back.'''
    import time
    time.sleep(600)

@method("prints")
def prints(network, context):
    '''Writes where the answer goes.'''
    print("{}")
    return Rewritten(network, (Replaced("conv", "before", "after"),))
"""


def named(method: str) -> dict[str, Any]:
    return Case("layer/4-4-k3", (MethodCall(method),), input=(4, 8, 8)).as_dict()


@pytest.fixture(scope="module")
def counting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CountingProcess]:
    file = tmp_path_factory.mktemp("plugin") / "crashing.py"
    file.write_text(PLUGIN)
    with CountingProcess([str(file)]) as process:
        yield process


def pid(counting: CountingProcess) -> int:
    assert counting._process is not None
    return counting._process.pid


def test_counting_survives_what_ends_its_process(counting: CountingProcess) -> None:
    first = counting.count(CASE.as_dict())
    assert first["status"] == "ok"
    assert (first["counts"]["params"], first["counts"]["macs"]) == (144, 144 * 64)
    one = pid(counting)
    crash = counting.count(named("leaves"))
    assert crash["status"] == "failed"
    assert crash["error"]["message"] == "the counting process ended on this case"
    assert not alive(one)
    assert counting.count(CASE.as_dict()) == first
    assert pid(counting) != one
    assert counting.count(CASE.as_dict()) == first


def test_counting_keeps_its_process_after_an_error(counting: CountingProcess) -> None:
    counting.count(CASE.as_dict())
    one = pid(counting)
    unknown = counting.count(named("dence"))
    assert unknown["status"] == "failed"
    assert unknown["error"]["message"].startswith("unknown method 'dence'; did you mean 'dense'?")
    assert counting.count(CASE.as_dict())["status"] == "ok"
    assert pid(counting) == one


def test_what_a_method_prints_does_not_reach_the_counts(counting: CountingProcess) -> None:
    assert counting.count(named("prints"))["status"] == "ok"


def test_counting_that_hangs_is_ended(counting: CountingProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "_timeout", 0.5)
    counting.count(named("hangs"))
    answer = counting.count(named("hangs"))
    assert (answer["error"]["type"], answer["error"]["message"]) == ("Timeout", "no counts within 0.5 s")
    assert counting._process is None


def test_a_plugin_that_raises_fails_each_case_the_same(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("1 / 0")
    with CountingProcess([str(tmp_path / "broken.py")]) as counting:
        answers = [counting.count(CASE.as_dict()) for _ in range(2)]
    for answer in answers:
        assert answer["error"]["stage"] == "plugin"
        assert "ZeroDivisionError: division by zero" in answer["error"]["message"]


def stand_in(*command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)


@pytest.mark.parametrize("script", ["exit 3", "exec < /dev/null; exit 0", "read line; echo half of an ans"])
def test_a_counting_process_that_ends_without_an_answer_is_a_crash(
    script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting = CountingProcess([])
    process = counting._process = stand_in("/bin/sh", "-c", script)
    if "read" not in script:
        process.wait()
    monkeypatch.setattr(process, "poll", lambda: None)
    answer = counting.count(CASE.as_dict())
    assert answer["status"] == "failed"
    assert answer["error"]["message"] == "the counting process ended on this case"
    assert counting._process is None


def test_a_counting_process_that_died_between_two_cases_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    counting = CountingProcess([])
    counting._process = stand_in("true")
    counting._process.wait()
    replacement = stand_in("/bin/sh", "-c", f"read line; echo '{OK}'")
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: replacement)
    assert counting.count(CASE.as_dict()) == {"status": "ok", "error": None}
    counting.close()


def test_closing_ends_the_counting_process() -> None:
    with CountingProcess([]) as counting:
        process = counting._process = stand_in("sleep", "600")
        assert alive(process.pid)
    assert not alive(process.pid)
    counting.close()


def test_bug_the_heaps_top_went_back_and_forth_and_made_equal_networks_differ() -> None:
    assert environment(1)["MALLOC_TRIM_THRESHOLD_"] == str(2**30)
    assert environment(1)["MALLOC_MMAP_THRESHOLD_"] == str(2**30)
    assert "MALLOC_TRIM_THRESHOLD_" not in environment(1, heap="default")


def test_a_pool_answers_in_the_order_of_the_cases() -> None:
    cases = [Case("layer/4-4-k3", DENSE, input=(4, size, size)).as_dict() for size in (4, 8, 6, 10)]
    with CountingPool(2, []) as pool:
        found = [answer["counts"]["macs"] for answer in pool.count(cases)]
    assert found == [144 * size * size for size in (4, 8, 6, 10)]
