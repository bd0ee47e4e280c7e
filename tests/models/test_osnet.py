"""OSNet x1.0 against the paper's counts and the authors' library, to the last digit."""

from typing import Any

import pytest
import torch
from torch import nn

from bench.counting.count import count
from bench.models import BACKBONES
from bench.models.osnet import AggregationGate, OmniScaleBlock


@pytest.fixture(scope="module")
def network() -> nn.Module:
    return BACKBONES.get("osnet_x1_0").network()


def gates(network: nn.Module) -> list[AggregationGate]:
    return [module for module in network.modules() if isinstance(module, AggregationGate)]


def test_counts_equal_those_of_the_authors_library(network: nn.Module) -> None:
    """It prints 2,193,616 parameters and 978,878,352 operations for the layers before the classifier.

    It counts by calls, so the gate that four streams share counts four times, and it counts each bias
    that is added as an operation.
    """
    counted = count(network, torch.randn(1, 3, 256, 128))
    assert counted.disagreements == ()
    shared = sum(p.numel() for gate in gates(network) for p in gate.parameters())
    assert counted.params - 513 * 751 + 3 * shared == 2_193_616
    biases = 512 + 4 * sum(gate.squeeze.out_channels + gate.excite.out_channels for gate in gates(network))
    assert counted.macs - 512 * 751 + biases == 978_878_352


def test_stream_t_sees_2t_plus_1_pixels() -> None:
    block = OmniScaleBlock(64, 64).eval()
    for length, stream in enumerate(block.streams, start=1):
        x = torch.zeros(1, 16, 15, 15)
        x.requires_grad_()
        stream(x + 1)[0, :, 7, 7].sum().backward()
        assert x.grad is not None
        rows = x.grad.abs().sum((0, 1, 3)).nonzero().flatten()
        assert int(rows.max() - rows.min()) + 1 == 2 * length + 1


def test_one_gate_weighs_all_streams() -> None:
    block = OmniScaleBlock(64, 64)
    assert len(gates(block)) == 1
    calls: list[int] = []
    block.gate.register_forward_hook(lambda *_: calls.append(1))
    block(torch.randn(2, 64, 8, 8))
    assert len(calls) == 4


def test_a_closed_gate_leaves_the_shortcut() -> None:
    block: Any = OmniScaleBlock(64, 64).eval()
    nn.init.zeros_(block.gate.excite.weight)
    nn.init.constant_(block.gate.excite.bias, -1e4)
    x = torch.randn(1, 64, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(block(x), torch.relu(x))
