"""ExecuTorch with its XNNPACK delegate (docs.pytorch.org/executorch): what PyTorch runs on phones."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from bench.runtimes.base import Forward, captured, plain_on_cpu, runtime

NAME = "executorch"
FILE = "network.pte"


def export(network: nn.Module, example: Tensor, folder: Path) -> None:
    """Writes ``network.pte``: what XNNPACK takes is its, the rest goes to portable kernels.

    Raises what ExecuTorch raises for an operator that it has not.
    """
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    plain_on_cpu(NAME, example)
    lowered = to_edge_transform_and_lower(captured(network, example), partitioner=[XnnpackPartitioner()])
    with (folder / FILE).open("wb") as file:
        lowered.to_executorch().write_to_file(file)


@runtime("executorch", export=export, needs=("executorch",), extra="executorch")
def executorch(folder: Path, example: Tensor) -> Forward:
    """ExecuTorch with the XNNPACK delegate, as on phones; `csr-bench[executorch]`.

    Its pool of threads is one for the process, with as many as torch has.
    """
    from executorch.extension.pybindings import portable_lib
    from executorch.runtime import Runtime

    plain_on_cpu(NAME, example)
    portable_lib._unsafe_reset_threadpool(torch.get_num_threads())
    method = Runtime.get().load_program(folder / FILE).load_method("forward")

    def forward(batch: Tensor) -> Tensor:
        answer: Tensor = method.execute([batch])[0]
        return answer

    return forward
