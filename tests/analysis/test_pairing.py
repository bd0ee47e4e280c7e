"""What a ratio is formed of: turns next to each other in time, else the medians of a round."""

from __future__ import annotations

import math
from typing import Any

import pytest
from made_trials import made_conditions, made_latency, made_trial

from bench.analysis.pairing import round_logs, turn_log, turn_medians
from bench.analysis.records import Trial
from bench.worker.measurements import Latency, Turn


def latency(*turns: tuple[int, list[float]]) -> Latency:
    """A latency of turns at those places with those samples."""
    samples = tuple(sample for _, found in turns for sample in found)
    marks = tuple(Turn(number, at, len(found)) for number, (at, found) in enumerate(turns))
    return Latency(samples, 1, 1.0, 1, True, "turns", marks)


def test_a_turn_is_compared_with_the_baselines_turns_before_and_after_it() -> None:
    base = latency((0, [1.0]), (2, [4.0]))
    other = latency((1, [4.0]))
    assert turn_log(base, other) == pytest.approx(math.log(2.0))  # the baseline was 2 in between


def test_at_an_end_there_is_one_neighbour() -> None:
    assert turn_log(latency((1, [2.0])), latency((0, [4.0]))) == pytest.approx(math.log(2))


def test_a_drift_that_falls_on_both_does_not_show() -> None:
    base = latency(*((2 * at, [math.exp(0.1 * 2 * at)]) for at in range(8)))
    other = latency(*((2 * at + 1, [1.5 * math.exp(0.1 * (2 * at + 1))]) for at in range(7)))
    assert turn_log(base, other) == pytest.approx(math.log(1.5))


def test_a_neighbour_that_comes_for_a_moment_does_not_move_the_ratio() -> None:
    base = latency(*((2 * at, [1.0]) for at in range(8)))
    quiet = [(2 * at + 1, [1.1]) for at in range(8)]
    hit = [*quiet[:3], (7, [30.0]), *quiet[4:]]
    assert turn_log(base, latency(*hit)) == pytest.approx(turn_log(base, latency(*quiet)))


def test_turns_of_another_sitting_are_not_compared() -> None:
    base = [made_trial("base", 0, 1.0, sitting="x"), made_trial("base", 0, 8.0, sitting="y")]
    other = [made_trial("case", 0, 2.0, sitting="y")]
    assert round_logs(base, other)[0] == pytest.approx(math.log(2 / 8))


def test_trials_of_schema_1_are_compared_by_their_medians() -> None:
    base = [made_trial("base", number, 1.0 + number) for number in range(3)]
    other = [made_trial("case", number, 2.0 + 2 * number) for number in range(4)]
    assert round_logs(base, other) == pytest.approx(dict.fromkeys(range(3), math.log(2)))


def test_a_failed_trial_has_no_ratio() -> None:
    assert round_logs([made_trial("base", 0, error="no")], [made_trial("case", 0)]) == {}


def test_medians_of_turns_by_hand() -> None:
    found = turn_medians(latency((0, [1.0, 2.0, 9.0]), (3, [math.nan, 0.0]), (5, [math.inf, 4.0, 6.0])))
    assert found == {0: pytest.approx(math.log(2)), 5: pytest.approx(math.log(5))}


def test_the_last_neighbour_is_the_nearest_one() -> None:
    base = latency((0, [1.0]), (2, [2.0]), (4, [8.0]))
    assert turn_log(base, latency((5, [8.0]))) == pytest.approx(0.0)
    assert turn_log(base, latency((3, [8.0]))) == pytest.approx(math.log(2))  # between 2 and 8: 4


def test_without_a_turn_there_is_no_log() -> None:
    some, none = latency((0, [1.0])), Latency((1.0,), 1, 1.0, 1, True, "enough")
    assert turn_log(some, none) is None
    assert turn_log(none, some) is None


def in_turns(case: str, number: int, *turns: tuple[int, float], **changes: Any) -> Trial:
    """A trial of one sample a turn."""
    marks = [{"number": n, "at": at, "count": 1} for n, (at, _) in enumerate(turns)]
    fields = {**made_latency([seconds for _, seconds in turns]), "turns": marks}
    return made_trial(case, number, latency=fields, **{"sitting": "s", **changes})


def test_trials_of_one_sitting_are_compared_turn_by_turn() -> None:
    base = in_turns("base", 0, (0, 1.0), (2, 1.0), (4, 64.0))
    other = in_turns("case", 0, (1, 2.0), (3, 16.0), (5, 128.0))
    # 2 beside 1, 16 beside the centre 8 of 1 and 64, 128 beside 64; the medians' ratio would be 16
    assert round_logs([base], [other])[0] == pytest.approx(math.log(2))


def test_without_turns_those_of_a_sitting_are_compared_by_their_medians() -> None:
    base = [made_trial("base", 0, 1.0, sitting="s"), made_trial("base", 0, 9.0, sitting="t")]
    assert round_logs(base, [made_trial("case", 0, 2.0, sitting="s")])[0] == pytest.approx(math.log(2))
    assert round_logs(base[:1], [in_turns("case", 0, (0, 3.0))])[0] == pytest.approx(math.log(3))


def test_several_baselines_of_a_round_count_by_their_geometric_mean() -> None:
    base = [made_trial("base", 0, 1.0), made_trial("base", 0, 4.0)]
    assert round_logs(base, [made_trial("case", 0, 4.0)])[0] == pytest.approx(math.log(2))


def test_the_median_of_a_trial_leaves_out_what_is_no_time() -> None:
    base = [made_trial("base", 0, [0.0, math.inf, 1.0, 2.0, 9.0])]
    assert round_logs(base, [made_trial("case", 0, [math.nan, 4.0])])[0] == pytest.approx(math.log(2))


def test_rounds_stand_in_their_order_and_need_both() -> None:
    base = [made_trial("base", number, 1.0) for number in (2, 0, 1)]
    other = [made_trial("case", number, 1.0) for number in (1, 3, 0)]
    assert list(round_logs(base, other)) == [0, 1]


def test_a_trial_that_was_refused_a_latency_has_no_ratio() -> None:
    base = [made_trial("base", 0, None, sitting="s")]
    assert round_logs(base, [made_trial("case", 0, 1.0, sitting="s")]) == {}
    assert round_logs([made_trial("base", 0, 1.0)], [made_trial("case", 0, None)]) == {}


def test_a_far_trial_on_a_busy_host_is_in_no_ratio() -> None:
    after = made_conditions(clock=1.0, own=1.0, busy=190)
    calm = [made_trial("base", number, 1.0) for number in range(5)]
    hit = made_trial("base", 5, 2.0, before=made_conditions(), after=after)
    other = [made_trial("case", number, 1.0) for number in range(6)]
    assert list(round_logs([*calm, hit], other)) == [0, 1, 2, 3, 4]
    assert list(round_logs(other, [*calm, hit])) == [0, 1, 2, 3, 4]
