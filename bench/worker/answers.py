"""What a counted network answers to the fixed image, and how far rounding alone moves the answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from bench.case import Case
from bench.models.calibration import calibrate
from bench.network import calibration_images, example_images
from bench.worker.agreement import distance
from bench.worker.measurements import Answers
from bench.worker.output import every_answer, sample

NUDGE = 8
"""Units in the last place by which every layer's output is moved, up or down at random: about what other
kernels, thread counts or memory layouts change in a sum of some thousand products."""


def answers_of(network: nn.Module, case: Case) -> Answers:
    """The answers of ``network`` to the case's first image, as ``Seat.output`` asks for them.

    Rounding is tried out and not estimated: a deep network whose BatchNorm statistics come from four images
    multiplies it by a thousand, one that rounds its activations to int8 by a million. The network's
    BatchNorm statistics change.
    """
    image = example_images(case, 1)
    with torch.inference_mode():
        whole, answer = every_answer(network)
        plain = sample(answer(image))
        calibrate(whole, calibration_images(case))
        calibrated = sample(answer(image))
        with _nudging(whole):
            nudged = sample(answer(image))
    return Answers(plain, calibrated, distance(calibrated, nudged))


@contextmanager
def _nudging(network: nn.Module) -> Iterator[None]:
    """Until the context ends, the output of every layer is moved by NUDGE units in the last place."""
    coin = torch.Generator().manual_seed(0)
    signs = torch.randint(0, 2, (1 << 20,), generator=coin) * 2.0 - 1.0
    at = 0

    def nudge(_module: nn.Module, _inputs: Any, output: Any) -> Any:
        nonlocal at
        if not isinstance(output, Tensor) or not output.is_floating_point():
            return output
        at = (at + 4099) % 65536  # another place for each layer, so that no two are moved alike
        drawn = signs[at:].repeat(output.numel() // (len(signs) - at) + 1)[: output.numel()]
        step = NUDGE * torch.finfo(output.dtype).eps
        return output + output * drawn.view(output.shape).to(output.dtype) * step

    layers = [module for module in network.modules() if next(module.children(), None) is None]
    handles = [layer.register_forward_hook(nudge) for layer in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
