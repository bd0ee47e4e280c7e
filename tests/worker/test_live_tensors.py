"""Live tensors: hand-computed bytes, whatever kernels, threads and layouts compute them."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from bench.methods.csr_conv import CSRConv2d
from bench.worker.live_tensors import OutOfSight, live_peak

FLOATS = 4
MAP = 8 * 16 * 16 * 4
"""Bytes of a tensor of shape (1, 8, 16, 16)."""


@pytest.fixture
def x() -> Tensor:
    return torch.randn(1, 8, 16, 16, generator=torch.Generator().manual_seed(0))


def conv(inputs: int = 8, outputs: int = 8, stride: int = 1) -> nn.Module:
    return nn.Conv2d(inputs, outputs, 3, stride, 1)


class Residual(nn.Module):
    """relu(x + conv(relu(conv(x)))), in place where a network does so."""

    def __init__(self, inplace: bool) -> None:
        super().__init__()
        self.first, self.second = conv(), conv()
        self.relu = nn.ReLU(inplace)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.first(x))
        y = self.second(y)
        y += x
        out: Tensor = self.relu(y)
        return out


class Dense(nn.Module):
    """DenseNet's layer: what came in beside what was made of it."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.conv = conv(inputs, 4)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.conv(x)], 1)


class Whole(nn.Module):
    """Chain, residual, concatenation and classifier, with every peak written beside it, in maps."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv(), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
        self.residual = Residual(inplace=True)
        self.dense = nn.Sequential(Dense(8), Dense(12))
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)  # convolution and BatchNorm: 2
        x = self.residual(x)  # the input, the first convolution and the second: 3
        x = self.dense(x)  # at the end: input 1, first 1.5, new 0.5, second 2, and x, which this frame holds
        out: Tensor = self.head(x)
        return out


NETWORKS: dict[str, tuple[Callable[[], nn.Module], float]] = {
    # output beside input; x itself does not count
    "one convolution": (conv, 1),
    "chain": (lambda: nn.Sequential(conv(), conv(), conv()), 2),
    "chain, relu": (lambda: nn.Sequential(conv(), nn.ReLU()), 2),
    # nothing new is made
    "chain, relu in place": (lambda: nn.Sequential(conv(), nn.ReLU(inplace=True)), 1),
    # a quarter of the map after the stride
    "stride": (lambda: nn.Sequential(conv(), conv(stride=2)), 1.25),
    # y, then the second convolution beside it: 2; at the last relu y and its output: 2
    "residual": (lambda: Residual(inplace=False), 2),
    "residual in place": (lambda: Residual(inplace=True), 2),
    # the convolution's 4 channels, and the 12 of the concatenation
    "concatenation": (lambda: Dense(8), 0.5 + 1.5),
    # the first's 1.5 stay while the second makes 0.5 and 2
    "two concatenations": (lambda: nn.Sequential(Dense(8), Dense(12)), 1.5 + 0.5 + 2),
    # a view is no memory, nor is the weight
    "views": (lambda: nn.Sequential(nn.Flatten(), nn.Unflatten(1, (8, 16, 16))), 0),
    "whole": (Whole, 1 + 1.5 + 0.5 + 2),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_peak_by_hand(name: str, x: Tensor) -> None:
    make, maps = NETWORKS[name]
    network = make().eval()
    assert live_peak(lambda: network(x)) == maps * MAP


@pytest.mark.parametrize("name", NETWORKS)
def test_the_same_integer_with_other_kernels_and_threads(name: str, x: Tensor) -> None:
    network = NETWORKS[name][0]().eval()
    threads = torch.get_num_threads()
    found = set()
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            for onednn in (True, False):
                with torch.backends.mkldnn.flags(enabled=onednn):
                    found.add(live_peak(lambda: network(x)))
    finally:
        torch.set_num_threads(threads)
    assert len(found) == 1


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 3), st.integers(1, 6), st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_a_chain_holds_its_two_largest_neighbours(batch: int, side: int, widths: list[int]) -> None:
    channels = [2, *widths]
    layers = [nn.Conv2d(a, b, 1) for a, b in pairwise(channels)]
    network, image = nn.Sequential(*layers), torch.ones(batch, 2, side, side)
    sizes = [4 * batch * side * side * width for width in widths]
    largest = max(a + b for a, b in pairwise([0, *sizes]))
    assert live_peak(lambda: network(image)) == largest


def test_csr_convs_orders_by_hand() -> None:
    """T = 4 at 8 channels, in units of two channels' maps, oneDNN or not.

    Batched, at the concatenation: all four U (4), the three h after the first (3), y (4). Literal, there and
    at the last sum: all four h (4) and y (4).
    """
    layer, image, unit = CSRConv2d(8, 8, 3, T=4, padding=1).eval(), torch.randn(1, 8, 16, 16), MAP // 4
    for onednn in (True, False):
        with torch.backends.mkldnn.flags(enabled=onednn):
            for order, units in (("batched", 11), ("literal", 8)):
                layer.order = order
                assert live_peak(lambda: layer(image)) == units * unit, (order, onednn)


def test_memory_that_a_layer_keeps_between_calls_is_not_the_calls(x: Tensor) -> None:
    kept = x.clone()
    assert live_peak(lambda: kept.mul_(2)) == 0
    assert live_peak(lambda: kept[:, :4] + 1) == MAP // 2


def test_a_storage_that_grows_counts_as_it_is(x: Tensor) -> None:
    def call() -> None:
        torch.empty(0).resize_(2, 8, 16, 16)

    assert live_peak(call) == 2 * MAP


def test_a_cycle_lives_until_the_end_of_the_call(x: Tensor) -> None:
    def call() -> None:
        for _ in range(3):
            cycle: list[object] = [x + 1]
            cycle.append(cycle)
            del cycle

    assert live_peak(call) == 3 * MAP
    assert gc.isenabled()


FRESH = """
from bench.case import DENSE, Case
from bench.network import backbone_network, example_images
from bench.worker.live_tensors import live_peak
case = Case("mobilenet_v2", DENSE)
network, x = backbone_network(case), example_images(case, 1)
print(live_peak(lambda: network(x)), live_peak(lambda: network(x)))
"""


def test_bug_the_first_dispatch_in_a_process_held_a_tensor() -> None:
    done = subprocess.run([sys.executable, "-c", FRESH], capture_output=True, text=True, check=True)
    first, second = map(int, done.stdout.split())
    # The last depthwise convolution at 32×32 and its BatchNorm beside what came in: 144, 144, 144, 32 and 24.
    assert first == second == (3 * 144 + 32 + 24) * 32 * 32 * FLOATS


def test_what_has_no_storage_is_out_of_sight(x: Tensor) -> None:
    with pytest.raises(OutOfSight, match=r"to_mkldnn.* layout torch\._mkldnn"):
        live_peak(lambda: x.to_mkldnn())
    with pytest.raises(OutOfSight, match="sparse"):
        live_peak(lambda: x[0, 0].to_sparse())
