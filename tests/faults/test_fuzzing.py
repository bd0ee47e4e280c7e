"""Nothing that is thrown at the readers ends in a traceback: 500 examples; `make faults` takes 10,000."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fuzzing
import pytest
from hypothesis import HealthCheck, given, settings

EXAMPLES = 500


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "given_by", "check", "share"), fuzzing.CHECKS, ids=lambda v: v if isinstance(v, str) else ""
)
def test_nothing_ends_in_a_traceback(
    name: str, given_by: Any, check: Any, share: float, tmp_path: Path
) -> None:
    with fuzzing.sandbox(tmp_path) as place:

        @settings(
            max_examples=round(EXAMPLES * share),
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(given_by)
        def throw(example: Any) -> None:
            check(example)

        throw()
    assert place.outside == []
