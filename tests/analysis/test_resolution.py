"""Which cases get more rounds."""

from __future__ import annotations

import pytest
from made_trials import CSR_CASE, DENSE_CASE, made_trial

from bench.analysis.quality import medians
from bench.analysis.records import Trial
from bench.analysis.resolution import parse_percent
from bench.analysis.resolution import unresolved as of_medians
from bench.case import Case
from bench.errors import InputError

CASES = [DENSE_CASE, CSR_CASE]


def unresolved(cases: list[Case], trials: list[Trial], resolution: float) -> set[str]:
    arms = {arm: [t for t in trials if t.arm == arm] for arm in dict.fromkeys(t.arm for t in trials)}
    known = {
        arm: {case.id: medians([t for t in of_arm if t.case == case.id]) for case in cases}
        for arm, of_arm in arms.items()
    }
    return of_medians(cases, known, resolution)


@pytest.mark.parametrize(
    ("text", "value"), [("2%", 0.02), ("0.02", 0.02), (" 2.5 % ", 0.025), (".5%", 0.005)]
)
def test_a_percentage_reads_both_ways(text: str, value: float) -> None:
    assert parse_percent(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "x", "2", "0", "0%", "100%", "-1%", "nan"])
def test_what_is_no_resolution_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is no resolution; 2%"):
        parse_percent(text)


def test_a_ratio_known_well_enough_gets_no_more_rounds() -> None:
    trials = [made_trial(c, n, t) for n in range(5) for c, t in ((DENSE_CASE, 1 + n), (CSR_CASE, 2 + 2 * n))]
    # The times wander by a factor of five, the ratio within a round is always 2.
    assert unresolved(CASES, trials, 0.01) == set()


def test_a_ratio_not_known_takes_its_baseline_along() -> None:
    trials = [made_trial(DENSE_CASE, n, 1.0) for n in range(5)]
    trials += [made_trial(CSR_CASE, n, 1.0 + 0.1 * n) for n in range(5)]
    assert unresolved(CASES, trials, 0.01) == {DENSE_CASE.id, CSR_CASE.id}
    assert unresolved(CASES, trials, 0.5) == set()


def test_a_case_without_a_baseline_goes_by_its_own_latency() -> None:
    steady = [made_trial(CSR_CASE, n, 1.0) for n in range(5)]
    restless = [made_trial(CSR_CASE, n, 1.0 + n) for n in range(5)]
    assert unresolved([CSR_CASE], steady, 0.01) == set()
    assert unresolved([CSR_CASE], restless, 0.01) == {CSR_CASE.id}


def test_one_round_resolves_nothing() -> None:
    assert unresolved(CASES, [made_trial(c, 0, 1.0) for c in CASES], 0.01) == {c.id for c in CASES}


def test_two_arms_go_on_until_their_own_ratio_is_known() -> None:
    arms = ("base", 1.0), ("head", 2.0)
    same = [made_trial(CSR_CASE, n, (1 + n) * by, arm=arm) for n in range(5) for arm, by in arms]
    assert unresolved([CSR_CASE], same, 0.01) == set()
    wandering = [
        made_trial(CSR_CASE, n, 1.0 + n * (arm == "head"), arm=arm) for n in range(5) for arm, _ in arms
    ]
    assert unresolved([CSR_CASE], wandering, 0.01) == {CSR_CASE.id}
    assert unresolved(
        CASES, [t for t in same if t.arm == "base"] + [made_trial(DENSE_CASE, 0, 1, arm="head")], 0.5
    )
