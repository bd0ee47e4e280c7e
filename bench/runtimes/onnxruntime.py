"""ONNX Runtime on the CPU (onnxruntime.ai), from a file that torch's exporter writes."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from bench.runtimes.base import Forward, captured, plain_on_cpu, runtime

NAME = "onnxruntime"
FILE = "network.onnx"


def export(network: nn.Module, example: Tensor, folder: Path) -> None:
    """Writes ``network.onnx``: weights inside, shapes fixed to the example's (B, C, H, W).

    Raises what torch's exporter raises for an operator that ONNX has not.
    """
    plain_on_cpu(NAME, example)
    program = torch.onnx.export(captured(network, example), dynamo=True, verbose=False, optimize=True)
    assert program is not None
    program.save(folder / FILE)


@runtime("onnxruntime", export=export, needs=("onnxruntime", "onnx", "onnxscript"), extra="onnx")
def onnxruntime(folder: Path, example: Tensor) -> Forward:
    """ONNX Runtime, CPU execution provider, all graph optimisations; `csr-bench[onnx]`.

    As many threads inside an operator as torch has, one between operators. They do not spin while they wait:
    the other seats of a process would be disturbed.
    """
    import onnxruntime as ort

    plain_on_cpu(NAME, example)
    options = ort.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.set_denormal_as_zero", "1")  # as every trial asks of torch
    options.log_severity_level = 3
    session = ort.InferenceSession(folder / FILE, options, providers=["CPUExecutionProvider"])
    (source,), (answer,) = session.get_inputs(), session.get_outputs()
    given, wanted = source.name, [answer.name]

    def forward(batch: Tensor) -> Tensor:
        (found,) = session.run(wanted, {given: batch.numpy()})
        return torch.from_numpy(found)

    return forward
