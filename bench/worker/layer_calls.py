"""The calls of a network's layers: what the workers that look inside a network begin with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from bench.worker.cores import pin
from bench.worker.pipe import answer_one
from bench.worker.protocol import Failure, Job, Json

if TYPE_CHECKING:  # torch itself is imported only when this process is bound to its cores
    from torch import Tensor, nn

    LayerCall = tuple[str, nn.Module, Tensor]


def network_of(job: Job) -> tuple[nn.Module, Tensor]:
    """The compressed network of the job's case in its dtype, and an input from the case's seed.

    Of a network with exits the way to the end, on which every layer lies.
    """
    import torch

    from bench.counting.protocols import HasExits
    from bench.network import backbone_network, compress, refuse_cast, torch_dtype
    from bench.plugins import load_plugins

    case = job.case
    torch.set_num_threads(case.threads)
    load_plugins(job.plugins)
    network = compress(backbone_network(case), case, job.recipes).network
    if isinstance(network, HasExits):
        network = network.way(len(network.exits) - 1)
    refuse_cast(network, case)
    example = torch.randn(case.batch, *case.input, generator=torch.Generator().manual_seed(case.seed))
    return network.to(torch_dtype(case)), example.to(torch_dtype(case))


def calls_of(network: nn.Module, layers: Iterable[tuple[str, nn.Module]], example: Tensor) -> list[LayerCall]:
    """Every call of a layer with its name and the input that it really gets, in the order of the calls."""
    from bench.counting.observe import observe

    found: list[LayerCall] = []

    def keep(name: str, layer: nn.Module, inputs: tuple[Tensor, ...], _output: Tensor) -> None:
        found.append((name, layer, inputs[0].clone()))

    observe(network, example, layers, keep)
    return found


def answer_about_layers(look: Callable[[Job], Any], failed: Callable[[Failure], Any]) -> None:
    """Answers one job with what ``look`` finds of its layers, on as many threads as the case has."""

    def found(data: Json) -> Any:
        job = Job.from_json(data)
        pin(job.case.threads)
        import torch

        torch.set_flush_denormal(True)
        return look(job)

    answer_one(found, failed)
