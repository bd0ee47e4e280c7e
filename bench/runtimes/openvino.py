"""OpenVINO on the CPU (docs.openvino.ai), from its own intermediate representation."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from bench.runtimes.base import Forward, captured, on_cpu, runtime

NAME = "openvino"
FILE = "network.xml"


def export(network: nn.Module, example: Tensor, folder: Path) -> None:
    """Writes ``network.xml`` and ``network.bin``, weights as they are and not halved to float16.

    Raises what OpenVINO raises for an operator that it has not.
    """
    import openvino as ov

    on_cpu(NAME, example)
    model = ov.convert_model(captured(network, example))
    ov.save_model(model, folder / FILE, compress_to_fp16=False)


@runtime("openvino", export=export, needs=("openvino",), extra="openvino")
def openvino(folder: Path, example: Tensor) -> Forward:
    """OpenVINO's CPU plugin in float32; `csr-bench[openvino]`.

    One stream with as many threads as torch has, on the cores that the process is bound to already. Without
    the hint it computes in bfloat16 where the processor can.
    """
    import openvino as ov

    on_cpu(NAME, example)
    properties = {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": "1",
        "INFERENCE_NUM_THREADS": str(torch.get_num_threads()),
        "INFERENCE_PRECISION_HINT": "f32",
        "ENABLE_CPU_PINNING": "NO",
        "CPU_DENORMALS_OPTIMIZATION": "YES",
    }
    request = ov.Core().compile_model(folder / FILE, "CPU", properties).create_infer_request()

    def forward(batch: Tensor) -> Tensor:
        found = request.infer([batch.numpy()], share_inputs=True, share_outputs=True)
        return torch.from_numpy(found[0])

    return forward
