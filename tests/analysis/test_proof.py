"""A trial proves that it measured the network that was counted; one that did not is a failed case."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_trials import CSR_CASE, DENSE_CASE, made_count, made_results, made_trial

from bench.analysis.compare import compare_arms, compare_runs
from bench.analysis.frame import make_frame
from bench.analysis.proof import STAGE, TOLERANCE, proved, refuted, standing
from bench.analysis.records import CountRecord, Json, Probe, Trial, from_line, to_line
from bench.worker.agreement import distance
from bench.worker.measurements import Answers

PLAIN = (0.5, -0.25, 0.125)
CALIBRATED = (4.0, -2.0, 1.0)


def counted(spread: float = 0.0, plain: Any = PLAIN, calibrated: Any = CALIBRATED) -> CountRecord:
    return replace(made_count(DENSE_CASE), answers=Answers(tuple(plain), tuple(calibrated), spread))


def answered(plain: Any = PLAIN, sample: Any = CALIBRATED) -> Json:
    return {
        "shape": [1, 3], "checksum": "c", "mean_magnitude": 1.0, "finite": True,
        "sample": list(sample), "plain": list(plain),
    }  # fmt: skip


def trial(params: int | None = 100, **output: Any) -> Trial:
    return made_trial(DENSE_CASE, params=params, output=answered(**output))


def why(found: Trial | Probe) -> str:
    assert found.error is not None
    assert (found.status, found.error.stage) == ("failed", STAGE)
    return found.error.in_words()


def test_the_same_network_is_the_record_itself() -> None:
    one = trial()
    assert proved(one, counted()) is one


def test_other_parameters_fail_the_trial_in_words_that_name_both() -> None:
    assert why(proved(trial(params=4624), counted())) == (
        "OtherNetwork in proof: 100 parameters were counted, 4624 measured: "
        "the trial built another network than was counted"
    )


def test_another_answer_fails_the_trial_in_words_that_name_both() -> None:
    words = why(proved(trial(sample=(4.0, -2.0, 3.0)), counted()))
    assert "answers the fixed image with 1 after calibration, the measured one with 3 (0.5 of" in words
    words = why(proved(trial(plain=(0.5, 0.25, 0.125)), counted()))
    assert "answers the fixed image with -0.25, the measured one with 0.25 (1 of" in words


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=3))
def test_rounding_within_the_tolerance_is_no_difference(noise: list[float]) -> None:
    moved = [value + 0.99 * TOLERANCE * 4.0 * at for value, at in zip(CALIBRATED, noise, strict=True)]
    one = trial(sample=moved)
    assert proved(one, counted()) is one


def test_a_network_that_magnifies_rounding_may_differ_by_ten_times_as_much() -> None:
    one = trial(sample=(4.0, -2.0, 2.0))  # 0.25 of the largest
    assert proved(one, counted(spread=0.03)) is one
    assert why(proved(one, counted(spread=0.02)))


def test_a_gpu_is_held_to_the_answer_before_calibration_alone() -> None:
    one = trial(sample=(4.0, -2.0, 3.0))
    assert proved(one, counted(), "cuda") is one
    assert why(proved(trial(plain=(0.5, 0.25, 0.125)), counted(), "cuda"))


def test_a_runtime_that_took_the_weights_before_calibration_is_held_to_the_answer_before_it() -> None:
    one = trial(sample=PLAIN)
    assert proved(one, counted()) is one
    assert why(proved(trial(plain=(1.0, 1.0, 1.0), sample=(1.0, 1.0, 1.0)), counted()))


@pytest.mark.parametrize(("dtype", "apart"), [("bfloat16", 0.04), ("float16", 0.008)])
def test_half_precision_may_differ_by_its_rounding_before_calibration_alone(dtype: str, apart: float) -> None:
    moved = (PLAIN[0], PLAIN[1], PLAIN[2] + apart * max(PLAIN))
    one = trial(plain=moved, sample=(4.0, -2.0, 3.0))
    assert proved(one, counted(), dtype=dtype) is one
    assert why(proved(one, counted()))  # after calibration, and in bfloat16 before it too
    assert why(proved(trial(plain=(0.5, -0.25, 0.25)), counted(), dtype=dtype))


def test_what_is_beyond_the_range_of_a_dtype_is_the_same_network() -> None:
    endless = {**answered(plain=(math.inf,) * 3, sample=(math.inf,) * 3), "finite": False}
    one = made_trial(DENSE_CASE, params=100, output=endless)
    assert proved(one, counted(), dtype="float16") is one
    assert why(proved(one, counted()))


def test_another_number_of_values_is_another_network() -> None:
    assert "3 values in the counted answer, 2 measured" in why(proved(trial(plain=PLAIN[:2]), counted()))


def test_what_older_revisions_do_not_tell_is_not_compared() -> None:
    one = made_trial(DENSE_CASE)  # neither parameters nor a sample
    assert proved(one, counted()) is one
    assert proved(trial(), made_count(DENSE_CASE)).error is None
    assert proved(trial(), None).error is None
    assert why(proved(trial(params=99), made_count(DENSE_CASE)))


def test_a_trial_that_failed_before_keeps_its_reason() -> None:
    one = made_trial(DENSE_CASE, error="no", params=1)
    assert proved(one, counted()) is one


def test_what_is_not_finite_agrees_with_its_like_alone() -> None:
    broken = (math.nan, math.inf, 1.0)
    one = trial(plain=broken, sample=broken)
    assert proved(one, counted(plain=broken, calibrated=broken)) is one
    assert "nan" in why(proved(trial(plain=broken), counted()))


def test_answers_survive_the_file() -> None:
    for record in (counted(spread=0.5), trial()):
        assert from_line(json.loads(json.dumps(to_line(record)))) == record
    line = to_line(counted())
    del line["answers"]
    old = from_line(line)
    assert isinstance(old, CountRecord)
    assert old.answers is None


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=8), st.floats(1e-3, 1e3))
def test_a_distance_is_symmetric_and_has_no_unit(values: list[float], unit: float) -> None:
    one, other = tuple(values), tuple(reversed(values))
    assert distance(one, one) == 0
    assert distance(one, other) == distance(other, one)
    scaled = distance(tuple(unit * v for v in one), tuple(unit * v for v in other))
    assert scaled == pytest.approx(distance(one, other), rel=1e-6)


def flipping(*numbers: int) -> list[Trial]:
    """Trials of the CSR case with so many parameters each, beside the dense ones."""
    count = made_count(CSR_CASE)
    rounds = [made_trial(DENSE_CASE, n) for n in range(len(numbers))]
    return rounds + [proved(made_trial(CSR_CASE, n, params=p), count) for n, p in enumerate(numbers)]


def test_bug_a_worker_that_built_another_network_was_shown_beside_its_counts() -> None:
    results = made_results([DENSE_CASE, CSR_CASE], flipping(100, 100, 4624))
    dense, csr = make_frame([results]).to_dict("records")
    assert (dense["status"], csr["status"]) == ("ok", "failed")
    assert csr["error"].startswith("OtherNetwork in proof: 100 parameters were counted, 4624 measured")
    assert all(math.isnan(csr[column]) for column in ("latency", "ratio", "live_peak", "allocator_peak"))
    trials, _ = standing(results, "")
    assert [refuted(one) for one in trials[CSR_CASE.id]] == [True]


def test_a_refuted_probe_fails_its_case() -> None:
    results = made_results([DENSE_CASE], [])
    fields = {"kind": "probe", "schema": 2, "run": "r", "case": DENSE_CASE.id, "status": "ok", "params": 1}
    probe = from_line({**fields, "memory": {"weight_bytes": 4, "allocator_peak": 7, "live_peak": 6}})
    assert isinstance(probe, Probe)
    results.probes.append(proved(probe, made_count(DENSE_CASE)))
    (row,) = make_frame([results]).to_dict("records")
    assert row["status"] == "failed"
    assert "100 parameters were counted, 1 measured" in row["error"]
    assert math.isnan(row["live_peak"])


def test_a_refuted_case_is_not_compared() -> None:
    sound = made_results([CSR_CASE], [t for t in flipping(100, 100, 100) if t.case == CSR_CASE.id])
    flipped = made_results([CSR_CASE], [t for t in flipping(100, 100, 4624) if t.case == CSR_CASE.id])
    found = compare_runs(sound, flipped, 0.03)
    assert found.exit_code == 4
    assert "HEAD has no trial: 100 parameters were counted, 4624 measured" in found.cases[0].note
    arms = [replace(t, arm=arm) for arm, of in (("a", sound), ("b", flipped)) for t in of.trials]
    counts = [made_count(CSR_CASE, arm) for arm in ("a", "b")]
    both = made_results([CSR_CASE], arms, counts, arms={"a": "1", "b": "2"})
    assert compare_arms(both, "a", "b", 0.03).exit_code == 4
