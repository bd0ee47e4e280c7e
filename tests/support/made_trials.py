"""Records made by hand for tests of what reads them: the one place that knows how a record is built.

They are made as plain data and read by the records' own reader, as if they came from a file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.analysis.records import (
    SCHEMA,
    CountRecord,
    Json,
    ProfileRecord,
    Record,
    RunEnd,
    RunStart,
    Trial,
    from_line,
    typed,
)
from bench.analysis.store import Results
from bench.case import DENSE, Case, MethodCall
from bench.worker.protocol import Measured

DENSE_CASE = Case("resnet20", DENSE)
CSR_CASE = Case("resnet20", (MethodCall("csr_conv", {"T": 4}),))


def made_latency(
    seconds: float | Sequence[float] = 1.0, first_call: float | None = None, calls_per_sample: int = 1
) -> Json:
    """Samples in seconds; one number stands for three equal ones."""
    samples = [seconds] * 3 if isinstance(seconds, int | float) else list(seconds)
    return {
        "samples": samples,
        "calls_per_sample": calls_per_sample,
        "first_call": max(samples, default=1.0) if first_call is None else first_call,
        "warmup_calls": 3,
        "warmup_steady": True,
        "stop": "enough",
    }


def made_memory(**changes: Any) -> Json:
    """Memory numbers in bytes."""
    return {"weight_bytes": 400, "live_peak": 64, "allocator_peak": 96, "resident_growth": None, **changes}


def made_host(identity: str = "host-a", **facts: Any) -> Json:
    """A host's fingerprint."""
    return {"id": identity, "name": identity, "cpu": f"cpu of {identity}", **facts}


def made_conditions(
    clock: float = 0.0,
    own: float = 0.0,
    busy: Any = 0,
    steal: int = 0,
    throttled: Any = "unknown",
    load: Any = 0.1,
) -> Json:
    """A reading of the host: seconds, seconds of CPU, jiffies.

    ``busy`` "unknown": none could be read. ``load`` None: the load was not looked for.
    """
    jiffies = busy if busy == "unknown" else {"busy": busy, "steal": steal}
    return {
        "clock": clock,
        "own_cpu": own,
        "busy_jiffies": jiffies,
        "throttle_count": throttled,
        **({} if load is None else {"load_1m": load}),
    }


def made_error(message: str = "no", stage: str = "build", kind: str = "RuntimeError") -> Json:
    """Why a trial or a count failed."""
    return {"type": kind, "stage": stage, "message": message, "traceback": ""}


def made_trial(
    case: Case | str,
    number: int = 0,
    seconds: float | Sequence[float] | None = 1.0,
    *,
    error: str | Json = "",
    first_call: float | None = None,
    calls_per_sample: int = 1,
    memory: Mapping[str, Any] | None = None,
    checksum: str = "c",
    finite: bool = True,
    host: str | Json = "host-a",
    before: Json | None = None,
    after: Json | None = None,
    **changes: Any,
) -> Trial:
    """A trial of round ``number`` with those samples; ``seconds`` None is one whose latency was refused.

    ``error`` makes it a failed one, with nothing measured. ``changes`` are plain fields: run, arm, threads.
    """
    fields: dict[str, Any] = {
        "run": "r",
        "case": case if isinstance(case, str) else case.id,
        "round": number,
        "position": 0,
        "status": "ok",
        "error": None,
        "started": "2026",
        "wall_seconds": 1.0,
        "host": made_host(host) if isinstance(host, str) else host,
        "conditions_before": before,
        "conditions_after": after,
    }
    if error:
        fields["status"] = "failed"
        fields["error"] = made_error(error) if isinstance(error, str) else error
    else:
        fields["memory"] = made_memory(**(memory or {}))
        fields["output"] = {"shape": [1, 10], "checksum": checksum, "mean_magnitude": 1.0, "finite": finite}
        if seconds is None:
            fields["latency_refused"] = "emulated processor"
        else:
            fields["latency"] = made_latency(seconds, first_call, calls_per_sample)
    trial = _read("trial", {**fields, **changes})
    assert isinstance(trial, Trial)
    return trial


def made_answer(seconds: float | Sequence[float] = 1.0, error: Json | None = None, **more: Any) -> Measured:
    """What a worker answers: the measured part of a trial, or the error."""
    latency = made_latency(seconds) if error is None else None
    return typed(Measured, {"error": error, "latency": latency, **more})


def made_count(
    case: Case,
    arm: str = "",
    *,
    run: str = "r",
    error: str | Json = "",
    replaced: Sequence[Json] = (),
    left: Sequence[Json] = (),
    **changes: Any,
) -> CountRecord:
    """Counts of a case; ``error`` makes it one that could not be counted."""
    counts = {
        "params": 100, "logical_params": 100, "macs": 1000, "executed_macs": 1000, "flops": 2000,
        "other_elements": 7, "weight_bytes": 400, "witnesses": {}, "disagreements": [], "layers": [],
        **changes,
    }  # fmt: skip
    fields: dict[str, Any] = {
        "run": run,
        "count_id": case.count_id,
        "status": "failed" if error else "ok",
        "error": made_error(error, "count", "ValueError")
        if error and isinstance(error, str)
        else error or None,
        "counts": None if error else counts,
        "replaced": [] if error else list(replaced),
        "left": [] if error else list(left),
        "recipes": [] if error else [None],
        "arm": arm,
    }
    count = _read("count", fields)
    assert isinstance(count, CountRecord)
    return count


def made_start(cases: Sequence[Case], **changes: Any) -> RunStart:
    """The first record of a run of those cases."""
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
    start = _read("run", {**fields, **changes})
    assert isinstance(start, RunStart)
    return start


def made_emulated(
    case: Case | str, total: int, core: str = "cortex-a72", round: int = 0, **kinds: int
) -> Trial:
    """A trial on an emulated core, which executes ``total`` instructions and takes no time."""
    host = made_host(cpu=f"emulated {core}", machine="aarch64", emulated=True)
    counted = {"total": total, **(kinds or {"other": total})}
    return made_trial(case, round, None, host=host, instructions=counted)


def made_profile(
    case: Case,
    layers: Mapping[str, float],
    *,
    seconds: float,
    parts: Mapping[str, Mapping[str, float]] | None = None,
    run: str = "r",
    flops: float | None = 1e11,
    bandwidth: float | None = 1e10,
    host: str | Json = "host-a",
) -> ProfileRecord:
    """Where a case's time goes: layer -> seconds, each with 10⁶ MACs and 10⁵ bytes."""
    rows = [
        {
            "layer": name,
            "kind": "CSRConv2d" if parts and name in parts else "Conv2d",
            "macs": 1_000_000,
            "bytes": 100_000,
            "seconds": taken,
            "parts": dict(parts[name]) if parts and name in parts else None,
        }
        for name, taken in layers.items()
    ]
    fields: dict[str, Any] = {
        "run": run,
        "case": case.id,
        "taken": "2026",
        "host": made_host(host) if isinstance(host, str) else host,
        "seconds": seconds,
        "layers": rows,
        "flops": flops,
        "bandwidth": bandwidth,
    }
    profile = _read("profile", fields)
    assert isinstance(profile, ProfileRecord)
    return profile


def made_end(run: str = "r", status: str = "complete") -> RunEnd:
    """The last record of a run."""
    end = _read("end", {"run": run, "status": status, "ended": "2026"})
    assert isinstance(end, RunEnd)
    return end


def made_results(
    cases: Sequence[Case],
    trials: Sequence[Trial],
    counts: Sequence[CountRecord] | None = None,
    ends: Sequence[RunEnd] = (),
    **changes: Any,
) -> Results:
    """A results file's records; ``counts`` None: each case has its own."""
    counts = [made_count(case) for case in cases] if counts is None else counts
    start = made_start(cases, **changes)
    return Results(Path(f"{start.run}.jsonl"), start, {c.key: c for c in counts}, list(trials), list(ends))


def _read(kind: str, fields: Json) -> Record:
    return from_line({"schema": SCHEMA, "kind": kind, **fields})
