"""CUDA's flags, and what needs a device: both clocks, the flags, a graph, half precision on a real GPU."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from bench.case import DENSE, Case
from bench.worker import cuda
from bench.worker.latency import CudaStopwatch
from bench.worker.protocol import Job, Measured
from bench.worker.stages import Stages

PROTOCOL = {"min_samples": 8, "min_seconds": 0.01, "max_seconds": 0.2, "warmup_max_seconds": 1.0}


@pytest.fixture
def flags() -> Iterator[None]:
    """Torch's flags as they were, afterwards."""
    before = cuda.read_flags()
    yield
    cuda.set_flags(before)


@pytest.mark.usefixtures("flags")
def test_all_flags_are_set_and_read_back() -> None:
    opposite = {name: not on for name, on in cuda.FLAGS.items()}
    assert cuda.set_flags(opposite) == opposite
    assert cuda.set_flags() == cuda.FLAGS


def test_float32_is_float32_and_kernels_repeat() -> None:
    assert cuda.FLAGS == {
        "matmul_tf32": False,
        "cudnn_tf32": False,
        "cudnn_benchmark": False,
        "cudnn_deterministic": True,
    }


def trial(runtime: str = "eager", dtype: str = "float32", timed: bool = True) -> Measured:
    from bench.worker.trial import run

    case = Case("resnet20", DENSE, runtime, "gpu", dtype=dtype)
    job = Job(case, "cuda", (None,), PROTOCOL, timed=timed)
    return run(job, Stages())


@pytest.mark.cuda
def test_a_trial_on_a_gpu_has_both_clocks_its_flags_and_all_peaks() -> None:
    found = trial()
    assert found.error is None
    assert found.cuda_flags == cuda.FLAGS
    assert found.latency is not None
    assert len(found.latency.host_samples) == len(found.latency.samples)
    assert all(0 < device <= host * 1.05 for device, host in
               zip(found.latency.samples, found.latency.host_samples, strict=True))  # fmt: skip
    assert found.memory is not None
    assert found.memory.cuda_allocated_peak
    assert found.memory.cuda_reserved_peak


@pytest.mark.cuda
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_a_graph_answers_as_eager_does(dtype: str) -> None:
    eager, graph = trial("eager", dtype, timed=False), trial("cuda_graph", dtype, timed=False)
    assert graph.error is None
    assert eager.output is not None
    assert graph.output is not None
    assert graph.output.sample == pytest.approx(eager.output.sample, rel=1e-2, abs=1e-2)


@pytest.mark.cuda
def test_queued_calls_need_no_more_than_calls_that_wait() -> None:
    x = torch.ones(256, 256, device="cuda")
    watch = CudaStopwatch()
    for _ in range(10):
        watch.time(lambda: x @ x, 10)
    alone = watch.queued(lambda: x @ x, 10)
    assert alone is not None
    watch.time(lambda: x @ x, 10)
    assert 0 < alone <= watch.host
