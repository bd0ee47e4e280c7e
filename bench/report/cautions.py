"""What a reader should know before trusting a number: found in the results by written-down rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.analysis.exits import left_elsewhere
from bench.analysis.quality import FREQUENCY_SHARE, OTHERS_SHARE, STOLEN_SHARE
from bench.analysis.records import Json, Trial
from bench.analysis.store import Results
from bench.report.digits import known
from bench.report.prose import plural, shortened
from bench.report.rows import Row, case_name

FEW_ROUNDS = 5
"""Rounds below which a run is called short: intervals over fewer trials are wide and easily misled."""

MARKS = {
    "busy": f"other processes used more than {OTHERS_SHARE:g} of a core while it sampled",
    "stolen": f"the hypervisor took more than {STOLEN_SHARE:g} of a core while it sampled",
    "throttled": "the processor's throttle counter rose while it sampled, or a core of an ARM processor ran "
    f"below {FREQUENCY_SHARE:.0%} of its highest frequency",
    "gpu_throttled": "heat or power lowered the GPU's clocks while it sampled",
    "restless": "two successive warm-up windows never agreed before the time for warming up was over",
    "far": "its median lies far from those of the case's other trials",
}
"""The marks of ``bench.analysis.quality`` in words."""

_MOST_NAMED = 4


@dataclass(frozen=True)
class Caution:
    """One thing to know. ``grave``: the numbers do not bear a claim while it holds."""

    text: str
    grave: bool = False


def cautions(rows: Sequence[Row], results: Sequence[Results]) -> tuple[Caution, ...]:
    """All that applies, the grave ones first."""
    trials = [trial for one in results for trial in one.trials]
    found = [
        *_runs(results), *_repeated(results), *_hosts(results), *_versions(results), *_trials(trials),
        *_outputs(rows), *_weights(rows), *_exits(rows), *_partial(rows), *_marked(rows), *_unresolved(rows),
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda caution: not caution.grave))


def loaded(trial: Trial) -> bool:
    """True where the 1-minute load before the trial was above the number of the host's logical CPUs."""
    return begun_loaded(trial.conditions_before or {}, trial.host or {})


def begun_loaded(before: Mapping[str, Any], host: Mapping[str, Any]) -> bool:
    """``loaded`` of a trial that read ``before`` on this host."""
    load, cpus = before.get("load_1m"), host.get("logical_cpus")
    return known(load) and known(cpus) and float(load) > float(cpus)


def _runs(results: Sequence[Results]) -> Iterable[Caution]:
    if quick := [one for one in results if one.start.measure.get("quick")]:
        which = _which(quick, results)
        yield Caution(
            f"--quick was used in {which} (few rounds, short sampling): for a first look, not for a claim.",
            True,
        )
    if unfinished := [one for one in results if not one.complete]:
        states = sorted({one.ends[-1].status if one.ends else "no end was recorded" for one in unfinished})
        yield Caution(
            f"Unfinished ({', '.join(states)}): {_which(unfinished, results)}. "
            "Cases may be missing or have fewer trials than planned.",
            True,
        )
    if few := [one for one in results if any(_few(_planned(m)) for m in one.start.measures().values())]:
        which = _which(few, results)
        yield Caution(
            f"Fewer than {FEW_ROUNDS} rounds were planned in {which}: intervals are wide and rest on little."
        )
    if dirty := [one for one in results if str(one.start.revision).endswith("-dirty")]:
        yield Caution(f"The checkout had uncommitted changes in {_which(dirty, results)}.")


def _planned(measure: Json) -> object:
    return measure.get("rounds") or measure.get("min_rounds")


def _few(rounds: object) -> bool:
    return known(rounds) and rounds < FEW_ROUNDS


def _which(some: Sequence[Results], every: Sequence[Results]) -> str:
    if len(every) == 1:
        return "the run"
    if len(some) == len(every):
        return "both runs" if len(every) == 2 else f"all {len(every)} runs"
    return f"{'run' if len(some) == 1 else 'runs'} {_names(one.start.run for one in some)}"


def _trials(trials: Sequence[Trial]) -> Iterable[Caution]:
    if overloaded := [trial for trial in trials if loaded(trial)]:
        highest = max(float((trial.conditions_before or {})["load_1m"]) for trial in overloaded)
        yield Caution(
            f"{len(overloaded)} of {plural(len(trials), 'trial')} began on a loaded host. "
            f"The rule: a 1-minute load above the number of logical CPUs; the highest was {highest:g}. "
            f"Cases: {_names(trial.case for trial in overloaded)}."
        )
    if emulated := [trial for trial in trials if (trial.host or {}).get("emulated") is True]:
        yield Caution(
            f"{plural(len(emulated), 'trial')} ran on an emulated processor. "
            "Its clock means nothing, so no latency was taken there."
        )
    if refused := [trial for trial in trials if trial.latency_refused]:
        reasons = sorted({shortened(str(trial.latency_refused)) for trial in refused})
        yield Caution(f"Latency was refused in {plural(len(refused), 'trial')}: {'; '.join(reasons)}.")


def _repeated(results: Sequence[Results]) -> Iterable[Caution]:
    for run, number in Counter(one.start.run for one in results).items():
        if number > 1:
            yield Caution(f"Run {run} comes from {number} files: its cases stand here more than once.", True)


def _hosts(results: Sequence[Results]) -> Iterable[Caution]:
    hosts = sorted({str(t.host.get("id")) for one in results for t in one.trials if t.host})
    if len(hosts) > 1:
        yield Caution(
            f"{len(hosts)} hosts are mixed in this report ({', '.join(hosts)}). "
            "Latencies compare within one host only; ratios are formed within a run."
        )


def _versions(results: Sequence[Results]) -> Iterable[Caution]:
    seen: dict[str, set[str]] = {}
    for one in results:
        for package, version in one.start.versions.items():
            seen.setdefault(str(package), set()).add(str(version))
    mixed = [f"{p} {', '.join(sorted(v))}" for p, v in sorted(seen.items()) if len(v) > 1]
    if mixed:
        yield Caution(f"The runs used different versions: {'; '.join(mixed)}.")


def _outputs(rows: Sequence[Row]) -> Iterable[Caution]:
    done = [row for row in rows if row["status"] == "ok"]
    if differing := [case_name(row) for row in done if row["same_output"] is False]:
        yield Caution(
            f"The network's output differs between trials of {plural(len(differing), 'case')}: "
            "the trials may not have computed the same thing. "
            f"Cases: {_names(differing)}.",
            True,
        )
    if broken := [case_name(row) for row in done if row["finite_output"] is False]:
        yield Caution(
            f"The output is not finite in {plural(len(broken), 'case')}: "
            "infinite or undefined numbers can be slower or faster to compute with. "
            f"Cases: {_names(broken)}.",
            True,
        )


def _weights(rows: Sequence[Row]) -> Iterable[Caution]:
    if lost := [row for row in rows if row["discarded"]]:
        layers = sum(len(row["discarded"]) for row in lost)
        yield Caution(
            f"Loaded weights were discarded in {plural(len(lost), 'case')}: the methods put fresh, untrained "
            f"layers in the place of {layers}. Parameters, MACs, memory and latency are those of the form; "
            "what such a network answers says nothing about accuracy before it is trained. " + _where(lost)
        )


def _exits(rows: Sequence[Row]) -> Iterable[Caution]:
    if dynamic := [row for row in rows if row["exits"] and row["status"] == "ok"]:
        yield Caution(
            f"The latency of {plural(len(dynamic), 'case')} depends on the input, and the inputs are random: "
            "the share that leaves at each exit was set by a quantile, and says nothing about real inputs. "
            + _where(dynamic)
        )
    if elsewhere := [row for row in dynamic if left_elsewhere(row["exits"])]:
        yield Caution(
            f"In {plural(len(elsewhere), 'case')} inputs left at other exits than the counting process "
            "found: the latency belongs to other shares than the MACs. " + _where(elsewhere),
            True,
        )


def _partial(rows: Sequence[Row]) -> Iterable[Caution]:
    partial = [case_name(row) for row in rows if row["status"] == "ok" and row["failed_trials"]]
    if partial:
        yield Caution(
            f"Some trials of {plural(len(partial), 'case')} failed; "
            "the numbers come from the trials that finished. "
            f"Cases: {_names(partial)}."
        )


def _marked(rows: Sequence[Row]) -> Iterable[Caution]:
    for mark, meaning in MARKS.items():
        marked = [row for row in rows if row["marks"].get(mark)]
        if marked:
            trials = sum(row["marks"][mark] for row in marked)
            yield Caution(f"{plural(trials, 'trial')} marked {mark}: {meaning}. {_where(marked)}")
    left_out = [row for row in rows if row["left_out_trials"]]
    if left_out:
        trials = sum(row["left_out_trials"] for row in left_out)
        yield Caution(
            f"{plural(trials, 'trial')} left out of the latencies: throttled, or far from the others with a "
            "mark that says why. " + _where(left_out)
        )


def _unresolved(rows: Sequence[Row]) -> Iterable[Caution]:
    coarse = [row for row in rows if row["resolved"] is False and not row["emulates"]]
    if coarse:
        yield Caution(
            f"{plural(len(coarse), 'case')} could not be told from dense in the rounds that there were. "
            + _where(coarse)
        )


def _where(rows: Sequence[Row]) -> str:
    return f"Cases: {_names(map(case_name, rows))}."


def _names(cases: Iterable[Any]) -> str:
    found = list(dict.fromkeys(str(case) for case in cases))
    rest = len(found) - _MOST_NAMED
    return ", ".join(found[:_MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")
