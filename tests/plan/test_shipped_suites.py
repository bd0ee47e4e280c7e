"""The suites that put the families side by side: every name known, every budget met."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench.network import prepare
from bench.plan.suite import load_suite

SUITES = Path(__file__).parents[2] / "suites"


def test_every_method_of_the_baselines_is_planned_beside_dense() -> None:
    cases = load_suite(SUITES / "baselines.yaml").cases()
    networks = {case.backbone for case in cases}
    assert {case.backbone for case in cases if case.method == "dense"} == networks
    assert {call.name for case in cases for call in case.methods} >= {"csr_conv", "psconv", "filter_l1"}


def test_budgets_are_met_and_shared_by_all_families() -> None:
    loaded = load_suite(SUITES / "budget.yaml")
    loaded.suite.backbones = ["resnet20"]  # the smallest network of the kind that the suite names
    cases = loaded.cases()
    budgets: dict[tuple[str, float], set[str]] = {}
    for solved in loaded.solved():
        budgets.setdefault((solved.of, solved.asked), set()).add(solved.method)
        assert abs(solved.achieved / solved.asked - 1) <= 0.15, solved.in_words()
    assert set(budgets) == {("params", 0.25), ("params", 0.125), ("macs", 0.45)}
    for budget, methods in budgets.items():
        assert methods >= {"csr_conv", "filter_l1", "psconv"}, budget
    assert "dense" in {case.method for case in cases}


def test_no_baseline_is_measured_where_it_has_nothing_to_replace() -> None:
    """Kernels of 1×1 alone, or of 3×3 alone: what is excluded is what the methods refuse themselves."""
    loaded = load_suite(SUITES / "baselines.yaml")
    kept = {(case.backbone, case.method) for case in loaded.cases()}
    loaded.suite.exclude = []
    quick = (
        "psconv",
        "lean_conv",
        "depthwise_separable",
        "tucker2",
        "spatial_svd",
        "svd",
        "penni",
        "pf_pool",
    )
    refused = set()
    for case in loaded.cases():
        small = replace(case, backbone="resnet20") if case.backbone == "resnet56" else case
        if case.methods[0].name not in quick or (case.backbone, case.method) in kept:
            continue
        with pytest.raises(ValueError, match="nothing to replace"):
            prepare(small)
        refused.add((case.backbone, case.method))
    assert ("mobilenet_v2", "tucker2(ratio=0.5)") in refused
