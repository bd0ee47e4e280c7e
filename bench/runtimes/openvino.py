"""OpenVINO on the CPU (docs.openvino.ai), from its own intermediate representation."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bench.runtimes.base import Forward, Untakeable, captured, plain_on_cpu, runtime

NAME = "openvino"
FILE = "network.xml"


def export(network: nn.Module, example: Tensor, folder: Path) -> None:
    """Writes ``network.xml`` and ``network.bin``, weights as they are and not halved to float16.

    Raises Untakeable for an operator that it has not.
    """
    plain_on_cpu(NAME, example)
    ov = _package()
    try:
        model = ov.convert_model(captured(network, example))
    except ov.frontend.OpConversionFailure as error:
        # Its last part says in a line for each operator what the others say of the converter's inside.
        lines = str(error).rpartition("Summary:")[2].split("\n")
        words = "; ".join(line.strip("- ") for line in lines if line.strip("- "))
        raise Untakeable(f"runtime {NAME} cannot take this network: {words}") from error
    model.reshape(list(example.shape))  # it would leave height and width open, and plan for any
    ov.save_model(model, folder / FILE, compress_to_fp16=False)


@runtime("openvino", export=export, needs=("openvino",), extra="openvino")
def openvino(folder: Path, example: Tensor) -> Forward:
    """OpenVINO's CPU plugin in float32; `csr-bench[openvino]`.

    One stream with as many threads as torch has, on the cores that the process is bound to already. Without
    the hint it computes in bfloat16 where the processor can.
    """
    plain_on_cpu(NAME, example)
    properties = {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": "1",
        "INFERENCE_NUM_THREADS": str(torch.get_num_threads()),
        "INFERENCE_PRECISION_HINT": "f32",
        "ENABLE_CPU_PINNING": "NO",
        "CPU_DENORMALS_OPTIMIZATION": "YES",
    }
    request = _package().Core().compile_model(folder / FILE, "CPU", properties).create_infer_request()

    def forward(batch: Tensor) -> Tensor:
        found = request.infer([batch.numpy()], share_inputs=True, share_outputs=True)
        return torch.from_numpy(found[0])

    return forward


def _package() -> Any:
    """OpenVINO without its telemetry: a thread that sends a message to its makers on every import."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # as if it were not installed
    import openvino
    import openvino.frontend

    return openvino
