"""Trials to a table: one pandas row per case."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from bench.analysis import stats
from bench.analysis.quality import marks, medians
from bench.analysis.records import Count, Trial, count_key
from bench.analysis.roofline import intensity, network_attainable, peak_for
from bench.analysis.store import Results
from bench.analysis.verdict import verdicts
from bench.case import Case

COLUMNS = (
    "run", "case", "backbone", "method", "label", "knobs", "runtime", "target", "batch", "input", "threads",
    "memory_format", "seed", "is_baseline", "baseline",
    "params", "logical_params", "macs", "executed_macs", "flops", "other_elements", "witnesses_agree",
    "disagreements", "replaced", "left",
    "latency", "latency_low", "latency_high", "first_call", "p90", "trials", "failed_trials",
    "marks", "left_out_trials", "compile_seconds", "resolved",
    "ratio", "ratio_low", "ratio_high", "ratio_rounds", "p_value", "verdict",
    "params_ratio", "macs_ratio", "delivered_share",
    "weight_bytes", "live_peak", "resident_growth", "cuda_allocated_peak", "cuda_reserved_peak",
    "intensity", "attainable", "attained", "live_peak_by_order",
    "same_output", "finite_output", "host", "status", "error",
)  # fmt: skip
"""Columns of the frame. Times in seconds, memory in bytes; ratios are to the dense baseline."""

RESOLUTION = 0.03
"""Differences up to this are called the same where a run asked for no resolution of its own."""

BY_ORDER = "live_peak_by_order"


def make_frame(results: Iterable[Results]) -> pd.DataFrame:
    """One row per case and run, in the order of the suites; a failed case has a row too."""
    rows: list[dict[str, Any]] = []
    for one in results:
        rows += _rows(one)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _rows(results: Results) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for arm in results.start.arms or ("",):
        of_arm = _arm_rows(results, arm)
        if arm:
            for row in of_arm:
                row["case"], row["label"] = f"{row['case']}@{arm}", f"{row['label']} @{arm}"
        rows += of_arm
    return rows


def _arm_rows(results: Results, arm: str) -> list[dict[str, Any]]:
    by_case: dict[str, list[Trial]] = defaultdict(list)
    for trial in results.trials:
        if trial.arm == arm:
            by_case[trial.case].append(trial)
    rows: dict[str, dict[str, Any]] = {}
    for data in results.start.cases:
        case = Case.from_dict({k: v for k, v in data.items() if k != "baseline"})
        count = results.counts.get(count_key(arm, case.count_id))
        rows[case.id] = _roofline(results, case, count, by_case[case.id]) | _row(
            results.start.run, case, data["baseline"], count, by_case[case.id]
        )
    for row in rows.values():
        row["attained"] = row["attainable"] / row["latency"]
    resolution = results.start.measure.get("resolution")
    for row in rows.values():
        base = rows.get(row["baseline"])
        if base is not None:
            _compare(row, base, by_case)
            if resolution is not None and not row["is_baseline"]:
                width = math.log(row["ratio_high"] / row["ratio_low"]) / 2
                row["resolved"] = bool(width <= math.log1p(resolution))
    _judge([row for row in rows.values() if row["ratio_rounds"] and not row["is_baseline"]], results)
    return list(rows.values())


def _row(run: str, case: Case, baseline: str, count: Count | None, trials: Sequence[Trial]) -> dict[str, Any]:
    good = [trial for trial in trials if trial.status == "ok"]
    latency = stats.estimate(list(medians(good).values()))
    counts = (count.counts if count else None) or {}
    failures = [t.error for t in trials if t.status != "ok"]
    error = (count.error if count and count.status != "ok" else None) or (failures[-1] if failures else None)
    checksums = Counter(t.output["checksum"] for t in good if t.output)
    samples = [s for t in good if t.latency for s in t.latency["samples"]]
    per_call = all(t.latency["calls_per_sample"] == 1 for t in good if t.latency)
    names = [call.name for call in case.methods]
    return {
        "run": run,
        "case": case.id,
        "backbone": case.backbone,
        "method": "+".join(names),
        "label": case.method,
        "knobs": dict(case.methods[0].knobs) if len(case.methods) == 1 else {},
        "runtime": case.runtime,
        "target": case.target,
        "batch": case.batch,
        "input": "x".join(map(str, case.input)),
        "threads": case.threads,
        "memory_format": case.memory_format,
        "seed": case.seed,
        "is_baseline": case.id == baseline,
        "baseline": baseline,
        **{k: counts.get(k, math.nan) for k in
           ("params", "logical_params", "macs", "executed_macs", "flops", "other_elements")},
        "witnesses_agree": bool(counts) and not counts["disagreements"],
        "disagreements": list(counts.get("disagreements", ())),
        "replaced": list(count.replaced) if count else [],
        "left": list(count.left) if count else [],
        "latency": latency.value,
        "latency_low": latency.low,
        "latency_high": latency.high,
        "first_call": _middle([t.latency["first_call"] for t in good if t.latency]),
        "p90": stats.percentile(samples, 90) if per_call else math.nan,
        "trials": len(good),
        "failed_trials": len(trials) - len(good),
        "marks": _mark_counts(good),
        "left_out_trials": sum(1 for t in good if t.latency) - len(medians(good)),
        "compile_seconds": _middle([t.compile_seconds for t in good if t.compile_seconds is not None]),
        "resolved": None,
        "ratio": math.nan,
        "ratio_low": math.nan,
        "ratio_high": math.nan,
        "ratio_rounds": 0,
        "p_value": math.nan,
        "verdict": "",
        "params_ratio": math.nan,
        "macs_ratio": math.nan,
        "delivered_share": math.nan,
        **{k: _middle([t.memory[k] for t in good if t.memory and t.memory.get(k) is not None]) for k in
           ("weight_bytes", "live_peak", "resident_growth", "cuda_allocated_peak", "cuda_reserved_peak")},
        "live_peak_by_order": next((p for t in good if t.memory and (p := t.memory.get(BY_ORDER))), {}),
        "same_output": len(checksums) == 1 if checksums else None,
        "finite_output": all(t.output["finite"] for t in good if t.output) if checksums else None,
        "host": ", ".join(sorted({t.host["id"] for t in good if t.host})),
        "status": "ok" if good else ("failed" if error else "not run"),
        "error": "" if error is None else f"{error['type']} in {error['stage']}: {error['message']}",
    }  # fmt: skip


def _judge(rows: Sequence[dict[str, Any]], results: Results) -> None:
    """Writes the verdicts of one run's (and arm's) compressed cases, judged together."""
    ratios = [stats.Interval(r["ratio"], r["ratio_low"], r["ratio_high"], r["ratio_rounds"]) for r in rows]
    resolution = results.start.measure.get("resolution") or RESOLUTION
    words = verdicts(ratios, [r["p_value"] for r in rows], resolution)
    for row, word in zip(rows, words, strict=True):
        row["verdict"] = word


def _roofline(results: Results, case: Case, count: Count | None, trials: Sequence[Trial]) -> dict[str, float]:
    """Arithmetic intensity, and the attainable time where the peaks of the trials' host are stored."""
    layers = (count.counts or {}).get("layers", []) if count else []
    hosts = {trial.host["id"] for trial in trials if trial.host}
    peak = peak_for(results.start.peaks, hosts.pop(), case.threads) if len(hosts) == 1 else None
    return {
        "intensity": intensity(layers, case.batch),
        "attainable": network_attainable(layers, peak, case.batch) if peak and layers else math.nan,
        "attained": math.nan,
    }


def _compare(row: dict[str, Any], base: dict[str, Any], by_case: dict[str, list[Trial]]) -> None:
    row["params_ratio"] = row["logical_params"] / (base["logical_params"] or math.nan)
    row["macs_ratio"] = row["macs"] / base["macs"] if base["macs"] else math.nan
    try:
        interval = stats.ratio(medians(by_case[base["case"]]), medians(by_case[row["case"]]))
    except ValueError:
        return  # no common round: the ratio stays unknown
    row["ratio"], row["ratio_low"], row["ratio_high"] = interval.value, interval.low, interval.high
    row["ratio_rounds"] = interval.count
    row["p_value"] = stats.paired_p_value(medians(by_case[base["case"]]), medians(by_case[row["case"]]))
    if not row["is_baseline"]:
        row["delivered_share"] = stats.delivered_share(interval.value, row["macs_ratio"])


def _mark_counts(trials: Sequence[Trial]) -> dict[str, int]:
    """How many trials carry each mark of bench.analysis.quality."""
    return dict(sorted(Counter(mark for found in marks(trials) for mark in found).items()))


def _middle(values: Sequence[float]) -> float:
    return float(pd.Series(values, dtype=float).median()) if values else math.nan
