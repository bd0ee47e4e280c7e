"""The sentences: true for what they were given, silent where there is no interval."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_lab import Net, around, rows, run

from bench.report.outcome import CANNOT_TELL, FASTER, NO_INTERVAL, SAME, SLOWER, outcome
from bench.report.words import Summary, summarise

DENSE = Net()


def said(*nets: Net) -> Summary:
    return summarise(rows(run(*nets)))


def everything(summary: Summary) -> str:
    groups = [" ".join(part.cases) for group in summary.groups for part in group.parts]
    return " ".join([summary.headline, *summary.sentences, *groups])


WILD = [0.5e-3, 2e-3, 0.9e-3, 1.4e-3, 0.7e-3]


@pytest.mark.parametrize(
    ("medians", "word"),
    [
        (around(0.8e-3), FASTER),
        (around(1.2e-3), SLOWER),
        (around(1.0e-3), SAME),
        (WILD, CANNOT_TELL),
        ([1e-3], NO_INTERVAL),
    ],
)
def test_verdict_is_that_of_the_interval(medians: list[float], word: str) -> None:
    assert [outcome(row) for row in rows(run(DENSE, Net("psconv", medians)))][1] == word


def test_the_same_is_said_and_counted() -> None:
    summary = said(DENSE, Net("psconv", around(1.0e-3), macs=5_000))
    assert "0 faster, 0 slower, 1 the same, 0 that cannot be told apart" in everything(summary)


def test_fewer_macs_and_slower_is_the_headline() -> None:
    summary = said(
        DENSE,
        Net("csr_conv", around(1.5e-3), {"T": 2}, macs=5_000),
        Net("csr_conv", around(1.2e-3), {"T": 4}, macs=2_000),
        Net("filter_l1", around(0.5e-3), macs=5_000),
    )
    assert summary.headline == "2 of 3 compressed cases promise fewer MACs than dense and are still slower."
    assert (
        "Against dense in the same rounds: 1 faster, 2 slower, 0 that cannot be told apart."
        in summary.sentences
    )
    assert any(s.startswith("Lowest latency over dense: resnet20, filter_l1: 0.5") for s in summary.sentences)
    assert any(
        s.startswith("Highest latency over dense: resnet20, csr_conv(T=2): 1.5") for s in summary.sentences
    )


def test_slower_without_saving_is_not_counted_as_a_broken_promise() -> None:
    summary = said(DENSE, Net("csr_conv", around(1.5e-3), {"T": 2}, macs=20_000))
    assert summary.headline == "The one compressed case has no fewer MACs than dense."
    assert "0 faster, 1 slower" in everything(summary)


def test_faster_is_said_when_all_are() -> None:
    summary = said(DENSE, Net("filter_l1", around(0.5e-3), macs=5_000))
    assert summary.headline == "The one compressed case promises fewer MACs than dense and is faster."
    summary = said(
        DENSE,
        Net("filter_l1", around(0.5e-3), macs=5_000),
        Net("snip", around(0.6e-3), macs=5_000),
        Net("psconv", around(1e-3), macs=5_000),
    )
    assert summary.headline == (
        "3 of 3 compressed cases promise fewer MACs than dense: "
        "2 faster, 1 the same or not to be told apart, none slower."
    )


@pytest.mark.parametrize(
    ("nets", "headline"),
    [
        ([(2e-3, 5_000)], "The one compressed case promises fewer MACs than dense and is still slower."),
        ([(1e-3, 5_000)], "The one compressed case promises fewer MACs than dense and takes the same time."),
        ([(1e-3, 10_000)], "The one compressed case has no fewer MACs than dense."),
        ([(1e-3, 10_000), (2e-3, 10_000)], "None of the 2 compressed cases has fewer MACs than dense."),
        ([(1e-3, None)], "The one compressed case is not known to have fewer MACs than dense."),
        (
            [(1e-3, None), (2e-3, 10_000)],
            "None of the 2 compressed cases is known to have fewer MACs than dense.",
        ),
    ],
)
def test_a_headline_reads_well_for_one_case_and_for_several(
    nets: list[tuple[float, int | None]], headline: str
) -> None:
    found = [
        Net("csr_conv", around(seconds), {"T": T}, macs=macs or 7)
        for T, (seconds, macs) in enumerate(nets, start=1)
    ]
    table = rows(run(DENSE, *found))
    unknown = [{**row, "macs_ratio": math.nan} if row["macs"] == 7 else row for row in table]
    assert summarise(unknown).headline == headline


def test_a_single_case_that_cannot_be_told_apart_is_said_so() -> None:
    summary = said(DENSE, Net("psconv", WILD, macs=5_000))
    assert summary.headline.endswith("fewer MACs than dense but cannot be told apart from it in time.")


def test_cannot_tell_comes_with_its_resolution() -> None:
    summary = said(DENSE, Net("psconv", WILD, macs=5_000))
    assert [part.verdict for part in summary.groups[0].parts] == [CANNOT_TELL]
    assert re.search(r"1 that cannot be told apart \(resolution ", everything(summary))
    assert re.search(r"psconv .* resolution ", everything(summary))


def test_an_estimate_that_may_be_one_is_never_the_best_or_worst() -> None:
    wild = Net("psconv", [1e-3, 9e-3, 0.1e-3, 2e-3, 30e-3], macs=5_000)
    text = everything(said(DENSE, Net("filter_l1", around(0.5e-3), macs=5_000), wild))
    assert "The one case that can be told from dense: resnet20, filter_l1" in text
    assert "Highest" not in text
    assert "told from dense" not in everything(said(DENSE, wild))


def test_one_round_claims_nothing() -> None:
    summary = said(Net(medians=[1e-3]), Net("filter_l1", [0.1e-3], macs=5_000))
    assert summary.headline.startswith("Nothing is claimed about speed")
    assert "one round gives no interval" in everything(summary)
    assert not re.search("faster|slower|Lowest|Highest", everything(summary))


def test_all_failed() -> None:
    summary = said(Net(error="out of memory"), Net("psconv", error="out of memory"))
    assert summary.headline == "All 2 cases failed: there are no times to show."
    assert "2 of 2 cases failed; the table says why." in summary.sentences


def test_some_failed_or_were_not_run() -> None:
    summary = said(DENSE, Net("psconv", error="boom"), Net("filter_l1", []))
    assert "1 of 3 cases failed; the table says why." in summary.sentences
    assert "1 of 3 cases was not run." in summary.sentences


def test_no_baseline_no_verdict() -> None:
    summary = said(Net("csr_conv", around(1e-3), {"T": 2}))
    assert summary.headline.startswith("Nothing is claimed about speed")
    assert "no dense baseline measured in the same round" in everything(summary)


def test_dense_alone_and_nothing_at_all() -> None:
    assert said(DENSE).headline == "Only dense networks were measured: there is nothing to compare them with."
    assert summarise([]).headline == "No case was measured."


def test_savings_on_paper_are_named() -> None:
    masked = Net("psconv", around(1.5e-3), macs=3_000, executed_macs=10_000)
    assert "The one case with fewer MACs saves them on paper only" in everything(said(DENSE, masked))
    real = Net("filter_l1", around(0.5e-3), macs=3_000)
    assert "In 1 of the 2 cases with fewer MACs the saving is on paper only" in everything(
        said(DENSE, masked, real)
    )
    assert "on paper" not in everything(said(DENSE, Net("filter_l1", around(1.5e-3), macs=3_000)))


def test_disagreeing_witnesses_are_counted() -> None:
    disputed = Net("csr_conv", around(1e-3), {"T": 2}, disagreements=["conv1: 1 against 2"])
    assert "disagree in 1 of 2 counted cases" in everything(said(DENSE, disputed))
    assert "agree in every counted case (1)" in everything(said(DENSE))


def test_groups_are_one_per_backbone_and_setting() -> None:
    nets = [
        Net(method, around(1e-3), backbone=backbone, runtime=runtime)
        for backbone in ("resnet20", "vgg16")
        for runtime in ("eager", "compile")
        for method in ("dense", "psconv")
    ]
    names = [group.name for group in said(*nets).groups]
    assert names == ["resnet20 (eager)", "resnet20 (compile)", "vgg16 (eager)", "vgg16 (compile)"]


def test_two_arms_are_each_held_against_their_own_dense() -> None:
    masked = Net("psconv", around(1e-3), macs=3_000, executed_macs=10_000)
    summary = summarise(rows(run(DENSE, masked, arms={"base": "a", "head": "b"})))
    assert "In 2 of the 2 cases with fewer MACs" in everything(summary)


medians = st.lists(st.floats(1e-5, 1e-1), min_size=0, max_size=7)


@given(st.lists(st.tuples(medians, st.integers(1, 20_000), st.booleans()), max_size=6), medians)
def test_any_results_give_sentences_whose_counts_add_up(
    drawn: list[tuple[list[float], int, bool]], dense: list[float]
) -> None:
    nets = [
        Net("csr_conv", found, {"T": T}, macs=macs, error="boom" if fails else "")
        for T, (found, macs, fails) in enumerate(drawn, start=1)
    ]
    table = rows(run(Net(medians=dense), *nets))
    text = everything(summarise(table))
    assert not re.search(r"\b(nan|inf|None)\b", text)
    known = sum(row["ratio_low"] > 0 for row in table if not row["is_baseline"] and row["status"] == "ok")
    found = re.search(r"(\d+) faster, (\d+) slower, (?:(\d+) the same, )?(\d+) that cannot", text)
    assert (sum(map(int, found.groups("0"))) if found else 0) == known
