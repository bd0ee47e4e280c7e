"""Starting workers: whatever happens outside the worker is a failed answer, and no process is left over."""

from __future__ import annotations

import json
import os
import platform
import selectors
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from processes import alive, gone

import bench
from bench.case import DENSE, Case, MethodCall
from bench.plan.targets import Target
from bench.run import counting as counting_processes
from bench.run import launch
from bench.run.counting import CountingPool, CountingProcess
from bench.run.launch import WorkerFailed, WorkerProcess, environment, knows_dtypes
from bench.worker.out_of_memory import MEND
from bench.worker.protocol import Failure, Job, Measured

CASE = Case("layer/4-4-k3", DENSE, input=(4, 8, 8))
JOB = Job(CASE, recipes=(None,))
OK = '{"status": "ok", "error": null}'


def run_worker(target: Target, job: Job, timeout: float) -> Measured:
    return launch.run_worker(target, job, timeout, Measured)


def failure(answer: Any) -> Failure:
    assert answer.error is not None
    found: Failure = answer.error
    return found


def shell(script: str) -> Target:
    """A target whose worker is a shell script; the worker's own words are its arguments."""
    return Target("fake", "cpu", ("/bin/sh", "-c", script, "sh"))


def test_the_command_line_is_prefix_interpreter_module() -> None:
    assert Target("cpu", "cpu").command() == [sys.executable, "-m", "bench.worker"]
    board = Target("board", "cpu", ("taskset", "-c", "0"), "python3.11")
    assert board.command() == ["taskset", "-c", "0", "python3.11", "-m", "bench.worker"]


def test_ssh_hands_environment_and_quoting_to_the_shell_over_there() -> None:
    board = Target("board", "cpu", ("ssh", "pi@board"), "~/my env/bin/python")
    assert board.command(environment={"OMP_NUM_THREADS": "1", "ODD": "a b"}) == [
        "ssh",
        "pi@board",
        "OMP_NUM_THREADS=1 ODD='a b' PYTHONPATH=~/.csr-bench exec ~/'my env/bin/python' -m bench.worker",
    ]
    assert Target("b", "cpu", ("/usr/bin/ssh", "b")).command()[-1].endswith("exec python3 -m bench.worker")


def test_another_revision_is_not_measured_over_ssh(tmp_path: Path) -> None:
    answer = launch.run_worker(Target("b", "cpu", ("ssh", "b")), JOB, 10, Measured, tmp_path)
    assert failure(answer).message.startswith("target b: other revisions are measured on this host alone")


def test_the_prefix_gets_the_worker_as_its_arguments_and_the_job_on_stdin(tmp_path: Path) -> None:
    record = f"""echo "$@" > {tmp_path}/argv; head -n 1 > {tmp_path}/job; echo '{OK}'"""
    answer = run_worker(shell(record), JOB, 10)
    assert answer == Measured()
    assert (tmp_path / "argv").read_text().split() == [sys.executable, "-m", "bench.worker"]
    assert Job.from_json(json.loads((tmp_path / "job").read_text())) == JOB


def test_another_interpreter_can_be_named(tmp_path: Path) -> None:
    target = Target(
        "x", "cpu", ("/bin/sh", "-c", f"echo \"$1\" > {tmp_path}/argv; echo '{OK}'", "sh"), "python9"
    )
    run_worker(target, JOB, 10)
    assert (tmp_path / "argv").read_text().strip() == "python9"


def test_thread_pools_have_the_cases_size(tmp_path: Path) -> None:
    job = Job(Case("x", DENSE, threads=2))
    names = "$OMP_NUM_THREADS $MKL_NUM_THREADS $OPENBLAS_NUM_THREADS $PYTHONHASHSEED"
    script = f"echo {names} > {tmp_path}/env; echo '{OK}'"
    run_worker(shell(script), job, 10)
    assert (tmp_path / "env").read_text().split() == ["2", "2", "2", "0"]


def test_another_checkout_stands_first_on_the_path(tmp_path: Path) -> None:
    assert environment(1, tmp_path)["PYTHONPATH"] == str(tmp_path)
    assert environment(1).get("PYTHONPATH") == os.environ.get("PYTHONPATH")


def test_a_revision_that_reads_stdin_to_its_end_gets_one(tmp_path: Path) -> None:
    script = f"""cat > {tmp_path}/job; echo '{OK}'"""
    assert launch.run_worker(shell(script), JOB, 10, Measured, tmp_path).error is None
    assert not Job.from_json(json.loads((tmp_path / "job").read_text())).watch


def test_a_revision_that_reads_lines_keeps_its_stdin(tmp_path: Path) -> None:
    (tmp_path / "bench" / "worker").mkdir(parents=True)
    (tmp_path / "bench" / "worker" / "protocol.py").touch()
    script = f"""cat > {tmp_path}/job; echo '{OK}'"""
    error = failure(launch.run_worker(shell(script), JOB, 0.5, Measured, tmp_path))
    assert error.type == "Timeout"
    assert Job.from_json(json.loads((tmp_path / "job").read_text())).watch


def test_what_a_prefix_prints_before_the_answer_is_skipped() -> None:
    assert run_worker(shell(f"echo Welcome; echo; echo '{OK}'"), JOB, 10).error is None


def test_a_worker_that_does_not_answer_is_ended(tmp_path: Path) -> None:
    script = f"echo $$ > {tmp_path}/pid; sleep 600 & echo $! > {tmp_path}/child; echo patience >&2; wait"
    answer = run_worker(shell(script), JOB, 0.5)
    error = failure(answer)
    assert (error.stage, error.type, error.message) == ("launch", "Timeout", "no answer within 0.5 s")
    assert "patience" in error.traceback
    assert gone(int((tmp_path / "pid").read_text()))
    assert gone(int((tmp_path / "child").read_text()))


def test_an_interrupted_wait_ends_the_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(selectors.DefaultSelector, "select", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_worker(shell(f"echo $$ > {tmp_path}/pid; sleep 600"), JOB, 60)
    assert not (tmp_path / "pid").exists() or gone(int((tmp_path / "pid").read_text()))


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("kill -SEGV $$", "the worker was ended by SIGSEGV"),
        ("kill -KILL $$", "the worker was ended by SIGKILL (out of memory?)"),
        ("kill -35 $$", "the worker was ended by signal 35"),
        ("echo first >&2; echo last >&2; exit 7", "the worker ended with code 7: last"),
        ("exit 7", "the worker ended with code 7 and printed nothing"),
        ("true", "the worker ended with code 0 and printed nothing"),
        ("echo hello", "the worker ended with code 0: hello"),
        ("echo 5", "the worker ended with code 0: 5"),
        ("echo null", "the worker ended with code 0: null"),
        ("echo '{}'", "the worker ended with code 0: {}"),
        ("""echo '{"status": "ok"}'""", """the worker ended with code 0: {"status": "ok"}"""),
        ("echo '[1, 2]'", "the worker ended with code 0: [1, 2]"),
        ("printf '\\377\\376'", "the worker ended with code 0: \ufffd\ufffd"),
        (
            "echo MemoryError >&2; exit 1",
            f"the worker ended with code 1: the host gave no more memory; {MEND}",
        ),
        (
            'echo "  what():  std::bad_alloc" >&2; kill -ABRT $$',
            f"the worker was ended by SIGABRT: the host gave no more memory; {MEND}",
        ),
        (
            """echo '{"status": "ok", "error": null, "latency": {"samples": "abc"}}'""",
            "the worker's answer cannot be read: latency.samples: input should be a valid tuple",
        ),
        (
            """echo '{"status": "ok", "error": null, "host": 5}'""",
            "the worker's answer cannot be read: host: input should be a valid dictionary",
        ),
    ],
)
def test_a_crash_is_a_failed_answer(script: str, words: str) -> None:
    answer = run_worker(shell(script), JOB, 10)
    error = failure(answer)
    assert (error.stage, error.type, error.message) == ("launch", "Crash", words)


def test_a_program_that_is_not_there_is_named() -> None:
    answer = run_worker(Target("x", "cpu", ("no-such-program", "-x")), JOB, 10)
    assert failure(answer).type == "FileNotFoundError"
    assert failure(answer).message == "no-such-program: No such file or directory"


def test_a_program_that_may_not_be_run_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("x")
    answer = run_worker(Target("x", "cpu", (str(tmp_path / "data"),)), JOB, 10)
    assert failure(answer).type == "PermissionError"


def test_an_interpreter_without_the_package_is_a_crash_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = run_worker(Target("x", "cpu", ("env", "-i"), sys._base_executable), JOB, 60)  # type: ignore[attr-defined]
    assert failure(answer).type == "Crash"
    assert "bench" in failure(answer).message


def test_an_interpreter_without_torch_says_so(tmp_path: Path) -> None:
    """The package is there and torch is not: what fails is the import, in the stage of that name."""
    here = str(Path(bench.__file__).parents[1])
    bare = Target("x", "cpu", ("env", "-i", f"PYTHONPATH={here}"), sys._base_executable)  # type: ignore[attr-defined]
    error = failure(run_worker(bare, JOB, 60))
    assert (error.stage, error.type) == ("import torch", "ModuleNotFoundError")
    assert "No module named 'torch'" in error.message


def test_a_torch_of_another_architecture_says_so(tmp_path: Path) -> None:
    """A wheel of another machine's is found and cannot be loaded."""
    other = 62 if platform.machine() == "aarch64" else 183  # ELF's numbers of x86-64 and of AArch64
    header = (
        b"\x7fELF"
        + bytes([2, 1, 1])
        + bytes(9)
        + struct.pack("<HHIQQQIHHHHHH", 3, other, 1, *[0] * 4, 64, *[0] * 5)
    )
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("from torch._C import *\n")
    (tmp_path / "torch" / "_C.abi3.so").write_bytes(header)
    here = str(Path(bench.__file__).parents[1])
    foreign = Target("x", "cpu", ("env", "-i", f"PYTHONPATH={tmp_path}:{here}"), sys._base_executable)  # type: ignore[attr-defined]
    error = failure(run_worker(foreign, JOB, 60))
    assert (error.stage, error.type) == ("import torch", "ImportError")
    assert "_C.abi3.so" in error.message


def test_only_the_end_of_a_long_complaint_is_kept() -> None:
    script = "i=0; while [ $i -lt 2000 ]; do echo line $i >&2; i=$((i+1)); done; exit 1"
    trace = failure(run_worker(shell(script), JOB, 30)).traceback
    assert len(trace) <= 4000
    assert trace.endswith("line 1999\n")


def test_a_large_answer_comes_through() -> None:
    start = """printf '{"status": "ok", "error": null, "heap": "'"""
    script = start + """; head -c 300000 /dev/zero | tr '\\0' y; echo '"}'"""
    assert len(run_worker(shell(script), JOB, 30).heap or "") == 300_000


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


def named(method: str) -> Case:
    return Case("layer/4-4-k3", (MethodCall(method),), input=(4, 8, 8))


@pytest.fixture(scope="module")
def counting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CountingProcess]:
    file = tmp_path_factory.mktemp("plugin") / "crashing.py"
    file.write_text(PLUGIN)
    with CountingProcess([str(file)]) as process:
        yield process


def pid(counting: CountingProcess) -> int:
    assert counting._worker is not None
    return counting._worker._process.pid


def test_counting_survives_what_ends_its_process(counting: CountingProcess) -> None:
    first = counting.ask(CASE)
    assert first.counts is not None
    assert (first.counts.params, first.counts.macs) == (144, 144 * 64)
    one = pid(counting)
    crash = counting.ask(named("leaves"))
    assert failure(crash).stage == "count"
    assert failure(crash).message == "the worker ended with code 9 and printed nothing"
    assert not alive(one)
    assert counting.ask(CASE) == first
    assert pid(counting) != one
    assert counting.ask(CASE) == first


def test_counting_keeps_its_process_after_an_error(counting: CountingProcess) -> None:
    counting.ask(CASE)
    one = pid(counting)
    unknown = counting.ask(named("dence"))
    assert failure(unknown).message.startswith("unknown method 'dence'; did you mean 'dense'?")
    assert counting.ask(CASE).error is None
    assert pid(counting) == one


def test_what_a_method_prints_does_not_reach_the_counts(counting: CountingProcess) -> None:
    assert counting.ask(named("prints")).error is None


def test_counting_that_hangs_is_ended(counting: CountingProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "_timeout", 0.5)
    counting.ask(named("hangs"))
    answer = counting.ask(named("hangs"))
    assert (failure(answer).type, failure(answer).message) == ("Timeout", "no answer within 0.5 s")
    assert counting._worker is None


def test_a_plugin_that_raises_fails_each_case_the_same(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("1 / 0")
    with CountingProcess([str(tmp_path / "broken.py")]) as counting:
        answers = [counting.ask(CASE) for _ in range(2)]
    for answer in answers:
        assert failure(answer).stage == "plugin"
        assert "ZeroDivisionError: division by zero" in failure(answer).message


def stand_in(script: str) -> launch.WorkerProcess:
    return launch.WorkerProcess(["/bin/sh", "-c", script], dict(os.environ))


@pytest.mark.parametrize("script", ["exit 3", "exec < /dev/null; exit 0", "read line; echo half of an ans"])
def test_a_counting_process_that_ends_without_an_answer_is_a_crash(script: str) -> None:
    counting = CountingProcess([])
    counting._worker = stand_in(script)
    answer = counting.ask(CASE)
    assert failure(answer).message.startswith("the worker ended with code ")
    assert counting._worker is None


def test_a_counting_process_that_died_is_replaced_for_the_next_case(monkeypatch: pytest.MonkeyPatch) -> None:
    counting = CountingProcess([])
    counting._worker = stand_in("true")
    assert failure(counting.ask(CASE)).type == "Crash"
    replacement = stand_in(f"read line; echo '{OK}'")
    monkeypatch.setattr(counting_processes, "WorkerProcess", lambda *_: replacement)
    assert counting.ask(CASE).error is None
    counting.close()


def test_closing_ends_the_counting_process() -> None:
    with CountingProcess([]) as counting:
        counting._worker = stand_in("sleep 600")
        process = pid(counting)
        assert alive(process)
    assert not alive(process)
    counting.close()


def test_bug_a_child_that_outlived_its_worker_held_the_answer_back(tmp_path: Path) -> None:
    script = f"sleep 600 & echo $! > {tmp_path}/child; read line; echo '{OK}'"
    since = time.monotonic()
    assert run_worker(shell(script), JOB, 60).error is None
    assert time.monotonic() - since < 30
    assert gone(int((tmp_path / "child").read_text()))


def test_bug_a_worker_that_floods_its_pipes_filled_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "LONGEST_ANSWER", 100_000)
    flood = failure(run_worker(shell("head -c 50000000 /dev/zero"), JOB, 60))
    assert flood.message == "the answer is longer than 100000 bytes"
    noise = run_worker(shell(f"head -c 50000000 /dev/zero >&2; read line; echo '{OK}'"), JOB, 60)
    assert noise.error is None


def test_bug_a_worker_lived_on_when_its_harness_was_killed(tmp_path: Path) -> None:
    """A worker that waits in its network ends when the pipe that the harness holds closes."""
    (tmp_path / "slow.py").write_text(PLUGIN)
    case = Case("layer/4-4-k3", (MethodCall("hangs"),), input=(4, 8, 8))
    job = Job(case, recipes=(None,), plugins=(str(tmp_path / "slow.py"),))
    worker = subprocess.Popen(
        [sys.executable, "-m", "bench.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert worker.stdin is not None
    worker.stdin.write(json.dumps(job.to_json()).encode() + b"\n")
    worker.stdin.flush()
    time.sleep(0.5)
    assert worker.poll() is None
    worker.stdin.close()
    assert worker.wait(30) == 1
    assert worker.stdout is not None
    worker.stdout.close()


def test_bug_a_second_answer_was_taken_for_the_answer_to_the_next_question() -> None:
    script = (
        f"""read a; echo '{OK}'; echo '{OK[:-1]}, "late": 1}}'; read b; echo '{OK[:-1]}, "second": 1}}'"""
    )
    with WorkerProcess(["sh", "-c", script], dict(os.environ)) as worker:
        assert "late" not in worker.ask({}, 60)
        time.sleep(0.2)
        assert worker.ask({}, 60)["second"] == 1


def test_an_answer_that_lies_there_counts_although_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after this process was stopped, or the host slept."""
    with WorkerProcess(["sh", "-c", f"echo '{OK}'; sleep 60"], dict(os.environ)) as worker:
        time.sleep(0.5)
        assert worker.ask({}, 0.0)["status"] == "ok"


def test_bug_the_heaps_top_went_back_and_forth_and_made_equal_networks_differ() -> None:
    assert environment(1)["MALLOC_TRIM_THRESHOLD_"] == str(2**30)
    assert environment(1)["MALLOC_MMAP_THRESHOLD_"] == str(2**30)
    assert "MALLOC_TRIM_THRESHOLD_" not in environment(1, heap="default")


def test_a_pool_answers_in_the_order_of_the_cases() -> None:
    cases = [Case("layer/4-4-k3", DENSE, input=(4, size, size)) for size in (4, 8, 6, 10)]
    with CountingPool(2, []) as pool:
        found = [answer.counts.macs for answer in pool.ask(cases) if answer.counts]
    assert found == [144 * size * size for size in (4, 8, 6, 10)]


def test_a_revision_from_before_dtypes_counts_float32_alone(tmp_path: Path) -> None:
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "case.py").write_text("class Case:\n    batch: int = 1\n")
    assert knows_dtypes(None)
    assert not knows_dtypes(tmp_path)
    assert not knows_dtypes(tmp_path / "nowhere")
    with CountingProcess((), checkout=tmp_path) as counter:
        answer = counter.ask(Case("resnet20", DENSE, dtype="bfloat16"))
    assert answer.error is not None
    assert answer.error.in_words() == (
        "Unsupported in count: dtype bfloat16: this revision knows float32 alone; "
        "compare it with `dtypes: [float32]`"
    )


def test_bug_ending_a_worker_left_a_thread_waiting_for_its_answer() -> None:
    """A fork that lives a little longer than its parent keeps the pipe open until nobody looks any more."""
    script = "setsid sleep 5 & read line; sleep 30"
    worker = WorkerProcess(["sh", "-c", script], dict(os.environ))
    said: list[WorkerFailed] = []

    def ask() -> None:
        with pytest.raises(WorkerFailed) as caught:
            worker.ask({}, 600)
        said.append(caught.value)

    waiting = threading.Thread(target=ask, daemon=True)
    waiting.start()
    time.sleep(0.2)
    worker.end()
    waiting.join(60)
    assert [failed.failure.message for failed in said] == ["the harness ended the worker"]
