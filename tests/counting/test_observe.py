"""Watching modules: every call, in order, and no hook left behind."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from bench.counting.observe import observe, observed


class Twice(nn.Module):
    """One layer called twice, the second time by keyword: (B, 3) -> (B, 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layer(input=self.layer(x))
        return out


def hooks(network: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in network.modules())


def test_every_call_is_seen_with_its_input_and_output() -> None:
    network, x = Twice(), torch.randn(2, 3)
    calls: list[tuple[str, nn.Module, Tensor, Tensor]] = []
    layers = [("layer", network.layer)]
    observe(network, x, layers, lambda name, m, inputs, out: calls.append((name, m, inputs[0], out)))
    assert [(name, module) for name, module, _, _ in calls] == [("layer", network.layer)] * 2
    assert calls[0][2] is x
    assert calls[1][2] is calls[0][3]
    assert not calls[1][3].requires_grad
    assert hooks(network) == 0


def test_the_beginning_of_a_call_comes_before_its_end() -> None:
    network = nn.Sequential(nn.ReLU(), nn.Sequential(nn.Sigmoid()))
    order: list[str] = []
    modules = [(name, module) for name, module in network.named_modules() if name]
    with observed(modules, lambda name, *_: order.append(f"-{name}"), lambda name: order.append(f"+{name}")):
        network(torch.zeros(1))
    assert order == ["+0", "-0", "+1", "+1.0", "-1.0", "-1"]
    assert hooks(network) == 0


@pytest.mark.parametrize("at", ["network", "observer"])
def test_hooks_come_off_when_something_fails(at: str) -> None:
    network = nn.Sequential(nn.Linear(3, 3), nn.Linear(2, 2))

    def seen(*_call: object) -> None:
        if at == "observer":
            raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        observe(network, torch.ones(1, 3), network.named_modules(), seen)
    assert hooks(network) == 0
