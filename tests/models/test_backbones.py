"""Backbones: published counts, weights from the seed alone, and agreement with torchvision."""

from __future__ import annotations

import csv
import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from bench.case import Case, MethodCall
from bench.counting.count import count
from bench.counting.counts import Counts
from bench.models import BACKBONES
from bench.models import torchvision_guard as guard
from bench.models.calibration import calibrate
from bench.models.densenet_cifar import DenseNetCifar
from bench.models.resnet_cifar import OptionA, ResNetCifar
from bench.network import backbone_network, calibration_images, compress

DATA = Path(__file__).parent.parent / "data"
PUBLISHED_NETWORKS = {
    "mobilenet_v2 (notebook CIFAR layout)": "mobilenet_v2_csr",
    "mobilenet_v2 (ImageNet)": "torchvision/mobilenet_v2",
    "mobilenet_v2": "torchvision/mobilenet_v2",
    "resnet18 (CIFAR stem)": "resnet18",
    "vgg16 (CIFAR; conv bias; FC 512-10)": "vgg16_bn_bias",
    "resnet20 (option A)": "resnet20",
    "resnet56 (option A)": "resnet56",
    "resnet110 (option A)": "resnet110",
    "resnet18": "torchvision/resnet18",
    "resnet50": "torchvision/resnet50",
    "densenet121": "torchvision/densenet121",
    "efficientnet_b0": "torchvision/efficientnet_b0",
    "ghostnet 1.0x": "timm/ghostnet_100",
    "ghostnetv2 1.0x": "timm/ghostnetv2_100",
}


def _published(metric: str) -> list[tuple[str, int, int]]:
    with (DATA / "published.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["metric"] == metric]
    return [
        (PUBLISHED_NETWORKS[row["network"]], int(row["value"]), int(float(row["tolerance"])))
        for row in rows
        if row["network"] in PUBLISHED_NETWORKS
        and row["variant"] in ("dense", "-")
        and row["system"] != "int8"
    ]


_COUNTED: dict[str, Counts] = {}


def counted(name: str) -> Counts:
    """The counts of a backbone, once per test run."""
    if name not in _COUNTED:
        backbone = BACKBONES.get(name)
        _COUNTED[name] = count(backbone.network(), torch.randn(1, *backbone.input))
    return _COUNTED[name]


def with_cifar_stem(name: str) -> nn.Module:
    network: Any = guard.torchvision_models().get_model(name, weights=None, num_classes=10)
    network.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
    network.maxpool = nn.Identity()
    result: nn.Module = network.eval()
    return result


def weights(name: str, seed: int) -> dict[str, torch.Tensor]:
    return BACKBONES.get(name).network(seed=seed).state_dict()


@pytest.mark.parametrize(("name", "params", "tolerance"), _published("params"))
def test_published_parameters(name: str, params: int, tolerance: int) -> None:
    network = BACKBONES.get(name).network()
    assert abs(sum(p.numel() for p in network.parameters()) - params) <= tolerance


@pytest.mark.parametrize(
    ("name", "macs", "tolerance"), [row for row in _published("macs") if row[0] != "resnet20"]
)
def test_published_macs(name: str, macs: int, tolerance: int) -> None:
    counts = counted(name)
    assert abs(counts.macs - macs) <= tolerance
    assert counts.disagreements == ()


def test_the_published_rows_are_found() -> None:
    assert len(_published("params")) >= 13
    assert len(_published("macs")) >= 7


@pytest.mark.parametrize(
    ("name", "params", "macs"),
    [
        ("vgg16_bn", 14724042, 313201664),
        ("vgg16_bn_bias", 14728266, 313196544 + 5120),
        ("resnet18", 11173962, 555417600 + 5120),
        ("resnet20", 269722, 40550400 + 640),
        ("resnet56", 853018, 125485696),
        ("resnet110", 1727962, 252887680),
        ("mobilenet_v2_csr", 2237770, 297521664),
        ("densenet40_k12", 1019722, 264812928),
        ("timm/ese_vovnet39b", 24568936, None),
    ],
)
def test_derived_counts_are_exact(name: str, params: int, macs: int | None) -> None:
    if macs is None:
        assert sum(p.numel() for p in BACKBONES.get(name).network().parameters()) == params
        return
    assert (counted(name).params, counted(name).macs) == (params, macs)


def test_counts_csv_agrees_with_every_dense_row() -> None:
    networks = PUBLISHED_NETWORKS | {"vgg16_bn (CIFAR; no conv bias; FC 512-10)": "vgg16_bn"}
    lines = (DATA / "counts.csv").read_text().splitlines()
    rows = [r for r in csv.DictReader(x for x in lines if not x.startswith("#")) if r["method"] == "dense"]
    assert len(rows) == 3
    for row in rows:
        counts = counted(networks[row["network"]])
        assert (counts.params, counts.macs) == (int(row["params"]), int(row["macs"]))


@pytest.mark.parametrize("name", BACKBONES.names())
def test_the_three_witnesses_agree_and_the_summary_is_there(name: str) -> None:
    counts = counted(name)
    assert len(set(counts.witnesses.values())) == 1
    assert counts.disagreements == ()
    assert BACKBONES.get(name).summary


@pytest.mark.parametrize("name", BACKBONES.names())
def test_weights_come_from_the_seed_alone(name: str) -> None:
    torch.manual_seed(1)
    one = weights(name, 0)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    same, other = weights(name, 0), weights(name, 1)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(tensor, same[n]) for n, tensor in one.items())
    norms = BACKBONES.get(name).draw_norms
    drawn = {n for n, tensor in one.items() if tensor.ndim > 1 or (norms and "running" in n)}
    assert drawn
    assert not [n for n in drawn if torch.equal(one[n], other[n])]


def test_the_global_random_state_is_restored_when_building_fails() -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    with pytest.raises((RuntimeError, TypeError, ValueError)):
        BACKBONES.get("resnet20").network(classes=-1)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", BACKBONES.names())
def test_any_number_of_classes_and_a_batch_of_two(name: str) -> None:
    backbone = BACKBONES.get(name)
    network = backbone.network(classes=7)
    assert not network.training
    with torch.no_grad():
        y = network(torch.randn(2, 3, 32, 32))
    assert y.shape == ((2, 7, 32, 32) if backbone.output == "map" else (2, 7))
    assert torch.isfinite(y).all()
    assert y.abs().max() > 1e-2


@pytest.mark.parametrize("method", ["dense", "csr_conv"])
@pytest.mark.parametrize("name", BACKBONES.names())
def test_the_output_depends_on_the_image(name: str, method: str) -> None:
    """Else a wrong early layer would pass every check of the output unseen."""
    backbone = BACKBONES.get(name)
    case = Case(name, (MethodCall(method, {} if method == "dense" else {"T": 2}),), input=backbone.input)
    network = compress(backbone_network(case), case, [None]).network
    calibrate(network, calibration_images(case))
    x = torch.randn(4, *backbone.input, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        y = network(x)
    assert y.std(0).mean() > 0.05 * y.abs().mean()


def test_calibration_leaves_eval_mode_and_momentum_as_they_were() -> None:
    network = BACKBONES.get("resnet20").network()
    calibrate(network, torch.randn(4, 3, 32, 32))
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert not any(m.training for m in network.modules())
    assert {norm.momentum for norm in norms} == {0.1}
    assert all(norm.running_var is not None and norm.running_var.min() > 0 for norm in norms)


def test_norm_statistics_are_neither_0_nor_1() -> None:
    norms = [m for m in BACKBONES.get("resnet20").network().modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(norms) == 19
    for norm in norms:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        assert (norm.running_mean != 0).all()
        assert norm.running_var.min() >= 0.5
        assert (norm.weight != 1).any()


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_resnets_are_torchvisions_with_a_cifar_stem(name: str) -> None:
    ours, theirs = BACKBONES.get(name).network(), with_cifar_stem(name)
    theirs.load_state_dict(ours.state_dict(), strict=True)
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x), atol=1e-5, rtol=1e-5)


def test_efficientnet_differs_from_torchvisions_in_the_stem_stride_alone() -> None:
    ours = BACKBONES.get("efficientnet_b0").network()
    theirs: Any = guard.torchvision_models().efficientnet_b0(num_classes=10).eval()
    theirs.load_state_dict(ours.state_dict(), strict=True)
    theirs.features[0][0].stride = (1, 1)
    x = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(ours(x), theirs(x))


def test_mobilenet_v2_has_torchvisions_weights_in_other_strides() -> None:
    ours = BACKBONES.get("mobilenet_v2").network()
    theirs = guard.torchvision_models().mobilenet_v2(num_classes=10)
    assert [p.shape for p in ours.parameters()] == [p.shape for p in theirs.parameters()]


@pytest.mark.parametrize(("name", "size"), [("mobilenet_v2", 4), ("mobilenet_v2_csr", 8)])
def test_the_last_map_of_both_mobilenets(name: str, size: int) -> None:
    rows = {row.name: row for row in counted(name).layers}
    assert rows["head.0"].output == (1280, size, size)
    assert ("blocks.0.expand.0" in rows) == (name == "mobilenet_v2_csr")


def test_option_a_takes_every_second_pixel_and_fills_with_zeros() -> None:
    x = torch.randn(2, 4, 6, 6)
    y = OptionA(4, 8)(x)
    assert y.shape == (2, 8, 3, 3)
    assert torch.equal(y[:, 2:6], x[:, :, ::2, ::2])
    assert (y[:, :2] == 0).all()
    assert (y[:, 6:] == 0).all()


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: ResNetCifar(21, 10), "depth must be 6n"),
        (lambda: DenseNetCifar(41, 12, 10), "depth must be 3n"),
    ],
)
def test_a_depth_that_does_not_exist_is_refused(build: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        build()


def test_torchvisions_models_can_be_loaded_here() -> None:
    assert hasattr(guard.torchvision_models(), "resnet18")
    assert guard.torchvision_models() is guard.torchvision_models()


def test_another_error_of_torchvisions_import_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_name: str) -> ModuleType:
        raise RuntimeError("something else")

    monkeypatch.setattr(importlib, "import_module", broken)
    with pytest.raises(RuntimeError, match="something else"):
        guard.torchvision_models()
