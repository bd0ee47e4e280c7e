"""Which cases still need rounds: those whose ratio is not yet known as well as asked."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from bench.analysis.sequential import decide, looks
from bench.analysis.verdict import CANNOT_TELL
from bench.case import Case
from bench.errors import InputError


def parse_percent(text: str) -> float:
    """``2%`` or ``0.02`` as 0.02. Raises InputError for anything outside (0, 1)."""
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*(%?)\s*", text)
    value = float(match[1]) / (100 if match[2] else 1) if match else math.nan
    if not 0 < value < 1:
        raise InputError(f"'{text}' is no resolution; 2% or 0.02 is one")
    return value


def undecided(
    cases: Sequence[Case],
    logs: Mapping[str, Sequence[float]],
    resolution: float,
    min_rounds: int,
    max_rounds: int,
) -> set[str]:
    """Ids of the cases that need more rounds, with the baselines they are compared to.

    ``logs``: case id -> log ratios by round, of every case that is compared with something. Those whose
    verdict is still "cannot tell" go on.
    """
    ids = {case.id for case in cases}
    found = decide(logs, resolution, looks(min_rounds, max_rounds))
    wanted: set[str] = set()
    for case in cases:
        if case.id in found and found[case.id].verdict == CANNOT_TELL:
            wanted |= {case.id, case.baseline().id} & ids
    return wanted
