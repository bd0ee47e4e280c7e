"""The self-test's figures, without waiting for any."""

from __future__ import annotations

import math
import os
import random
from collections.abc import Sequence
from typing import Any

import psutil
import pytest
from made_trials import made_error, made_trial

from bench.analysis.records import Trial
from bench.plan.suite import Measure
from bench.run.doctor import NothingMeasuredError, SelfTest, judge, neighbours, self_test, verdict_line
from bench.worker.protocol import Job


def answers(spread: float, seed: int = 1) -> Any:
    """Processes whose copies scatter by ``spread`` on the log scale."""
    noise = random.Random(seed)

    def sitting(jobs: Sequence[Job], measure: Measure, coin: random.Random) -> list[Trial]:
        return [made_trial("c", 0, 0.01 * math.exp(noise.gauss(0, spread))) for _ in jobs]

    return sitting


def test_a_quiet_host_can_gate_at_one_percent() -> None:
    test, trials = self_test(20, 0, lambda done, total: None, sitting=answers(0.001))
    assert len(trials) == 40
    assert test.resolution_p95 < 0.01
    assert verdict_line(test).startswith(
        "this host can gate at 1%, 2%, 5%, 10% with 5 rounds; a change of 0."
    )


def test_a_noisy_host_cannot_gate_at_all() -> None:
    test, _ = self_test(20, 0, lambda done, total: None, sitting=answers(0.3))
    assert "cannot gate" in verdict_line(test)
    assert not any(test.gates(at) for at in (0.01, 0.02, 0.05, 0.1))


def test_false_alarms_alone_make_a_host_unfit() -> None:
    assert not SelfTest(20, 0, 0.2, 0.001, 0.001, {}, 0.001, 0.001).gates(0.05)
    assert SelfTest(20, 0, 0.04, 0.001, 0.001, {}, 0.001, 0.001).gates(0.05)


def test_each_process_holds_two_copies() -> None:
    _, trials = self_test(20, 0, lambda done, total: None, sitting=answers(0.01))
    assert [(t.round, t.arm) for t in trials] == [(number, arm) for number in range(20) for arm in "ab"]


def test_the_difference_is_that_of_five_pairs_by_hand() -> None:
    # Every pair differs by 2 %, its sign is drawn: the mean of five is 2 % where all signs agree.
    logs = [0.02] * 20
    test = judge(logs, 20, 3, {})
    assert math.isclose(test.difference_p95, 0.02)  # all five alike: 2 of 32 draws, more than 5 %
    assert test.failed == 0
    assert judge(logs[:15], 20, 3, {}).failed == 5


def test_false_alarms_of_equal_arms_are_as_rare_as_the_verdict_promises() -> None:
    noise = random.Random(5)
    shares = [
        judge([noise.gauss(0, 0.02) for _ in range(40)], 40, seed, {"busy": 1}).wrong for seed in range(5)
    ]
    assert sum(shares) / len(shares) < 0.08


def test_other_random_draws_agree_and_other_data_do_not() -> None:
    noise = random.Random(1)
    logs = [noise.gauss(0, 0.01) for _ in range(20)]
    one, other = judge(logs, 20, 3, {}), judge(logs, 20, 4, {})
    assert one != other
    assert math.isclose(one.difference_p95, other.difference_p95, rel_tol=0.1)
    twice = judge([2 * value for value in logs], 20, 3, {})
    assert math.isclose(twice.difference_p95, 2 * one.difference_p95)
    assert math.isclose(twice.resolution_p95, 2 * one.resolution_p95)


class Program:
    """Stands in for a process; uses so many cores, or has ended."""

    def __init__(self, pid: int, name: str, cores: float, ended: bool = False) -> None:
        self.pid, self._name, self._cores, self._ended = pid, name, cores, ended
        self._looks = 0

    def name(self) -> str:
        if self._ended:
            raise psutil.NoSuchProcess(self.pid)
        return self._name

    def cpu_percent(self, interval: float | None) -> float:
        assert interval is None
        self._looks += 1
        return 100 * self._cores if self._looks > 1 else 0.0


def test_the_busiest_others_are_named_without_this_process() -> None:
    waited: list[float] = []
    programs = [
        Program(os.getpid(), "this", 1.0),
        Program(2, "idle", 0.0),
        Program(3, "compiler", 0.9),
        Program(4, "gone", 0.9, ended=True),
        *(Program(10 + n, f"other{n}", n / 10) for n in range(1, 6)),
    ]
    found = neighbours(3.0, lambda: programs, waited.append)  # type: ignore[arg-type, return-value]
    assert waited == [3.0]
    assert [name for name, _ in found.busiest] == ["compiler", "other5", "other4", "other3", "other2"]
    assert found.busiest[0][1] == 0.9


def test_the_hosts_facts_are_psutils() -> None:
    found = neighbours(0.0, list, lambda seconds: None)
    assert found.busiest == ()
    assert found.memory_bytes == psutil.virtual_memory().total
    assert found.memory_available_bytes is not None
    assert 0 < found.memory_available_bytes < found.memory_bytes
    assert found.load is not None
    assert len(found.load) == 3


def test_what_cannot_be_read_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OSError("no /proc")

    monkeypatch.setattr(psutil, "virtual_memory", refuse)
    monkeypatch.setattr(psutil, "getloadavg", refuse)
    found = neighbours(0.0, list, lambda seconds: None)
    assert (found.load, found.memory_bytes, found.memory_available_bytes) == (None, None, None)


def test_a_host_that_cannot_measure_says_why() -> None:
    failed = made_trial("c", error=made_error("no memory", "build", "MemoryError"))
    with pytest.raises(NothingMeasuredError, match="only 0 of 6 pairs could be measured: no memory"):
        self_test(6, 0, lambda d, t: None, sitting=lambda jobs, measure, coin: [failed] * len(jobs))
