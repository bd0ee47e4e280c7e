"""The trials of one case as a strip: a dot for each round, the estimate with its interval behind them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from markupsafe import Markup

from bench.analysis.story import TrialFact
from bench.report import digits
from bench.report.column_digits import SECONDS, fixed, scale_for
from bench.report.rows import Row
from bench.report.svg import Scale, element, line, text

_WIDTH, _HEIGHT = 460.0, 84.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 450.0, 10.0, 64.0


MOST_DOTS = 200
"""Trials that a strip draws: beyond that no eye tells dots apart."""


def strip(row: Row, trials: Sequence[TrialFact]) -> Markup:
    """Latency over rounds, dots of one kind as one path; nothing where no trial has one."""
    timed = [trial for trial in trials if digits.known(trial.seconds)]
    if not timed:
        return Markup("")
    bounds = [value for value in (row["latency_low"], row["latency_high"]) if digits.known(value)]
    values = [*(trial.seconds for trial in timed), *bounds]
    low, high = min(values), max(values)
    room = 0.08 * (high - low) or 0.05 * high
    up = Scale(low - room, high + room, _BOTTOM, _TOP)
    last = max(trial.round for trial in timed)
    across = Scale(-0.5, last + 0.5, _LEFT, _RIGHT)
    unit = scale_for(values, SECONDS)
    places = max(0, 2 - math.floor(math.log10((high - low) / unit.factor))) if high > low else 2
    labels = [
        text(_LEFT - 5, up(value) + 3.5, fixed(value / unit.factor, min(places, 4)), "tick", "end")
        for value in ((low, high) if up(low) - up(high) > 12 else (high,))
    ]
    drawn = _thinned(timed)
    which = f"{len(timed):,} trials" if len(drawn) == len(timed) else f"{len(drawn)} of {len(timed):,} trials"
    words = f"latency, {unit.name}, of {which} over rounds 1 to {last + 1:,}"
    return element(
        "svg",
        {
            "viewBox": f"0 0 {_WIDTH:g} {_HEIGHT:g}",
            "class": "trials-strip",
            "role": "img",
            "aria-label": words,
        },
        _interval(row, up),
        *(_dots(kind, (trial for trial in drawn if _kind(trial) == kind), across, up) for kind in _KINDS),
        *labels,
        text(_LEFT, _HEIGHT - 5, words, "axis-title"),
    )


def _thinned(trials: Sequence[TrialFact]) -> Sequence[TrialFact]:
    """As many as a strip draws, evenly over the rounds; of those with marks as many as of all others."""
    if len(trials) <= MOST_DOTS:
        return trials
    marked = [trial for trial in trials if _kind(trial) != _KINDS[0]]
    others = [trial for trial in trials if _kind(trial) == _KINDS[0]]
    return [one for some in (marked, others) for one in some[:: max(1, -(-len(some) // (MOST_DOTS // 2)))]]


_KINDS = ("trial", "trial marked", "trial left-out")


def _kind(trial: TrialFact) -> str:
    return _KINDS[2] if trial.left_out else _KINDS[1] if trial.marks else _KINDS[0]


def _dots(css: str, trials: Iterable[TrialFact], across: Scale, up: Scale) -> Markup:
    """Lines of no length with round ends."""
    steps = "".join(f"M{across(trial.round):.1f} {up(trial.seconds):.1f}h0" for trial in trials)
    return element("path", {"class": css, "d": steps}) if steps else Markup("")


def _interval(row: Row, up: Scale) -> Markup:
    parts = []
    if digits.known(row["latency_low"]) and digits.known(row["latency_high"]):
        top, bottom = up(row["latency_high"]), up(row["latency_low"])
        parts.append(
            element(
                "rect",
                {
                    "class": "interval",
                    "x": _LEFT,
                    "y": top,
                    "width": _RIGHT - _LEFT,
                    "height": max(1.0, bottom - top),
                },
            )
        )
    if digits.known(row["latency"]):
        parts.append(line(_LEFT, up(row["latency"]), _RIGHT, up(row["latency"]), "centre"))
    return Markup("").join(parts)
