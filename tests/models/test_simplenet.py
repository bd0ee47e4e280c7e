"""SimpleNet against the counts of its definition."""

from typing import Any

import pytest
import torch
from torch import nn

from bench.counting.count import count
from bench.models import BACKBONES


@pytest.fixture(scope="module")
def network() -> nn.Module:
    return BACKBONES.get("simplenet").network()


def test_counts_of_the_definition(network: nn.Module) -> None:
    counted = count(network, torch.randn(1, 3, 32, 32))
    assert counted.disagreements == ()
    assert counted.params == 5_498_378
    assert counted.macs == 652_148_736 + 2560  # convolutions, and the classifier 256 -> 10


def test_thirteen_convolutions_two_of_them_pointwise_at_their_places(network: nn.Module) -> None:
    convs = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert [c.kernel_size[0] for c in convs] == [3] * 10 + [1, 1, 3]
    widths = [64] + [128] * 5 + [256] * 3 + [512, 2048, 256, 256]
    assert [c.out_channels for c in convs] == widths
    assert all(c.bias is not None for c in convs)


def test_global_maximum_decides(network: Any) -> None:
    """The features are pooled by their maximum, not by their mean."""
    maps: list[torch.Tensor] = []
    handle = network.features.register_forward_hook(lambda _m, _i, out: maps.append(out))
    with torch.no_grad():
        answer = network(torch.randn(2, 3, 32, 32))
    handle.remove()
    assert maps[0].shape == (2, 256, 2, 2)
    torch.testing.assert_close(answer, network.fc(maps[0].flatten(2).max(-1).values))
