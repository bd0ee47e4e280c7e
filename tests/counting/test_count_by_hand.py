"""Counts of networks small enough to be counted by hand."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench.counting.count import count
from bench.counting.counts import Counts
from bench.counting.layer_count import LayerCount
from bench.counting.other_work import other_elements
from bench.methods.csr_conv import CSRConv2d
from bench.methods.parts.masking import masked


class Module(nn.Module):
    """Children by name; what they are called with is the subclass's business."""

    def __init__(self, **children: nn.Module) -> None:
        super().__init__()
        for name, child in children.items():
            self.add_module(name, child)

    def __getattr__(self, name: str) -> Any:
        return super().__getattr__(name)


class Mixed(Module):
    """conv, BatchNorm, ReLU, mean, linear."""

    def __init__(self) -> None:
        super().__init__(conv=nn.Conv2d(2, 4, 3, padding=1), bn=nn.BatchNorm2d(4), fc=nn.Linear(4, 3))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc(torch.relu(self.bn(self.conv(x))).mean((2, 3)))
        return out


class Repeated(Module):
    """One convolution that runs twice, under two names."""

    def __init__(self) -> None:
        super().__init__(a=nn.Conv2d(3, 3, 3, padding=1))
        self.b = self.a

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.b(self.a(x))
        return out


class Windows(Module):
    """A linear layer on 2×2 windows that are folded into the batch, as windowed attention does."""

    def __init__(self, linear: nn.Module) -> None:
        super().__init__(linear=linear)

    def forward(self, x: Tensor) -> Tensor:
        _, channels, height, width = x.shape
        places = x.reshape(channels, height // 2, 2, width // 2, 2).permute(1, 3, 2, 4, 0)
        windows = places.reshape(-1, 4, channels)
        out: Tensor = self.linear(windows)
        return out


class Folded(Module):
    """A convolution on channels that are folded into the batch."""

    def __init__(self, conv: nn.Module) -> None:
        super().__init__(conv=conv)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x.reshape(2, x.shape[1] // 2, *x.shape[2:]))
        return out


class Named(Module):
    """A layer that is called with its input by name."""

    def __init__(self) -> None:
        super().__init__(conv=nn.Conv2d(3, 4, 1))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(input=x)
        return out


def four(counts: Counts) -> tuple[int, int, int, int]:
    """Stored and logical parameters, executed and logical MACs."""
    return counts.params, counts.logical_params, counts.executed_macs, counts.macs


def agreed(counts: Counts) -> bool:
    return counts.disagreements == () and len(set(counts.witnesses.values())) == 1


def test_convolution_batchnorm_relu_and_linear() -> None:
    counts = count(Mixed(), torch.randn(1, 2, 5, 5))
    params = (2 * 4 * 9 + 4) + (4 + 4) + (4 * 3 + 3)
    macs = 25 * 2 * 4 * 9 + 4 * 3
    assert four(counts) == (params, params, macs, macs)
    assert counts.flops == 2 * macs
    assert counts.weight_bytes == 4 * params + 4 * (4 + 4) + 8  # statistics, and the int64 batch counter
    assert counts.other_elements == 100 + 100 + 4  # BatchNorm, ReLU, mean
    assert agreed(counts)


@pytest.mark.parametrize(("groups", "per_output"), [(1, 4), (2, 2), (4, 1)])
def test_grouped_and_depthwise_convolution(groups: int, per_output: int) -> None:
    counts = count(nn.Sequential(nn.Conv2d(4, 8, 3, groups=groups, bias=False)), torch.randn(1, 4, 6, 6))
    params = 8 * per_output * 9
    assert four(counts) == (params, params, 16 * params, 16 * params)
    assert counts.other_elements == 0
    assert agreed(counts)


@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "positions"), [(2, 1, 1, 16), (1, 0, 2, 16), (3, 0, 1, 4)]
)
def test_stride_padding_and_dilation_change_the_positions(
    stride: int, padding: int, dilation: int, positions: int
) -> None:
    conv = nn.Conv2d(3, 5, 3, stride, padding, dilation, bias=False)
    counts = count(nn.Sequential(conv), torch.randn(1, 3, 8, 8))
    assert counts.macs == positions * 3 * 5 * 9
    assert agreed(counts)


def test_a_masked_convolution() -> None:
    mask = torch.zeros(2, 2, 3, 3, dtype=torch.bool)
    mask[:, :, :2, :2] = True  # 4 of 9 taps
    counts = count(nn.Sequential(masked(nn.Conv2d(2, 2, 3, padding=1), mask)), torch.randn(1, 2, 4, 4))
    assert four(counts) == (36 + 2, 16 + 2, 16 * 36, 16 * 16)
    assert counts.flops == 2 * 16 * 36
    assert counts.weight_bytes == 4 * 38
    assert counts.other_elements == 0  # inference multiplies by no mask
    assert agreed(counts)


@pytest.mark.parametrize("order", ["literal", "batched"])
def test_csr_conv_with_two_steps(order: str) -> None:
    counts = count(nn.Sequential(CSRConv2d(4, 4, 3, 2, padding=1, order=order)), torch.randn(1, 4, 5, 5))
    params = 9 * 2 * (2 + 2) + 2
    macs = 25 * 9 * (2 * 2 * 2 + 1 * 2 * 2)
    assert four(counts) == (params, params, macs, macs)
    assert counts.weight_bytes == 4 * params
    # of 2×5×5: u + v, relu, alpha·, (1-beta)·, +; the scalar 1-beta; the concatenation of 4×5×5
    assert counts.other_elements == 5 * 50 + 1 + 100
    assert agreed(counts)


def test_csr_conv_pays_for_its_wrapped_channels() -> None:
    whole = count(CSRConv2d(6, 6, 1, 3), torch.randn(1, 6, 4, 4))
    wrapped = count(CSRConv2d(5, 6, 1, 3), torch.randn(1, 5, 4, 4))
    assert four(whole) == four(wrapped)
    assert wrapped.other_elements - whole.other_elements == 6 * 16  # x and its first channel, copied


def test_a_shared_layer_counts_its_parameters_once_and_its_macs_twice() -> None:
    counts = count(Repeated(), torch.randn(1, 3, 4, 4))
    assert four(counts) == (84, 84, 2 * 16 * 81, 2 * 16 * 81)
    assert counts.weight_bytes == 4 * 84
    assert [row.params for row in counts.layers] == [84, 0]
    assert agreed(counts)


def test_a_shared_masked_layer_counts_its_zeros_once() -> None:
    network = Repeated()
    mask = torch.zeros(3, 3, 3, 3, dtype=torch.bool)
    mask[:, :, 1, 1] = True
    network.a = network.b = masked(nn.Conv2d(3, 3, 3, padding=1), mask)
    counts = count(network, torch.randn(1, 3, 4, 4))
    assert four(counts) == (84, 9 + 3, 2 * 16 * 81, 2 * 16 * 9)
    assert agreed(counts)


@pytest.mark.parametrize("linear", [nn.Linear(3, 5), nn.Linear(3, 5, bias=False)], ids=["bias", "no bias"])
def test_bug_a_linear_layer_counts_what_is_folded_into_its_batch(linear: nn.Linear) -> None:
    counts = count(Windows(linear), torch.randn(1, 3, 8, 8))
    assert counts.macs == 64 * 3 * 5
    assert agreed(counts)


def test_bug_a_masked_linear_layer_counts_what_is_folded_into_its_batch() -> None:
    mask = torch.ones(5, 3, dtype=torch.bool)
    mask[0] = False
    counts = count(Windows(masked(nn.Linear(3, 5), mask)), torch.randn(1, 3, 8, 8))
    assert four(counts) == (20, 17, 64 * 15, 64 * 12)
    assert agreed(counts)


@pytest.mark.parametrize("conv", [nn.Conv2d(2, 4, 3), CSRConv2d(2, 4, 3, 2)], ids=["Conv2d", "CSRConv2d"])
def test_bug_a_convolution_counts_what_is_folded_into_its_batch(conv: nn.Module) -> None:
    once, twice = count(conv, torch.randn(1, 2, 6, 6)), count(Folded(conv), torch.randn(1, 4, 6, 6))
    assert twice.macs == 2 * once.macs
    assert twice.params == once.params
    assert agreed(twice)


def test_bug_a_layer_that_gets_its_input_by_name_is_counted() -> None:
    counts = count(Named(), torch.randn(1, 3, 4, 4))
    assert counts.macs == 16 * 12
    assert counts.layers[0].input == (3, 4, 4)
    assert agreed(counts)


def test_one_dimensional_convolutions_count_too() -> None:
    counts = count(nn.Sequential(nn.Conv1d(2, 3, 3, padding=1, bias=False)), torch.randn(1, 2, 7))
    assert four(counts) == (18, 18, 7 * 18, 7 * 18)
    assert agreed(counts)


class Reshaped(nn.Module):
    """A reshape that has to copy."""

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1).reshape(1, -1)


def test_bug_a_reshape_that_copies_counts_its_elements_once() -> None:
    assert other_elements(Reshaped(), torch.randn(1, 3, 4, 4)) == 3 * 4 * 4


@pytest.mark.parametrize(
    ("layer", "elements"),
    [
        (nn.Identity(), 0),
        (nn.Flatten(), 0),
        (nn.ReLU(), 192),
        (nn.ReLU(inplace=True), 192),
        (nn.MaxPool2d(2), 48),
        (nn.AvgPool2d(4), 12),
        (nn.BatchNorm2d(3), 192),
        (nn.ZeroPad2d(1), 3 * 10 * 10),
        (nn.Conv2d(3, 4, 1), 0),
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_work_is_the_output_of_what_computes_or_copies(layer: nn.Module, elements: int) -> None:
    network = nn.Sequential(layer).eval()
    assert other_elements(network, torch.randn(1, 3, 8, 8)) == elements


@pytest.mark.parametrize("batch", [0, 2])
def test_a_batch_other_than_1_is_refused(batch: int) -> None:
    with pytest.raises(ValueError, match=f"the batch must be 1, not {batch}"):
        count(Mixed(), torch.randn(batch, 2, 5, 5))


def test_counting_leaves_the_network_as_it_was() -> None:
    network = Mixed().train()
    x = torch.randn(1, 2, 5, 5)
    state = copy.deepcopy(network.state_dict())
    attributes = {name: set(vars(module)) for name, module in network.named_modules()}
    torch.manual_seed(0)
    random_state = torch.get_rng_state()

    first = count(network, x)

    assert torch.equal(torch.get_rng_state(), random_state)
    assert network.training
    for name, module in network.named_modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
        assert set(vars(module)) == attributes[name]
    assert all(torch.equal(tensor, state[n]) for n, tensor in network.state_dict().items())
    assert all(p.grad is None for p in network.parameters())
    assert count(network, x) == first


def test_a_network_in_training_mode_counts_as_in_inference() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Flatten(), nn.Linear(144, 2)
    )
    x = torch.randn(1, 3, 8, 8)
    assert count(network.train(), x) == count(network.eval(), x)


def test_counts_are_plain_data() -> None:
    counts = count(Mixed(), torch.randn(1, 2, 5, 5))
    data = counts.as_dict()
    assert json.loads(json.dumps(data))["params"] == counts.params
    assert [row["name"] for row in data["layers"]] == ["conv", "fc"]
    assert data["layers"][0] | {"kind": "", "name": ""} == {
        "name": "",
        "kind": "",
        "input": (2, 5, 5),
        "output": (4, 5, 5),
        "params": 76,
        "logical_params": 76,
        "macs": 1800,
        "executed_macs": 1800,
        "fvcore_macs": 1800,
        "torch_macs": 1800,
        "share": 1.0,
    }


def test_repeated_runs_multiply_macs_and_leave_parameters() -> None:
    assert LayerCount(10, 7, 100, 70).times(3) == LayerCount(10, 7, 300, 210)
    assert LayerCount.dense(5, 6) == LayerCount(5, 5, 6, 6)
