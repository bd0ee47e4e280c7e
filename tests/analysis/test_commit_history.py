"""Histories: every rise and fall at its commit, counts exactly, times with an interval."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from bench.analysis.commit_history import ANYWHERE, METRICS, Reading, make_commit_history

CASE = "resnet20/csr_conv(T=4)/eager/cpu/b1/3x32x32"


def commits(count: int) -> list[str]:
    return [f"{number:040x}" for number in range(1, count + 1)]


def read(values: Sequence[float], metric: str = "params", line: str = "m", case: str = CASE) -> list[Reading]:
    """One reading a commit."""
    return [
        Reading(line, case, metric, commit, value)
        for commit, value in zip(commits(len(values)), values, strict=True)
    ]


def test_every_rise_and_fall_has_its_commit_the_newest_first() -> None:
    order = commits(6)
    found = make_commit_history(read([5, 5, 6, 6, 4, 4]), order).steps
    assert [(s.candidates, s.before, s.after, s.rise) for s in found] == [
        ((order[4],), 6, 4, False),
        ((order[2],), 5, 6, True),
    ]


@pytest.mark.parametrize("behind", [0, 1, 5, 30])
@pytest.mark.parametrize("before", [1, 5, 30])
def test_a_count_is_named_wherever_it_stands(before: int, behind: int) -> None:
    """asv finds 4610 → 4611 after some numbers of equal commits, and after others not."""
    values = [4610.0] * before + [4611.0] * (behind + 1)
    order = commits(len(values))
    (step,) = make_commit_history(read(values), order).steps
    assert step.candidates == (order[before],)


def test_commits_that_were_not_measured_are_candidates_too() -> None:
    order = commits(6)
    readings = [one for at, one in enumerate(read([5, 5, 5, 6, 6, 6])) if at in (0, 1, 5)]
    (step,) = make_commit_history(readings, order).steps
    assert (step.base, step.candidates) == (order[1], tuple(order[2:6]))


def test_nan_is_a_gap() -> None:
    order = commits(5)
    found = make_commit_history(read([5, 5, math.nan, 6, 6]), order)
    (step,) = found.steps
    assert step.candidates == tuple(order[2:4])
    assert (found.series[0].gaps, found.told) == (1, True)


def test_a_newest_commit_without_a_number_cannot_be_told() -> None:
    found = make_commit_history(read([5, 5, math.nan]), commits(3))
    assert not found.told
    assert found.series[0].doubts == (
        f"the newest commit that was measured, {commits(3)[2][:12]}, has no number",
    )


def test_one_commit_is_no_history() -> None:
    found = make_commit_history(read([5]), commits(3))
    assert (found.steps, found.told) == ([], False)
    assert "one commit alone" in found.series[0].doubts[0]


def test_readings_of_other_commits_are_left_out_and_counted() -> None:
    found = make_commit_history([*read([5, 5]), Reading("m", CASE, "params", "f" * 40, 9.0)], commits(2))
    assert found.steps == []
    assert found.notes == (
        "left out: readings of 1 commits that are not on this line of commits (ffffffffffff)",
    )


def test_counts_of_all_machines_are_one_number_and_scratch_is_each_machines_own() -> None:
    params = [*read([5, 5], line="a"), Reading("b", CASE, "params", commits(3)[2], 6.0)]
    found = make_commit_history(params, commits(3))
    assert [(s.line, s.candidates) for s in found.steps] == [(ANYWHERE, (commits(3)[2],))]
    scratch = [*read([5, 5], "allocator_peak", "a"), *read([7, 7], "allocator_peak", "b")]
    assert make_commit_history(scratch, commits(2)).steps == []


def test_machines_that_contradict_each_other_about_a_count_are_named() -> None:
    found = make_commit_history(
        [*read([5, 5]), Reading("b", CASE, "params", commits(2)[1], 6.0, when=1.0)], commits(2)
    )
    assert found.notes[0].startswith(f"{commits(2)[1][:12]}: {CASE} params was read as 5 and as 6")


def test_a_later_reading_counts_unless_it_has_no_number() -> None:
    later = Reading("m", CASE, "params", commits(2)[1], math.nan, when=5.0)
    assert [p.value for p in make_commit_history([*read([5, 5]), later], commits(2)).series[0].points] == [
        5,
        5,
    ]


def test_instructions_repeat_to_a_few_parts_in_ten_thousand() -> None:
    assert make_commit_history(read([1_000_000, 1_000_900], "instructions"), commits(2)).steps == []
    assert make_commit_history(read([1_000_000, 1_002_000], "instructions"), commits(2)).steps


def test_witnessed_macs_that_all_witnesses_saw_are_told_once() -> None:
    both = [*read([5, 6], "executed_macs"), *read([5, 6], "witnessed_macs")]
    assert [s.metric for s in make_commit_history(both, commits(2)).steps] == ["executed_macs"]
    thrown_away = [*read([5, 5], "executed_macs"), *read([5, 6], "witnessed_macs")]
    assert [s.metric for s in make_commit_history(thrown_away, commits(2)).steps] == ["witnessed_macs"]


def test_a_time_is_named_with_its_interval_and_the_resolution() -> None:
    noise = np.random.default_rng(1).normal(0, 0.01, 24)
    values = [math.exp(x) * (1.2 if at >= 12 else 1.0) for at, x in enumerate(noise)]
    found = make_commit_history(read(values, "ratio"), commits(24))
    (step,) = found.steps
    assert step.candidates == (commits(24)[12],)
    assert 1.1 < step.low < 1.2 < step.high < 1.3
    assert step.after / step.before == pytest.approx(step.ratio)
    assert 0.01 < found.series[0].resolution < 0.1
    assert found.series[0].behind == 5


def test_times_of_machines_are_not_mixed() -> None:
    one, other = ([level] * 8 for level in (1.0, 2.0))
    order = commits(16)
    mixed = [
        Reading(line, CASE, "latency", commit, value)
        for commit, value, line in zip(order, [*one, *other], ["a"] * 8 + ["b"] * 8, strict=True)
    ]
    assert make_commit_history(mixed, order).steps == []


def test_an_odd_newest_time_cannot_be_told_and_the_command_is_named() -> None:
    noise = np.random.default_rng(1).normal(0, 0.01, 20)
    noise[-1] += 0.3
    found = make_commit_history(read([math.exp(x) for x in noise], "ratio"), commits(20))
    assert (found.steps, found.told) == ([], False)
    assert f"`bench ab {commits(20)[18][:12]} {commits(20)[19][:12]}`" in found.series[0].doubts[0]


def test_of_200_neutral_histories_of_a_suite_at_most_5_per_cent_are_called_changed() -> None:
    alarms = 0
    for seed in range(200):
        draw = np.random.default_rng(seed)
        readings = []
        for at in range(6):
            values = [math.exp(x) for x in draw.normal(0, 0.03, 20)]
            readings += read(values, "ratio", case=f"case {at}")
        alarms += bool(make_commit_history(readings, commits(20)).steps)
    assert alarms / 200 <= 0.05


def test_a_baselines_ratio_to_itself_is_no_history() -> None:
    assert make_commit_history(read([1.0] * 8, "ratio"), commits(8)).series == ()


def test_as_plain_data_nothing_is_nan() -> None:
    found = make_commit_history([*read([5, 6]), *read([1.0, math.nan], "latency")], commits(2)).as_dict()
    (step,) = found["steps"]
    assert (step["before"], step["after"], step["rise"], step["ratio"]) == (5, 6, True, None)
    assert found["series"][1]["resolution"] is None
    assert set(METRICS) >= {one["metric"] for one in found["series"]}
