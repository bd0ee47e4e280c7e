"""The time that is left: by probes, and by what the rounds so far took."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.analysis.records import Probe
from bench.plan.plan import PROCESS_SECONDS, Plan, make_plan
from bench.plan.suite import load_suite
from bench.run.pace import (
    ALONE,
    BESIDE,
    MOST_SHARED,
    SHARED,
    WARM_UP_CALLS,
    WARM_UP_SECONDS,
    Cost,
    Pace,
    cost_of,
    slowed,
    trial_seconds,
)
from bench.run.turns import COUNTED, FAR_PASSES
from bench.worker.measurements import UNCOUNTED, Inputs

SUITE = "name: s\nbackbones: [resnet20]\nmethods: [dense, csr_conv: {T: [2, 4]}]\n"


@pytest.fixture
def plan(suite_file: Callable[[str], Path]) -> Plan:
    return make_plan(load_suite(suite_file(SUITE + "measure: {rounds: 4}\n")))


def probe(case: str, call: float, building: float = 0.1) -> Probe:
    stages = {"import torch": 9.0, "build": building, "call": call}
    return Probe(run="r", case=case, status="ok", stages=stages)


def probes(plan: Plan, *calls: float) -> dict[str, Probe]:
    return {case.id: probe(case.id, call) for case, call in zip(plan.cases, calls, strict=True)}


def test_a_trial_costs_its_building_a_warm_up_and_its_turns(plan: Plan) -> None:
    cost = Cost(building=0.3, call=0.001)
    turns = (UNCOUNTED + COUNTED) * cost.call
    near = 0.3 + WARM_UP_SECONDS + plan.measure.passes * turns
    far = 0.3 + WARM_UP_SECONDS + FAR_PASSES * turns
    assert trial_seconds(cost, False, plan.measure) == pytest.approx(near)
    assert trial_seconds(cost, True, plan.measure) == pytest.approx(far)


def test_short_calls_are_sampled_in_bundles(plan: Plan) -> None:
    cost = Cost(building=0.0, call=0.0001)  # five of them make one sample of half a millisecond
    sampling = plan.measure.passes * (UNCOUNTED + COUNTED * 5) * cost.call
    assert trial_seconds(cost, False, plan.measure) == pytest.approx(WARM_UP_SECONDS + sampling)


def test_a_probe_that_failed_tells_no_time() -> None:
    assert cost_of(probe("c", 0.2)) == Cost(0.1 / SHARED, 0.2 / SHARED)
    assert cost_of(Probe(run="r", case="c", status="failed", stages={"call": 1.0})) is None
    assert cost_of(Probe(run="r", case="c", status="ok", stages={"sample": 1.0})) is None


def test_inputs_that_leave_early_are_sampled_in_rounds(plan: Plan) -> None:
    stages = {"build": 0.1 * SHARED, "call": 4 * 0.002 * SHARED}
    inputs = Inputs(left_at=(0,) * 20 + (1,) * 20, in_round=4)
    cost = cost_of(Probe(run="r", case="c", status="ok", stages=stages, inputs=inputs))
    assert cost is not None
    assert cost.in_round == 4
    assert cost.call == pytest.approx(0.002)
    assert cost.building == pytest.approx(0.1 + 2 * 40 * 0.002)
    sampling = plan.measure.passes * (UNCOUNTED + COUNTED * 4) * cost.call
    warm_up = WARM_UP_CALLS * 4 * cost.call
    assert trial_seconds(cost, False, plan.measure) == pytest.approx(cost.building + warm_up + sampling)


def test_a_run_takes_its_rounds_of_trials_and_processes(plan: Plan) -> None:
    pace = Pace(plan, probes(plan, 0.01, 0.01, 0.01))
    each = trial_seconds(Cost(0.1 / SHARED, 0.01 / SHARED), False, plan.measure)
    start = PROCESS_SECONDS - 3 * 0.1 / SHARED  # the next process starts while this one builds its cases
    assert pace.total() == pytest.approx(4 * (3 * each + start))


def test_a_process_that_starts_beside_others_slows_them_down(plan: Plan) -> None:
    of = {case.id: probe(case.id, 0.01, building=5.0) for case in plan.cases}
    each = trial_seconds(Cost(5.0 / SHARED, 0.01 / SHARED), False, plan.measure)
    assert Pace(plan, of).total() == pytest.approx(4 * (3 * each + BESIDE * PROCESS_SECONDS))


def test_two_arms_take_twice_as_long_and_each_process_starts_in_its_turn(plan: Plan) -> None:
    each = trial_seconds(Cost(0.1 / SHARED, 0.01 / SHARED), False, plan.measure)
    pace = Pace(plan, probes(plan, 0.01, 0.01, 0.01), 2)
    assert pace.total() == pytest.approx(2 * 4 * (3 * each + PROCESS_SECONDS))


def test_cases_that_are_far_from_their_baseline_take_fewer_passes(plan: Plan) -> None:
    near, far = (Pace(plan, probes(plan, 0.01, *others)) for others in ((0.01, 0.01), (0.02, 0.02)))
    assert far.total() < near.total()


def test_a_case_without_a_probe_takes_what_the_others_take(plan: Plan) -> None:
    of = probes(plan, 0.01, 0.01, 0.01)
    some = dict(list(of.items())[:2])
    assert Pace(plan, some).total() == pytest.approx(Pace(plan, of).total())
    assert Pace(plan, {}).total() > 0


def test_what_is_left_is_corrected_by_what_was_done(plan: Plan) -> None:
    pace = Pace(plan, probes(plan, 0.01, 0.01, 0.01))
    ids = {case.id for case in plan.cases}
    expected = pace.seconds(ids)
    assert pace.left([ids, ids]) == pytest.approx(2 * expected)
    pace.measured(ids, 3 * expected)
    assert pace.left([ids, ids]) == pytest.approx(6 * expected)
    assert pace.left([]) == 0


def test_rounds_that_end_by_themselves_are_expected_where_a_ratio_may_be_near_one(
    suite_file: Callable[[str], Path],
) -> None:
    plan = make_plan(load_suite(suite_file(SUITE)), resolution=0.004)
    base, same, other = (case.id for case in plan.cases)
    pace = Pace(plan, probes(plan, 0.01, 0.01, 0.03))
    later = pace.after(plan.measure.planned_rounds - 1, {base, same, other})
    assert later
    assert all(ids == {base, same} for ids in later)
    assert pace.after(plan.measure.max_rounds, {base, same}) == []


def test_a_backbone_alone_takes_the_planned_rounds(suite_file: Callable[[str], Path]) -> None:
    plan = make_plan(load_suite(suite_file("name: s\nbackbones: [resnet20]\nmethods: [dense]\n")))
    only = {plan.cases[0].id}
    pace = Pace(plan, probes(plan, 0.01))
    assert len(pace.after(-1, only)) == plan.measure.planned_rounds


def test_bug_probes_on_two_threads_of_one_core_told_twice_the_time(plan: Plan) -> None:
    """One probe is asked alone too: so much slower were all that ran beside others."""
    beside = probes(plan, 0.02, 0.02, 0.02)
    shared = slowed(beside[plan.cases[0].id], {"call": 0.01})
    assert shared == pytest.approx(2 * ALONE)
    costs = [cost_of(one, shared) for one in beside.values()]
    assert [cost.call for cost in costs if cost] == pytest.approx([0.01 / ALONE] * 3)
    assert Pace(plan, beside, shared=shared).total() < Pace(plan, beside).total()


def test_how_much_probes_slow_each_other_has_limits() -> None:
    assert slowed(probe("c", 0.01), {}) == SHARED
    assert slowed(probe("c", 0.01), {"call": 0.05}) == ALONE
    assert slowed(probe("c", 1.0), {"call": 0.01}) == MOST_SHARED
    assert slowed(Probe(run="r", case="c", status="failed"), {"call": 0.01}) == SHARED


def test_a_process_takes_as_long_to_start_as_was_seen(plan: Plan) -> None:
    of = probes(plan, 0.01, 0.01, 0.01)
    slow, quick = Pace(plan, of, start=2.0).total(), Pace(plan, of, start=0.5).total()
    assert slow - quick == pytest.approx(4 * 1.5)
