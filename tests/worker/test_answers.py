"""What the counting process answers is what a trial answers, and rounding is tried out."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from bench.case import DENSE, Case, MethodCall
from bench.counting.count import count
from bench.network import context_of, example_images, prepare
from bench.worker.agreement import distance
from bench.worker.answers import answers_of
from bench.worker.output import SAMPLED, sample
from bench.worker.protocol import Job
from bench.worker.seat import Seat
from bench.worker.stages import Stages

CASES = {
    "dense": Case("resnet20", DENSE),
    "csr_conv": Case("resnet20", (MethodCall("csr_conv", {"T": 4}),)),
    "batch": Case("resnet20", DENSE, batch=3),
    "odd image": Case("resnet20", DENSE, batch=2, input=(3, 33, 33)),
    "layout": Case("resnet20", DENSE, memory_format="channels_last"),
    "int8": Case("resnet20", (MethodCall("int8", {"scheme": "weight_only"}),)),
    "exits": Case("resnet20", (MethodCall("early_exit", {"threshold": 0.3}),)),
    "no BatchNorm": Case("layer/4-4-k3", DENSE, input=(4, 8, 8)),
}


@pytest.mark.parametrize("name", CASES)
def test_a_seat_answers_what_was_counted(name: str) -> None:
    case = CASES[name]
    rewritten, recipes = prepare(case)
    params = count(rewritten.network, context_of(case).example_input()).params
    expected = answers_of(rewritten.network, case)
    with torch.inference_mode():
        seat = Seat(Job(case, recipes=tuple(recipes)), Stages())
        output = seat.output()
    assert seat.params() == params
    assert distance(output.plain, expected.plain) < 1e-4
    assert distance(output.sample, expected.calibrated) < max(1e-4, 10 * expected.spread)
    assert expected.spread < 0.01


def test_the_first_image_is_the_same_in_every_batch() -> None:
    for case in (Case("resnet20", DENSE), Case("resnet20", DENSE, input=(1, 3, 5))):
        one, many = example_images(case, 1), example_images(case, 5)
        assert many.shape == (5, *case.input)
        assert torch.equal(one[0], many[0])


def test_the_images_are_those_that_were_always_drawn() -> None:
    case = Case("resnet20", DENSE, seed=3)
    drawn = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    assert torch.equal(example_images(case, 4), drawn)


def test_a_sample_is_of_the_first_image_and_evenly_spread() -> None:
    assert sample(torch.tensor([[1.0, 2.0], [3.0, 4.0]])) == (1.0, 2.0)
    long = sample(torch.arange(2 * 640.0).reshape(2, 10, 8, 8))
    assert long == tuple(float(20 * at) for at in range(SAMPLED))
    assert sample(torch.empty(0, 3)) == sample(torch.empty(1, 0)) == ()


class Signs(nn.Module):
    """±1 of numbers that are 0 but for rounding: no two kernels agree on them."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(4, 64, 1), nn.Conv2d(64, 4, 1)
        self.again = nn.Conv2d(4, 64, 1)
        self.again.load_state_dict(self.first.state_dict())

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.last(torch.sign(self.first(x) - self.again(x)))
        return y


@pytest.mark.parametrize(
    ("make", "low", "high"),
    [
        (lambda: nn.Conv2d(4, 4, 1), 1e-8, 1e-5),
        (Signs, 0.1, 2.0),
        (lambda: nn.Conv2d(4, 4, 1).bfloat16(), 1e-3, 0.2),
    ],
)
def test_the_spread_is_that_of_rounding(make: Callable[[], nn.Module], low: float, high: float) -> None:
    torch.manual_seed(0)
    network = make().eval()
    case = Case("layer/4-4-k3", DENSE, input=(4, 8, 8))
    if next(network.parameters()).dtype == torch.bfloat16:
        network.register_forward_pre_hook(lambda _module, inputs: (inputs[0].bfloat16(),))
    assert low <= answers_of(network, case).spread <= high


def test_nothing_stays_behind_of_trying_rounding_out() -> None:
    network = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)).eval()
    case = Case("layer/4-4-k3", DENSE, input=(4, 8, 8))
    first, second = answers_of(network, case), answers_of(network, case)
    assert (first.calibrated, first.spread) == (second.calibrated, second.spread)
    assert not any(module._forward_hooks for module in network.modules())
