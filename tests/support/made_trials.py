"""Records made by hand for tests of what reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.analysis.records import CountRecord, RunStart, Trial
from bench.analysis.store import Results
from bench.case import DENSE, Case, MethodCall
from bench.counting.counts import Counts
from bench.worker.protocol import Latency, Memory, Output

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
        "latency": made_latency([seconds] * 3),
        "memory": Memory(weight_bytes=400, live_peak=64),
        "output": Output((1, 10), "c", 1.0, True),
        "host": {"id": "host-a", "name": "a", "cpu": "x"},
    }
    return Trial(**{**fields, **changes})


def made_latency(samples: Sequence[float], **changes: Any) -> Latency:
    """A latency with these samples, one call each, in seconds."""
    return replace(Latency(tuple(samples), 1, 1.0, 10, True, "enough"), **changes)


def made_count(case: Case, arm: str = "", **changes: Any) -> CountRecord:
    """Counts of a case."""
    fields: dict[str, Any] = {
        "params": 100, "logical_params": 100, "macs": 1000, "executed_macs": 1000, "flops": 2000,
        "other_elements": 7, "weight_bytes": 400, "witnesses": {}, "disagreements": (), "layers": (),
        **changes,
    }  # fmt: skip
    return CountRecord("r", case.count_id, "ok", None, Counts(**fields), recipes=(None,), arm=arm)


def made_results(
    cases: list[Case], trials: list[Trial], counts: list[CountRecord] | None = None, **changes: Any
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
    keyed = {count.key: count for count in counts}
    return Results(Path("r.jsonl"), RunStart(**{**fields, **changes}), keyed, trials)
