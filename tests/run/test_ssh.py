"""Targets behind ssh, over a real server on loopback."""

from __future__ import annotations

import hashlib
import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import loopback_ssh
import pytest
import torch
from own_network import write_module
from processes import gone, number_in

from bench.analysis.store import list_results, read_results
from bench.case import Case, Imported, MethodCall
from bench.errors import InputError
from bench.models.imported import imported_backbone
from bench.plan.plan import make_plan
from bench.plan.suite import load_suite
from bench.plan.targets import Target, split_launch
from bench.run import run as runs
from bench.run.launch import WorkerFailed, run_worker, start_worker
from bench.run.provision import ProvisionFailed, packed, provision
from bench.run.reach import reach
from bench.worker.offspring import MARK
from bench.worker.protocol import Job, Measured

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(loopback_ssh.missing()), reason=f"ssh: {loopback_ssh.missing()}"),
]

PLUGIN = """\
from bench.methods.parts.method import method

@method("hangs")
def hangs(network, context):
    '''Writes its number and never comes back.'''
    import os, pathlib, time
    pathlib.Path(__file__).with_suffix(".pid").write_text(str(os.getpid()))
    time.sleep(600)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[loopback_ssh.Server]:
    with loopback_ssh.serving(tmp_path_factory.mktemp("ssh")) as serving:
        yield serving


def board(server: loopback_ssh.Server, key: str = "user", known: str = "known_hosts") -> Target:
    return Target("board", "cpu", split_launch(server.launch(key, known)), sys.executable)


def job(method: str = "dense", plugins: tuple[str, ...] = ()) -> Job:
    case = Case("layer/4-4-k3", (MethodCall(method),), input=(4, 8, 8))
    return Job(case, recipes=(None,), plugins=plugins, timed=False)


def test_a_board_is_provisioned_and_tells_what_it_is(server: loopback_ssh.Server) -> None:
    lines: list[str] = []
    provision(board(server), lines.append)
    assert lines == ["copied the package to ~/.csr-bench"]
    there = server.home / ".csr-bench" / "bench"
    assert (there / "worker" / "trial.py").is_file()
    assert not list(there.rglob("*.pyc"))
    found = reach(board(server), 60)
    assert found.why == ""
    assert found.facts.host
    assert "latency" in found.facts.measurable
    answer = run_worker(board(server), job(), 60, Measured)
    assert (answer.error, answer.threads) == (None, 1)


def test_a_suite_runs_over_ssh(server: loopback_ssh.Server, tmp_path: Path) -> None:
    provision(board(server), print)
    suite = tmp_path / "s.yaml"
    suite.write_text(
        "name: s\nbackbones: [layer/4-4-k3]\nmethods: [dense, csr_conv: {T: 2}]\ninputs: [8x8]\n"
        f"targets: {{board: {{launch: {json.dumps(server.launch())}, python: {sys.executable}}}}}\n"
        "measure: {rounds: 1, passes: 4, warmup_max_seconds: 0.05}\n"
    )
    plan = make_plan(load_suite(suite, trust=True))
    file, start = runs.begin(plan, tmp_path / "results", 1)
    from bench.api import Silent

    outcome = runs.execute(plan, file, start, Silent())
    assert outcome.failed == {}
    (found,) = (read_results(file) for file in list_results(tmp_path / "results"))
    assert [trial.status for trial in found.trials] == ["ok", "ok"]
    assert {trial.seating for trial in found.trials} == {"together"}
    assert {probe.status for probe in found.probes} == {"ok"}


def test_a_network_of_ones_own_is_built_over_there(server: loopback_ssh.Server, tmp_path: Path) -> None:
    provision(board(server), print)
    build = f"{write_module(tmp_path)}:build"
    weights = tmp_path / "best.pt"
    network = imported_backbone("mine", Imported(build, folder=str(tmp_path)), (3, 8, 8)).network()
    torch.save(network.state_dict(), weights)
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()

    def asked(sha256: str) -> Measured:
        source = Imported(build, {"width": 8}, str(tmp_path), str(weights), sha256)
        case = Case("mine", (MethodCall("dense"),), input=(3, 8, 8), imported=source)
        return run_worker(board(server), Job(case, recipes=(None,), timed=False), 60, Measured)

    found = asked(digest)
    assert found.error is None
    assert found.params == sum(parameter.numel() for parameter in network.parameters())
    other = asked("0" * 64).error
    assert other is not None
    assert "where the run was planned with 000000000000" in other.message


@pytest.mark.parametrize(
    ("key", "known", "words"),
    [("stranger", "known_hosts", "Permission denied"), ("user", "nobody", "Host key verification failed")],
)
def test_who_is_not_let_in_is_a_failure_with_the_command_and_the_last_words(
    server: loopback_ssh.Server, key: str, known: str, words: str
) -> None:
    answer = run_worker(board(server, key, known), job(), 60, Measured)
    assert answer.error is not None
    assert answer.error.type == "ConnectionLost"
    assert words in answer.error.message
    assert answer.error.traceback.startswith("$ ssh -p ")
    with pytest.raises(ProvisionFailed, match=words):
        provision(board(server, key, known), print)
    assert words in reach(board(server, key, known), 60).why


def test_no_interpreter_over_there(server: loopback_ssh.Server) -> None:
    answer = run_worker(Target("b", "cpu", board(server).prefix, "/no/python"), job(), 60, Measured)
    assert answer.error is not None
    assert "/no/python" in answer.error.message


def test_bug_a_worker_behind_ssh_on_this_host_ended_the_ssh_that_led_to_it(
    server: loopback_ssh.Server,
) -> None:
    """It ends what has its mark when it goes; ssh had the same, and could die before it gave the answer."""
    with start_worker(board(server), "bench.worker", job()) as worker:
        file, environment = Path(f"/proc/{worker._process.pid}/environ"), b""
        while not environment:  # as long as the process is about to become ssh
            environment = file.read_bytes()
        assert MARK.encode() not in environment
        assert b"HOME=" in environment


def test_nothing_stays_running_over_there_when_the_connection_is_cut(tmp_path: Path) -> None:
    """The worker waits in its network; its pipe closes, and it ends."""
    plugin = tmp_path / "odd.py"
    plugin.write_text(PLUGIN)
    with loopback_ssh.serving(tmp_path / "ssh") as server:
        with start_worker(board(server), "bench.worker", job()) as worker:
            question = job("hangs", (str(plugin),)).to_json()

            def cut() -> None:
                number_in(plugin.with_suffix(".pid"))
                server.stop()

            cutting = threading.Thread(target=cut)
            cutting.start()
            with pytest.raises(WorkerFailed) as caught:
                worker.ask(question, 60)
            cutting.join(30)
        assert caught.value.failure.type == "ConnectionLost"
    assert gone(number_in(plugin.with_suffix(".pid")))


def test_a_hang_over_there_is_ended_there_too(server: loopback_ssh.Server, tmp_path: Path) -> None:
    plugin = tmp_path / "odd.py"
    plugin.write_text(PLUGIN)
    answer = run_worker(board(server), job("hangs", (str(plugin),)), 8, Measured)
    assert answer.error is not None
    assert answer.error.type == "Timeout"
    assert gone(number_in(plugin.with_suffix(".pid")))


def test_this_host_needs_no_provisioning() -> None:
    with pytest.raises(InputError, match="needs no provisioning"):
        provision(Target("cpu", "cpu"), print)


def test_what_is_copied_is_the_source_alone(tmp_path: Path) -> None:
    import io
    import tarfile

    (tmp_path / "worker" / "__pycache__").mkdir(parents=True)
    for name in ("worker/trial.py", "worker/__pycache__/trial.pyc", "table.csv"):
        (tmp_path / name).write_text("x")
    with tarfile.open(fileobj=io.BytesIO(packed(tmp_path))) as tar:
        assert sorted(tar.getnames()) == ["bench/table.csv", "bench/worker/trial.py"]
