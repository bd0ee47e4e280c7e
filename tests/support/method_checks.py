"""What must hold of every layer that takes a convolution's place."""

from __future__ import annotations

import copy
import json
from typing import Any

import torch
from torch import Tensor, nn

from bench.counting.count import count
from bench.counting.counts import Counts
from bench.methods import METHODS, Context, Rewritten
from bench.models.layer import SingleLayer

TINY = (3, 8, 8)


class TinyNet(nn.Module):
    """A stem, a 3×3, a strided 3×3, a 1×1 and a classifier: (B, 3, 8, 8) -> (B, 5)."""

    def __init__(self, bias: bool = False) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 1, 1, bias=bias)
        self.same = nn.Conv2d(8, 8, 3, 1, 1, bias=bias)
        self.wide = nn.Conv2d(8, 16, 3, 2, 1, bias=bias)
        self.point = nn.Conv2d(16, 12, 1, bias=bias)
        self.fc = nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        x = torch.relu(self.same(x))
        x = torch.relu(self.wide(x))
        out: Tensor = self.fc(torch.relu(self.point(x)).mean((2, 3)))
        return out


def tiny(bias: bool = False, seed: int = 0) -> TinyNet:
    """The tiny network with weights from that seed."""
    torch.manual_seed(seed)
    return TinyNet(bias).eval()


def single(ci: int, co: int, k: int, stride: int = 1, seed: int = 0) -> SingleLayer:
    """One convolution as a network."""
    torch.manual_seed(seed)
    return SingleLayer(ci, co, k, stride).eval()


def alone(ci: int, hw: int = 8, recipe: object = None) -> Context:
    """The context of such a network: its only convolution is no stem."""
    return Context(input=(ci, hw, hw), keep_first=False, recipe=recipe)


def rewrite(network: nn.Module, name: str, context: Context | None = None, **knobs: Any) -> Rewritten:
    """The method on a copy of the network."""
    return METHODS.get(name).rewrite(copy.deepcopy(network), context or Context(input=TINY), knobs)


def prepared(name: str, network: nn.Module, context: Context, **knobs: Any) -> Any:
    """The method's recipe for the network, as it comes back from a record."""
    prepare = METHODS.get(name).prepare
    assert prepare is not None
    return json.loads(json.dumps(prepare(network, context, **knobs)))


def left(rewritten: Rewritten) -> dict[str, str]:
    """Reasons by layer."""
    return {entry.name: entry.reason for entry in rewritten.left}


def counts(network: nn.Module, input_shape: tuple[int, int, int] = TINY) -> Counts:
    """The network's counts; all witnesses must agree."""
    found = count(network, torch.randn(1, *input_shape))
    assert found.disagreements == ()
    return found


def sound(network: nn.Module, input_shape: tuple[int, int, int] = TINY, exact: bool = True) -> None:
    """Round trip through state_dict, copies, gradients for every trainable weight, torch.export."""
    network.eval()
    x = torch.randn(2, *input_shape)
    with torch.inference_mode():
        y = network(x)
    assert torch.isfinite(y).all()

    clone = copy.deepcopy(network)
    with torch.no_grad():
        torch.testing.assert_close(clone(x), y)
        for parameter in clone.parameters():
            if parameter.is_floating_point():
                parameter.mul_(1.5)
        changed = clone(x)
        assert not torch.allclose(changed, y)
        clone.load_state_dict(network.state_dict())
        torch.testing.assert_close(clone(x), y)
        torch.testing.assert_close(network(x), y)

    clone.zero_grad()
    clone(x).square().sum().backward()
    for name, parameter in clone.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name

    exported = torch.export.export(network, (x,))
    with torch.no_grad():
        torch.testing.assert_close(exported.module()(x), y, rtol=1e-4, atol=1e-5)
