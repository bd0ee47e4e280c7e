"""Two measurements of the same cases: what got faster, slower, bigger, smaller, and what cannot be told."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bench.analysis import stats
from bench.analysis.judging import judge_run
from bench.analysis.pairing import round_logs
from bench.analysis.proof import refuted, standing
from bench.analysis.quality import medians
from bench.analysis.records import CountRecord, Probe, Trial
from bench.analysis.stats import Interval
from bench.analysis.store import Results
from bench.analysis.verdict import CANNOT_TELL, SLOWER, verdicts
from bench.case import FLOAT32

FAIL_ON = ("slower", "bigger")
"""What may count as "got worse"."""

COUNTED = (
    "params", "logical_params", "macs", "executed_macs", "disputed_layers", "witnessed_macs",
    "activation_macs", "other_elements", "weight_bytes",
)  # fmt: skip
"""Those of the counting process, which needs no trial."""

EXACT = (*COUNTED, "live_peak")
"""Integers that are compared exactly: any change is reported, none goes through an interval. They belong to
the network, whatever the host."""

ON_ONE_HOST = ("allocator_peak",)
"""As exact, on one host: kernels' scratch is in it, and each processor has kernels of its own."""


PEAKS = ("live_peak", "allocator_peak")
"""Those of the integers that trials and probes tell; the others come with the counts."""

CAST = ("weight_bytes",)
"""Those that counts know of float32 alone: of another dtype trials and probes tell them too."""


INSTRUCTIONS, REPEATS = "instructions", 0.001
"""Instructions of an emulated core repeat to a few parts in ten thousand: up to REPEATS they are equal."""

NOT_TIMED = "not timed"
"""The word where no time was taken on purpose: on an emulated core, and where nothing may fail by it."""


@dataclass(frozen=True)
class Side:
    """One case as one side measured it. ``refused``: no time was to be taken there."""

    medians: Mapping[int, float]
    exact: Mapping[str, int]
    failure: str = ""
    hosts: frozenset[str] = frozenset()
    refused: bool = False


@dataclass(frozen=True)
class CaseChange:
    """One case on both sides. ``changed``: name of the integer -> (base, head).

    ``counted``: whether there was any integer on both sides, so that none changed means they are equal.
    """

    case: str
    ratio: Interval
    verdict: str
    changed: Mapping[str, tuple[int, int]]
    note: str = ""
    counted: bool = True

    @property
    def bigger(self) -> list[str]:
        """The integers that grew."""
        return [name for name, (base, head) in self.changed.items() if head > base]

    @property
    def smaller(self) -> list[str]:
        """The integers that shrank."""
        return [name for name, (base, head) in self.changed.items() if head < base]


@dataclass(frozen=True)
class Comparison:
    """All cases with the exit code. ``refused`` says why no times were compared."""

    cases: tuple[CaseChange, ...] = ()
    resolution: float = 0.03
    fail_on: tuple[str, ...] = FAIL_ON
    refused: str = ""
    notes: tuple[str, ...] = field(default=())

    @property
    def exit_code(self) -> int:
        """0 nothing got worse, 1 something did, 4 nothing did but at least one case cannot be told."""
        slower = "slower" in self.fail_on and any(c.verdict == SLOWER for c in self.cases)
        bigger = "bigger" in self.fail_on and any(c.bigger for c in self.cases)
        if slower or bigger:
            return 1
        unknown_time = "slower" in self.fail_on and any(c.verdict == CANNOT_TELL for c in self.cases)
        missing = any(c.note for c in self.cases)
        refused = "slower" in self.fail_on and bool(self.refused)
        return 4 if refused or not self.cases or unknown_time or missing else 0

    def as_dict(self) -> dict[str, Any]:
        """Plain data for ``--json``."""
        return {
            "exit": self.exit_code,
            "resolution": self.resolution,
            "fail_on": list(self.fail_on),
            "refused": self.refused,
            "notes": list(self.notes),
            "cases": [
                {
                    "case": c.case,
                    "verdict": c.verdict,
                    "ratio": _finite(c.ratio.value),
                    "ratio_low": _finite(c.ratio.low),
                    "ratio_high": _finite(c.ratio.high),
                    "trials": c.ratio.count,
                    "bigger": c.bigger,
                    "smaller": c.smaller,
                    "changed": {k: list(v) for k, v in c.changed.items()},
                    "counted": c.counted,
                    "note": c.note,
                }
                for c in self.cases
            ],
        }


def compare_runs(
    base: Results,
    head: Results,
    resolution: float,
    fail_on: Collection[str] = FAIL_ON,
    across_hosts: bool = False,
) -> Comparison:
    """Two results files. Their runs share no rounds, so what drifted between them is in the ratios.

    Between different hosts (or torch, Python, kernel versions: all that the fingerprint holds) counts are
    compared as ever, the allocator's peak is not, and times only with ``across_hosts``.
    """
    hosts = _hosts(base), _hosts(head)
    differing = _differing(base, head)
    refused = ""
    if all(hosts) and hosts[0] != hosts[1] and not across_hosts:
        refused = f"times are not compared: the hosts differ ({differing}); --across-hosts compares them"
    left, right = _sides(base, ""), _sides(head, "")
    one_host = all(hosts) and hosts[0] == hosts[1]
    if not one_host:
        left, right = _of_any_host(left), _of_any_host(right)
    missing = [case for case in left if case not in right]
    common = [case for case in left if case in right]
    ratios, p_values = [], []
    for case in common:
        times = ([], []) if refused else (left[case].medians.values(), right[case].medians.values())
        ratio, p_value = stats.change(*map(list, times))
        ratios.append(ratio)
        p_values.append(p_value)
    changes = _judge(common, left, right, ratios, p_values, resolution)
    if not across_hosts and not refused:
        changes = [_moved(change, left[change.case], right[change.case]) for change in changes]
    changes += [_missing(case) for case in missing]
    notes = (
        [] if refused else ["the runs were not interleaved: what drifted between them is part of every ratio"]
    )
    if all(hosts) and hosts[0] != hosts[1] and not refused:
        notes.append(f"compared across hosts ({differing})")
    if not one_host:
        notes.append("the allocator's peak was left out: it is exact on one host only")
    new = [case for case in right if case not in left]
    if new:
        notes.append(f"only in HEAD: {', '.join(new)}")
    return Comparison(tuple(changes), resolution, tuple(fail_on), refused, tuple(notes))


def compare_arms(
    results: Results, base: str, head: str, resolution: float, fail_on: Collection[str] = FAIL_ON
) -> Comparison:
    """Two arms of one interleaved run, hence of one host: every ratio is formed within rounds."""
    left, right = _sides(results, base), _sides(results, head)
    of_base, of_head = standing(results, base)[0], standing(results, head)[0]
    logs = {case: round_logs(of_base.get(case, []), of_head.get(case, [])) for case in left}
    known = {case: of for case, of in logs.items() if of}
    decisions = judge_run(known, results.start.measures(), results.complete, resolution)
    changes = [
        _change(
            case,
            left[case],
            right[case],
            decisions[case].ratio if case in decisions else stats.estimate([]),
            decisions[case].verdict if case in decisions else CANNOT_TELL,
        )
        for case in left
    ]
    return Comparison(tuple(changes), resolution, tuple(fail_on))


def exact_of(results: Results, arm: str) -> dict[str, Mapping[str, int]]:
    """Case id -> its integers on one arm."""
    return {case: side.exact for case, side in _sides(results, arm).items()}


def _judge(
    cases: Sequence[str],
    left: Mapping[str, Side],
    right: Mapping[str, Side],
    ratios: Sequence[Interval],
    p_values: Sequence[float],
    resolution: float,
) -> list[CaseChange]:
    return [
        _change(case, left[case], right[case], ratio, word)
        for case, ratio, word in zip(cases, ratios, verdicts(ratios, p_values, resolution), strict=True)
    ]


def _change(case: str, base: Side, head: Side, ratio: Interval, word: str) -> CaseChange:
    changed = {
        name: (base.exact[name], head.exact[name])
        for name in (*EXACT, *ON_ONE_HOST, INSTRUCTIONS)
        if name in base.exact and name in head.exact and _differ(name, base.exact[name], head.exact[name])
    }
    counted = bool(base.exact.keys() & head.exact.keys())
    if not _disputed(base) and not _disputed(head):
        changed.pop("witnessed_macs", None)  # what all witnesses saw is among the executed ones
    if base.refused and head.refused:
        return CaseChange(case, ratio, NOT_TIMED, changed, counted=counted)
    problems = [
        f"{side} has no trial" + (f": {of.failure}" if of.failure else "")
        for side, of in (("BASE", base), ("HEAD", head))
        if not of.medians
    ]
    return CaseChange(case, ratio, word, changed, "; ".join(problems), counted)


def _differ(name: str, base: int, head: int) -> bool:
    within = REPEATS * base if name == INSTRUCTIONS else 0
    return abs(head - base) > within


def _disputed(side: Side) -> bool:
    """True where a witness saw more than the closed form knows."""
    return side.exact.get("witnessed_macs") != side.exact.get("executed_macs")


def _moved(change: CaseChange, base: Side, head: Side) -> CaseChange:
    """The change of a case that other machines of the same cluster measured: nothing can be told of it."""
    if not base.hosts or not head.hosts or base.hosts == head.hosts:
        return change
    changed = {name: pair for name, pair in change.changed.items() if name not in ON_ONE_HOST}
    words = f"measured on {', '.join(sorted(base.hosts))} and then on {', '.join(sorted(head.hosts))}"
    return replace(change, ratio=stats.estimate([]), verdict=CANNOT_TELL, changed=changed, note=words)


def _missing(case: str) -> CaseChange:
    return CaseChange(
        case, stats.estimate([]), CANNOT_TELL, {}, "HEAD does not have this case", counted=False
    )


def _sides(results: Results, arm: str) -> dict[str, Side]:
    by_case, probes = standing(results, arm)
    sides = {
        case.id: _side(
            by_case.get(case.id, []),
            probes.get(case.id),
            results.counts.get((arm, case.count_id)),
            case.dtype,
        )
        for case in (planned.case for planned in results.start.planned())
    }
    if results.start.timed:
        return sides
    return {case: replace(side, refused=not side.failure) for case, side in sides.items()}


def _side(
    trials: Sequence[Trial], probe: Probe | None, count: CountRecord | None, dtype: str = FLOAT32
) -> Side:
    exact: dict[str, int] = {}
    if count is not None and count.counts is not None:
        told = {name: getattr(count.counts, name) for name in COUNTED}
        exact |= {name: value for name, value in told.items() if value is not None}
    asked = [*trials, *([] if probe is None else [probe])]
    for name in PEAKS if dtype == FLOAT32 else (*PEAKS, *CAST):
        peaks = {getattr(t.memory, name) for t in asked if t.memory} - {None}
        if len(peaks) == 1:  # several values mean threads raced for memory: nothing exact to compare
            exact[name] = peaks.pop()
    counted = [t.instructions["total"] for t in asked if t.instructions and "total" in t.instructions]
    if counted:
        exact[INSTRUCTIONS] = counted[-1]
    refused = bool(trials) and all(t.status == "ok" and t.latency_refused for t in trials)
    errors = [
        t.error for t in (*trials, probe) if t and t.error and (t is not probe or refuted(t) or not trials)
    ]
    errors += [count.error] if count and count.error else []
    hosts = frozenset(str(t.host["id"]) for t in trials if t.host and t.status == "ok")
    return Side(medians(trials), exact, errors[-1].first_line() if errors else "", hosts, refused)


def _of_any_host(sides: Mapping[str, Side]) -> dict[str, Side]:
    """The sides without what is exact on one host only."""
    return {
        case: replace(side, exact={k: v for k, v in side.exact.items() if k not in ON_ONE_HOST})
        for case, side in sides.items()
    }


def _hosts(results: Results) -> set[str]:
    return {trial.host["id"] for trial in results.trials if trial.host}


def _differing(base: Results, head: Results) -> str:
    """The facts of the fingerprints that differ, in words."""
    left, right = ({k: v for t in r.trials if t.host for k, v in t.host.items()} for r in (base, head))
    keys = [k for k in left if k not in ("id", "name") and left.get(k) != right.get(k)]
    return ", ".join(f"{k}: {left.get(k)} / {right.get(k)}" for k in keys[:4])


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
