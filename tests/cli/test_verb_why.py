"""bench why: a sentence, a table, and one line where there is neither."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from bench.run import explaining, profiling
from bench.worker.protocol import Explained, ExplainedLayer, Failure, Profiled, ProfiledLayer

CASE = "layer/4-4-k3/csr_conv(T=2)/eager/cpu/b1/4x8x8"


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in for the processes: one layer of eight microseconds, two of them in a product."""
    profiled = Profiled(host={"id": "h"}, seconds=16e-6, layers=(ProfiledLayer("conv", 8e-6, None),))
    layer = ExplainedLayer("conv", (), {"_slow_conv2d_forward": 2e-6, "relu": 1e-6, "cat": 1e-6})
    monkeypatch.setattr(profiling, "run_worker", lambda *_, **__: profiled)
    monkeypatch.setattr(explaining, "run_worker", lambda *_, **__: Explained(layers=(layer,)))


def test_for_a_person(bench: Callable[..., Any], workers: None) -> None:
    said = bench("why", CASE)
    assert (said.code, said.err) == (0, "")
    row, sentence = said.out.splitlines()
    assert row.split("\t")[:3] == ["conv", "unfolding and a matrix product (torch's own)", "6,912"]
    assert sentence == (
        f"{CASE}: of 0.016 ms 50 % is operators between the layers, 25 % dispatch, 12 % arithmetic, "
        "6 % splitting and concatenating, 6 % element-wise work"
    )


def test_for_machines(bench: Callable[..., Any], workers: None) -> None:
    said = bench("why", CASE, "--json")
    answer = json.loads(said.out)
    (layer,) = answer["layers"]
    assert (answer["case"], layer["name"], layer["hardware_macs"]) == (CASE, "conv", layer["macs"])
    assert layer["parts"]["arithmetic"] == pytest.approx(2e-6)


def test_a_case_that_fails_is_code_3(
    bench: Callable[..., Any], workers: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = Explained(error=Failure("launch", "Crash", "gone"))
    monkeypatch.setattr(explaining, "run_worker", lambda *_, **__: gone)
    said = bench("why", CASE)
    assert (said.code, said.out, said.err) == (3, "", f"bench: {CASE}: gone\n")


def test_a_case_that_is_none_is_code_2(bench: Callable[..., Any]) -> None:
    said = bench("why", "no-such-net/dense")
    assert said.code == 2
    assert said.out == ""
