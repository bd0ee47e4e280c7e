"""Trials to a table: one pandas row per case (and arm, where a run measures two revisions)."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import pandas as pd

from bench.analysis import stats
from bench.analysis.exits import exit_rows, quantiles
from bench.analysis.judging import judge_run, schedule_of, smallest_found
from bench.analysis.loaded_weights import weights_words
from bench.analysis.pairing import kept_logs
from bench.analysis.proof import refuted, standing
from bench.analysis.quality import CaseTrials
from bench.analysis.records import CountRecord, PlannedCase, Probe, Trial
from bench.analysis.roofline import intensity, network_attainable, peak_for
from bench.analysis.stats import Interval
from bench.analysis.store import Results
from bench.analysis.verdict import CANNOT_TELL
from bench.case import FLOAT32
from bench.counting.counts import Counts
from bench.worker.measurements import Latency


@dataclass(frozen=True)
class CaseRow:
    """One row of the frame. Times in seconds, memory in bytes; ratios are to the dense baseline.

    What is not known is nan, None for a yes or no. ``disputed_layers``: layers on whose MACs the witnesses
    differ; ``witnessed_macs``: the most that one of them counts. ``host_latency`` and ``launch_overhead`` are
    known of GPUs: a call on the host's clock, and how much of it the device did not need. ``float32_ratio``:
    latency over that of the same case in float32, from processes of the same rounds. ``energy``: joules of a
    call, idle power subtracted. ``delivered_share`` is a bare estimate; its interval is known only where the
    share may be told (see ``stats.delivered_interval``). ``exits`` (``ExitRow`` as plain data) and
    ``input_quantiles`` (per cent -> seconds) are those of a network that inputs leave early; its MACs and
    latency are expectations. ``instructions`` of one forward, in total and by kind, are those of the core
    that the target ``emulates``. ``weights``: name and SHA-256 of the file that was loaded into a network of
    the user's own, "" for random ones; ``discarded``: replaced layers in which nothing of them is left.
    """

    run: str
    case: str
    arm: str
    backbone: str
    method: str
    label: str
    knobs: dict[str, Any]
    runtime: str
    target: str
    batch: int
    input: str
    threads: int
    memory_format: str
    dtype: str
    seed: int
    is_baseline: bool
    baseline: str
    params: float = math.nan
    logical_params: float = math.nan
    macs: float = math.nan
    executed_macs: float = math.nan
    flops: float = math.nan
    other_elements: float = math.nan
    activation_macs: float = math.nan
    disputed_layers: float = math.nan
    witnessed_macs: float = math.nan
    witnesses_agree: bool = False
    disagreements: list[str] = field(default_factory=list)
    replaced: list[dict[str, str]] = field(default_factory=list)
    left: list[dict[str, str]] = field(default_factory=list)
    weights: str = ""
    discarded: list[str] = field(default_factory=list)
    latency: float = math.nan
    latency_low: float = math.nan
    latency_high: float = math.nan
    host_latency: float = math.nan
    launch_overhead: float = math.nan
    float32_ratio: float = math.nan
    float32_ratio_low: float = math.nan
    float32_ratio_high: float = math.nan
    first_call: float = math.nan
    p90: float = math.nan
    trials: int = 0
    failed_trials: int = 0
    marks: dict[str, int] = field(default_factory=dict)
    left_out_trials: int = 0
    compile_seconds: float = math.nan
    export_seconds: float = math.nan
    exported_bytes: float = math.nan
    resolved: bool | None = None
    ratio: float = math.nan
    ratio_low: float = math.nan
    ratio_high: float = math.nan
    ratio_rounds: int = 0
    p_value: float = math.nan
    smallest_change: float = math.nan
    seating: str = ""
    verdict: str = ""
    params_ratio: float = math.nan
    macs_ratio: float = math.nan
    delivered_share: float = math.nan
    delivered_low: float = math.nan
    delivered_high: float = math.nan
    weight_bytes: float = math.nan
    live_peak: float = math.nan
    allocator_peak: float = math.nan
    resident_growth: float = math.nan
    cuda_allocated_peak: float = math.nan
    cuda_reserved_peak: float = math.nan
    cuda_nvml_peak: float = math.nan
    energy: float = math.nan
    power: float = math.nan
    idle_power: float = math.nan
    energy_source: str = ""
    energy_refused: str = ""
    intensity: float = math.nan
    attainable: float = math.nan
    attained: float = math.nan
    live_peak_by_order: dict[str, int] = field(default_factory=dict)
    allocator_peak_by_order: dict[str, int] = field(default_factory=dict)
    live_peak_refused: str = ""
    executed_order: dict[str, str] = field(default_factory=dict)
    runtime_did: str = ""
    exits: list[dict[str, Any]] = field(default_factory=list)
    input_quantiles: dict[str, float] = field(default_factory=dict)
    emulates: str = ""
    instructions: float = math.nan
    instructions_ratio: float = math.nan
    instruction_kinds: dict[str, int] = field(default_factory=dict)
    same_output: bool | None = None
    finite_output: bool | None = None
    host: str = ""
    host_name: str = ""
    status: str = "not run"
    error: str = ""


COLUMNS = tuple(column.name for column in fields(CaseRow))
"""Columns of the frame."""

_COUNTED = (
    "params", "logical_params", "macs", "executed_macs", "flops", "other_elements", "disputed_layers",
    "witnessed_macs",
)  # fmt: skip
_MEMORY = (
    "weight_bytes", "live_peak", "allocator_peak", "resident_growth", "cuda_allocated_peak",
    "cuda_reserved_peak", "cuda_nvml_peak",
)  # fmt: skip


def make_frame(results: Iterable[Results]) -> pd.DataFrame:
    """One row per run, arm and case, in the order of the suites; a failed case has a row too.

    A case that one run measured on several hosts has a row for each: their times are not of one kind.
    """
    rows: list[CaseRow] = []
    for one in results:
        for arm in one.start.arms or ("",):
            rows += _arm_rows(one, arm)
    # Not asdict: it would copy every list and dict of every row.
    return pd.DataFrame([[getattr(row, c) for c in COLUMNS] for row in rows], columns=list(COLUMNS))


Key = tuple[str, str]
"""A case's id and the host that its row is of: "" where the run measured the case on no more than one."""


def _arm_rows(results: Results, arm: str) -> list[CaseRow]:
    """The rows of one arm, each compared with its baseline, all judged together."""
    by_case, probes = standing(results, arm)
    cores = {str(target.get("name")): target.get("emulates") or "" for target in results.start.targets}
    planned_cases = results.start.planned()
    on_many = _on_many_hosts(planned_cases, by_case)
    in_float32 = {planned.case.id: replace(planned.case, dtype=FLOAT32).id for planned in planned_cases}
    compared = {one for pair in in_float32.items() if pair[0] != pair[1] for one in pair}
    rows: dict[Key, CaseRow] = {}
    by_key: dict[Key, Sequence[Trial]] = {}
    medians: dict[Key, Mapping[int, float]] = {}
    for planned in planned_cases:
        case_id = planned.case.id
        parts = _by_host(by_case[case_id]) if planned.baseline in on_many else {"": by_case[case_id]}
        count = results.counts.get((arm, planned.case.count_id))
        for host, of_host in parts.items():
            trials = CaseTrials.of(of_host)
            probe = _probe_of(probes.get(case_id), host, parts)
            found = _counted(count) | _timed(trials) | _seen(trials, probe, count)
            found |= _roofline(results, planned, count, trials)
            exits = exit_rows(count.counts if count else None, trials.good)
            found |= {"exits": [asdict(exit) for exit in exits], "input_quantiles": quantiles(trials.good)}
            found |= {"emulates": cores.get(planned.case.target, ""), **_executed(trials, probe)}
            if case_id in compared:  # all of a million trials would take 100 MB
                medians[case_id, host] = trials.medians
            rows[case_id, host] = replace(_identity(results.start.run, arm, planned), **found)
            by_key[case_id, host] = trials.kept
    anywhere = {case_id: row for (case_id, _), row in reversed(rows.items())}
    for key, row in rows.items():
        case_id, host = key
        if in_float32[case_id] != case_id and medians.get((in_float32[case_id], host)):
            row = replace(row, **_beside_float32(medians[in_float32[case_id], host], medians[key]))
        row = replace(row, attained=row.attainable / row.latency)
        if row.baseline in anywhere:
            row = replace(row, **_beside(row, anywhere[row.baseline]))
        rows[key] = row
    return _judged(rows, by_key, results)


def _on_many_hosts(planned: Sequence[PlannedCase], by_case: Mapping[str, Sequence[Trial]]) -> set[str]:
    """Ids of the baselines whose cases, taken together, were measured on more than one host."""
    hosts: dict[str, set[str]] = {}
    for one in planned:
        good = (trial for trial in by_case.get(one.case.id, ()) if trial.status == "ok" and trial.host)
        hosts.setdefault(one.baseline, set()).update(str(trial.host["id"]) for trial in good if trial.host)
    return {baseline for baseline, of_it in hosts.items() if len(of_it) > 1}


def _by_host(trials: Sequence[Trial]) -> dict[str, list[Trial]]:
    """A case's trials by the hosts that measured it; one that failed without a host is with the first."""
    good = [str(trial.host["id"]) for trial in trials if trial.status == "ok" and trial.host]
    found: dict[str, list[Trial]] = {host: [] for host in dict.fromkeys(good)} or {"": []}
    first = next(iter(found))
    for trial in trials:
        host = str(trial.host["id"]) if trial.host else first
        found[host if host in found else first].append(trial)
    return found


def _probe_of(probe: Probe | None, host: str, parts: Mapping[str, object]) -> Probe | None:
    """The probe where it belongs: with the host that was asked, or else with the first."""
    if probe is None or len(parts) == 1:
        return probe
    asked = probe.host["id"] if probe.host else None
    return probe if host == (asked if asked in parts else next(iter(parts))) else None


def _identity(run: str, arm: str, planned: PlannedCase) -> CaseRow:
    case = planned.case
    return CaseRow(
        run=run,
        case=case.id,
        arm=arm,
        backbone=case.backbone,
        method="+".join(call.name for call in case.methods),
        label=case.method,
        knobs=dict(case.methods[0].knobs) if len(case.methods) == 1 else {},
        runtime=case.runtime,
        target=case.target,
        batch=case.batch,
        input="x".join(map(str, case.input)),
        threads=case.threads,
        memory_format=case.memory_format,
        dtype=case.dtype,
        seed=case.seed,
        is_baseline=case.id == planned.baseline,
        baseline=planned.baseline,
        weights=weights_words(case.imported),
    )


def _counted(count: CountRecord | None) -> dict[str, Any]:
    if count is None or count.counts is None:
        return {}
    counts = count.counts
    return {
        **{name: getattr(counts, name) for name in _COUNTED},
        "activation_macs": math.nan if counts.activation_macs is None else counts.activation_macs,
        "witnesses_agree": not counts.disagreements,
        "disagreements": list(counts.disagreements),
        "replaced": [asdict(layer) for layer in count.replaced],
        "left": [asdict(layer) for layer in count.left],
        "discarded": list(count.discarded),
    }


def _timed(trials: CaseTrials) -> dict[str, Any]:
    latency = stats.estimate(list(trials.medians.values()))
    latencies = [trial.latency for trial in trials.good if trial.latency]
    samples = [sample for one in latencies for sample in one.samples]
    per_call = all(one.calls_per_sample == 1 for one in latencies)
    return {
        "latency": latency.value,
        "latency_low": latency.low,
        "latency_high": latency.high,
        "host_latency": _middle([_median(one.host_samples) for one in latencies]),
        "launch_overhead": _middle([_overhead(one) for one in latencies]),
        "first_call": _middle([one.first_call for one in latencies]),
        "p90": stats.percentile(samples, 90) if per_call else math.nan,
        "trials": len(trials.good),
        "failed_trials": len(trials.failed),
        "marks": trials.mark_counts(),
        "left_out_trials": trials.left_out(),
        "compile_seconds": _middle([t.compile_seconds for t in trials.good if t.compile_seconds is not None]),
    }


def _overhead(latency: Latency) -> float:
    """Seconds of a call in which the device had nothing of it to do: host time less queued device time."""
    return _median(latency.host_samples) - _median(latency.queued_samples)


def _median(samples: Sequence[float]) -> float:
    """The median of a trial's samples; nan where none is usable."""
    if not samples:  # as in nearly all of a million trials; to raise and to catch takes longer
        return math.nan
    try:
        return stats.trial_median(samples)
    except ValueError:
        return math.nan


def _energy(probe: Probe | None) -> dict[str, Any]:
    """What the probe found of energy, by the frame's columns."""
    found = None if probe is None else probe.energy
    if found is None:
        return {}
    numbers = {"energy": found.joules, "power": found.watts, "idle_power": found.idle_watts}
    return {
        **{name: value for name, value in numbers.items() if value is not None},
        "energy_source": found.source,
        "energy_refused": found.refused,
    }


def _seen(trials: CaseTrials, probe: Probe | None, count: CountRecord | None) -> dict[str, Any]:
    """Memory, output, host and what went wrong."""
    memories = [trial.memory for trial in trials.good if trial.memory]
    if probe is not None and probe.memory is not None:
        memories.append(probe.memory)
    outputs = [trial.output for trial in trials.good if trial.output]
    if probe is not None and probe.output is not None:
        outputs.append(probe.output)
    checksums = Counter(output.checksum for output in outputs)
    failures = [trial.error for trial in trials.failed]
    if probe is not None and (refuted(probe) or not (trials.good or failures)):
        failures.append(probe.error)  # a case that could not be exported has no trial
    error = (count.error if count and count.status != "ok" else None) or (failures[-1] if failures else None)
    found: dict[str, Any] = {
        name: _middle([value for memory in memories if (value := getattr(memory, name)) is not None])
        for name in _MEMORY
    }
    found |= _energy(probe)
    asked = [*trials.good, *([] if probe is None else [probe])]
    return found | {
        "export_seconds": _middle([one.export_seconds for one in asked if one.export_seconds is not None]),
        "exported_bytes": _middle([one.exported_bytes for one in asked if one.exported_bytes is not None]),
        "live_peak_by_order": next((m.live_peak_by_order for m in memories if m.live_peak_by_order), {}),
        "allocator_peak_by_order": next(
            (m.allocator_peak_by_order for m in memories if m.allocator_peak_by_order), {}
        ),
        "executed_order": next((one.executed_order for one in asked if one.executed_order), {}),
        "runtime_did": next((one.runtime_did for one in asked if one.runtime_did), ""),
        "live_peak_refused": next((m.live_peak_refused for m in memories if m.live_peak_refused), ""),
        "same_output": len(checksums) == 1 if checksums else None,
        "finite_output": all(output.finite for output in outputs) if checksums else None,
        "host": ", ".join(sorted({trial.host["id"] for trial in trials.good if trial.host})),
        "host_name": ", ".join(
            sorted({str(trial.host["name"]) for trial in trials.good if trial.host and "name" in trial.host})
        ),
        "seating": ", ".join(sorted({trial.seating or "alone" for trial in trials.good if trial.latency})),
        "status": "ok" if trials.good else ("failed" if error else "not run"),
        "error": "" if error is None else f"{error.type} in {error.stage}: {error.message}",
    }


def _executed(trials: CaseTrials, probe: Probe | None) -> dict[str, Any]:
    """Instructions of one forward where they were counted."""
    asked = [*([] if probe is None else [probe]), *trials.good]
    counted = next((one.instructions for one in asked if one.instructions), None)
    if counted is None:
        return {}
    kinds = {kind: number for kind, number in counted.items() if kind != "total"}
    return {"instructions": float(counted.get("total", sum(kinds.values()))), "instruction_kinds": kinds}


def _roofline(
    results: Results, planned: PlannedCase, count: CountRecord | None, trials: CaseTrials
) -> dict[str, float]:
    """Arithmetic intensity, and the attainable time where the peaks of the trials' host are stored."""
    counts: Counts | None = count.counts if count else None
    layers = counts.layers if counts else ()
    case = planned.case
    hosts = {trial.host["id"] for trial in (*trials.good, *trials.failed) if trial.host}
    peak = peak_for(results.start.peaks, hosts.pop(), case.threads, case.dtype) if len(hosts) == 1 else None
    return {
        "intensity": intensity(layers, case.batch, case.dtype),
        "attainable": network_attainable(layers, peak, case.batch, case.dtype)
        if peak and layers
        else math.nan,
    }


def _beside(row: CaseRow, base: CaseRow) -> dict[str, Any]:
    """The row's counts beside its baseline's."""
    return {
        "params_ratio": row.logical_params / (base.logical_params or math.nan),
        "macs_ratio": row.macs / base.macs if base.macs else math.nan,
        "instructions_ratio": row.instructions / (base.instructions or math.nan),
    }


def _beside_float32(base: Mapping[int, float], own: Mapping[int, float]) -> dict[str, Any]:
    """The latency ratio of a case to itself in float32, by rounds that have both."""
    if not base.keys() & own.keys():
        return {}
    ratio = stats.ratio(base, own)
    return {
        "float32_ratio": ratio.value,
        "float32_ratio_low": ratio.low,
        "float32_ratio_high": ratio.high,
    }


def _judged(
    rows: Mapping[Key, CaseRow], by_key: Mapping[Key, Sequence[Trial]], results: Results
) -> list[CaseRow]:
    """The rows with their ratios and verdicts; the cases of one run (and arm) are judged together."""
    of_case = results.start.measures()
    measures = {"\n".join(key): of_case[key[0]] for key in rows}
    logs: dict[str, dict[int, float]] = {}
    names = {key: "\n".join(key) for key in rows}
    for key, row in rows.items():
        base = (row.baseline, key[1])
        if base in rows:
            logs[names[key]] = kept_logs(by_key[base], by_key[key])
    compared = {names[key] for key, row in rows.items() if not row.is_baseline}
    family = {name: of for name, of in logs.items() if of and name in compared}
    decisions = judge_run(family, measures, results.complete)
    found: list[CaseRow] = []
    for key, row in rows.items():
        name = names[key]
        measure = measures[name]
        if row.is_baseline and logs.get(name):
            count = len(logs[name])
            row = replace(row, ratio=1.0, ratio_low=1.0, ratio_high=1.0, ratio_rounds=count, p_value=1.0)
        if name in decisions:
            decision = decisions[name]
            delivered = stats.delivered_interval(decision.ratio, row.macs_ratio)
            row = replace(
                row,
                ratio=decision.ratio.value,
                ratio_low=decision.ratio.low,
                ratio_high=decision.ratio.high,
                ratio_rounds=decision.ratio.count,
                p_value=decision.p_value,
                verdict=decision.verdict,
                delivered_share=stats.delivered_share(decision.ratio.value, row.macs_ratio),
                delivered_low=delivered.low,
                delivered_high=delivered.high,
                smallest_change=smallest_found(family[name], measure, len(family)),
            )
        if measure.get("resolution") is not None and not row.is_baseline and name in logs:
            row = replace(row, resolved=_resolved(row, measure))
        found.append(row)
    return found


def _resolved(row: CaseRow, measure: Mapping[str, Any]) -> bool:
    """True when the run had no reason to go on with the case."""
    if schedule_of(measure) is not None:
        return row.verdict not in ("", CANNOT_TELL)
    interval = Interval(row.ratio, row.ratio_low, row.ratio_high, row.ratio_rounds)
    return bool(interval.half_width <= math.log1p(measure["resolution"]))


def _middle(values: Iterable[float]) -> float:
    """The median of those that are known."""
    known = [float(value) for value in values if not math.isnan(value)]
    return statistics.median(known) if known else math.nan
