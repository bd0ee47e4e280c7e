"""Which cases get more rounds."""

from __future__ import annotations

import pytest
from made_trials import CSR_CASE, DENSE_CASE

from bench.analysis.resolution import parse_percent, undecided
from bench.errors import InputError

CASES = [DENSE_CASE, CSR_CASE]


@pytest.mark.parametrize(
    ("text", "value"), [("2%", 0.02), ("0.02", 0.02), (" 2.5 % ", 0.025), (".5%", 0.005)]
)
def test_a_percentage_reads_both_ways(text: str, value: float) -> None:
    assert parse_percent(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "x", "2", "0", "0%", "100%", "-1%", "nan"])
def test_what_is_no_resolution_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is no resolution; 2%"):
        parse_percent(text)


def test_a_verdict_that_is_known_gets_no_more_rounds() -> None:
    assert undecided(CASES, {CSR_CASE.id: [0.5, 0.501, 0.499, 0.5]}, 0.01, 4, 30) == set()
    assert undecided(CASES, {CSR_CASE.id: [0.0, 0.001, -0.001, 0.0]}, 0.01, 4, 30) == set()


def test_a_case_that_cannot_be_told_takes_its_baseline_along() -> None:
    wide = {CSR_CASE.id: [0.1, -0.1, 0.2, -0.15]}
    assert undecided(CASES, wide, 0.01, 4, 30) == {DENSE_CASE.id, CSR_CASE.id}
    assert undecided([CSR_CASE], wide, 0.01, 4, 30) == {CSR_CASE.id}


def test_a_case_before_its_first_look_goes_on() -> None:
    assert undecided(CASES, {CSR_CASE.id: [0.5]}, 0.01, 4, 30) == {DENSE_CASE.id, CSR_CASE.id}


def test_what_is_compared_with_nothing_needs_no_more_rounds() -> None:
    assert undecided([DENSE_CASE], {}, 0.01, 4, 30) == set()


def test_the_band_is_as_wide_as_the_resolution_asked_for() -> None:
    logs = {CSR_CASE.id: [0.0148, -0.0148, 0.0040, -0.0040]}  # Student's interval: 0 ± 0.0199
    assert undecided(CASES, logs, 0.015, 4, 4) == {DENSE_CASE.id, CSR_CASE.id}
    assert undecided(CASES, logs, 0.021, 4, 4) == set()


def test_nothing_is_decided_before_the_first_look_asked_for() -> None:
    equal = {CSR_CASE.id: [0.0] * 4}
    assert undecided(CASES, equal, 0.01, 5, 30) == {DENSE_CASE.id, CSR_CASE.id}
    assert undecided(CASES, equal, 0.01, 4, 30) == set()
