"""Networks that inputs leave early, and products of activations, counted by hand."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from bench.counting.count import count
from bench.counting.sizes import Sizes, sizes
from bench.methods.parts.masking import masked


class Leaving(nn.Module):
    """Three of four inputs leave after ``a``; half of the weights of ``b`` are zeros."""

    exits = ("early", "end")
    left = (3, 1)

    def __init__(self) -> None:
        super().__init__()
        mask = torch.ones(4, 2, 1, 1, dtype=torch.bool)
        mask[:2] = False
        self.a = nn.Conv2d(3, 2, 1, bias=False)
        self.b = masked(nn.Conv2d(2, 4, 1, bias=False), mask)

    def left_at(self, x: Tensor) -> int:
        return 0

    def way(self, exit: int) -> nn.Module:
        layers = OrderedDict[str, nn.Module](a=self.a, b=self.b)
        return nn.Sequential(layers if exit else OrderedDict(a=self.a)).eval()


IMAGE = torch.randn(1, 3, 4, 4)


def test_sizes_of_a_network_with_exits_by_hand() -> None:
    # 96 MACs to the first exit; 96 + 128 to the end, 64 of those logical: (288 + 160) / 4 and (288 + 224) / 4
    assert sizes(Leaving(), IMAGE) == Sizes(params=10, macs=112, stored_params=14, executed_macs=128)


def test_counts_of_a_network_with_exits_by_hand() -> None:
    found = count(Leaving(), IMAGE)
    assert (found.params, found.logical_params, found.macs, found.executed_macs) == (14, 10, 112, 128)
    assert found.witnesses == {"closed_form": 128, "fvcore": 128, "torch": 128}
    assert [(e.name, e.inputs, e.macs, e.executed_macs) for e in found.exits] == [
        ("early", 3, 96, 96),
        ("end", 1, 160, 224),
    ]
    assert [(row.name, row.share) for row in found.layers] == [("a", 1.0), ("b", 0.25)]
    assert found.disagreements == ()


class Attending(nn.Module):
    """Channels beside channels, (1, 3, 16) times (1, 16, 3), after a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)
        self.announcing = Announcing()

    def forward(self, x: Tensor) -> Tensor:
        y = self.announcing(self.conv(x)).flatten(2)
        return torch.bmm(y, y.transpose(1, 2))


class Announcing(nn.Module):
    """Says that it multiplies each element of its output seven times."""

    def forward(self, x: Tensor) -> Tensor:
        return x * x

    def activation_macs(self, output_shape: tuple[int, ...]) -> int:
        return 7 * output_shape[1] * output_shape[2] * output_shape[3]


def test_products_of_activations_stand_beside_the_macs() -> None:
    found = count(Attending(), IMAGE)
    assert found.activation_macs == 3 * 16 * 3 + 7 * 3 * 16
    assert (found.macs, found.executed_macs) == (144, 144)
    assert found.disagreements == ()
    assert count(nn.Sequential(nn.Conv2d(3, 3, 1)), IMAGE).activation_macs == 0
