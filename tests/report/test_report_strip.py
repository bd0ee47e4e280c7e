"""The strip of a case's trials."""

from __future__ import annotations

import math
import re

import pytest
from report_lab import Net, around, rows, run

from bench.analysis.story import TrialFact
from bench.report.strip import MOST_DOTS, strip

ROW = rows(run(Net(medians=around(1e-3))))[0]


def dots(drawn: str, kind: str) -> int:
    found = re.search(rf'<path class="{kind}" d="([^"]*)"', drawn)
    return found[1].count("h0") if found else 0


def test_a_dot_for_each_trial_and_marks_in_their_own_colour() -> None:
    trials = [TrialFact(0, 1e-3), TrialFact(1, 1.1e-3, ("busy",)), TrialFact(2, 2e-3, ("far", "busy"), True)]
    drawn = strip(ROW, [*trials, TrialFact(3, math.nan, error="gone")])
    assert [dots(drawn, kind) for kind in ("trial", "trial marked", "trial left-out")] == [1, 1, 1]
    assert 'aria-label="latency, ms, of 3 trials over rounds 1 to 3"' in drawn
    assert drawn.count('class="interval"') == 1


@pytest.mark.parametrize("trials", [[], [TrialFact(0, math.nan)]])
def test_nothing_is_drawn_of_nothing(trials: list[TrialFact]) -> None:
    assert strip(ROW, trials) == ""


def test_equal_trials_are_drawn() -> None:
    assert dots(strip(ROW, [TrialFact(n, 1e-3) for n in range(5)]), "trial") == 5


def test_thousands_of_rounds_are_still_a_small_drawing() -> None:
    trials = [TrialFact(n, 1e-3 + n * 1e-7, ("busy",) if n % 100 == 0 else ()) for n in range(5000)]
    drawn = strip(ROW, trials)
    assert dots(drawn, "trial") <= MOST_DOTS
    assert dots(drawn, "trial marked") == 50
    assert len(drawn) < 6000
    assert "of 5,000 trials over rounds 1 to 5,000" in drawn
