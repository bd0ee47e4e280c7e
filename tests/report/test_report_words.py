"""The sentences: true for what they were given, silent where there is no interval."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_lab import Net, around, rows, run

from bench.report.outcome import CANNOT_TELL, FASTER, NO_INTERVAL, SAME, SLOWER, outcome
from bench.report.words import findings

DENSE = Net()


def said(*nets: Net) -> str:
    return " ".join(findings(rows(run(*nets))))


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
    text = said(DENSE, Net("psconv", around(1.0e-3), macs=5_000))
    assert "0 faster, 0 slower, 1 the same, 0 that cannot be told apart" in text


def test_the_ends_are_named() -> None:
    text = said(
        DENSE,
        Net("csr_conv", around(1.5e-3), {"T": 2}, macs=5_000),
        Net("csr_conv", around(1.2e-3), {"T": 4}, macs=2_000),
        Net("filter_l1", around(0.5e-3), macs=5_000),
    )
    assert "Against dense in the same rounds: 1 faster, 2 slower, 0 that cannot be told apart." in text
    assert "Lowest latency over dense: resnet20, filter_l1: 0.5" in text
    assert "Highest latency over dense: resnet20, csr_conv(T=2): 1.5" in text


def test_cannot_tell_comes_with_its_resolution() -> None:
    text = said(DENSE, Net("psconv", WILD, macs=5_000))
    assert re.search(r"1 that cannot be told apart \(resolution ", text)


def test_an_estimate_that_may_be_one_is_never_the_best_or_worst() -> None:
    wild = Net("psconv", [1e-3, 9e-3, 0.1e-3, 2e-3, 30e-3], macs=5_000)
    text = said(DENSE, Net("filter_l1", around(0.5e-3), macs=5_000), wild)
    assert "The one case that can be told from dense: resnet20, filter_l1" in text
    assert "Highest" not in text
    assert "told from dense" not in said(DENSE, wild)


def test_one_round_claims_nothing() -> None:
    text = said(Net(medians=[1e-3]), Net("filter_l1", [0.1e-3], macs=5_000))
    assert "one round gives no interval" in text
    assert not re.search("faster|slower|Lowest|Highest", text)


def test_all_failed() -> None:
    text = said(Net(error="out of memory"), Net("psconv", error="out of memory"))
    assert "2 of 2 cases failed; the table says why." in text


def test_some_failed_or_were_not_run() -> None:
    text = said(DENSE, Net("psconv", error="boom"), Net("filter_l1", []))
    assert "1 of 3 cases failed; the table says why." in text
    assert "1 of 3 cases was not run." in text


def test_no_baseline_no_verdict() -> None:
    text = said(Net("csr_conv", around(1e-3), {"T": 2}))
    assert "no dense baseline measured in the same round" in text


def test_savings_on_paper_are_named() -> None:
    masked = Net("psconv", around(1.5e-3), macs=3_000, executed_macs=10_000)
    assert "The one case with fewer MACs saves them on paper only" in said(DENSE, masked)
    real = Net("filter_l1", around(0.5e-3), macs=3_000)
    assert "In 1 of the 2 cases with fewer MACs the saving is on paper only" in said(DENSE, masked, real)
    assert "on paper" not in said(DENSE, Net("filter_l1", around(1.5e-3), macs=3_000))


def test_disagreeing_witnesses_are_counted() -> None:
    disputed = Net("csr_conv", around(1e-3), {"T": 2}, disagreements=["conv1: 1 against 2"])
    assert "disagree in 1 of 2 counted cases" in said(DENSE, disputed)
    assert "agree in every counted case (1)" in said(DENSE)


def test_two_arms_are_each_held_against_their_own_dense() -> None:
    masked = Net("psconv", around(1e-3), macs=3_000, executed_macs=10_000)
    text = " ".join(findings(rows(run(DENSE, masked, arms={"base": "a", "head": "b"}))))
    assert "In 2 of the 2 cases with fewer MACs" in text


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
    text = " ".join(findings(table))
    assert not re.search(r"\b(nan|inf|None)\b", text)
    known = sum(row["ratio_low"] > 0 for row in table if not row["is_baseline"] and row["status"] == "ok")
    found = re.search(r"(\d+) faster, (\d+) slower, (?:(\d+) the same, )?(\d+) that cannot", text)
    assert (sum(map(int, found.groups("0"))) if found else 0) == known
