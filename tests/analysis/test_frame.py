"""The frame: one row per case, with ratios, shares and counts by hand, and unknown left unknown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_trials import (
    CSR_CASE,
    DENSE_CASE,
    made_conditions,
    made_count,
    made_emulated,
    made_memory,
    made_results,
    made_trial,
)

from bench.analysis.frame import COLUMNS, make_frame
from bench.analysis.records import SCHEMA, Probe, Trial, from_line, typed
from bench.analysis.store import Results, Store, read_results
from bench.case import Case, MethodCall


def failure(case: Case, number: int) -> Trial:
    return made_trial(case, number, error="no")


def rows(*ran: Results) -> list[dict[str, Any]]:
    return [{str(k): v for k, v in row.items()} for row in make_frame(ran).to_dict("records")]


@pytest.fixture
def pair() -> Results:
    return made_results(
        [DENSE_CASE, CSR_CASE],
        [
            made_trial(DENSE_CASE, 0, [2.0, 2.0, 99.0], first_call=9.0),
            made_trial(CSR_CASE, 0, [1.0, 0.5, 1.0], first_call=9.0),
            made_trial(DENSE_CASE, 1, [4.0], first_call=9.0),
            made_trial(CSR_CASE, 1, [2.0], first_call=9.0),
        ],
        [made_count(DENSE_CASE), made_count(CSR_CASE, params=30, logical_params=25, macs=250)],
    )


def test_one_row_per_case_with_every_column(pair: Results) -> None:
    frame = make_frame([pair])
    assert tuple(frame.columns) == COLUMNS
    assert list(frame["case"]) == [DENSE_CASE.id, CSR_CASE.id]


def test_no_results_have_no_rows_and_every_column() -> None:
    frame = make_frame([])
    assert len(frame) == 0
    assert tuple(frame.columns) == COLUMNS


def test_two_runs_stand_one_under_the_other(pair: Results) -> None:
    assert len(make_frame([pair, pair])) == 4


def test_a_row_says_what_was_measured(pair: Results) -> None:
    row = rows(pair)[1]
    named = {k: row[k] for k in ("run", "backbone", "method", "label", "runtime", "target", "batch", "input")}
    assert named == {
        "run": "r",
        "backbone": "resnet20",
        "method": "csr_conv",
        "label": "csr_conv(T=4)",
        "runtime": "eager",
        "target": "cpu",
        "batch": 1,
        "input": "3x32x32",
    }
    assert row["knobs"] == {"T": 4}
    assert (row["is_baseline"], row["baseline"]) == (False, DENSE_CASE.id)


def test_numbers_by_hand(pair: Results) -> None:
    dense, csr = rows(pair)
    assert dense["latency"] == pytest.approx(math.sqrt(2 * 4))
    assert csr["latency"] == pytest.approx(math.sqrt(1 * 2))
    assert (csr["ratio"], csr["ratio_low"], csr["ratio_high"]) == pytest.approx((0.5, 0.5, 0.5))
    assert csr["ratio_rounds"] == 2
    assert csr["params_ratio"] == 0.25
    assert csr["macs_ratio"] == 0.25
    assert csr["delivered_share"] == pytest.approx(0.5)
    assert (csr["trials"], csr["failed_trials"], csr["status"], csr["error"]) == (2, 0, "ok", "")
    assert (csr["params"], csr["logical_params"], csr["macs"]) == (30, 25, 250)
    assert (csr["weight_bytes"], csr["live_peak"], csr["first_call"]) == (400, 64, 9.0)


def test_a_baseline_is_its_own_measure(pair: Results) -> None:
    dense = rows(pair)[0]
    assert (dense["ratio"], dense["params_ratio"], dense["macs_ratio"]) == (1.0, 1.0, 1.0)
    assert math.isnan(dense["delivered_share"])


def test_what_was_not_read_stays_unknown(pair: Results) -> None:
    csr = rows(pair)[1]
    assert math.isnan(csr["resident_growth"])
    assert math.isnan(csr["cuda_allocated_peak"])


def test_a_case_without_a_baseline_has_no_ratio() -> None:
    (row,) = rows(made_results([CSR_CASE], [made_trial(CSR_CASE, 0, [1.0])]))
    assert row["latency"] == pytest.approx(1.0)
    assert math.isnan(row["ratio"])
    assert math.isnan(row["macs_ratio"])
    assert row["ratio_rounds"] == 0


def test_rounds_without_a_partner_are_not_in_the_ratio() -> None:
    trials = [made_trial(DENSE_CASE, 0, [2.0]), made_trial(CSR_CASE, 1, [1.0])]
    row = rows(made_results([DENSE_CASE, CSR_CASE], trials))[1]
    assert math.isnan(row["ratio"])
    assert row["latency"] == pytest.approx(1.0)


def test_a_method_without_fewer_macs_has_no_delivered_share(pair: Results) -> None:
    pair.counts["", CSR_CASE.count_id] = made_count(CSR_CASE, macs=1000)
    assert math.isnan(rows(pair)[1]["delivered_share"])
    assert rows(pair)[1]["ratio"] == pytest.approx(0.5)


def test_a_failed_case_has_a_row_with_its_error() -> None:
    (row,) = rows(made_results([CSR_CASE], [failure(CSR_CASE, 0), failure(CSR_CASE, 1)]))
    assert (row["status"], row["trials"], row["failed_trials"]) == ("failed", 0, 2)
    assert row["error"] == "RuntimeError in build: no"
    assert math.isnan(row["latency"])


def test_one_failed_trial_does_not_fail_a_case() -> None:
    (row,) = rows(made_results([CSR_CASE], [failure(CSR_CASE, 0), made_trial(CSR_CASE, 1, [1.0])]))
    assert (row["status"], row["trials"], row["failed_trials"]) == ("ok", 1, 1)
    assert row["error"] == "RuntimeError in build: no"


def test_a_case_that_could_not_be_counted_is_failed() -> None:
    count = made_count(CSR_CASE, error="nothing to replace")
    (row,) = rows(made_results([CSR_CASE], [], [count]))
    assert (row["status"], row["error"]) == ("failed", "ValueError in count: nothing to replace")
    assert math.isnan(row["macs"])
    assert not row["witnesses_agree"]


def test_a_case_that_was_not_reached_is_not_run() -> None:
    (row,) = rows(made_results([CSR_CASE], []))
    assert row["status"] == "not run"
    assert row["trials"] == 0


def test_witnesses_that_disagree_are_told(pair: Results) -> None:
    pair.counts["", CSR_CASE.count_id] = made_count(CSR_CASE, disagreements=["conv1: 3 and 4"])
    assert [row["witnesses_agree"] for row in rows(pair)] == [True, False]
    assert rows(pair)[1]["disagreements"] == ["conv1: 3 and 4"]


def test_outputs_that_differ_are_told(pair: Results) -> None:
    pair.trials[3] = made_trial(CSR_CASE, 1, checksum="other", finite=False)
    assert [row["same_output"] for row in rows(pair)] == [True, False]
    assert [row["finite_output"] for row in rows(pair)] == [True, False]


def test_a_case_of_one_host_has_one_row_that_names_it(pair: Results) -> None:
    found = rows(pair)
    assert [row["host"] for row in found] == ["host-a", "host-a"]
    assert [row["host_name"] for row in found] == ["host-a", "host-a"]


def test_bug_a_latency_was_estimated_from_the_trials_of_two_hosts() -> None:
    """A run on several machines may measure a case on more than one: each has a row and a ratio."""
    trials = [
        made_trial(case, number, [seconds], host=host)
        for host, rounds, factor in (("host-a", (0, 1), 1.0), ("host-b", (2, 3), 10.0))
        for number in rounds
        for case, seconds in ((DENSE_CASE, 2.0 * factor), (CSR_CASE, factor))
    ]
    trials.append(failure(CSR_CASE, 4))
    found = rows(made_results([DENSE_CASE, CSR_CASE], trials, [made_count(DENSE_CASE), made_count(CSR_CASE)]))
    assert [(row["case"], row["host"], row["latency"], row["trials"]) for row in found] == [
        (DENSE_CASE.id, "host-a", pytest.approx(2.0), 2),
        (DENSE_CASE.id, "host-b", pytest.approx(20.0), 2),
        (CSR_CASE.id, "host-a", pytest.approx(1.0), 2),
        (CSR_CASE.id, "host-b", pytest.approx(10.0), 2),
    ]
    assert [row["ratio"] for row in found] == pytest.approx([1.0, 1.0, 0.5, 0.5])
    assert [row["ratio_rounds"] for row in found] == [2, 2, 2, 2]
    assert [row["failed_trials"] for row in found] == [0, 0, 1, 0]


def test_a_case_that_only_one_of_two_hosts_measured_has_a_row_there_alone(pair: Results) -> None:
    pair.trials[3] = made_trial(CSR_CASE, 1, host="host-b")
    found = rows(pair)
    assert [(row["label"], row["host"]) for row in found] == [
        ("dense", "host-a"),
        (found[1]["label"], "host-a"),
        (found[1]["label"], "host-b"),
    ]
    assert math.isnan(found[2]["ratio"])
    assert found[2]["params_ratio"] == found[1]["params_ratio"]


@pytest.mark.parametrize("bad", [math.nan, math.inf, 0.0])
def test_samples_that_are_no_times_are_left_out_of_the_median(bad: float) -> None:
    (row,) = rows(made_results([CSR_CASE], [made_trial(CSR_CASE, 0, [bad, 2.0, bad, 4.0])]))
    assert row["latency"] == pytest.approx(3.0)


def test_a_trial_of_nothing_but_nan_is_unknown_and_no_crash(tmp_path: Path) -> None:
    ran = made_results([DENSE_CASE, CSR_CASE], [])
    file = tmp_path / "r.jsonl"
    with Store(file) as store:
        store.append(ran.start)
        store.append(made_trial(DENSE_CASE, 0, [1.0]))
        store.append(made_trial(CSR_CASE, 0, [math.nan, math.nan]))
        store.append(made_trial(CSR_CASE, 1, []))
    dense, csr = rows(read_results(file))
    assert dense["latency"] == pytest.approx(1.0)
    assert math.isnan(csr["latency"])
    assert math.isnan(csr["ratio"])


def test_latency_that_was_refused_is_unknown() -> None:
    trials = [made_trial(CSR_CASE, 0, None)]
    (row,) = rows(made_results([CSR_CASE], trials))
    assert (row["status"], row["live_peak"]) == ("ok", 64)
    assert math.isnan(row["latency"])
    assert math.isnan(row["p90"])


def test_p90_needs_its_samples_and_single_calls() -> None:
    samples = [float(i) for i in range(1, 102)]
    (row,) = rows(made_results([CSR_CASE], [made_trial(CSR_CASE, 0, samples)]))
    assert row["p90"] == 91.0
    (row,) = rows(made_results([CSR_CASE], [made_trial(CSR_CASE, 0, samples[:63])]))
    assert math.isnan(row["p90"])
    means = made_trial(CSR_CASE, 0, samples, calls_per_sample=4)
    (row,) = rows(made_results([CSR_CASE], [means]))
    assert math.isnan(row["p90"])


def test_a_knob_that_is_a_list_survives_the_record() -> None:
    case = Case("resnet20", (MethodCall("psconv", {"variant": "pSC4", "skip": ("a", "b")}),))
    (row,) = rows(made_results([case], [made_trial(case, 0, [1.0])]))
    assert row["case"] == case.id
    assert row["params"] == 100
    assert row["latency"] == pytest.approx(1.0)


def test_scaling_every_time_leaves_the_ratios(pair: Results) -> None:
    times = ((DENSE_CASE, (2.0, 3.0)), (CSR_CASE, (1.0, 1.8)))

    def measured(scale: float) -> Results:
        trials = [made_trial(case, n, scale * s) for case, rounds in times for n, s in enumerate(rounds)]
        return replace(pair, trials=trials)

    before, after = make_frame([measured(1)]), make_frame([measured(1000)])
    for column in ("ratio", "ratio_low", "ratio_high", "delivered_share"):
        np.testing.assert_allclose(after[column], before[column])
    np.testing.assert_allclose(after["latency"], 1000 * before["latency"])


HALF = replace(CSR_CASE, dtype="bfloat16")


def test_a_case_stands_beside_itself_in_float32_by_rounds() -> None:
    cases = [DENSE_CASE, CSR_CASE, HALF.baseline(), HALF]
    timed = zip(cases, (4.0, 2.0, 3.0, 1.0), strict=True)
    trials = [made_trial(case, n, seconds * (1 + n)) for case, seconds in timed for n in range(5)]
    trials.append(made_trial(HALF, 9, 99.0))  # a round that float32 does not have
    counts = [made_count(DENSE_CASE), made_count(CSR_CASE)]
    dense, csr, half_dense, half = rows(made_results(cases, trials, counts))
    assert (half["dtype"], half["baseline"]) == ("bfloat16", HALF.baseline().id)
    assert half["ratio"] == pytest.approx(1 / 3)
    assert half["float32_ratio"] == pytest.approx(0.5)
    assert half["float32_ratio_low"] == pytest.approx(0.5)
    assert half_dense["float32_ratio"] == pytest.approx(0.75)
    assert half_dense["is_baseline"]
    assert math.isnan(dense["float32_ratio"])
    assert math.isnan(csr["float32_ratio"])
    assert half["macs"] == csr["macs"] == 1000


def test_without_float32_in_the_run_there_is_nothing_beside_a_dtype() -> None:
    (row,) = rows(made_results([HALF], [made_trial(HALF, n) for n in range(5)]))
    assert math.isnan(row["float32_ratio"])


def test_launch_overhead_is_what_the_device_did_not_need() -> None:
    def on_gpu(number: int, host: list[float], queued: list[float]) -> Trial:
        found = made_trial(DENSE_CASE, number, 3.0)
        assert found.latency is not None
        latency = replace(found.latency, host_samples=tuple(host), queued_samples=tuple(queued))
        return replace(found, latency=latency)

    (row,) = rows(made_results([DENSE_CASE], [on_gpu(n, [4.0, 4.0, 9.0], [1.0, 1.5, 1.0]) for n in range(5)]))
    assert (row["latency"], row["host_latency"], row["launch_overhead"]) == pytest.approx((3.0, 4.0, 3.0))
    (row,) = rows(made_results([DENSE_CASE], [on_gpu(n, [4.0], []) for n in range(5)]))
    assert row["host_latency"] == 4.0
    assert math.isnan(row["launch_overhead"])
    (row,) = rows(made_results([DENSE_CASE], [on_gpu(n, [], []) for n in range(5)]))
    assert math.isnan(row["host_latency"])


def with_energy(**found: Any) -> Results:
    results = made_results([DENSE_CASE], [made_trial(DENSE_CASE)])
    fields = {"kind": "probe", "schema": SCHEMA, "run": "r", "case": DENSE_CASE.id, "status": "ok"}
    probe = from_line({**fields, "energy": found or None})
    assert isinstance(probe, Probe)
    results.probes.append(probe)
    return results


def test_energy_is_that_of_the_probe() -> None:
    (row,) = rows(
        with_energy(source="rapl", joules=0.05, watts=45.0, idle_watts=40.0, calls=200, seconds=2.0)
    )
    assert (row["energy"], row["power"], row["idle_power"]) == (0.05, 45.0, 40.0)
    assert (row["energy_source"], row["energy_refused"]) == ("rapl", "")


def test_energy_that_nobody_counts_says_why() -> None:
    (row,) = rows(with_energy(source="unsupported", refused="no counter"))
    assert math.isnan(row["energy"])
    assert (row["energy_source"], row["energy_refused"]) == ("unsupported", "no counter")
    (row,) = rows(with_energy())
    assert (row["energy_source"], row["energy_refused"]) == ("", "")


CONV = {
    "name": "conv", "kind": "Conv2d", "input": [2, 4, 4], "output": [3, 4, 4], "params": 54,
    "logical_params": 54, "macs": 800, "executed_macs": 864, "fvcore_macs": 864, "torch_macs": 864,
}  # fmt: skip
"""4 · (32 + 48 + 54) = 536 bytes at batch 1, 4 · (2 · 80 + 54) = 856 at batch 2."""

PEAKS = {
    "host": {"id": "host-a"},
    "peaks": [{"threads": 1, "flops": {"float32": 1e6}, "bandwidth": 1000.0}],
}


def test_the_roofline_by_hand() -> None:
    twice = replace(DENSE_CASE, batch=2)
    counts = [made_count(case, layers=[CONV]) for case in (DENSE_CASE, twice)]
    trials = [made_trial(DENSE_CASE, 0, 2.144), made_trial(twice, 0, 1.0)]
    one, two = rows(made_results([DENSE_CASE, twice], trials, counts, peaks=PEAKS))
    assert one["intensity"] == pytest.approx(1728 / 536)
    assert two["intensity"] == pytest.approx(2 * 1728 / 856)
    assert (one["attainable"], two["attainable"]) == pytest.approx((0.536, 0.856))
    assert (one["attained"], two["attained"]) == pytest.approx((0.25, 0.856))


def test_without_the_peaks_of_its_one_host_nothing_is_attainable() -> None:
    count = made_count(DENSE_CASE, layers=[CONV])
    other = [made_trial(DENSE_CASE, 0, host="host-b")]
    both = [
        made_trial(DENSE_CASE, 0),
        failure(DENSE_CASE, 1),
        replace(failure(DENSE_CASE, 2), host={"id": "b"}),
    ]
    for trials, peaks in ((other, PEAKS), (both, PEAKS), ([], PEAKS), (both[:1], None)):
        (row,) = rows(made_results([DENSE_CASE], trials, [count], peaks=peaks))
        assert math.isnan(row["attainable"])
        assert math.isnan(row["attained"])
    (row,) = rows(made_results([DENSE_CASE], both[1:2], [count], peaks=PEAKS))
    assert row["attainable"] == pytest.approx(0.536)  # a failed trial has a host as well
    (row,) = rows(made_results([DENSE_CASE], both[:1], [made_count(DENSE_CASE)], peaks=PEAKS))
    assert math.isnan(row["attainable"])


def probe(case: Case, arm: str = "", **found: Any) -> Probe:
    return typed(Probe, {"run": "r", "case": case.id, "status": "ok", "arm": arm, "error": None, **found})


def output(checksum: str, finite: bool = True) -> dict[str, Any]:
    return {"shape": [1, 10], "checksum": checksum, "mean_magnitude": 1.0, "finite": finite}


def test_memory_and_output_of_a_probe_stand_in_the_row() -> None:
    ran = made_results([DENSE_CASE, CSR_CASE], [])
    orders = {"batched": 90, "literal": 70}
    memory = {
        "weight_bytes": 8,
        "live_peak": 70,
        "allocator_peak": 80,
        "resident_growth": 5,
        "live_peak_by_order": orders,
    }
    ran.probes += [
        probe(DENSE_CASE, memory=made_memory(weight_bytes=4), output=output("a")),
        probe(CSR_CASE, memory=memory, output=output("b", finite=False)),
        probe(CSR_CASE, arm="other", memory=made_memory(weight_bytes=99)),
    ]
    dense, csr = rows(ran)
    assert (dense["weight_bytes"], csr["weight_bytes"], csr["live_peak"]) == (4, 8, 70)
    assert (dense["live_peak_by_order"], csr["live_peak_by_order"]) == ({}, orders)
    assert csr["resident_growth"] == 5
    assert (dense["same_output"], dense["finite_output"]) == (True, True)
    assert (csr["same_output"], csr["finite_output"]) == (True, False)


def test_outputs_that_nobody_looked_at_are_unknown() -> None:
    (row,) = rows(made_results([DENSE_CASE], []))
    assert (row["same_output"], row["finite_output"], row["resolved"]) == (None, None, None)


def test_a_probe_that_sees_another_output_is_told() -> None:
    ran = made_results([DENSE_CASE], [made_trial(DENSE_CASE, 0)])
    ran.probes.append(probe(DENSE_CASE, output=output("other")))
    assert rows(ran)[0]["same_output"] is False


def test_what_trials_differ_in_is_their_median() -> None:
    trials = [
        made_trial(
            DENSE_CASE, n, 1.0, first_call=first, compile_seconds=compiled, memory={"resident_growth": grown}
        )
        for n, (first, compiled, grown) in enumerate([(9.0, 4.0, 100), (5.0, None, None), (6.0, 2.0, 300)])
    ]
    (row,) = rows(made_results([DENSE_CASE], trials))
    assert (row["first_call"], row["compile_seconds"], row["resident_growth"]) == (6.0, 3.0, 200.0)


def test_seats_and_marks_are_told() -> None:
    after = made_conditions(clock=1.0, own=1.0, busy=190)
    trials = [made_trial(DENSE_CASE, n, 1.0, seating="together") for n in range(4)]
    trials += [
        made_trial(DENSE_CASE, 4, 2.0, before=made_conditions(), after=after),
        made_trial(DENSE_CASE, 5, None, seating="apart"),
    ]
    (row,) = rows(made_results([DENSE_CASE], trials))
    assert row["seating"] == "alone, together"
    assert row["marks"] == {"busy": 1, "far": 1}
    assert (row["trials"], row["left_out_trials"]) == (6, 1)
    assert row["latency"] == pytest.approx(1.0)


def test_the_last_error_is_told_and_that_of_the_count_first() -> None:
    trials = [made_trial(DENSE_CASE, 0, error="first"), made_trial(DENSE_CASE, 1, error="last")]
    (row,) = rows(made_results([DENSE_CASE], trials))
    assert row["error"] == "RuntimeError in build: last"
    (row,) = rows(made_results([DENSE_CASE], trials, [made_count(DENSE_CASE, error="nothing")]))
    assert row["error"] == "ValueError in count: nothing"
    (row,) = rows(made_results([DENSE_CASE], [made_trial(DENSE_CASE, 0)]))
    assert (row["status"], row["error"]) == ("ok", "")


def test_layers_that_were_replaced_and_left_are_listed() -> None:
    replaced, left = {"name": "a", "before": "Conv2d", "after": "CSRConv2d"}, {"name": "b", "reason": "first"}
    (row,) = rows(made_results([CSR_CASE], [], [made_count(CSR_CASE, replaced=[replaced], left=[left])]))
    assert (row["replaced"], row["left"]) == ([replaced], [left])


def test_methods_one_after_the_other_have_no_knobs_of_one() -> None:
    case = Case("resnet20", (MethodCall("csr_conv", {"T": 4}), MethodCall("int8", {})), threads=3, seed=8)
    (row,) = rows(made_results([case], []))
    assert (row["method"], row["knobs"]) == ("csr_conv+int8", {})
    assert (row["threads"], row["seed"], row["memory_format"]) == (3, 8, "contiguous")


def by_rounds(factors: Sequence[float], **changes: Any) -> Results:
    """Dense at 1 s in each round, CSR-Conv at those factors."""
    trials = [made_trial(DENSE_CASE, n, 1.0) for n in range(len(factors))]
    trials += [made_trial(CSR_CASE, n, factor) for n, factor in enumerate(factors)]
    counts = [made_count(DENSE_CASE), made_count(CSR_CASE, macs=500)]
    return made_results([DENSE_CASE, CSR_CASE], trials, counts, **changes)


LOOKS = {"min_rounds": 5, "max_rounds": 10, "resolution": 0.01}


def test_a_verdict_with_all_that_it_rests_on() -> None:
    dense, csr = rows(by_rounds([1.50, 1.51, 1.49, 1.50, 1.50], measure=LOOKS))
    assert (csr["verdict"], csr["ratio_rounds"], csr["resolved"]) == ("slower", 5, True)
    assert csr["ratio_low"] < 1.5 < csr["ratio_high"]
    assert csr["p_value"] < 0.001
    assert 0.001 < csr["smallest_change"] < 0.05
    assert csr["delivered_share"] == pytest.approx(-math.log(1.5) / math.log(2), abs=1e-3)
    assert (dense["ratio_low"], dense["ratio_high"], dense["ratio_rounds"], dense["p_value"]) == (1, 1, 5, 1)
    assert (dense["verdict"], dense["resolved"]) == ("", None)
    assert math.isnan(dense["smallest_change"])


def test_a_run_goes_on_until_it_can_tell() -> None:
    assert rows(by_rounds([1.5, 0.5, 1.5, 0.5, 1.0], measure=LOOKS))[1]["resolved"] is False
    assert rows(by_rounds([1.5] * 4, measure=LOOKS))[1]["resolved"] is False
    assert rows(by_rounds([1.5] * 5, measure={"min_rounds": 5}))[1]["resolved"] is None


def test_a_run_of_before_is_resolved_by_its_half_width() -> None:
    # five rounds: the interval reaches from the least to the largest, 1.00 … 1.04, half a width of 1.96 %
    wide = [1.00, 1.01, 1.02, 1.03, 1.04]
    assert rows(by_rounds(wide, measure={"rounds": 5, "resolution": 0.021}))[1]["resolved"] is True
    assert rows(by_rounds(wide, measure={"rounds": 5, "resolution": 0.0195}))[1]["resolved"] is False


def test_cases_of_a_run_are_judged_together() -> None:
    steps = [0.020, 0.030, 0.040, 0.015, 0.029]
    others = [replace(CSR_CASE, seed=seed) for seed in range(1, 25)]
    alone = by_rounds(
        [math.exp(step) for step in steps], measure={"min_rounds": 5, "rounds": 5, "resolution": 0.001}
    )
    assert rows(alone)[1]["verdict"] == "slower"
    bases = [replace(DENSE_CASE, seed=seed) for seed in range(1, 25)]
    trials = [made_trial(case, n, 1.0 + 0.3 * (n % 2)) for case in (*others, *bases) for n in range(5)]
    many = made_results(
        [DENSE_CASE, CSR_CASE, *bases, *others], [*alone.trials, *trials], measure=alone.start.measure
    )
    together = rows(many)[1]
    assert together["verdict"] == "cannot tell"
    assert together["smallest_change"] > rows(alone)[1]["smallest_change"]


def test_arms_stand_one_under_the_other_with_their_own_trials_and_counts() -> None:
    trials = [made_trial(DENSE_CASE, 0, 1.0, arm="base"), made_trial(DENSE_CASE, 0, 2.0, arm="head")]
    counts = [made_count(DENSE_CASE, "base", params=1), made_count(DENSE_CASE, "head", params=2)]
    ran = made_results([DENSE_CASE], trials, counts, arms={"base": "1", "head": "2"})
    found = [(row["arm"], row["params"], row["latency"], row["trials"]) for row in rows(ran)]
    assert found == [("base", 1, pytest.approx(1.0), 1), ("head", 2, pytest.approx(2.0), 1)]


def test_ratios_of_counts_by_hand() -> None:
    counts = [
        made_count(DENSE_CASE, logical_params=200, macs=0),
        made_count(CSR_CASE, logical_params=50, macs=7),
    ]
    row = rows(made_results([DENSE_CASE, CSR_CASE], [], counts))[1]
    assert row["params_ratio"] == 0.25
    assert math.isnan(row["macs_ratio"])
    counts[0] = made_count(DENSE_CASE, logical_params=0)
    assert math.isnan(rows(made_results([DENSE_CASE, CSR_CASE], [], counts))[1]["params_ratio"])


def test_instructions_of_an_emulated_core_stand_beside_those_of_dense() -> None:
    cases = [replace(case, target="arm") for case in (DENSE_CASE, CSR_CASE)]
    trials = [
        made_emulated(cases[0], 4000, multiply_add=1000, load=3000),
        made_emulated(cases[1], 3000, multiply_add=500, load=2500),
    ]
    targets = [{"name": "arm", "device": "cpu", "emulates": "cortex-a72"}]
    dense, csr = rows(made_results(cases, trials, targets=targets))
    assert (dense["instructions"], csr["instructions"]) == (4000, 3000)
    assert (dense["instructions_ratio"], csr["instructions_ratio"]) == (1, 0.75)
    assert csr["instruction_kinds"] == {"multiply_add": 500, "load": 2500}
    assert csr["emulates"] == "cortex-a72"
    assert math.isnan(csr["latency"])


def test_nothing_is_known_of_instructions_elsewhere(pair: Results) -> None:
    for row in rows(pair):
        assert math.isnan(row["instructions"])
        assert math.isnan(row["instructions_ratio"])
        assert (row["instruction_kinds"], row["emulates"]) == ({}, "")
