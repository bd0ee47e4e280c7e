"""Marks, and the one rule by which a trial is left out."""

from __future__ import annotations

import math
from typing import Any

import pytest
from made_trials import DENSE_CASE, made_conditions, made_host, made_trial

from bench.analysis import quality
from bench.analysis.quality import CaseTrials, gpu_reasons, kept, marks, medians
from bench.analysis.records import Trial


def sampled(number: int, seconds: float, **after: Any) -> Trial:
    """A trial of one second whose own work took one second of CPU."""
    before = made_conditions(throttled=after.pop("throttled_before", "unknown"))
    later = made_conditions(clock=1.0, own=1.0, **{"busy": 100, **after})
    return made_trial(DENSE_CASE, number, seconds, before=before, after=later)


def test_a_quiet_trial_has_no_mark() -> None:
    assert marks([sampled(0, 0.01)]) == [frozenset()]


def test_other_processes_mark_a_trial_busy() -> None:
    assert marks([sampled(0, 0.01, busy=126)]) == [frozenset({"busy"})]
    assert marks([sampled(0, 0.01, busy=120)]) == [frozenset()]


def test_stolen_time_and_throttling_are_marked() -> None:
    assert marks([sampled(0, 0.01, steal=6)]) == [frozenset({"stolen"})]
    assert marks([sampled(0, 0.01, throttled_before=3, throttled=4)]) == [frozenset({"throttled"})]
    assert marks([sampled(0, 0.01, throttled_before=3, throttled=3)]) == [frozenset()]


def on_gpu(number: int, seconds: float, before: Any, after: Any) -> Trial:
    """A trial around which NVML gave those reasons for lower clocks."""
    return made_trial(
        DENSE_CASE,
        number,
        seconds,
        before={**made_conditions(), "gpu_throttle_reasons": before},
        after={**made_conditions(), "gpu_throttle_reasons": after},
    )


@pytest.mark.parametrize(
    ("before", "after", "marked"),
    [
        (0, 0x04, True),  # the power cap was reached
        (0x01, 0x40, True),  # idle before, too hot after
        (0x04, 0x24, True),  # and heat in addition
        (0x04, 0x04, False),  # no other than before
        (0x20, 0, False),
        (0x01, 0x112, False),  # idle, then clocks that somebody set
        ("unknown", "unknown", False),
    ],
)
def test_a_gpu_that_heat_or_power_slowed_meanwhile_is_marked(before: Any, after: Any, marked: bool) -> None:
    assert marks([on_gpu(0, 0.01, before, after)]) == [frozenset({"gpu_throttled"} if marked else ())]


def test_a_far_trial_on_a_throttled_gpu_is_left_out_and_counted() -> None:
    trials = [on_gpu(n, 0.010 + 0.00001 * n, 0, 0) for n in range(5)] + [on_gpu(5, 0.02, 0, 0x20)]
    found = CaseTrials.of(trials)
    assert found.marks[5] == {"far", "gpu_throttled"}
    assert found.left_out() == 1
    assert found.mark_counts() == {"far": 1, "gpu_throttled": 1}
    assert 5 not in found.medians


def test_reasons_are_told_in_words() -> None:
    assert gpu_reasons(0x24) == {"power cap", "heat, by the driver"}
    assert gpu_reasons(0x01) == gpu_reasons("unknown") == gpu_reasons(None) == frozenset()


def slow(number: int, seconds: float, share: object, machine: str = "aarch64") -> Trial:
    """A trial that saw a core at that share of its highest frequency."""
    host = made_host(machine=machine)
    return made_trial(DENSE_CASE, number, seconds, host=host, conditions_during={"frequency_share": share})


def test_a_frequency_that_fell_marks_a_trial_throttled_on_arm() -> None:
    assert marks([slow(0, 0.01, 0.89)]) == [frozenset({"throttled"})]
    assert marks([slow(0, 0.01, 0.9)]) == [frozenset()]
    assert marks([slow(0, 0.01, "unknown")]) == [frozenset()]
    assert marks([slow(0, 0.01, 0.4, machine="x86_64")]) == [frozenset()]  # turbo moves it there


def test_throttled_trials_are_left_out_however_near_they_lie() -> None:
    trials = [slow(n, 0.010, 1.0) for n in range(4)] + [slow(4, 0.0101, 0.6)]
    assert [t.round for t in kept(trials)] == [0, 1, 2, 3]
    assert CaseTrials.of(trials).left_out() == 1
    assert CaseTrials.of(trials).mark_counts() == {"throttled": 1}


def test_a_board_that_throttled_all_the_time_is_shown_as_it_is() -> None:
    trials = [slow(n, 0.010, 0.6) for n in range(5)]
    assert len(kept(trials)) == 5
    assert CaseTrials.of(trials).mark_counts() == {"throttled": 5}


def test_what_could_not_be_read_marks_nothing() -> None:
    unread = made_conditions(busy="unknown")
    trial = made_trial(DENSE_CASE, 0, 0.01, before=unread, after=unread)
    assert marks([trial]) == [frozenset()]


def test_a_far_trial_is_marked_and_stays_when_nothing_explains_it() -> None:
    trials = [sampled(n, 0.010 + 0.00001 * n) for n in range(5)] + [sampled(5, 0.02)]
    assert marks(trials)[5] == {"far"}
    assert len(kept(trials)) == 6


def test_a_far_trial_on_a_busy_host_is_left_out() -> None:
    trials = [sampled(n, 0.010 + 0.00001 * n) for n in range(5)] + [sampled(5, 0.02, busy=190)]
    assert marks(trials)[5] == {"far", "busy"}
    assert [t.round for t in kept(trials)] == [0, 1, 2, 3, 4]
    assert 5 not in medians(trials)


def test_a_busy_trial_that_is_not_far_stays() -> None:
    trials = [sampled(n, 0.010, busy=190) for n in range(5)]
    assert len(kept(trials)) == 5


def test_differences_below_two_percent_are_never_far() -> None:
    trials = [sampled(n, 0.010) for n in range(5)] + [sampled(5, 0.01019)]
    assert marks(trials)[5] == frozenset()


def test_two_and_a_half_percent_are_far_where_all_others_are_equal() -> None:
    trials = [sampled(n, 0.010) for n in range(5)] + [sampled(5, 0.01025)]
    assert marks(trials)[5] == {"far"}


def test_never_fewer_than_three_trials_stay() -> None:
    trials = [sampled(0, 0.010), sampled(1, 0.010), sampled(2, 0.02, busy=190)]
    assert len(kept(trials)) == 3


def test_a_trial_without_a_usable_sample_is_not_kept() -> None:
    broken = made_trial(DENSE_CASE, 0, math.nan)
    assert kept([broken]) == []
    assert medians([broken, made_trial(DENSE_CASE, 1, 0.5)])[1] == 0.5


def test_just_as_much_as_the_limit_marks_nothing() -> None:
    assert marks([sampled(0, 0.01, busy=125)]) == [frozenset()]  # 1.25 s of cores less 1 s of its own
    assert marks([sampled(0, 0.01, steal=5)]) == [frozenset()]


def test_a_trial_just_at_the_limit_is_not_far(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality, "FAR_AT_LEAST", math.log(2.0))
    trials = [sampled(0, 1.0), sampled(1, 1.0), sampled(2, 1.0), sampled(3, 2.0)]
    assert marks(trials) == [frozenset()] * 4
    assert marks([*trials[:3], sampled(3, 2.01)])[3] == {"far"}


def test_three_trials_are_enough_to_tell_a_far_one() -> None:
    trials = [sampled(0, 0.010), sampled(1, 0.010), sampled(2, 0.02)]
    assert marks(trials)[2] == {"far"}
    assert marks(trials[1:]) == [frozenset()] * 2


def test_three_trials_may_be_all_that_stay() -> None:
    trials = [*(sampled(n, 0.010) for n in range(3)), sampled(3, 0.02, busy=190)]
    assert [t.round for t in kept(trials)] == [0, 1, 2]


def test_the_limit_is_five_robust_standard_deviations() -> None:
    logs = [-0.01, -0.01, 0.0, 0.01, 0.01]  # median deviation 0.01, five times 1.4826 of it 0.07413
    near = [sampled(n, math.exp(value)) for n, value in enumerate([*logs, -0.01, 0.0734])]
    far = [*near[:6], sampled(6, math.exp(0.0750))]
    assert marks(near)[6] == frozenset()
    assert marks(far)[6] == {"far"}
