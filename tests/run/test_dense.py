"""Dense networks called one by one, by which a plan tells its time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.plan.plan import Plan, make_plan
from bench.plan.suite import load_suite
from bench.run.dense import LEAVING, DenseTimes, call_dense, called
from bench.run.estimate import estimated_seconds, stored_seconds
from bench.run.pace import ALONE, Cost, trial_seconds
from bench.run.requests import ProbeRequest
from bench.worker.protocol import Failure, Measured

SUITE = (
    "name: s\nbackbones: [resnet20, resnet56]\nmethods: [dense, csr_conv: {T: [2, 4]}]\n"
    "measure: {rounds: 4}\n"
)


class Asked:
    """A process that needs a second until it is ready, and answers that a call takes ``call`` seconds."""

    def __init__(self, call: float = 0.01) -> None:
        self.now = 0.0
        self.ids: list[str] = []
        self.closed = False
        self._call = call

    def ask(self, request: ProbeRequest) -> Measured:
        assert not request.job.timed
        assert request.job.recipes == (None,)
        self.ids.append(request.job.case.id)
        self.now += 1.0 + 0.2 if len(self.ids) == 1 else 0.2
        if "resnet56" in request.job.case.id:
            return Measured(error=Failure("build", "RuntimeError", "no memory"))
        return Measured(stages={"build": 0.2 - self._call, "call": self._call})

    def close(self) -> None:
        self.closed = True

    def clock(self) -> float:
        return self.now


def planned(suite_file: Callable[[str], Path], more: str = "") -> Plan:
    return make_plan(load_suite(suite_file(SUITE + more)))


def times(plan: Plan, known: tuple[str, ...] = (), asked: Any = None) -> tuple[DenseTimes, Any]:
    asked = asked or Asked()
    return call_dense(plan, known, lambda *_: None, asked, asked.clock), asked


def test_each_dense_network_is_called_once_and_one_that_fails_has_no_time(
    suite_file: Callable[[str], Path],
) -> None:
    plan = planned(suite_file, "runtimes: [eager, compile]\n")
    found, asked = times(plan)
    assert asked.ids == ["resnet20/dense/eager/cpu/b1/3x32x32", "resnet56/dense/eager/cpu/b1/3x32x32"]
    assert asked.closed
    assert found.start == pytest.approx(1.0)
    assert set(found.costs) == {"resnet20/dense/eager/cpu/b1/3x32x32"}
    cost = Cost(0.19 / ALONE, 0.01 / ALONE)
    assert found.costs["resnet20/dense/eager/cpu/b1/3x32x32"] == cost
    small = [case for case in plan.cases if case.backbone == "resnet20"]
    assert [called(case).runtime for case in small] == ["eager"] * 6
    eager, compiled = (next(c for c in small[1:] if c.runtime == name) for name in ("eager", "compile"))
    of_turns = trial_seconds(cost, True, plan.measure)
    # Three cases share a process of one second, which starts while others are built, if nobody times that.
    assert found.trial(eager, plan) == pytest.approx(of_turns + 1 / 3 - cost.building)
    assert found.trial(compiled, plan) == pytest.approx(of_turns + 1 / 3)
    assert found.trial(plan.cases[-1], plan) is None
    assert found.before(plan.cases[-1]) is None


def test_what_stored_runs_know_and_what_the_suite_starts_is_not_called(
    suite_file: Callable[[str], Path],
) -> None:
    plan = planned(suite_file)
    known = tuple(case.id for case in plan.cases if case.backbone == "resnet20")
    assert times(plan, known)[1].ids == ["resnet56/dense/eager/cpu/b1/3x32x32"]
    board = planned(suite_file, "targets: [{name: board, prefix: [ssh, pi]}]\n")
    assert times(board)[1].ids == []
    assert times(planned(suite_file, "targets: [cortex-a72]\n"))[1].ids == []


def test_bug_a_large_network_was_told_the_time_of_a_small_one(
    suite_file: Callable[[str], Path], tmp_path: Path
) -> None:
    plan = planned(suite_file)
    small = times(plan, asked=Asked(0.001))[0]
    large = times(plan, asked=Asked(0.15))[0]
    seconds = [estimated_seconds(plan, tmp_path, dense=dense) for dense in (small, large)]
    assert seconds[1] > 2 * seconds[0]
    assert stored_seconds(plan, tmp_path) is None


def test_bug_a_network_that_inputs_leave_early_was_told_the_time_of_any_other(
    suite_file: Callable[[str], Path],
) -> None:
    """Every sample is a round over several inputs, and each input is timed alone."""
    suite = "name: s\nbackbones: [resnet20]\nmethods: [dense, early_exit: {threshold: 0.3}]\n"
    plan = make_plan(load_suite(suite_file(suite)))
    found, _ = times(plan)
    dense, early = (found.trial(case, plan) for case in plan.cases)
    assert dense is not None
    assert early is not None
    assert early > dense + LEAVING * 2 * 40 * found.costs[plan.cases[0].id].call
