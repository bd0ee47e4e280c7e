"""Zygotes: every job in a fork of its own, and what becomes of one that ends it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.analysis.records import Probe
from bench.case import Case, MethodCall
from bench.plan.targets import TARGETS
from bench.run import probing
from bench.run.launch import knows_zygotes, run_worker
from bench.run.pace import ALONE
from bench.run.pool import Asked, Pool
from bench.run.probing import ProbingProcess
from bench.run.session import Arm
from bench.run.sitting import Place
from bench.worker.protocol import Exported, Job, Measured

PLUGIN = """
import os, time
from bench.methods.parts.method import method

@method("leaves")
def leaves(network, context):
    '''Says so and ends the process.'''
    os.write(2, b"leaves now\\n")
    os.kill(os.getpid(), 11)

@method("hangs")
def hangs(network, context):
    '''Never comes back.'''
    time.sleep(600)
"""

linux = pytest.mark.skipif(sys.platform != "linux", reason="forks are not safe elsewhere")


def place(method: str = "dense", threads: int = 1) -> Place:
    case = Case("layer/4-4-k3", (MethodCall(method),), input=(4, 8, 8), threads=threads)
    return Place(Arm(), case, 0, 0)


@pytest.fixture
def session(tmp_path: Path) -> Any:
    """As much of a session as a probe looks at."""
    file = tmp_path / "odd.py"
    file.write_text(PLUGIN)
    measure = SimpleNamespace(timeout=60.0, heap="kept", cool_below=None, protocol=dict, energy=False)
    plan = SimpleNamespace(
        targets={"cpu": TARGETS.get("cpu")},
        measure=measure,
        measure_of=lambda _: measure,
        plugins=[str(file)],
    )
    start = SimpleNamespace(run="r")
    counted = SimpleNamespace(recipes=(None,))
    return SimpleNamespace(
        plan=plan, start=start, count_of=lambda *_: counted, export_of=lambda *_: ("", Exported())
    )


@pytest.fixture
def prober(session: Any) -> Iterator[ProbingProcess]:
    process = ProbingProcess(session)
    yield process
    process.close()


def pid(process: ProbingProcess) -> int:
    worker = process._prober._worker
    assert worker is not None
    return worker._process.pid


@linux
def test_a_zygote_finds_what_a_process_of_its_own_finds(prober: ProbingProcess) -> None:
    found = prober.ask(place())
    assert found.error is None
    job = Job(place().case, recipes=(None,), timed=False)
    alone = run_worker(TARGETS.get("cpu"), job, 60, Measured)
    assert found.memory is not None
    assert alone.memory is not None
    assert found.memory.live_peak == alone.memory.live_peak
    assert (found.output, found.params, found.latency) == (alone.output, alone.params, None)
    one = pid(prober)
    assert prober.ask(place()).output == found.output
    assert pid(prober) == one


@linux
def test_a_case_that_ends_its_fork_fails_alone(prober: ProbingProcess) -> None:
    prober.ask(place())
    one = pid(prober)
    crashed = prober.ask(place("leaves"))
    assert crashed.status == "failed"
    assert crashed.error is not None
    assert crashed.error.in_words() == "Crash in launch: the worker was ended by SIGSEGV"
    assert crashed.error.traceback == "leaves now\n"
    assert prober.ask(place()).error is None
    assert pid(prober) == one


@linux
def test_a_case_that_hangs_costs_its_zygote(prober: ProbingProcess, session: Any) -> None:
    prober.ask(place())
    one = pid(prober)
    session.plan.measure.timeout = 1.0
    hung = prober.ask(place("hangs"))
    assert hung.error is not None
    assert (hung.error.type, hung.error.message) == ("Timeout", "no answer within 1 s")
    with pytest.raises(ProcessLookupError):
        os.kill(one, 0)
    session.plan.measure.timeout = 60.0
    assert prober.ask(place()).error is None


@linux
def test_another_number_of_threads_gets_another_zygote(prober: ProbingProcess) -> None:
    assert prober.ask(place(threads=1)).threads == 1
    one = pid(prober)
    assert prober.ask(place(threads=2)).threads == 2
    assert pid(prober) != one


@linux
def test_a_fork_ends_with_its_harness(tmp_path: Path) -> None:
    """Killed with kill -9, a harness closes the pipe that the zygote and its forks read."""
    (tmp_path / "odd.py").write_text(PLUGIN)
    job = Job(place("hangs").case, recipes=(None,), plugins=(str(tmp_path / "odd.py"),), timed=False)
    zygote = subprocess.Popen(
        [sys.executable, "-m", probing.ZYGOTE], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert zygote.stdin is not None
    zygote.stdin.write(json.dumps(job.to_json()).encode() + b"\n")
    zygote.stdin.flush()
    time.sleep(0.5)
    assert zygote.poll() is None
    zygote.stdin.close()
    zygote.wait(30)
    assert zygote.stdout is not None
    zygote.stdout.close()


@linux
def test_a_probe_has_the_energy_of_a_call_or_why_not_where_it_is_asked(
    prober: ProbingProcess, session: Any
) -> None:
    assert prober.ask(place()).energy is None
    session.plan.measure.energy = True
    found = prober.ask(place())
    assert found.error is None
    assert found.memory is not None
    assert found.energy is not None
    assert "energy" in found.stages
    assert (found.energy.joules is None) == bool(found.energy.refused)


@pytest.mark.parametrize("energy", [True, False])
def test_where_energy_is_measured_probes_come_one_after_the_other(
    session: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, energy: bool
) -> None:
    asked: list[int] = []

    class Counting(Pool[Place, Any]):
        def __init__(self, processes: Sequence[Asked[Place, Any]]) -> None:
            asked.append(len(processes))
            super().__init__([])

    session.plan.measure.energy = energy
    session.hosts = None
    session.arms = (Arm(),)
    session.measurable = lambda arm: [place().case] * 5
    session.probed = lambda arm, case: False
    monkeypatch.setattr(probing, "PROCESSES", 4)
    monkeypatch.setattr(probing, "Pool", Counting)
    with pytest.raises(ValueError, match="max_workers"):  # a pool of nobody
        probing.probe_cases(session, tmp_path)
    assert asked == [1 if energy else 4]


def test_an_older_revision_knows_no_zygotes(tmp_path: Path) -> None:
    assert not knows_zygotes(tmp_path)
    there = tmp_path / "bench" / "worker"
    there.mkdir(parents=True)
    (there / "zygote.py").touch()
    assert knows_zygotes(tmp_path) == (sys.platform == "linux")


def test_one_probe_is_asked_alone_first_to_see_how_much_they_slow_each_other(
    session: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    now = 0.0
    asked: list[str] = []

    class Fake:
        """Answers alone in 10 ms, and in 20 ms beside others; the first answer takes two seconds."""

        def __init__(self, _session: Any) -> None: ...

        def ask(self, place: Place) -> Probe:
            nonlocal now
            now += 2.0
            asked.append(place.case.id)
            call = 0.01 if len(asked) == 1 else 0.02
            return Probe(run="r", case=place.case.id, status="ok", stages={"build": 0.5, "call": call})

        def close(self) -> None: ...

    kept: list[Probe] = []
    session.hosts, session.arms = None, (Arm(),)
    session.plan.is_emulated = lambda case: False
    session.measurable = lambda arm: [place(threads=1).case, place("leaves").case]
    session.probed = lambda arm, case: False
    session.listener = SimpleNamespace(probing=lambda *_: None)
    session.add_probe = kept.append
    session.clock = lambda: now
    monkeypatch.setattr(probing, "PROCESSES", 2)
    monkeypatch.setattr(probing, "ProbingProcess", Fake)
    monkeypatch.setattr(probing, "export_cases", lambda *_: iter(()))
    probing.probe_cases(session, tmp_path)
    assert asked[0] == place().case.id
    assert len(asked) == 3
    assert [probe.case for probe in kept] == [place().case.id, place("leaves").case.id]
    assert session.shared == pytest.approx(2 * ALONE)
    assert session.start_seconds == pytest.approx(2.0 - 0.51)
