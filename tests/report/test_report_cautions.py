"""What a reader is warned of, and what not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_trials import made_trial
from report_lab import HOST, Net, around, rows, run

from bench.analysis.store import Results
from bench.report.cautions import cautions
from bench.report.circumstances import hosts, runs
from bench.report.details import details
from bench.report.limits import limits

NETS = (Net(), Net("psconv", around(1e-3)))


def warned(*results: Results) -> str:
    return "\n".join(caution.text for caution in cautions(rows(*results), results))


def test_a_clean_run_has_no_caution() -> None:
    assert warned(run(*NETS)) == ""


@pytest.mark.parametrize(
    ("results", "words"),
    [
        (run(*NETS, quick=True), "not for a claim"),
        (run(*NETS, ends=()), "Unfinished (no end was recorded)"),
        (run(*NETS, ends=("complete", "interrupted")), "Unfinished (interrupted): the run."),
        (run(Net(medians=[1e-3] * 4)), "Fewer than 5 rounds were planned in the run"),
        (run(*NETS, revision="abc-dirty"), "uncommitted changes"),
        (run(*NETS, load=2.5), "10 of 10 trials began on a loaded host"),
        (run(*NETS, host={**HOST, "emulated": True}), "emulated processor"),
        (run(Net(checksums=["a", "b", "a", "a", "a"])), "output differs between trials of 1 case"),
        (run(Net(finite=False)), "not finite in 1 case"),
        (run(Net(medians=[*around(1e-3), 2e-3])), "1 trial marked far"),
        (run(*NETS, resolution=0.001), "1 case could not be told from dense"),
    ],
)
def test_each_reason_is_told(results: Results, words: str) -> None:
    assert words in warned(results)


@pytest.mark.parametrize("load", [2.0, "unknown", None])
def test_a_load_up_to_the_cpus_or_unknown_is_no_caution(load: object) -> None:
    assert warned(run(*NETS, load=load)) == ""


def test_partial_failures_are_told() -> None:
    whole = run(*NETS)
    last = whole.trials[-1]
    whole.trials[-1] = made_trial(last.case, last.round, error="m", run=last.run)
    assert "Some trials of 1 case failed" in warned(whole)


def test_several_runs_hosts_and_versions() -> None:
    first, second = run(*NETS), run(*NETS, name="run-2", host={**HOST, "id": "other"})
    second.start.versions["torch"] = "2.12.0"
    text = warned(first, second)
    assert "2 hosts are mixed" in text
    assert "torch 2.12.0, 2.13.0" in text
    assert "more than once" not in text
    assert "Run run-1 comes from 2 files" in warned(first, first)


def test_one_reason_in_several_runs_is_told_once() -> None:
    found = [run(*NETS, name=f"run-{n}", quick=n < 3) for n in (1, 2, 3)]
    assert warned(*found).count("--quick was used in runs run-1, run-2 (") == 1
    assert "--quick was used in run run-1 (" in warned(found[0], found[2])
    assert "--quick was used in both runs (" in warned(*found[:2])


def test_grave_ones_come_first() -> None:
    one = run(Net(medians=[1e-3]), quick=True, revision="abc-dirty")
    graveness = [caution.grave for caution in cautions(rows(one), [one])]
    assert graveness == sorted(graveness, reverse=True)
    assert graveness[0]


def test_circumstances_name_the_unknown_as_unknown() -> None:
    (host,) = hosts([run(*NETS)])
    facts = {fact.name: fact.value for fact in host.facts}
    assert facts["frequency governor"] == "unknown"
    assert facts["kernel"] == "unknown"
    assert facts["virtual machine"] == "yes"
    assert facts["main memory"].startswith("1.00")
    assert "GPU" not in facts


def test_circumstances_of_a_run() -> None:
    (one,) = runs([run(*NETS)])
    facts = {fact.name: fact.value for fact in one.facts}
    assert facts["trials"] == "10 in fresh processes, 0 failed, 0 begun on a loaded host"
    assert facts["rounds planned"] == "5"
    assert "64 samples" in facts["sampling"]
    assert "unknown" in facts["sampling"]
    assert facts["threads"] == "1"


def test_the_correction_is_stated_for_as_many_comparisons_as_there_are() -> None:
    four = run(Net(), *(Net("csr_conv", around(2e-3), {"T": T}) for T in (2, 3, 4, 5)))
    assert any("among 4 equal cases" in text for text in limits(rows(four), [four]))
    one = run(*NETS)
    assert not any("equal cases" in text for text in limits(rows(one), [one]))


def test_weights_that_a_method_discards_are_said_to_be_discarded() -> None:
    layer = {"name": "conv1", "before": "3×3", "after": "CSRConv2d"}
    measured = run(Net(), Net("csr_conv", around(1e-3), {"T": 4}, replaced=[layer]))
    assert "discarded" not in warned(measured)
    counts = {
        key: replace(count, discarded=("conv1",)) if count.replaced else count
        for key, count in measured.counts.items()
    }
    text = warned(replace(measured, counts=counts))
    assert "Loaded weights were discarded in 1 case: the methods put fresh, untrained layers in the" in text
    assert "Cases: resnet20/csr_conv(T=4)" in text
    (_, found) = details(rows(replace(measured, counts=counts))).cases
    words = dict(found.facts)["loaded weights discarded"]
    assert words == "of 1 of 1 replaced layers: fresh ones, untrained, stand there"
