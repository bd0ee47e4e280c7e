"""The self-test's figures, without waiting for any."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from bench.run.doctor import SelfTest, judge, self_test, verdict_line
from bench.run.launch import failed


def answers(spread: float, seed: int = 1) -> Any:
    """A worker whose trials scatter by ``spread`` on the log scale."""
    noise = random.Random(seed)

    def worker(job: dict[str, Any]) -> dict[str, Any]:
        latency = {"samples": [0.01 * math.exp(noise.gauss(0, spread))], "warmup_steady": True}
        return {"status": "ok", "error": None, "latency": latency}

    return worker


def test_a_quiet_host_can_gate_at_one_percent() -> None:
    test, trials = self_test(20, 0, lambda done, total: None, worker=answers(0.001))
    assert len(trials) == 40
    assert test.resolution_p95 < 0.01
    assert verdict_line(test) == "this host can gate at 1%, 2%, 5%, 10% with 5 rounds"


def test_a_noisy_host_cannot_gate_at_all() -> None:
    test, _ = self_test(20, 0, lambda done, total: None, worker=answers(0.3))
    assert "cannot gate" in verdict_line(test)
    assert not any(test.gates(at) for at in (0.01, 0.02, 0.05, 0.1))


def test_false_alarms_alone_make_a_host_unfit() -> None:
    assert not SelfTest(20, 0, 0.2, 0.001, 0.001, {}).gates(0.05)
    assert SelfTest(20, 0, 0.04, 0.001, 0.001, {}).gates(0.05)


def test_both_arms_are_measured_in_both_orders() -> None:
    _, trials = self_test(20, 0, lambda done, total: None, worker=answers(0.01))
    firsts = [trials[at].arm for at in range(0, 40, 2)]
    assert set(firsts) == {"a", "b"}
    assert all({trials[at].arm, trials[at + 1].arm} == {"a", "b"} for at in range(0, 40, 2))


def test_figures_depend_on_data_and_seed_alone() -> None:
    logs = [0.01, -0.02, 0.005, 0.03, -0.01, 0.0]
    assert judge(logs, 6, 3, {}) == judge(logs, 6, 3, {})


def test_a_host_that_cannot_measure_says_why() -> None:
    with pytest.raises(RuntimeError, match="no memory"):
        self_test(6, 0, lambda d, t: None, worker=lambda job: failed("build", "MemoryError", "no memory"))
