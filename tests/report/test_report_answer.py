"""The answer: true for what it was given, no count in it, and silent where there is no interval."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_lab import HOST, Net, around, rows, run

from bench.analysis.store import Results
from bench.report.answer import Answer, answer, processor
from bench.report.cautions import Caution, cautions

DENSE = Net()
CSR = Net("csr_conv", around(0.8e-3), {"T": 4}, params=130, macs=5_000)
PRUNED = Net("filter_l1", around(0.2e-3), {"ratio": 0.64}, params=130, macs=2_000)
SLOW = (
    Net(backbone="resnet56"),
    Net("csr_conv", around(2.6e-3), {"T": 4}, backbone="resnet56", params=130, macs=5_000),
)
NOTHING = "Nothing is claimed about speed: no compressed case has an interval for its ratio to dense."
WILD = [0.5e-3, 2e-3, 0.9e-3, 1.4e-3, 0.7e-3]


def answered(*results: Results) -> Answer:
    found = rows(*results)
    return answer(found, results, cautions(found, results))


def said(*nets: Net) -> Answer:
    return answered(run(*nets))


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


def test_the_headline_names_fastest_and_subject_where_it_does_best_and_where_worst() -> None:
    found = said(DENSE, CSR, PRUNED, *SLOW)
    assert re.fullmatch(
        r"resnet20, Some CPU, 1 thread: filter_l1\(ratio=0\.64\) takes 0\.2\d* × the time of dense, "
        r"csr_conv\(T=4\) 0\.8\d* × with 13 % of the parameters; "
        r"on resnet56 csr_conv\(T=4\) takes 2\.6\d* ×\.",
        plain(found.headline),
    )


def test_no_headline_counts_cases() -> None:
    few, many = said(DENSE, CSR), said(DENSE, CSR, *(Net("psconv", around(9e-3), {"n": n}) for n in range(9)))
    assert few.headline == many.headline


def test_a_takeaway_has_the_fastest_with_interval_and_share_and_where_the_subject_stands() -> None:
    best, worst = said(DENSE, CSR, PRUNED, *SLOW).takeaways
    assert (best.backbone, best.verdict, worst.verdict) == ("resnet20", "faster", "slower")
    assert re.fullmatch(
        r"Fastest is filter_l1\(ratio=0\.64\) 0\.2\d* × \([\d.]+ to [\d.]+\) with 13 % of the parameters\. "
        r"CSR-Conv is faster at best: csr_conv\(T=4\) 0\.8\d* × \([\d.]+ to [\d.]+\) "
        r"with 13 % of the parameters\.",
        plain(best.sentence),
    )
    assert plain(worst.sentence).startswith(
        "Nothing measured is faster than dense; nearest is csr_conv(T=4) 2.6"
    )


def test_the_subject_is_not_told_twice() -> None:
    (only,) = said(DENSE, CSR).takeaways
    assert plain(only.sentence).count("csr_conv") == 1
    assert "CSR-Conv" not in only.sentence


def test_neighbours_whose_intervals_overlap_are_not_told_apart() -> None:
    level = Net("tucker2", around(0.2e-3), params=100)
    (one,) = said(DENSE, PRUNED, level).takeaways
    assert "not told apart from " in one.sentence
    (apart,) = said(DENSE, PRUNED, Net("tucker2", around(0.3e-3))).takeaways
    assert "not told apart" not in apart.sentence


def test_a_subject_that_failed_or_cannot_be_told_is_said_so() -> None:
    (failed,) = said(DENSE, PRUNED, Net("csr_conv", error="boom", knobs={"T": 4})).takeaways
    assert failed.sentence.endswith(" CSR-Conv: failed.")
    (unsure,) = said(DENSE, PRUNED, Net("csr_conv", WILD, {"T": 4})).takeaways
    assert "CSR-Conv cannot be told from dense at best: csr_conv(T=4)" in unsure.sentence
    (absent,) = said(DENSE, PRUNED).takeaways
    assert "CSR-Conv" not in absent.sentence


def test_without_the_subject_the_best_case_of_each_backbone_stands() -> None:
    slow = (Net(backbone="b"), Net("psconv", around(3e-3), backbone="b"))
    assert re.search(
        r"resnet20, .*: filter_l1.* takes 0\.2.*; on b psconv takes 3\.", said(DENSE, PRUNED, *slow).headline
    )


@pytest.mark.parametrize(
    ("results", "headline"),
    [
        ([], "No case was measured."),
        ([run(DENSE)], "Only dense networks were measured: there is nothing to compare them with."),
        ([run(Net(error="m"), Net("psconv", error="m"))], "All 2 cases failed: there are no times to show."),
        ([run(Net(medians=[]), ends=())], "Nothing has been measured: 1 case planned."),
        ([run(CSR)], NOTHING),
        ([run(Net(medians=[1e-3]), Net("psconv", [2e-3]))],
         NOTHING),
    ],
)  # fmt: skip
def test_where_nothing_can_be_said_the_headline_says_why(results: list[Results], headline: str) -> None:
    found = answered(*results)
    assert found.headline == headline
    assert not re.search("Fastest|faster than", " ".join(one.sentence for one in found.takeaways))


def test_a_backbone_without_verdicts_says_so() -> None:
    (one,) = said(Net(error="m"), Net("psconv", error="m")).takeaways
    assert one.sentence == "No verdict: failed."


def test_over_several_hosts_the_headline_has_the_range_and_whether_the_verdict_holds() -> None:
    other = {**HOST, "id": "p", "name": "pi"}
    turned = replace(CSR, medians=around(1.4e-3))
    found = answered(run(DENSE, CSR, *SLOW), run(DENSE, turned, *SLOW, name="run-2", host=other))
    assert re.fullmatch(
        r"Over 2 hosts: on resnet20 CSR-Conv takes 0\.80\d × to 1\.4\d × the time of dense, "
        r"the verdict turns; on resnet56 CSR-Conv takes 2\.6\d × the time of dense, "
        r"slower in all of them\.",
        plain(found.headline),
    )
    assert [one.setting for one in found.takeaways] == ["run run-1, board"] * 2 + ["run run-2, pi"] * 2


def test_it_says_what_it_holds_for() -> None:
    held = {fact.name: fact.value for fact in said(DENSE, CSR).circumstances}
    assert held == {
        "processor": "Some CPU",
        "instruction set": "unknown",
        "threads": "1",
        "batch": "1",
        "runtime": "eager",
        "torch": "2.13.0",
        "date": "2026-01-01",
        "bench doctor": "not measured",
    }


def test_bug_the_torch_that_was_named_was_not_the_one_that_measured() -> None:
    """A board may have another version than the machine that started the run."""
    board = run(DENSE, CSR, host={**HOST, "torch": "2.9.1"})
    held = {fact.name: fact.value for fact in answered(board).circumstances}
    assert held["torch"] == "2.9.1"


def test_the_doctors_verdict_is_that_of_the_runs_own_host() -> None:
    def with_peaks(host: str) -> Results:
        one = run(DENSE, CSR)
        peaks = {"host": {"id": host}, "peaks": [], "doctor": {"verdict": "this host can gate at 2%"}}
        return replace(one, start=replace(one.start, peaks=peaks))

    def told(one: Results) -> str:
        return {fact.name: fact.value for fact in answered(one).circumstances}["bench doctor"]

    assert told(with_peaks("h0st")) == "this host can gate at 2%"
    assert told(with_peaks("another")) == "not measured"


@pytest.mark.parametrize(
    ("cpu", "name"),
    [
        ("Intel(R) Xeon(R) Platinum 8488C CPU @ 2.40GHz", "Intel Xeon Platinum 8488C"),
        ("AMD EPYC 9R14", "AMD EPYC 9R14"),
        (None, "unknown"),
        ("x" * 300, "x" * 80 + "… (300 characters)"),
    ],
)
def test_a_processor_is_named_as_a_reader_does(cpu: str | None, name: str) -> None:
    assert processor({"cpu": cpu}) == name


def test_a_gpu_is_the_processor_where_there_is_one() -> None:
    assert processor({"cpu": "Some CPU", "gpu": "NVIDIA H200"}) == "NVIDIA H200"


def test_care_is_one_line_and_grave_where_the_first_caution_is() -> None:
    assert said(DENSE, CSR).care.text.startswith("No known reason for caution")
    grave = answered(run(DENSE, CSR, quick=True, revision="abc-dirty")).care
    assert grave.grave
    assert grave.text.startswith("--quick was used in the run")
    assert grave.text.endswith(" And 1 more.")
    found = rows(run(DENSE))
    assert answer(found, [], [Caution("a"), Caution("b")]).care == Caution("2 things to read with care.")


medians = st.lists(st.floats(1e-5, 1e-1), min_size=0, max_size=6)


@given(st.lists(st.tuples(medians, st.integers(1, 20_000), st.booleans()), max_size=5), medians)
def test_any_results_have_an_answer_in_words(
    drawn: list[tuple[list[float], int, bool]], dense: list[float]
) -> None:
    nets = [
        Net("csr_conv" if T % 2 else "psconv", found, {"T": T}, macs=macs, error="boom" if fails else "")
        for T, (found, macs, fails) in enumerate(drawn, start=1)
    ]
    one = run(Net(medians=dense), *nets)
    found = answered(one)
    text = " ".join([found.headline, *(takeaway.sentence for takeaway in found.takeaways)])
    assert not re.search(r"\b(nan|inf|None)\b", text)
    assert found.headline.endswith(".")
    fastest = [row for row in rows(one) if row["verdict"] == "faster" and not math.isnan(row["ratio_low"])]
    assert ("Fastest is" in text) == bool(fastest)


def test_a_name_from_right_to_left_does_not_turn_the_sentence() -> None:
    name = "\u05e9\u202eabc"
    found = said(Net(backbone=name), Net("csr_conv", around(0.8e-3), {"T": 4, "order": name}, backbone=name))
    inside = f"\N{FIRST STRONG ISOLATE}{name}\N{POP DIRECTIONAL ISOLATE}"
    assert found.headline.startswith(f"{inside}, Some CPU")
    assert "\N{FIRST STRONG ISOLATE}csr_conv(T=4" in found.takeaways[0].sentence
    assert "\N{FIRST STRONG ISOLATE}" not in said(DENSE, CSR).headline


def test_the_microarchitecture_stands_beside_a_name_that_does_not_have_it() -> None:
    def told(**facts: str) -> str:
        return answered(run(DENSE, CSR, host={**HOST, **facts})).circumstances[0].value

    assert told(cpu="AMD EPYC", microarchitecture="Zen 5") == "AMD EPYC (Zen 5)"
    assert told(cpu="emulated cortex-a72", microarchitecture="cortex-a72") == "emulated cortex-a72"
    assert told(cpu="AMD EPYC", microarchitecture="unknown") == "AMD EPYC"
