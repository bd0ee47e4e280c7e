"""Records made by hand for tests of what reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.analysis.records import Count, RunStart, Trial, count_key
from bench.analysis.store import Results
from bench.case import DENSE, Case, MethodCall

DENSE_CASE = Case("resnet20", DENSE)
CSR_CASE = Case("resnet20", (MethodCall("csr_conv", {"T": 4}),))


def made_trial(case: Case, number: int, seconds: float, **changes: Any) -> Trial:
    """A good trial whose median is ``seconds``."""
    fields: dict[str, Any] = {
        "run": "r",
        "case": case.id,
        "round": number,
        "position": 0,
        "status": "ok",
        "error": None,
        "started": "2026",
        "wall_seconds": 1.0,
        "latency": {
            "samples": [seconds] * 3,
            "calls_per_sample": 1,
            "first_call": 1.0,
            "warmup_steady": True,
        },
        "memory": {"weight_bytes": 400, "live_peak": 64, "resident_growth": None},
        "output": {"checksum": "c", "finite": True},
        "host": {"id": "host-a", "name": "a", "cpu": "x"},
    }
    return Trial(**{**fields, **changes})


def made_count(case: Case, arm: str = "", **changes: Any) -> Count:
    """Counts of a case."""
    counts = {
        "params": 100, "logical_params": 100, "macs": 1000, "executed_macs": 1000, "flops": 2000,
        "other_elements": 7, "weight_bytes": 400, "disagreements": [], "layers": [], **changes,
    }  # fmt: skip
    return Count("r", case.count_id, "ok", None, counts, [], [], [None], arm=arm)


def made_results(
    cases: list[Case], trials: list[Trial], counts: list[Count] | None = None, **changes: Any
) -> Results:
    """A results file's records."""
    fields: dict[str, Any] = {
        "run": "r",
        "suite": "s",
        "description": "",
        "suite_digest": "d",
        "started": "2026",
        "seed": 1,
        "measure": {"rounds": 5},
        "cases": [{**case.as_dict(), "baseline": case.baseline().id} for case in cases],
        "targets": [],
        "plugins": [],
        "versions": {},
    }
    counts = [made_count(case) for case in cases] if counts is None else counts
    keyed = {count_key(count.arm, count.count_id): count for count in counts}
    return Results(Path("r.jsonl"), RunStart(**{**fields, **changes}), keyed, trials)
