"""Inputs that leave a network early: rounds that stand for all of them, on a clock of our own."""

from __future__ import annotations

import random
import statistics
from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from bench.case import Case, MethodCall
from bench.network import prepare
from bench.worker.inputs import WARMING, Rounds, round_of, seconds_by_input
from bench.worker.latency import CpuStopwatch, LatencyProtocol, measure, settle, take_turn
from bench.worker.measurements import VISITS
from bench.worker.protocol import Job
from bench.worker.seat import Seat
from bench.worker.stages import Stages

COST = {0: 0.001, 1: 0.002, 2: 0.005}
"""Seconds of an input by its exit."""


class Paced:
    """A network that takes as long as its input says, on a clock that nothing else moves."""

    def __init__(self) -> None:
        self.clock = 0.0
        self.calls: list[int] = []

    def __call__(self, x: Tensor) -> None:
        self.calls.append(int(x))
        self.clock += COST[int(x)]

    def stopwatch(self) -> CpuStopwatch:
        return CpuStopwatch(lambda: self.clock)


def rounds(left_at: list[int]) -> Rounds:
    return Rounds([torch.tensor(at) for at in left_at], left_at)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=64), st.integers(0, 9))
def test_a_round_has_every_exit_in_the_shares_of_all_inputs(left_at: list[int], seed: int) -> None:
    chosen = round_of(left_at, random.Random(seed))
    assert len(set(chosen)) == len(chosen)
    whole, part = Counter(left_at), Counter(left_at[place] for place in chosen)
    assert {at: n * len(left_at) for at, n in part.items()} == {
        at: n * len(chosen) for at, n in whole.items()
    }
    assert left_at[chosen[0]] == max(left_at)


def test_a_round_is_as_short_as_shares_allow() -> None:
    assert len(round_of([0] * 20 + [1] * 10 + [2] * 10, random.Random(0))) == 4
    assert len(round_of([2] * 40, random.Random(0))) == 1
    assert len(round_of([0] * 19 + [1] * 21, random.Random(0))) == 40


def test_rounds_follow_one_another_in_the_same_order_and_begin_anew_when_told() -> None:
    found = rounds([0] * 4 + [1] * 2 + [2] * 2)
    first = [int(found.next()) for _ in range(4)]
    assert sorted(first) == [0, 0, 1, 2]
    assert first[0] == 2
    assert [int(found.next()) for _ in range(6)] == first + first[:2]
    found.begin()
    assert [int(found.next()) for _ in range(4)] == first


def test_every_sample_is_the_expectation_whatever_comes_before_it() -> None:
    network, inputs = Paced(), rounds([0] * 20 + [1] * 10 + [2] * 10)
    stopwatch = network.stopwatch()

    def call() -> None:
        network(inputs.next())

    settled = settle(call, stopwatch, LatencyProtocol(), len(inputs))
    expectation = (2 * 0.001 + 0.002 + 0.005) / 4
    assert settled.first_call == pytest.approx(0.005)
    assert settled.warmup_steady
    assert settled.seconds_per_call == pytest.approx(expectation)
    assert settled.calls_per_sample == 4
    for uncounted in range(6):
        inputs.begin()
        samples = take_turn(call, stopwatch, settled.calls_per_sample, uncounted, 3).samples
        assert samples == pytest.approx((expectation,) * 3)
    latency = measure(call, stopwatch, LatencyProtocol(), len(inputs))
    assert latency.samples == pytest.approx((expectation,) * len(latency.samples))
    assert latency.calls_per_sample == 4


def test_short_calls_are_timed_in_several_rounds() -> None:
    network, inputs = Paced(), rounds([0, 1])
    settled = settle(
        lambda: network(inputs.next()), network.stopwatch(), LatencyProtocol(sample_seconds=0.01), len(inputs)
    )
    assert settled.calls_per_sample == 8  # four rounds of 3 ms


def test_each_input_has_times_of_its_own() -> None:
    network, left_at = Paced(), [0, 2, 1, 0]
    inputs = rounds(left_at).inputs
    seconds = seconds_by_input(network, inputs, network.stopwatch())
    assert [len(calls) for calls in seconds] == [VISITS] * 4
    assert [statistics.median(calls) for calls in seconds] == pytest.approx([COST[at] for at in left_at])
    assert network.calls == left_at[:WARMING] + left_at * VISITS


def seat(batch: int = 1, runtime: str = "eager") -> Seat:
    case = Case("resnet20", (MethodCall("early_exit", {"threshold": 0.5}),), batch=batch, runtime=runtime)
    with torch.inference_mode(False):
        recipes = prepare(case)[1]
    with torch.inference_mode():
        return Seat(Job(case, recipes=tuple(recipes)), Stages())


def test_a_seat_visits_the_inputs_and_ends_with_the_answers_of_all_exits() -> None:
    found = seat()
    assert found.calls_in_round == 4
    with torch.inference_mode():
        found.round()
        fared = found.inputs(CpuStopwatch())
        assert fared is not None
        assert Counter(fared.left_at) == {0: 20, 1: 10, 2: 10}
        assert fared.in_round == 4
        assert [len(calls) for calls in fared.seconds] == [VISITS] * 40
        untimed = found.inputs(None)
        assert untimed is not None
        assert untimed.seconds == ()
        assert found.draw(random.Random(0)) > 0
        found.round()
        one, other = found.output(), seat().output()
    assert one == other
    assert one.shape == (3, 1, 10)
    assert one.finite


def test_a_seat_of_a_static_network_calls_one_example() -> None:
    with torch.inference_mode():
        found = Seat(Job(Case("resnet20", (MethodCall("dense"),)), recipes=(None,)), Stages())
        found.begin()
        found.round()
        assert found.calls_in_round == 1
        assert found.inputs(CpuStopwatch()) is None


def test_a_batch_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match=r"batch 4: every input leaves the network by itself.*batch 1 works"):
        seat(batch=4)


def test_a_runtime_of_one_fixed_graph_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match=r"runtime compile makes one fixed graph.*eager works"):
        seat(runtime="compile")
