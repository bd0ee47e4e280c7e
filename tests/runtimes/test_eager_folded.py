"""The runtime that folds BatchNorm into the convolutions before it, in every method alike."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from small_network import small
from torch import Tensor, nn

from bench.case import DENSE, Case, MethodCall
from bench.runtimes import RUNTIMES
from bench.runtimes.base import Untakeable
from bench.runtimes.eager_folded import fold
from bench.worker.protocol import Job
from bench.worker.seat import Seat
from bench.worker.stages import Stages


def test_a_convolution_takes_the_batchnorm_behind_it() -> None:
    network = small()
    assert isinstance(network.bn.running_mean, Tensor)
    network.bn.running_mean.uniform_(-1, 1)
    x = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        expected = network(x)
        folded: Any = RUNTIMES.get("eager-folded").prepare(network, x)
        torch.testing.assert_close(folded(x), expected, rtol=1e-5, atol=1e-5)
    assert folded.did == "1 of 1 BatchNorms folded into the convolution before"
    assert isinstance(folded.network.bn, nn.Identity)
    assert isinstance(network.bn, nn.BatchNorm2d)


class Shared(nn.Module):
    """A convolution whose output also goes past its BatchNorm."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        z: Tensor = self.bn(y)
        return y + z


class Twice(Shared):
    """A convolution that is called twice, once without its BatchNorm."""

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.bn(self.conv(self.conv(x)))
        return y


@pytest.mark.parametrize("kind", [Shared, Twice])
def test_what_goes_elsewhere_is_not_folded(kind: type[Shared]) -> None:
    network = kind().eval()
    assert fold(network) == (
        "0 of 1 BatchNorms folded into the convolution before; the others stay: 1 behind no layer of its own"
    )
    assert isinstance(network.bn, nn.BatchNorm2d)


def test_a_network_that_looks_at_its_values_cannot_be_taken() -> None:
    class Looks(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if x.sum() > 0 else -x

    with pytest.raises(Untakeable, match="runtime eager-folded cannot follow this network's calls"):
        fold(Looks())


@pytest.mark.parametrize(
    ("methods", "words"),
    [
        (DENSE, "19 of 19 BatchNorms folded into the convolution before"),
        (
            (MethodCall("csr_conv", {"T": 4}),),
            "1 of 19 BatchNorms folded into the convolution before; the others stay: 18 behind CSRConv2d",
        ),
        (
            (MethodCall("psconv", {"variant": "pSC4"}),),
            "19 of 19 BatchNorms folded into the convolution before",
        ),
    ],
)
def test_what_was_folded_is_said(methods: Any, words: str) -> None:
    case = Case("resnet20", methods, runtime="eager-folded")
    with torch.inference_mode():
        seat = Seat(Job(case, recipes=(None,)), Stages())
    assert seat.runtime_did == words
    assert seat.hidden == ""
