"""Holes of the heap are occupied, so that nothing which comes later lies in them."""

from __future__ import annotations

import json
import random
import subprocess
import sys

import pytest

from bench.case import DENSE, Case
from bench.run.launch import environment
from bench.worker import trial
from bench.worker.holes import can_occupy
from bench.worker.protocol import Job

glibc = pytest.mark.skipif(not can_occupy(), reason="the C library does not tell of its heap")

BLOCKS = """
import ctypes, json, sys
from bench.worker.holes import occupy_holes

sizes, fill = json.loads(sys.argv[1]), sys.argv[2] == "fill"
c = ctypes.CDLL(None)
c.malloc.argtypes, c.malloc.restype = (ctypes.c_size_t,), ctypes.c_void_p
c.free.argtypes, c.free.restype = (ctypes.c_void_p,), None
occupy_holes()  # the interpreter's own
blocks = [c.malloc(size) for size in sizes]
end = c.malloc(8192)
for block in blocks[::2]:
    c.free(block)
taken = occupy_holes() if fill else 0
again = [c.malloc(size) for size in sizes[::2]]
print(json.dumps([taken, sum(min(blocks) <= block < end for block in again)]))
"""

ACTIVATIONS = """
import sys
import torch
from bench.case import DENSE, Case
from bench.worker.protocol import Job
from bench.worker.sitting import Sitting
from bench.worker.stages import Stages

junk = [torch.empty(200_000) for _ in range(64)]
low, high = junk[0].data_ptr(), junk[-1].data_ptr()
assert low < high
del junk[::2]
protocol = {"warmup_max_seconds": 0.01}
job = Job(Case("layer/4-4-k3", DENSE, input=(4, 8, 8)), recipes=(None,), protocol=protocol)
with torch.inference_mode():
    sitting = Sitting([job], Stages(), {"heap": sys.argv[1]})
    sitting.build()
    assert sitting.seated().seats[0].error is None
print(sum(low <= torch.empty(150_000).data_ptr() < high for _ in range(3)))
"""


def printed(script: str, *words: str) -> str:
    command = [sys.executable, "-c", script, *words]
    return subprocess.run(
        command, env=environment(1), capture_output=True, text=True, check=True, timeout=120
    ).stdout


@glibc
@pytest.mark.parametrize("seed", range(4))
def test_nothing_that_comes_later_lies_in_a_hole(seed: int) -> None:
    coin = random.Random(seed)
    # Kept blocks between those that are given back: two holes side by side would be one.
    sizes = [
        size for _ in range(20) for size in (round(2 ** coin.uniform(13, 22)), 64 + coin.randrange(4000))
    ]
    freed = sum(sizes[::2])
    taken, into = json.loads(printed(BLOCKS, json.dumps(sizes), "fill"))
    assert into == 0
    assert taken >= freed - 20 * 4096  # what is left of each is smaller than the smallest that is taken
    taken, into = json.loads(printed(BLOCKS, json.dumps(sizes), "leave"))
    assert taken == 0
    assert into >= 19  # the first hole may have grown at its lower end


@glibc
def test_bug_who_was_in_the_process_before_decided_where_activations_lie() -> None:
    """Dense MobileNetV2 was slower in the company of others than in a process of its own."""
    assert printed(ACTIVATIONS, "filled").split() == ["0"]
    assert printed(ACTIVATIONS, "kept").split() == ["3"]


@pytest.mark.parametrize(
    ("asked", "timed", "kept", "tells", "found"),
    [
        ("filled", True, True, True, "filled"),
        ("filled", False, True, True, "kept"),
        ("filled", True, True, False, "kept"),
        ("kept", True, True, True, "kept"),
        ("default", True, False, True, "default"),
        ("filled", True, False, True, "default"),
    ],
)
def test_the_record_says_what_was_done(
    monkeypatch: pytest.MonkeyPatch, asked: str, timed: bool, kept: bool, tells: bool, found: str
) -> None:
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    if kept:
        monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "1")
    monkeypatch.setattr(trial, "can_occupy", lambda: tells)
    job = Job(Case("layer/4-4-k3", DENSE, input=(4, 8, 8)), heap=asked, timed=timed)
    assert trial._heap(job) == found
