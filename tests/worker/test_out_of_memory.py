"""Memory that ran out, in words: what, how much was asked for, and the mend."""

from __future__ import annotations

import pytest
import torch

from bench.case import DENSE, Case
from bench.plan.targets import Target
from bench.run.launch import run_worker
from bench.worker.out_of_memory import MEND, ran_out, ran_out_text
from bench.worker.protocol import Failure, Job, Measured

CPU = (
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: "
    "you tried to allocate 123456789 bytes. Error code 12 (Cannot allocate memory)"
)
CUDA = (
    "CUDA out of memory. Tried to allocate 1.50 GiB. GPU 0 has a total capacity of 139.81 GiB of which "
    "1.20 GiB is free. Process 7 has 138.60 GiB memory in use."
)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError(CPU), "the host gave no more memory: 118 MiB more were asked for"),
        (torch.OutOfMemoryError(CUDA), "the GPU gave no more memory: 1,536 MiB more were asked for"),
        (RuntimeError("CUDA error: out of memory"), "the GPU gave no more memory"),
        (
            RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling x"),
            "the GPU gave no more memory",
        ),
        (MemoryError(), "the host gave no more memory"),
        (MemoryError("std::bad_alloc"), "the host gave no more memory"),
        (
            MemoryError("Unable to allocate 400. KiB for an array"),
            "the host gave no more memory: 0.39 MiB more were asked for",
        ),
        (
            MemoryError("Unable to allocate 3.64 TiB for an array with shape (1, 2)"),
            "the host gave no more memory: 3,816,817 MiB more were asked for",
        ),
        (OSError(12, "Cannot allocate memory"), "the host gave no more memory"),
        (
            RuntimeError(CPU.replace("123456789", "123456")),
            "the host gave no more memory: 0.12 MiB more were asked for",
        ),
    ],
)
def test_what_ran_out_and_how_much_was_asked_for(error: Exception, words: str) -> None:
    assert ran_out(error) == words


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("shape [2, 3] is invalid for input of size 5"),
        ValueError("you tried to allocate 12 bytes"),
        KeyError("std::bad_alloc"),
        OSError(28, "No space left on device"),
    ],
)
def test_other_errors_keep_their_own_words(error: Exception) -> None:
    assert ran_out(error) is None
    assert Failure.of(error, "build").message == str(error)


@pytest.mark.parametrize("line", ["MemoryError", "MemoryError: x", "  what():  std::bad_alloc", CPU])
def test_what_a_process_printed_last_is_understood(line: str) -> None:
    assert str(ran_out_text(line)).startswith("the host gave no more memory")
    assert ran_out_text("a warning about memory") is None


def test_bug_a_trial_that_ran_out_of_memory_showed_the_allocators_own_words() -> None:
    try:
        torch.empty(2**60, dtype=torch.uint8)
    except RuntimeError as error:
        found = Failure.of(error, "sample")
        raw = str(error)
    assert found.message == (
        f"the host gave no more memory: 1,099,511,627,776 MiB more were asked for; {MEND}"
    )
    assert "\n" not in found.message
    assert "DefaultCPUAllocator" in raw
    assert raw.strip().splitlines()[0] in found.traceback


@pytest.mark.slow
def test_a_worker_with_little_memory_says_how_much_it_asked_for() -> None:
    """RLIMIT_AS of 8 GiB, and an image of 16 GiB."""
    small = Target("small", "cpu", ("/bin/sh", "-c", 'ulimit -v 8388608; exec "$@"', "sh"))
    case = Case("layer/4-4-k3", DENSE, input=(4, 2**15, 2**15))
    answer = run_worker(small, Job(case, recipes=(None,)), 120, Measured)
    assert answer.error is not None
    assert answer.error.message == f"the host gave no more memory: 16,384 MiB more were asked for; {MEND}"
    assert "tried to allocate" in answer.error.traceback
