"""Memory: weight bytes and the peak of live tensors by hand, the resident mark as far as it is known."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from bench.methods.csr_conv import CSRConv2d
from bench.worker import memory

FLOATS = 4


@pytest.fixture
def x() -> Tensor:
    """256 KiB: far above what the allocator rounds up."""
    return torch.arange(64 * 1024, dtype=torch.float32).reshape(1, 64, 32, 32)


SIZE = 64 * 1024 * FLOATS

PEAKS: dict[str, tuple[Callable[[], Callable[[Tensor], Tensor]], int]] = {
    # one output
    "relu": (nn.ReLU, SIZE),
    # x + x: one output
    "sum": (lambda: lambda x: x + x, SIZE),
    # in place: nothing new
    "in place": (lambda: nn.ReLU(inplace=True), 0),
    # a view: nothing new
    "view": (lambda: nn.Flatten(), 0),
    # the first output lives while the second is made, then goes
    "chain of two": (lambda: nn.Sequential(nn.ReLU(), nn.Sigmoid()), 2 * SIZE),
    # never more than two at a time
    "chain of four": (lambda: nn.Sequential(nn.ReLU(), nn.Sigmoid(), nn.Tanh(), nn.ReLU()), 2 * SIZE),
    # both halves live until they are joined: 2 × SIZE for them and 2 × SIZE for the whole
    "join": (lambda: lambda x: torch.cat([x.relu(), x.sigmoid()], 1), 4 * SIZE),
    # two outputs held by their names, and their sum
    "branches": (lambda: _branches, 3 * SIZE),
    # an output a quarter of the size
    "pool": (lambda: lambda x: x[:, :16].relu(), SIZE // 4),
}


def _branches(x: Tensor) -> Tensor:
    a = x.relu()
    b = x.sigmoid()
    return a + b


@pytest.mark.parametrize("name", PEAKS)
def test_the_peak_of_live_tensors_by_hand(name: str, x: Tensor) -> None:
    make, expected = PEAKS[name]
    network = make()
    with torch.inference_mode():
        assert memory.live_peak(lambda: network(x)) == expected


def test_the_peak_of_a_linear_layer_by_hand() -> None:
    x, layer = torch.ones(8, 64), nn.Linear(64, 4096)
    with torch.inference_mode():
        assert memory.live_peak(lambda: layer(x)) == 8 * 4096 * FLOATS


def test_the_peak_is_the_same_integer_every_time() -> None:
    network = nn.Sequential(
        nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 4, 1)
    )
    network.eval()
    x = torch.ones(2, 8, 32, 32)
    with torch.inference_mode():
        peaks = {memory.live_peak(lambda: network(x)) for _ in range(4)}
    (peak,) = peaks
    assert peak is not None
    assert peak >= 2 * 16 * 32 * 32 * FLOATS


def test_a_call_that_allocates_nothing_has_a_peak_of_zero() -> None:
    assert memory.live_peak(lambda: None) == 0


def test_the_peak_is_unknown_without_the_profiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.profiler, "kineto_available", lambda: False)
    assert memory.live_peak(lambda: None) is None


def test_weight_bytes_by_hand() -> None:
    assert memory.weight_bytes(nn.Conv2d(3, 16, 3)) == (3 * 16 * 9 + 16) * FLOATS


def test_weight_bytes_hold_the_buffers_of_batchnorm() -> None:
    # weight, bias, running mean, running variance, and one 64-bit counter
    assert memory.weight_bytes(nn.BatchNorm2d(10)) == 4 * 10 * FLOATS + 8


def test_weight_bytes_of_shared_weights_count_once() -> None:
    layer = nn.Linear(10, 10)
    assert memory.weight_bytes(nn.Sequential(layer, nn.ReLU(), layer)) == 110 * FLOATS
    tied = nn.Sequential(nn.Linear(10, 10), nn.Linear(10, 10, bias=False))
    tied[1].weight = tied[0].weight
    assert memory.weight_bytes(tied) == 110 * FLOATS


def test_weight_bytes_follow_the_type() -> None:
    assert memory.weight_bytes(nn.Linear(10, 10).half()) == 110 * 2


def test_weight_bytes_leave_out_what_is_not_saved() -> None:
    network = nn.Linear(2, 2, bias=False)
    network.register_buffer("scratch", torch.ones(100), persistent=False)
    assert memory.weight_bytes(network) == 4 * FLOATS


def test_weight_bytes_of_nothing_are_zero() -> None:
    assert memory.weight_bytes(nn.ReLU()) == 0


GROW = """
import torch
from bench.worker.memory import ResidentMark
small = ResidentMark()
little = small.growth()
mark = ResidentMark()
block = bytearray(64 * 2**20)
for at in range(0, len(block), 4096):
    block[at] = 1
held = mark.growth()
del block
print(little, held, mark.growth(), mark.before, mark.peak())
"""


def test_the_resident_mark_sees_what_was_touched_and_remembers_it() -> None:
    answer = subprocess.run([sys.executable, "-c", GROW], capture_output=True, text=True, check=True)
    if "None" in answer.stdout:
        pytest.skip("this kernel does not let a process reset its high-water mark")
    little, held, after, before, peak = map(int, answer.stdout.split())
    assert little < 8 * 2**20
    assert 60 * 2**20 < held < 90 * 2**20
    # The kernel's counters lag by some pages per thread.
    assert after > held - 2**20
    assert abs(peak - before - after) < 2**20


def test_growth_is_unknown_where_the_mark_cannot_be_reset(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(memory, "_CLEAR_REFS", tmp_path / "no" / "such")
    mark = memory.ResidentMark()
    assert mark.before is None
    assert mark.growth() is None
    assert mark.peak() is not None


def test_all_is_unknown_where_the_status_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(memory, "_STATUS", tmp_path / "nothing")
    monkeypatch.setattr(memory, "_CLEAR_REFS", tmp_path / "clear_refs")
    mark = memory.ResidentMark()
    assert (mark.before, mark.peak(), mark.growth()) == (None, None, None)


def test_a_status_without_the_line_is_unknown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "status").write_text("Name: x\n")
    monkeypatch.setattr(memory, "_STATUS", tmp_path / "status")
    monkeypatch.setattr(memory, "_CLEAR_REFS", tmp_path / "clear_refs")
    assert memory.ResidentMark().growth() is None


def test_resident_numbers_are_bytes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    status, clear = tmp_path / "status", tmp_path / "clear_refs"
    monkeypatch.setattr(memory, "_STATUS", status)
    monkeypatch.setattr(memory, "_CLEAR_REFS", clear)
    status.write_text("VmHWM:\t    900 kB\nVmRSS:\t    200 kB\n")
    mark = memory.ResidentMark()
    status.write_text("VmHWM:\t    300 kB\nVmRSS:\t    100 kB\n")
    assert clear.read_text() == "5"
    assert (mark.before, mark.peak(), mark.growth()) == (200 * 1024, 300 * 1024, 100 * 1024)


def test_all_numbers_of_a_network() -> None:
    network, x = nn.Conv2d(4, 4, 3, padding=1, bias=False), torch.ones(1, 4, 64, 64)
    mark = memory.ResidentMark()
    with torch.inference_mode():
        found = memory.memory(network, lambda: network(x), mark, "cpu").as_dict()
    assert found["weight_bytes"] == 144 * FLOATS
    assert found["live_peak"] >= 4 * 64 * 64 * FLOATS
    assert found["cuda_allocated_peak"] is None
    assert found["cuda_reserved_peak"] is None


def test_each_order_of_csr_conv_has_its_hand_computed_live_peak() -> None:
    """Literal keeps one step's U at a time; batched holds all of them beside the growing output."""
    layer = CSRConv2d(4, 4, 1, T=2).eval()
    asked = layer.order
    x = torch.randn(1, 4, 8, 8)
    with torch.inference_mode():
        found = memory.live_peak_by_order(layer, lambda: layer(x))
    assert found is not None
    assert set(found) == {"batched", "literal"}
    assert layer.order == asked
    # The output (4 channels) and the two h (2 channels each) are alive at the concatenation, in float32.
    assert all(peak >= (4 + 2 + 2) * 64 * 4 for peak in found.values())


def test_a_network_without_orders_has_no_peaks_by_order() -> None:
    network = nn.ReLU()
    assert memory.live_peak_by_order(network, lambda: network(torch.ones(2))) is None
