"""What happened to a case round by round."""

from __future__ import annotations

import math

import pytest
from made_trials import CSR_CASE, DENSE_CASE, made_conditions, made_host, made_results, made_trial

from bench.analysis.story import stories

NAME = ("", CSR_CASE.id, "host-a", DENSE_CASE.id)


def test_trials_ratios_marks_and_failures_by_round() -> None:
    before, after = made_conditions(throttled=1), made_conditions(clock=1, throttled=2)
    trials = [made_trial(DENSE_CASE, number, 1.0) for number in range(5)]
    trials += [made_trial(CSR_CASE, number, 2.0) for number in (1, 0, 2)]
    trials += [
        made_trial(CSR_CASE, 3, 9.0, before=before, after=after),
        made_trial(CSR_CASE, 4, error="gone"),
    ]
    story = stories(made_results([DENSE_CASE, CSR_CASE], trials), [NAME])["", CSR_CASE.id, "host-a"]
    assert [fact.round for fact in story.trials] == [0, 1, 2, 3, 4]
    assert story.ratios == {0: pytest.approx(2), 1: pytest.approx(2), 2: pytest.approx(2)}
    slow, failed = story.trials[3:]
    assert slow.seconds == pytest.approx(9)
    assert slow.left_out
    assert {"throttled", "far"} <= set(slow.marks)
    assert math.isnan(failed.seconds)
    assert failed.error == "RuntimeError in build: gone"


def test_a_case_without_trials_has_an_empty_story() -> None:
    story = stories(made_results([DENSE_CASE, CSR_CASE], []), [NAME])["", CSR_CASE.id, "host-a"]
    assert (story.trials, story.ratios) == ((), {})


def test_each_host_has_a_story_of_its_own() -> None:
    trials = [made_trial(case, n, 1.0 + n, host=made_host(host)) for case in (DENSE_CASE, CSR_CASE)
              for n, host in enumerate(("host-a", "host-b"))]  # fmt: skip
    found = stories(made_results([DENSE_CASE, CSR_CASE], trials), [NAME, (*NAME[:2], "host-b", NAME[3])])
    seconds = {host: [fact.seconds for fact in story.trials] for (_, _, host), story in found.items()}
    assert seconds == {"host-a": [pytest.approx(1)], "host-b": [pytest.approx(2)]}
