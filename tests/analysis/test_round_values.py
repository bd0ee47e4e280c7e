"""What each round said, and whether others used the processor meanwhile."""

from __future__ import annotations

import pytest
from made_trials import CSR_CASE, DENSE_CASE, made_conditions, made_results, made_trial

from bench.analysis.records import Trial
from bench.analysis.round_values import round_values

SECONDS = (1.0, 1.1, 1.2)


def trial(case: object, number: int, seconds: float, busy: bool = False) -> Trial:
    before = made_conditions(clock=0.0, own=0.0, busy=0)
    after = made_conditions(clock=1.0, own=1.0, busy=200 if busy else 100)
    return made_trial(case, number, seconds, before=before, after=after)  # type: ignore[arg-type]


def test_a_case_has_a_latency_and_a_ratio_for_each_round() -> None:
    trials = [trial(DENSE_CASE, n, t) for n, t in enumerate(SECONDS)]
    trials += [trial(CSR_CASE, n, 2 * t) for n, t in enumerate(SECONDS)]
    found = round_values(made_results([DENSE_CASE, CSR_CASE], trials))
    assert found[CSR_CASE.id].latencies == pytest.approx((2.0, 2.2, 2.4))
    assert found[CSR_CASE.id].ratios == pytest.approx((2.0, 2.0, 2.0))
    assert (found[DENSE_CASE.id].ratios, found[DENSE_CASE.id].trials) == ((), 3)


@pytest.mark.parametrize(("busy", "trusted"), [(0, True), (2, True), (3, False), (4, False)])
def test_more_than_half_disturbed_is_not_trusted(busy: int, trusted: bool) -> None:
    trials = [trial(DENSE_CASE, n, 1.0, busy=n < busy) for n in range(4)]
    found = round_values(made_results([DENSE_CASE], trials))[DENSE_CASE.id]
    assert (found.disturbed, found.trusted) == (busy, trusted)


def test_a_case_without_a_time_has_no_rounds() -> None:
    trials = [made_trial(DENSE_CASE, 0, error="no"), made_trial(DENSE_CASE, 1, None)]
    found = round_values(made_results([DENSE_CASE, CSR_CASE], trials))
    assert {(one.latencies, one.trials, one.trusted) for one in found.values()} == {((), 0, True)}
