"""A case's network, built and ready to be called."""

from __future__ import annotations

import copy
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from bench.counting.protocols import HasExits, SaysOrder
from bench.counting.weight_bytes import weight_bytes
from bench.models.calibration import calibrate
from bench.network import (
    backbone_network,
    calibration_images,
    compress,
    example_images,
    refuse_cast,
    torch_dtype,
    varied_inputs,
)
from bench.runtimes import RUNTIMES
from bench.runtimes.base import REFERENCE
from bench.worker.inputs import Rounds, seconds_by_input
from bench.worker.measurements import Inputs
from bench.worker.output import describe_output, every_answer, sample
from bench.worker.runnable import check, make_runnable, settle_statistics

if TYPE_CHECKING:
    from bench.case import Case
    from bench.worker.latency import Stopwatch
    from bench.worker.measurements import Output
    from bench.worker.protocol import Job
    from bench.worker.stages import Stages


OCCUPIED = 256 * 2**20
"""Bytes that the copies of one case may occupy."""


class Seat:
    """One case in this process: its network, what its runtime made of it, and one example batch (B, C, H, W).

    ``compile_seconds``: how long the runtime needed to make the network callable, or to load what it
    exported; ``export_seconds``, ``exported_bytes``: see ``Runnable``. A network with exits has many inputs
    instead of the example, and a call takes the next of them: see ``Rounds``. Raises what the case raises;
    OutputsDiffer where the runtime's answer is not eager's.
    """

    def __init__(self, job: Job, stages: Stages) -> None:
        case = self.case = job.case
        with torch.inference_mode(False):  # an ordinary network, whose buffers may still be changed
            stages.enter("runtime")  # first: one that is not there is known without building anything
            runtime = RUNTIMES.get(case.runtime)
            runtime.require()
            stages.enter("build")
            network = backbone_network(case)
            stages.enter("method")
            network = compress(network, case, job.recipes).network
            stages.enter("runtime")
            refuse_exits(network, case)
            refuse_cast(network, case)
            self._place = placement(case, job.device)
            self.network = network.to(**self._place)
            self.example = self._placed(example_images(case, case.batch))
        self._before: tuple[float, ...] = ()
        if case.runtime != REFERENCE:
            stages.enter("check")
            self._before = settle_statistics(self.network, self.example, case)
            stages.enter("runtime")
        made = make_runnable(runtime, self.network, self.example, job.exported)
        self._forward, self.compile_seconds = made.forward, made.compile_seconds
        self.export_seconds, self.exported_bytes = made.export_seconds, made.exported_bytes
        if case.runtime != REFERENCE:
            stages.enter("check")
            check(runtime, self._forward, self.network, self.example)
        self._rounds: Rounds | None = None
        if isinstance(self.network, HasExits):
            inputs = [self._placed(x) for x in varied_inputs(case).split(1)]
            self._rounds = Rounds(inputs, [self.network.left_at(x) for x in inputs], case.seed)
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
        """One forward pass of the example, or of the next input."""
        return self._forward(self.example if self._rounds is None else self._rounds.next())

    @property
    def calls_in_round(self) -> int:
        """Calls that together stand for all inputs; 1 where every call is like the others."""
        return 1 if self._rounds is None else len(self._rounds)

    def begin(self) -> None:
        """The next call begins a round."""
        if self._rounds is not None:
            self._rounds.begin()

    def round(self) -> None:
        """The calls of one round."""
        for _ in range(self.calls_in_round):
            self()

    def inputs(self, stopwatch: Stopwatch | None) -> Inputs | None:
        """How each input fared, with its times where there is a stopwatch; None where all calls are alike."""
        rounds = self._rounds
        if rounds is None:
            return None
        seconds = () if stopwatch is None else seconds_by_input(self._forward, rounds.inputs, stopwatch)
        return Inputs(rounds.left_at, len(rounds), seconds)

    @property
    def hidden(self) -> str:
        """Why its tensors do not pass through torch's dispatch; empty where they do."""
        if self._forward is self.network or self._executed is not self.network:
            return ""
        return f"runtime {self.case.runtime} may hold tensors that torch's dispatch does not see"

    @property
    def past_torch(self) -> bool:
        """Whether the runtime takes its memory past torch's allocator."""
        return self.exported_bytes is not None

    def executed_order(self) -> dict[str, str]:
        """What ran, in words, by layer; of the layers that were asked for a compiled kernel."""
        modules = self._executed.named_modules()
        layers = [(name, m) for name, m in modules if isinstance(m, SaysOrder) and m.compiles]
        if self.past_torch:
            return {name: f"{layer.exported_order}, as it was exported" for name, layer in layers}
        return {name: layer.executed_order for name, layer in layers}

    @property
    def runtime_did(self) -> str | None:
        """What the runtime made of the network, where it says so."""
        did: str | None = getattr(self._forward, "did", None)
        return did

    @property
    def _executed(self) -> nn.Module:
        """The network that the runtime calls in eager mode: this one, or one that it made of it."""
        own: nn.Module = getattr(self._forward, "network", self.network)
        return own

    def params(self) -> int:
        """Stored parameters."""
        return sum(parameter.numel() for parameter in self.network.parameters())

    def output(self) -> Output:
        """The answer to the example, after BatchNorm's statistics were estimated anew: see ``calibrate``.

        To be asked for only when times and memory are taken: it changes the network's statistics. A network
        with exits gives the answers (exits, B, classes) of all of them. A runtime whose network had its
        statistics estimated before it was checked answers as it is, beside eager's answer from before that.
        """
        if self._before:
            return replace(describe_output(self()), plain=self._before)
        way, answers = every_answer(self.network)
        if way is not self.network:
            plain = sample(answers(self.example))
            calibrate(way, self._placed(calibration_images(self.case)))
            of_all = answers(self.example)
            return replace(describe_output(of_all.transpose(0, 1)), sample=sample(of_all), plain=plain)
        plain = sample(self())
        calibrate(self.network, self._placed(calibration_images(self.case)))
        return replace(describe_output(self()), plain=plain)

    def _placed(self, images: Tensor) -> Tensor:
        return images.to(**self._place)


def placement(case: Case, device: str) -> dict[str, Any]:
    """Where network and images lie, as arguments of ``to``."""
    layout = torch.channels_last if case.memory_format == "channels_last" else torch.contiguous_format
    return {"device": device, "memory_format": layout, "dtype": torch_dtype(case)}


def refuse_exits(network: nn.Module, case: Case) -> None:
    """Raises ValueError where a network that inputs leave one by one cannot be run."""
    if not isinstance(network, HasExits):
        return
    if case.batch != 1:
        raise ValueError(
            f"batch {case.batch}: every input leaves the network by itself, so a batch has no latency of its "
            "own; batch 1 works"
        )
    if not RUNTIMES.get(case.runtime).data_dependent:
        raise ValueError(
            f"runtime {case.runtime} makes one fixed graph, and where an input leaves depends on the input; "
            "eager works"
        )
