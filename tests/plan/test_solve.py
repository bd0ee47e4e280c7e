"""Knobs given as targets: what a suite may write, what is found, and what cannot be."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import bench.cli.verb_plan  # noqa: F401 - registers the verb
from bench.case import Case, MethodCall
from bench.cli.app import app
from bench.counting.sizes import Sizes
from bench.errors import InputError
from bench.plan.plan import Plan, make_plan
from bench.plan.solve import Solver
from bench.plan.suite import LoadedSuite, load_suite
from bench.plan.wanted import BUDGETS, check_wanted, spread
from bench.run.run import begin

LAYER = "layer/64-64-k3"


def load(folder: Path, *methods: str, more: str = "", backbones: str = LAYER) -> LoadedSuite:
    file = folder / "budget.yaml"
    lines = [f"name: budget\nbackbones: [{backbones}]\nmethods:", *(f"  - {m}" for m in methods), more]
    file.write_text("\n".join(lines) + "\n")
    return load_suite(file)


def suite(folder: Path, *methods: str, **options: str) -> Plan:
    return make_plan(load(folder, *methods, **options))


def test_steps_of_csr_conv_for_an_eighth_of_the_parameters(tmp_path: Path) -> None:
    """64 -> 64: (1 + 1)/T² of the dense layer and two scalars: T = 4."""
    plan = suite(tmp_path, "csr_conv: {T: {solve: params, to: 0.125}}")
    (case,) = plan.cases
    assert case.id == f"{LAYER}/csr_conv(T=4)/eager/cpu/b1/64x32x32"
    (solved,) = plan.solved
    assert solved.achieved == 4610 / 36864
    assert solved.in_words() == f"{LAYER}: csr_conv T=4: 0.125 of dense params (asked: 0.125)"


def test_targets_multiply_and_stand_beside_values(tmp_path: Path) -> None:
    plan = suite(tmp_path, "csr_conv: {T: [3, {solve: params, to: [0.125, 0.5]}], order: literal}")
    labels = [case.method for case in plan.cases]
    assert labels == [f"csr_conv(T={T},order=literal)" for T in (3, 4, 2)]


def test_macs_and_params_ask_for_different_knobs(tmp_path: Path) -> None:
    """Parameters fall as 2/T², MACs as 1/T + (T-1)/T²: half of each is T=2 and T=4 (0.4375)."""
    methods = [f"csr_conv: {{T: {{solve: {of}, to: 0.5, within: 0.2}}}}" for of in ("params", "macs")]
    plan = suite(tmp_path, *methods)
    assert [case.method for case in plan.cases] == ["csr_conv(T=2)", "csr_conv(T=4)"]
    assert [s.achieved for s in plan.solved] == [18434 / 36864, 0.4375]


def test_masked_parameters_do_not_count_unless_they_are_asked_for(tmp_path: Path) -> None:
    among = "among: [pSC4, pSC2, pSC1]"
    plan = suite(tmp_path, f"psconv: {{variant: {{solve: params, to: 0.2222, {among}}}}}")
    assert [case.method for case in plan.cases] == ["psconv(variant=pSC2)"]
    with pytest.raises(InputError, match="gives 1: widen"):
        suite(tmp_path, f"psconv: {{variant: {{solve: stored_params, to: 0.2222, {among}}}}}")


def test_a_share_of_channels_is_found_on_a_network(tmp_path: Path) -> None:
    plan = suite(
        tmp_path, "filter_l1: {ratio: {solve: params, to: 0.25, within: 0.03}}", backbones="resnet20"
    )
    (case,) = plan.cases
    (solved,) = plan.solved
    assert abs(solved.achieved / 0.25 - 1) <= 0.03
    assert case.methods[0].knobs["ratio"] == solved.value
    assert case.methods[0].knobs["ratio"] == pytest.approx(0.75, abs=0.05)  # inner widths alone shrink


def test_a_chain_reaches_its_target_together(tmp_path: Path) -> None:
    """psconv after csr_conv changes nothing of U and V: the target is met by T, beside a fixed knob."""
    chain = "chain: [csr_conv: {T: {solve: params, to: 0.125}, order: literal}, dense]"
    (case,) = suite(tmp_path, chain).cases
    assert case.method == "csr_conv(T=4,order=literal)+dense"


def test_what_is_excluded_is_not_searched(tmp_path: Path) -> None:
    """A 1×1 layer has no supports: the combination is left out by a glob, not by an error."""
    methods = ["dense", "psconv: {variant: {solve: params, to: 0.1111, among: [pSC2, pSC1]}}"]
    both = f"{LAYER}, layer/32-192-k1"
    with pytest.raises(InputError, match=r"layer/32-192-k1: psconv: no variant brings params"):
        suite(tmp_path, *methods, backbones=both)
    plan = suite(tmp_path, *methods, backbones=both, more="exclude: ['layer/32-192-k1/psconv*']")
    assert [case.method for case in plan.cases] == ["dense", "psconv(variant=pSC1)", "dense"]


def test_a_target_out_of_reach_names_line_nearest_and_mend(tmp_path: Path) -> None:
    loaded = load(tmp_path, "dense", "csr_conv: {T: {solve: params, to: 0.3}}")
    with pytest.raises(InputError) as caught:
        make_plan(loaded)
    assert str(caught.value) == (
        f"{tmp_path / 'budget.yaml'}:5: {LAYER}: csr_conv: no T brings params to 0.3 of dense within 5%; "
        "the nearest, T=3, gives 0.236: widen `within`, or choose another `to`"
    )


@pytest.mark.parametrize(
    ("knob", "words"),
    [
        ("{solve: parms, to: 0.5}", "solve for 'parms' is not known; did you mean 'params'"),
        ("{solve: params, too: 0.5}", "solve knows no 'too'; did you mean 'to'"),
        ("{solve: params}", "solve needs `to`"),
        ("{solve: params, to: half}", "solve needs `to`"),
        ("{solve: params, to: -1}", "solve needs `to`"),
        ("{solve: params, to: []}", "the list of knob T is empty"),
        ("{solve: params, to: 0.5, within: 2}", "`within` is a relative error"),
        ("{solve: params, to: 0.5, among: []}", "`among` is a list of values"),
        ("{solve: params, to: 0.5, among: [0]}", "T=0"),
        ("{solve: params, to: 0.5, among: [two]}", "knob T takes a whole number"),
        ("{solve: params, to: 0.5, between: [1, 0]}", "`between` is a pair of numbers"),
        ("{solve: params, to: 0.5, between: [-.inf, .inf]}", "`between` is a pair of numbers"),
        ("{solve: params, to: 0.5, between: [0, .nan]}", "`between` is a pair of numbers"),
        ("{solve: params, to: 0.5, between: [1, 9000000000000000000]}", "none beyond 1,000,000"),
        ("{solve: params, to: .inf}", "solve needs `to`"),
        ("{solve: params, to: 1.0e+300}", "solve needs `to`"),
    ],
)
def test_a_target_that_cannot_be_read(tmp_path: Path, knob: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        load(tmp_path, f"csr_conv: {{T: {knob}}}")
    assert words in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 'budget.yaml'}:4: ")


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("psconv: {variant: {solve: params, to: 0.5}}", "takes no number: name the values"),
        ("csr_conv: {T: {solve: params, to: 0.5}, order: 3}", "knob order takes a word"),
        ("csr_conv: {T: {solve: params, to: 0.5}, orders: literal}", "no knob 'orders'"),
        ("csr_conv: {t: {solve: params, to: 0.5}}", "no knob 't'"),
        ("dense: {T: {solve: params, to: 0.5}}", "no knob 'T'"),
    ],
)
def test_the_other_knobs_are_checked_as_ever(tmp_path: Path, method: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        load(tmp_path, method)


def test_what_no_value_can_mend_is_said_in_the_first_ones_words(tmp_path: Path) -> None:
    loaded = load(tmp_path, "csr_conv: {T: {solve: params, to: 0.5}, blocks: 90-91}")
    with pytest.raises(InputError, match="blocks='90-91': the network has"):
        make_plan(loaded)


def test_two_targets_in_one_case_are_refused() -> None:
    half: dict[str, Any] = {"solve": "params", "to": 0.5}
    with pytest.raises(InputError, match="solve for one knob, not for T and skip"):
        check_wanted("csr_conv", {"T": half, "skip": half})
    call = MethodCall("csr_conv", {"T": half})
    with pytest.raises(InputError, match="one knob of a chain"):
        Solver().solve(Case(LAYER, (call, call), input=(64, 32, 32)))


def test_other_mappings_are_no_targets() -> None:
    knobs = {"T": {"expand": 3, "project": 4}}
    assert spread(knobs) == knobs
    assert check_wanted("csr_conv", knobs).knobs == knobs


def test_what_was_found_is_shown_and_recorded(tmp_path: Path) -> None:
    plan = suite(tmp_path, "dense", "csr_conv: {T: {solve: params, to: 0.125}}")
    _, start = begin(plan, tmp_path, seed=1)
    (record,) = start.solved
    assert record["knob"] == "T"
    assert record["value"] == 4
    assert record["count_id"] in {case.count_id for case in plan.cases}
    answer = CliRunner().invoke(app, ["plan", str(tmp_path / "budget.yaml"), "--guess", "--json"])
    assert json.loads(answer.stdout)["solved"] == [record]
    answer = CliRunner().invoke(app, ["plan", str(tmp_path / "budget.yaml"), "--guess", "--only", "*dense*"])
    assert "solved" not in answer.output


def test_the_budgets_are_the_sizes_that_are_counted() -> None:
    assert tuple(Sizes.__dataclass_fields__) == BUDGETS
