"""Three outcomes and a resolution: faster, slower, same within X %, or cannot tell."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bench.analysis.stats import Interval

FASTER, SLOWER, SAME, CANNOT_TELL = "faster", "slower", "same", "cannot tell"


def verdict(ratio: Interval, resolution: float) -> str:
    """What an interval of a latency ratio (new / old) says.

    ``resolution`` 0.03 makes a band of ±3 % (1/1.03 … 1.03). An interval inside the band is "same";
    else one wholly above 1 is "slower", wholly below 1 "faster"; all others are "cannot tell".
    """
    if not ratio.known:
        return CANNOT_TELL
    band = math.log1p(resolution)
    if math.log(ratio.low) >= -band and math.log(ratio.high) <= band:
        return SAME
    if ratio.low > 1:
        return SLOWER
    if ratio.high < 1:
        return FASTER
    return CANNOT_TELL


def verdicts(ratios: Sequence[Interval], p_values: Sequence[float], resolution: float) -> list[str]:
    """The verdicts of many cases judged together.

    With forty cases, two of forty equal ones would be called different by chance. So "faster" and
    "slower" also need a p-value that survives Holm's step-down correction at 5 % over all of them
    (Holm 1979); where it does not, the verdict is "cannot tell".
    """
    surviving = holm(p_values, 0.05)
    found = []
    for ratio, survives in zip(ratios, surviving, strict=True):
        alone = verdict(ratio, resolution)
        found.append(CANNOT_TELL if alone in (FASTER, SLOWER) and not survives else alone)
    return found


def holm(p_values: Sequence[float], level: float) -> list[bool]:
    """Which hypotheses Holm's procedure rejects at the familywise ``level``; nan is never rejected."""
    order = sorted((p, at) for at, p in enumerate(p_values) if not math.isnan(p))
    rejected = [False] * len(p_values)
    for done, (p, at) in enumerate(order):
        if p > level / (len(order) - done):
            break
        rejected[at] = True
    return rejected
