"""The suites that put the families side by side: every name known, every budget met."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml

from bench.network import prepare
from bench.plan.plan import Plan, make_plan
from bench.plan.suite import load_suite

SUITES = Path(__file__).parents[2] / "suites"
WITHOUT_TORCH = sorted(
    file
    for file in SUITES.glob("*.yaml")
    if file.name != "expected.yaml"  # no suite: what `bench gate` lets pass
    if not any(word in file.read_text() for word in ("solve:", "torchvision/", "timm/"))
)


def planned(name: str, **changes: Any) -> Plan:
    """The plan of a shipped suite, some of its keys changed."""
    text = {**yaml.safe_load((SUITES / name).read_text(encoding="utf-8")), **changes}
    with TemporaryDirectory() as folder:
        file = Path(folder) / name
        file.write_text(yaml.safe_dump(text), encoding="utf-8")
        return make_plan(load_suite(file))


@pytest.mark.parametrize("file", WITHOUT_TORCH, ids=lambda file: file.stem)
def test_a_suite_is_planned_without_torch(file: Path) -> None:
    script = (
        "import sys\nfrom pathlib import Path\n"
        "from bench.plan.plan import make_plan\nfrom bench.plan.suite import load_suite\n"
        f"assert make_plan(load_suite(Path({str(file)!r}))).cases\n"
        "heavy = {'torch', 'numpy', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr


def test_most_shipped_suites_need_no_torch() -> None:
    assert {file.stem for file in WITHOUT_TORCH} >= {"smoke", "cifar", "layers", "baselines", "asv"}


def test_every_method_of_the_baselines_is_planned_beside_dense() -> None:
    cases = planned("baselines.yaml").cases
    networks = {case.backbone for case in cases}
    assert {case.backbone for case in cases if case.method == "dense"} == networks
    assert {call.name for case in cases for call in case.methods} >= {"csr_conv", "psconv", "filter_l1"}


def test_budgets_are_met_and_shared_by_all_families() -> None:
    plan = planned("budget.yaml", backbones=["resnet20"])  # the smallest network of the kind that it names
    budgets: dict[tuple[str, float], set[str]] = {}
    for solved in plan.solved:
        budgets.setdefault((solved.of, solved.asked), set()).add(solved.method)
        assert abs(solved.achieved / solved.asked - 1) <= 0.15, solved.in_words()
    assert set(budgets) == {("params", 0.25), ("params", 0.125), ("macs", 0.45)}
    for budget, methods in budgets.items():
        assert methods >= {"csr_conv", "filter_l1", "psconv"}, budget
    assert "dense" in {case.method for case in plan.cases}


def test_no_baseline_is_measured_where_it_has_nothing_to_replace() -> None:
    """Kernels of 1×1 alone, or of 3×3 alone: what is excluded is what the methods refuse themselves."""
    kept = {(case.backbone, case.method) for case in planned("baselines.yaml").cases}
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
    for case in planned("baselines.yaml", exclude=[]).cases:
        small = replace(case, backbone="resnet20") if case.backbone == "resnet56" else case
        if case.methods[0].name not in quick or (case.backbone, case.method) in kept:
            continue
        with pytest.raises(ValueError, match="nothing to replace"):
            prepare(small)
        refused.add((case.backbone, case.method))
    assert ("mobilenet_v2", "tucker2(ratio=0.5)") in refused


CIFAR = """\
name: cifar
sweeps:
  - {for: CSR-Conv over T, backbones: [vgg16_bn, resnet56, resnet50, resnet110, densenet40_k12, mobilenet_v2, efficientnet_b0],
     methods: [dense, csr_conv: {T: [2, 3, 4, 8]}]}
  - {for: the other families at 13 % of the parameters, backbones: [vgg16_bn, resnet56],
     methods: [psconv: {variant: PSD1_P16, form: executed}, magnitude: {density: 0.13}, lean_conv, depthwise_separable,
               ghost: {ratio: 8}, tucker2: {ratio: 0.25}, penni: {d: 1}, int8: {scheme: static}]}
  - {backbones: [vgg16_bn], methods: [filter_l1: {ratio: 0.64}]}
  - {backbones: [resnet56], methods: [filter_l1: {ratio: 0.85}]}
  - {backbones: [mobilenet_v2], methods: [filter_l1: {ratio: 0.5}]}
  - {for: the notebook's layout, backbones: [mobilenet_v2_csr], methods: [dense, csr_conv: {T: {expand: 3, project: 4}}]}
"""  # noqa: E501 - as tersely as a person writes it
"""cifar.yaml without a word too many."""

BEFORE_SWEEPS = """\
name: cifar
backbones:
  - vgg16_bn
  - resnet56
  - resnet50
  - resnet110
  - densenet40_k12
  - mobilenet_v2
  - mobilenet_v2_csr
  - efficientnet_b0
methods:
  - dense
  - csr_conv: {T: [2, 3, 4, 8, {expand: 3, project: 4}]}
  - psconv: {variant: PSD1_P16, form: executed}
  - magnitude: {density: 0.13}
  - filter_l1: {ratio: [0.5, 0.64, 0.85]}
  - lean_conv
  - depthwise_separable
  - ghost: {ratio: 8}
  - tucker2: {ratio: 0.25}
  - penni: {d: 1}
  - int8: {scheme: static}
exclude:
  - "*"
  - "!*/dense/*"
  - "!*/csr_conv(T=?)/*"
  - "!vgg16_bn/*"
  - "!resnet56/*"
  - "vgg16_bn/filter_l1*"
  - "!vgg16_bn/filter_l1(ratio=0.64)*"
  - "resnet56/filter_l1*"
  - "!resnet56/filter_l1(ratio=0.85)*"
  - "!mobilenet_v2/filter_l1(ratio=0.5)*"
  - "*(T=expand*"
  - "mobilenet_v2_csr/*"
  - "!mobilenet_v2_csr/dense/*"
  - "!mobilenet_v2_csr/csr_conv(T=expand*"
"""
"""The same as a product that globs trim."""


def test_sweeps_ask_for_the_cases_that_globs_left_of_a_product(tmp_path: Path) -> None:
    found = []
    for number, text in enumerate((CIFAR, BEFORE_SWEEPS)):
        (tmp_path / f"{number}.yaml").write_text(text)
        found.append({case.id for case in make_plan(load_suite(tmp_path / f"{number}.yaml")).cases})
    shipped = [case.id for case in planned("cifar.yaml").cases]
    assert len(shipped) == len(set(shipped)) == 56
    assert found == [set(shipped)] * 2
