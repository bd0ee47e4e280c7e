"""Every implementation broken on purpose: at least one figure of its system must then be off."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench.analysis.conform import Status, conform
from bench.analysis.published import Published, read_published
from bench.methods import codebook, csr_conv, int8, lean_conv, penni, pf_pool, psconv, tensor_train
from bench.methods.parts import tucker
from bench.methods.parts.low_rank import like
from bench.methods.parts.saliency import SynFlow
from bench.models import (
    external,
    lsnet,
    mk_unet,
    multiresnet,
    osnet,
    resnet_cifar,
    simplenet,
    spartan,
    unireplknet,
)

pytestmark = pytest.mark.filterwarnings("ignore")


@dataclass(frozen=True)
class Fault:
    """What is broken, and of which rows at least one must be off: those of ``system`` and ``network``."""

    system: str
    what: str
    inject: Callable[[pytest.MonkeyPatch], None]
    network: str = ""

    def concerns(self, row: Published) -> bool:
        return row.system == self.system and row.network.startswith(self.network)


def floor_for_ceil(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(csr_conv, "math", SimpleNamespace(ceil=math.floor, sqrt=math.sqrt))
    forward = csr_conv.CSRConv2d.forward

    def cut(layer: csr_conv.CSRConv2d, x: Tensor) -> Tensor:
        layer.in_channels = layer.gi * layer.T
        return forward(layer, x[:, : layer.in_channels])  # or it would fail, not count wrongly

    patch.setattr(csr_conv.CSRConv2d, "forward", cut)


def one_scale_per_tensor(patch: pytest.MonkeyPatch) -> None:
    class PerTensor(int8.Int8Weight):
        def __init__(self, weight: Tensor) -> None:
            super().__init__(weight)
            self.scale = self.scale.amax().view([1] * weight.ndim)

    patch.setattr(int8, "Int8Weight", PerTensor)


def batchnorm_kept(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(pf_pool, "_norms_behind", lambda *_arguments: {})


def random_scores(patch: pytest.MonkeyPatch) -> None:
    def scores(flow: SynFlow) -> tuple[float, dict[str, Tensor]]:
        return 1.0, {name: torch.rand_like(weight) for name, weight in flow._weights.items()}

    masks = SynFlow.masks
    patch.setattr(SynFlow, "scores", scores)
    patch.setattr(SynFlow, "masks", lambda flow, density, _n, scope: masks(flow, density, 1, scope))


def half_the_period(patch: pytest.MonkeyPatch) -> None:
    def parse(name: str) -> psconv.Variant:
        right = true_parse(name)
        return psconv.Variant(right.taps, right.period // 2, right.dense_first)

    true_parse = psconv.parse
    patch.setattr(psconv, "parse", parse)


def one_tap_more(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(lean_conv.STENCILS, "4-point", lean_conv.STENCILS["5-point"])


def one_rank_more(patch: pytest.MonkeyPatch) -> None:
    basis = tucker._basis
    patch.setattr(tucker, "_basis", lambda weight, mode, rank: basis(weight, mode, rank + 1))

    def wider(conv: nn.Conv2d, ins: int, outs: int, **options: Any) -> Any:
        more = [c + 1 if c < conv.in_channels else c for c in (ins, outs)]
        return like(conv, *more, **options)

    patch.setattr(tucker, "like", wider)


def a_basis_kernel_more(patch: pytest.MonkeyPatch) -> None:
    layer = penni.PenniConv2d
    patch.setattr(penni, "PenniConv2d", lambda conv, d, prune: layer(conv, d + 1, prune))


def a_train_rank_more(patch: pytest.MonkeyPatch) -> None:
    layer = tensor_train.TensorTrainConv2d
    build = lambda conv, ranks: layer(conv, tuple(rank + 1 for rank in ranks))  # noqa: E731
    patch.setattr(tensor_train, "TENSOR_TRAIN", replace(tensor_train.TENSOR_TRAIN, build=build))


def indices_of_eight_bytes(patch: pytest.MonkeyPatch) -> None:
    layer = codebook.CodebookConv2d

    def wide(*arguments: Any) -> nn.Module:
        built = layer(*arguments)
        built.index = nn.Parameter(built.index.long(), requires_grad=False)
        return built

    patch.setattr(codebook, "CodebookConv2d", wide)


def projections_in_shortcuts(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(resnet_cifar, "OptionA", lambda ins, outs: nn.Conv2d(ins, outs, 1, 2, bias=False))


def a_class_too_many(patch: pytest.MonkeyPatch) -> None:
    for family in ("_torchvision_build", "_timm_build"):
        build = getattr(external, family)
        patch.setattr(external, family, lambda classes, name, build=build: build(classes + 1, name))


def constant(module: Any, name: str, value: Any) -> Callable[[pytest.MonkeyPatch], None]:
    return lambda patch: patch.setattr(module, name, value)


FAULTS = [
    Fault("csr_conv", "floor for ceil in gi and go", floor_for_ceil),
    Fault("psconv", "half the period", half_the_period),
    Fault("int8", "one scale per tensor", one_scale_per_tensor),
    Fault("pflayer", "BatchNorm kept behind the pooling", batchnorm_kept),
    Fault("synflow", "random scores", random_scores),
    Fault("lean_conv", "a tap too many", one_tap_more),
    Fault("tucker2", "ranks one too high", one_rank_more),
    Fault("penni", "a basis kernel too many", a_basis_kernel_more),
    Fault("tensor_train", "ranks one too high", a_train_rank_more),
    Fault("codebook", "indices of eight bytes", indices_of_eight_bytes),
    Fault("multiresnet", "filters of three taps", constant(multiresnet, "TAPS", 3)),
    Fault("resnet_cifar", "projections in the place of option A", projections_in_shortcuts),
    Fault("torchvision", "a class too many", a_class_too_many, network="resnet18"),
    Fault("mobilenet_v2", "a class too many", a_class_too_many),
    Fault("ghostnet", "a class too many", a_class_too_many),
    Fault("ghostnetv2", "a class too many", a_class_too_many),
    Fault(
        "simplenet",
        "a 3x3 kernel where a 1x1 stands",
        constant(simplenet, "LAYERS", tuple(256 if entry == -256 else entry for entry in simplenet.LAYERS)),
    ),
    Fault("osnet", "streams twice as wide", constant(osnet, "REDUCTION", 2)),
    Fault("spartan", "the wide expansion in every stage", constant(spartan, "EXPANSIONS", (4, 4, 4, 4))),
    Fault(
        "unireplknet",
        "every kernel of 3x3",
        constant(unireplknet, "STAGES", ((3, 2), (3, 2), (3, 6), (3, 2))),
    ),
    Fault("lsnet", "a dynamic kernel for every channel", constant(lsnet, "SHARING", 1), network="LSNet-T"),
    Fault("mk_unet", "a kernel of 3x3 where 5x5 stands", constant(mk_unet, "KERNELS", (1, 3, 3))),
]


@pytest.mark.parametrize(
    "fault",
    FAULTS,
    ids=lambda fault: fault.system,
)
def test_bug_a_broken_implementation_is_off(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row for row in read_published() if fault.concerns(row)]
    fault.inject(monkeypatch)
    found = conform(rows)
    numbers = [finding for finding in found if finding.computed is not None]  # a crash is no wrong count
    assert Status.OFF in {finding.status for finding in numbers}, [finding.note for finding in found]


def test_every_system_of_the_table_has_its_fault() -> None:
    assert {row.system for row in read_published()} == {fault.system for fault in FAULTS}
