"""A case's network, built and ready to be called."""

from __future__ import annotations

import copy
import random
import time
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bench.counting.weight_bytes import weight_bytes
from bench.models.calibration import calibrate
from bench.network import backbone_network, calibration_images, compress
from bench.runtimes import RUNTIMES
from bench.worker.output import describe_output

if TYPE_CHECKING:
    from bench.worker.protocol import Job, Output
    from bench.worker.stages import Stages


OCCUPIED = 256 * 2**20
"""Bytes that the copies of one case may occupy."""


class Seat:
    """One case in this process: its network, what its runtime made of it, and one example batch (B, C, H, W).

    ``compile_seconds``: how long the runtime needed to make the network callable.
    """

    def __init__(self, job: Job, stages: Stages) -> None:
        case = self.case = job.case
        with torch.inference_mode(False):  # an ordinary network, whose buffers may still be changed
            stages.enter("build")
            network = backbone_network(case)
            stages.enter("method")
            network = compress(network, case, job.recipes).network
            stages.enter("runtime")
            layout = torch.channels_last if case.memory_format == "channels_last" else torch.contiguous_format
            self._place = {"device": job.device, "memory_format": layout}
            self.network = network.to(**self._place)  # type: ignore[call-overload]
            generator = torch.Generator().manual_seed(case.seed)
            self.example = self._placed(torch.randn(case.batch, *case.input, generator=generator))
        since = time.perf_counter()
        self._forward = RUNTIMES.get(case.runtime).prepare(self.network, self.example)
        self.compile_seconds = time.perf_counter() - since
        self._kept: list[object] = []
        self._occupied = 0

    def draw(self, coin: random.Random) -> int:
        """Lies anew in memory: a copy of the network in other places, and other free chunks for activations.

        Returns the bytes that are occupied by now; 0 where the network cannot be moved (a runtime has
        compiled it) or where its copies would take more than OCCUPIED.
        """
        size = weight_bytes(self.network)
        if self._forward is not self.network or self._occupied + size > OCCUPIED:
            return 0
        block = torch.empty(coin.randrange(1 << 14, 1 << 21), dtype=torch.uint8, device=self.example.device)
        self._kept += [self.network, block]
        with torch.inference_mode(False):
            self.network = copy.deepcopy(self.network)
        self._forward = self.network
        self._occupied += size + block.numel()
        return self._occupied

    def __call__(self) -> Tensor:
        """One forward pass of the example."""
        return self._forward(self.example)

    def params(self) -> int:
        """Stored parameters."""
        return sum(parameter.numel() for parameter in self.network.parameters())

    def output(self) -> Output:
        """The answer to the example, after BatchNorm's statistics were estimated anew: see ``calibrate``.

        To be asked for only when times and memory are taken: it changes the network's statistics.
        """
        calibrate(self.network, self._placed(calibration_images(self.case)))
        return describe_output(self())

    def _placed(self, images: Tensor) -> Tensor:
        return images.to(**self._place)  # type: ignore[call-overload, no-any-return]
