"""Comparisons: times by intervals, counts exactly, and one meaning per exit code."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from made_trials import CSR_CASE, DENSE_CASE, made_count, made_emulated, made_memory, made_results, made_trial

from bench.analysis.compare import FAIL_ON, CaseChange, Comparison, compare_arms, compare_runs
from bench.analysis.records import CountRecord, Probe, Trial, from_line, to_line, typed
from bench.analysis.stats import Interval
from bench.analysis.store import Results, Store

STEADY = (1.000, 1.001, 0.999, 1.002, 0.998)


def run_of(
    factor: float = 1.0, counts: list[CountRecord] | None = None, host: str = "host-a", **memory: Any
) -> Results:
    trials = [made_trial(DENSE_CASE, n, factor * t, host=host, memory=memory) for n, t in enumerate(STEADY)]
    return made_results([DENSE_CASE], trials, counts)


def test_equal_runs_are_the_same_and_exit_0() -> None:
    found = compare_runs(run_of(), run_of(1.001), 0.03)
    assert [c.verdict for c in found.cases] == ["same"]
    assert found.exit_code == 0


def test_a_slower_head_exits_1_unless_slower_may_pass() -> None:
    found = compare_runs(run_of(), run_of(1.1), 0.03)
    assert (found.cases[0].verdict, found.exit_code) == ("slower", 1)
    assert compare_runs(run_of(), run_of(1.1), 0.03, fail_on=("bigger",)).exit_code == 0


def test_a_faster_head_exits_0() -> None:
    found = compare_runs(run_of(), run_of(0.9), 0.03)
    assert (found.cases[0].verdict, found.exit_code) == ("faster", 0)


@pytest.mark.parametrize(
    "name", ["params", "logical_params", "macs", "executed_macs", "other_elements", "weight_bytes"]
)
def test_one_more_of_any_count_is_bigger_and_one_less_is_not(name: str) -> None:
    base = made_count(DENSE_CASE)
    assert base.counts is not None
    value = getattr(base.counts, name)
    more, less = (made_count(DENSE_CASE, **{name: value + d}) for d in (1, -1))
    grown = compare_runs(run_of(), run_of(counts=[more]), 0.03)
    assert (grown.cases[0].bigger, grown.exit_code) == ([name], 1)
    assert compare_runs(run_of(), run_of(counts=[more]), 0.03, fail_on=("slower",)).exit_code == 0
    shrunk = compare_runs(run_of(), run_of(counts=[less]), 0.03)
    assert (shrunk.cases[0].smaller, shrunk.exit_code) == ([name], 0)


@pytest.mark.parametrize(("name", "value"), [("live_peak", 64), ("allocator_peak", 96)])
def test_both_peaks_are_exact_on_one_host(name: str, value: int) -> None:
    more: dict[str, Any] = {name: value + 1}
    found = compare_runs(run_of(), run_of(**more), 0.03)
    assert found.cases[0].changed == {name: (value, value + 1)}
    assert found.exit_code == 1


def test_between_hosts_live_tensors_gate_and_the_allocators_peak_does_not() -> None:
    more = run_of(host="host-b", live_peak=65, allocator_peak=192)
    found = compare_runs(run_of(), more, 0.03, across_hosts=True)
    assert found.cases[0].changed == {"live_peak": (64, 65)}
    assert found.exit_code == 1
    assert "the allocator's peak was left out: it is exact on one host only" in found.notes
    scratch = compare_runs(run_of(), run_of(host="host-b", allocator_peak=192), 0.03, across_hosts=True)
    assert (scratch.cases[0].changed, scratch.exit_code) == ({}, 0)


def test_a_record_with_one_peak_is_compared_by_the_allocators() -> None:
    """Such a record calls it live_peak: it must not be held against the live tensors of a newer one."""
    trials = []
    for trial in run_of().trials:
        line = to_line(trial)
        line["memory"] = {"weight_bytes": 400, "live_peak": 96}
        trials.append(from_line({**line, "schema": 2}))
    old = made_results([DENSE_CASE], [trial for trial in trials if isinstance(trial, Trial)])
    assert {(t.memory.live_peak, t.memory.allocator_peak) for t in old.trials if t.memory} == {(None, 96)}
    assert compare_runs(old, run_of(), 0.03).exit_code == 0
    assert compare_runs(old, run_of(allocator_peak=97), 0.03).cases[0].changed == {"allocator_peak": (96, 97)}


def test_too_little_data_exits_4() -> None:
    one = made_results([DENSE_CASE], [made_trial(DENSE_CASE, 0, 1.0)])
    assert compare_runs(one, one, 0.03).exit_code == 4


def test_zero_trials_exit_4_and_say_so() -> None:
    found = compare_runs(run_of(), made_results([DENSE_CASE], []), 0.03)
    assert found.cases[0].note == "HEAD has no trial"
    assert found.exit_code == 4


def test_nan_samples_count_as_no_trial() -> None:
    broken = made_results([DENSE_CASE], [made_trial(DENSE_CASE, n, math.nan) for n in range(5)])
    assert compare_runs(run_of(), broken, 0.03).exit_code == 4


def test_a_case_that_head_lacks_exits_4_and_a_new_one_does_not() -> None:
    both = made_results(
        [DENSE_CASE, CSR_CASE],
        [made_trial(c, n, t) for c in (DENSE_CASE, CSR_CASE) for n, t in enumerate(STEADY)],
    )
    lacking = compare_runs(both, run_of(), 0.03)
    assert lacking.exit_code == 4
    assert lacking.cases[-1].note == "HEAD does not have this case"
    added = compare_runs(run_of(), both, 0.03)
    assert added.exit_code == 0
    assert any(CSR_CASE.id in note for note in added.notes)


def test_worse_wins_over_cannot_tell() -> None:
    more = made_count(DENSE_CASE, params=101)
    one = made_results([DENSE_CASE], [made_trial(DENSE_CASE, 0, 1.0)], [more])
    assert compare_runs(run_of(), one, 0.03).exit_code == 1


def test_times_of_different_hosts_are_refused_unless_asked_for() -> None:
    refused = compare_runs(run_of(), run_of(host="host-b"), 0.03)
    assert refused.exit_code == 4
    assert "cpu: cpu of host-a / cpu of host-b" in refused.refused
    assert [(c.verdict, c.ratio.count) for c in refused.cases] == [("cannot tell", 0)]
    allowed = compare_runs(run_of(), run_of(host="host-b"), 0.03, across_hosts=True)
    assert allowed.exit_code == 0
    assert any("across hosts" in note for note in allowed.notes)


def test_bug_counts_of_different_hosts_were_refused_with_the_times() -> None:
    more = run_of(counts=[made_count(DENSE_CASE, params=101)], host="host-b")
    found = compare_runs(run_of(), more, 0.03, fail_on=("bigger",))
    assert (found.cases[0].changed, found.exit_code) == ({"params": (100, 101)}, 1)
    assert compare_runs(run_of(), run_of(host="host-b"), 0.03, fail_on=("bigger",)).exit_code == 0


def layer(name: str, macs: int, torch_macs: int) -> dict[str, Any]:
    """A layer that torch's counter sees otherwise than the closed form and fvcore do."""
    own = {"macs": macs, "executed_macs": macs, "fvcore_macs": macs, "torch_macs": torch_macs}
    shapes: dict[str, Any] = {"input": [1, 3, 4, 4], "output": [1, 3, 4, 4]}
    return {"name": name, "kind": "Conv2d", "params": 9, "logical_params": 9, **shapes, **own}


def test_what_is_computed_and_thrown_away_is_seen_by_the_third_witness() -> None:
    """No other count of the network changes."""
    more = made_count(
        DENSE_CASE,
        witnesses={"closed_form": 1000, "fvcore": 1000, "torch": 1140},
        disagreements=["a: closed form 500, fvcore 500, torch 640"],
        layers=[layer("a", 500, 640), layer("b", 500, 500)],
    )
    found = compare_runs(run_of(), run_of(counts=[more]), 0.03)
    assert found.cases[0].changed == {"disputed_layers": (0, 1), "witnessed_macs": (1000, 1140)}
    assert found.exit_code == 1


def test_macs_on_which_all_witnesses_agree_are_told_once() -> None:
    more = made_count(DENSE_CASE, executed_macs=1001, witnesses={"closed_form": 1001, "torch": 1001})
    assert compare_runs(run_of(), run_of(counts=[more]), 0.03).cases[0].changed == {
        "executed_macs": (1000, 1001)
    }


def test_products_of_activations_gate_where_both_sides_told_them() -> None:
    few, more = (run_of(counts=[made_count(DENSE_CASE, activation_macs=n)]) for n in (5, 6))
    assert compare_runs(few, more, 0.03).cases[0].changed == {"activation_macs": (5, 6)}
    assert compare_runs(run_of(), more, 0.03).cases[0].changed == {}


def test_bug_a_case_that_another_machine_of_the_cluster_measured_was_compared() -> None:
    """Both runs know the same two hosts, and each case changed places."""

    def run_on(dense: str, csr: str) -> Results:
        trials = [
            made_trial(case, n, t, host=host)
            for case, host in ((DENSE_CASE, dense), (CSR_CASE, csr))
            for n, t in enumerate(STEADY)
        ]
        return made_results([DENSE_CASE, CSR_CASE], trials)

    found = compare_runs(run_on("host-a", "host-b"), run_on("host-b", "host-a"), 0.03)
    assert [c.verdict for c in found.cases] == ["cannot tell", "cannot tell"]
    assert found.cases[0].note == "measured on host-a and then on host-b"
    assert found.exit_code == 4
    stayed = compare_runs(run_on("host-a", "host-b"), run_on("host-a", "host-b"), 0.03)
    assert [c.verdict for c in stayed.cases] == ["same", "same"]
    asked = compare_runs(run_on("host-a", "host-b"), run_on("host-b", "host-a"), 0.03, across_hosts=True)
    assert [c.verdict for c in asked.cases] == ["same", "same"]


def arms(head: float, head_failed: bool = False) -> Results:
    drift = (1.0, 1.5, 2.0, 3.0, 5.0)
    trials = [made_trial(DENSE_CASE, n, t, arm="base") for n, t in enumerate(drift)]
    for n, t in enumerate(drift):
        if head_failed:
            trials.append(made_trial(DENSE_CASE, n, arm="head", error="does not build"))
        else:
            trials.append(made_trial(DENSE_CASE, n, head * t * (1 + 0.001 * n), arm="head"))
    counts = [made_count(DENSE_CASE, arm) for arm in ("base", "head")]
    return made_results([DENSE_CASE], trials, counts, arms={"base": "1", "head": "2"})


def test_interleaved_arms_see_through_drift() -> None:
    assert compare_arms(arms(1.0), "base", "head", 0.03).exit_code == 0
    slower = compare_arms(arms(1.05), "base", "head", 0.03)
    assert (slower.cases[0].verdict, slower.exit_code) == ("slower", 1)


def test_a_revision_that_does_not_build_exits_4_with_its_words() -> None:
    found = compare_arms(arms(1.0, head_failed=True), "base", "head", 0.03)
    assert found.exit_code == 4
    assert found.cases[0].note == "HEAD has no trial: does not build"


def written(results: Results, file: Path) -> Path:
    with Store(file) as store:
        store.append(results.start)
        for count in results.counts.values():
            store.append(count)
        for trial in results.trials:
            store.append(trial)
    return file


def test_the_command_exits_with_the_comparison(tmp_path: Path, bench: Any) -> None:
    base = written(run_of(), tmp_path / "base.jsonl")
    for factor, code in ((1.0, 0), (1.1, 1)):
        head = written(run_of(factor), tmp_path / f"head{factor}.jsonl")
        said = bench("compare", base, head, "--json")
        assert said.code == code
        assert json.loads(said.out)["exit"] == code
        assert "nan" not in said.out.casefold()
    other = written(run_of(host="host-b"), tmp_path / "other.jsonl")
    assert bench("compare", base, other).code == 4
    assert bench("compare", base, other, "--across-hosts").code == 0


def test_bad_words_exit_2(tmp_path: Path, bench: Any) -> None:
    base = written(run_of(), tmp_path / "base.jsonl")
    assert bench("compare", base, tmp_path / "none.jsonl").code == 2
    assert bench("compare", base, base, "--fail-on", "slowr").code == 2
    assert bench("compare", base, base, "--resolution", "lots").code == 2
    newer = tmp_path / "newer.jsonl"
    newer.write_text(json.dumps({**asdict(run_of().start), "schema": 99}) + "\n", encoding="utf-8")
    said = bench("compare", base, newer)
    assert said.code == 2
    assert "schema 99" in said.err


@pytest.mark.parametrize(("dtype", "changed"), [("float32", {}), ("bfloat16", {"weight_bytes": (200, 202)})])
def test_weight_bytes_of_half_precision_are_those_of_the_trials(dtype: str, changed: dict[str, Any]) -> None:
    """Counts are of float32, and the same for every dtype."""
    case = replace(DENSE_CASE, dtype=dtype)
    base, head = (
        made_results([case], [made_trial(case, n, memory={"weight_bytes": size}) for n in range(5)])
        for size in (200, 202)
    )
    assert compare_runs(base, head, 0.03).cases[0].changed == changed


def test_a_comparison_as_plain_data() -> None:
    change = CaseChange(
        "a", Interval(1.5, math.nan, math.inf, 3), "slower", {"params": (1, 2), "macs": (4, 3)}, "a note"
    )
    found = Comparison((change,), 0.02, ("bigger",), "refused", ("said",)).as_dict()
    assert found == {
        "exit": 1,
        "resolution": 0.02,
        "fail_on": ["bigger"],
        "refused": "refused",
        "notes": ["said"],
        "cases": [
            {
                "case": "a",
                "verdict": "slower",
                "ratio": 1.5,
                "ratio_low": None,
                "ratio_high": None,
                "trials": 3,
                "bigger": ["params"],
                "smaller": ["macs"],
                "changed": {"params": [1, 2], "macs": [4, 3]},
                "counted": True,
                "note": "a note",
            }
        ],
    }


KNOWN = Interval(1.0, 0.99, 1.01, 5)


@pytest.mark.parametrize(
    ("cases", "fail_on", "refused", "code"),
    [
        ([CaseChange("a", KNOWN, "same", {})], FAIL_ON, "", 0),
        ([], FAIL_ON, "", 4),
        ([CaseChange("a", KNOWN, "same", {})], FAIL_ON, "other hosts", 4),
        ([CaseChange("a", KNOWN, "cannot tell", {})], FAIL_ON, "", 4),
        ([CaseChange("a", KNOWN, "cannot tell", {})], ("bigger",), "", 0),
        ([CaseChange("a", KNOWN, "same", {}, "no trial")], ("bigger",), "", 4),
        ([CaseChange("a", KNOWN, "slower", {}), CaseChange("b", KNOWN, "cannot tell", {})], FAIL_ON, "", 1),
        ([CaseChange("a", KNOWN, "slower", {})], ("bigger",), "", 0),
        ([CaseChange("a", KNOWN, "same", {"params": (1, 2)})], FAIL_ON, "", 1),
        ([CaseChange("a", KNOWN, "same", {"params": (1, 2)})], ("slower",), "", 0),
        ([CaseChange("a", KNOWN, "same", {"params": (2, 1)})], FAIL_ON, "", 0),
    ],
)
def test_one_meaning_per_exit_code(
    cases: list[CaseChange], fail_on: tuple[str, ...], refused: str, code: int
) -> None:
    assert Comparison(tuple(cases), 0.03, fail_on, refused).exit_code == code


def test_a_comparison_says_what_it_was_asked() -> None:
    found = compare_runs(run_of(), run_of(), 0.02, ["bigger"])
    assert (found.resolution, found.fail_on, found.refused) == (0.02, ("bigger",), "")
    assert found.notes == ("the runs were not interleaved: what drifted between them is part of every ratio",)
    refused = compare_runs(run_of(), run_of(host="host-b"), 0.02, ["bigger"])
    left_out = "the allocator's peak was left out: it is exact on one host only"
    assert (refused.resolution, refused.fail_on, refused.notes) == (0.02, ("bigger",), (left_out,))
    in_arms = compare_arms(arms(1.0), "base", "head", 0.02, ["bigger"])
    assert (in_arms.resolution, in_arms.fail_on, in_arms.notes) == (0.02, ("bigger",), ())


def test_hosts_that_differ_are_told_by_their_first_four_facts() -> None:
    def on(identity: str, **facts: Any) -> Results:
        host = {"id": identity, "name": identity, "same": 1, **facts}
        return made_results(
            [DENSE_CASE], [made_trial(DENSE_CASE, n, t, host=host) for n, t in enumerate(STEADY)]
        )

    left, right = on("x", a=1, b=1, c=1, d=1, e=1), on("y", a=2, b=2, c=2, d=2, e=2)
    said = "a: 1 / 2, b: 1 / 2, c: 1 / 2, d: 1 / 2"
    assert compare_runs(left, right, 0.03).refused == (
        f"times are not compared: the hosts differ ({said}); --across-hosts compares them"
    )
    across = compare_runs(left, right, 0.03, across_hosts=True)
    assert across.notes[1:] == (
        f"compared across hosts ({said})",
        "the allocator's peak was left out: it is exact on one host only",
    )
    assert compare_runs(left, left, 0.03, across_hosts=True).notes[1:] == ()


def test_a_run_without_a_host_is_compared() -> None:
    nowhere = run_of()
    nowhere.trials[:] = [replace(trial, host=None) for trial in nowhere.trials]
    found = compare_runs(run_of(), nowhere, 0.03)
    assert (found.exit_code, found.cases[0].verdict) == (0, "same")
    assert found.notes[1:] == ("the allocator's peak was left out: it is exact on one host only",)


def test_a_new_case_is_named() -> None:
    other = replace(CSR_CASE, seed=5)
    cases = (DENSE_CASE, CSR_CASE, other)
    more = made_results(cases, [made_trial(c, n, t) for c in cases for n, t in enumerate(STEADY)])
    found = compare_runs(run_of(), more, 0.03)
    assert found.notes[-1] == f"only in HEAD: {CSR_CASE.id}, {other.id}"
    assert [case.case for case in found.cases] == [DENSE_CASE.id]


def test_peaks_that_differ_within_a_run_are_not_compared() -> None:
    racing = run_of()
    racing.trials[0] = made_trial(DENSE_CASE, 0, 1.0, memory={"live_peak": 65})
    assert compare_runs(racing, run_of(live_peak=99), 0.03).cases[0].changed == {}


def test_the_live_peak_of_a_probe_is_compared() -> None:
    def probed(peak: int) -> Results:
        ran = run_of(live_peak=None)
        found = {"run": "r", "case": DENSE_CASE.id, "status": "ok", "error": None}
        ran.probes.append(typed(Probe, {**found, "memory": made_memory(live_peak=peak)}))
        ran.probes.append(typed(Probe, {**found, "arm": "another", "memory": made_memory(live_peak=1)}))
        return ran

    assert compare_runs(probed(10), probed(12), 0.03).cases[0].changed == {"live_peak": (10, 12)}
    assert compare_runs(probed(10), probed(10), 0.03).cases[0].changed == {}


def test_why_there_is_no_trial_is_the_last_error_or_that_of_the_count() -> None:
    failing = [made_trial(DENSE_CASE, n, error=text) for n, text in enumerate(["first", "last\nmore"])]
    found = compare_runs(made_results([DENSE_CASE], failing), made_results([DENSE_CASE], []), 0.03)
    assert found.cases[0].note == "BASE has no trial: last; HEAD has no trial"
    uncounted = made_results([DENSE_CASE], failing, [made_count(DENSE_CASE, error="cannot be counted")])
    found = compare_runs(run_of(), uncounted, 0.03)
    assert found.cases[0].note == "HEAD has no trial: cannot be counted"
    assert found.cases[0].verdict == "cannot tell"


def test_arms_that_cannot_be_compared_say_why() -> None:
    found = compare_arms(arms(1.0, head_failed=True), "base", "head", 0.03).cases[0]
    assert (found.verdict, found.ratio.count) == ("cannot tell", 0)
    assert math.isnan(found.ratio.value)
    assert found.changed == {}


def test_counts_of_arms_are_compared_exactly() -> None:
    ran = arms(1.0)
    ran.counts["head", DENSE_CASE.count_id] = made_count(DENSE_CASE, "head", params=99)
    found = compare_arms(ran, "base", "head", 0.03)
    assert found.cases[0].changed == {"params": (100, 99)}
    assert found.cases[0].ratio.value == pytest.approx(1.002, abs=1e-3)


def test_many_cases_of_two_runs_are_judged_together() -> None:
    seeds = [replace(DENSE_CASE, seed=seed) for seed in range(40)]

    def of(first: Sequence[float]) -> Results:
        trials = [made_trial(case, n, t) for case in seeds[1:] for n, t in enumerate(STEADY)]
        return made_results(seeds, [*(made_trial(seeds[0], n, t) for n, t in enumerate(first)), *trials])

    wide = (1.00, 1.02, 0.98, 1.03, 0.97)
    head = [1.04 * t for t in wide]
    assert compare_runs(of(wide), of(head), 0.001).cases[0].verdict == "cannot tell"
    base, alone = (
        made_results([DENSE_CASE], [made_trial(DENSE_CASE, n, t) for n, t in enumerate(times)])
        for times in (wide, head)
    )
    assert compare_runs(base, alone, 0.001).cases[0].verdict == "slower"


def emulated(total: int) -> Results:
    trials = [made_emulated(DENSE_CASE, total)]
    return made_results([DENSE_CASE], trials)


def test_instructions_gate_without_a_time() -> None:
    same = compare_runs(emulated(1_000_000), emulated(1_000_900), 0.03)  # as they repeat
    assert [c.verdict for c in same.cases] == ["not timed"]
    assert (same.cases[0].changed, same.cases[0].note, same.exit_code) == ({}, "", 0)
    more = compare_runs(emulated(1_000_000), emulated(1_002_000), 0.03)
    assert (more.cases[0].bigger, more.exit_code) == (["instructions"], 1)
    less = compare_runs(emulated(1_000_000), emulated(900_000), 0.03)
    assert (less.cases[0].smaller, less.exit_code) == (["instructions"], 0)
