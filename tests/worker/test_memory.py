"""Memory: the allocator's peak by hand, the resident mark as far as it is known."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
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
def test_the_allocators_peak_by_hand_where_no_kernel_needs_scratch(name: str, x: Tensor) -> None:
    make, expected = PEAKS[name]
    network = make()
    with torch.inference_mode():
        assert memory.allocator_peak(lambda: network(x)) == expected


def test_the_peak_of_a_linear_layer_by_hand() -> None:
    x, layer = torch.ones(8, 64), nn.Linear(64, 4096)
    with torch.inference_mode():
        assert memory.allocator_peak(lambda: layer(x)) == 8 * 4096 * FLOATS


def test_the_peak_is_the_same_integer_every_time() -> None:
    network = nn.Sequential(
        nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 4, 1)
    )
    network.eval()
    x = torch.ones(2, 8, 32, 32)
    with torch.inference_mode():
        peaks = {memory.allocator_peak(lambda: network(x)) for _ in range(4)}
    (peak,) = peaks
    assert peak is not None
    assert peak >= 2 * 16 * 32 * 32 * FLOATS


def test_a_call_that_allocates_nothing_has_a_peak_of_zero() -> None:
    assert memory.allocator_peak(lambda: None) == 0


def test_the_peak_is_unknown_without_the_profiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.profiler, "kineto_available", lambda: False)
    assert memory.allocator_peak(lambda: None) is None


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


@pytest.fixture
def without_scratch() -> Iterator[None]:
    """A 1×1 convolution as one matrix product over the map: oneDNN would allocate scratch of its own."""
    with torch.backends.mkldnn.flags(enabled=False), torch.inference_mode():
        yield


@pytest.mark.usefixtures("without_scratch")
def test_all_numbers_of_a_network() -> None:
    network, x = nn.Conv2d(4, 4, 1, bias=False), torch.ones(1, 4, 64, 64)
    mark = memory.ResidentMark()
    found = memory.memory(network, lambda: network(x), mark, "cpu")
    assert found.weight_bytes == 4 * 4 * FLOATS
    assert found.live_peak == found.allocator_peak == 4 * 64 * 64 * FLOATS
    assert found.live_peak_refused is None
    assert found.live_peak_by_order is found.allocator_peak_by_order is None
    assert found.cuda_allocated_peak is None
    assert found.cuda_reserved_peak is None


class TwoHalves(nn.Module):
    """x.relu() beside x.sigmoid(): (B, C, H, W) -> (B, 2·C, H, W)."""

    ORDERS = ("together", "one by one")

    def __init__(self) -> None:
        super().__init__()
        self.order = "together"

    def forward(self, x: Tensor) -> Tensor:
        if self.order == "together":
            return torch.cat([x.relu(), x.sigmoid()], 1)
        y = x.new_empty(x.shape[0], 2 * x.shape[1], *x.shape[2:])
        y[:, : x.shape[1]] = x.relu()
        y[:, x.shape[1] :] = x.sigmoid()
        return y


def peaks_by_order(network: nn.Module, x: Tensor) -> tuple[dict[str, int] | None, dict[str, int] | None]:
    """Of live tensors and of the allocator."""
    with torch.inference_mode():
        mark = memory.ResidentMark()
        found = memory.memory(network, lambda: network(x), mark, "cpu", orders=True)
    return found.live_peak_by_order, found.allocator_peak_by_order


def test_each_order_has_its_hand_computed_peaks(x: Tensor) -> None:
    """Together: both halves and the whole, 4 × SIZE. One by one: the whole and one half, 3 × SIZE."""
    layer = TwoHalves()
    layer.order = "one by one"
    network = nn.Sequential(layer)
    live, allocated = peaks_by_order(network, x)
    assert live == allocated == {"together": 4 * SIZE, "one by one": 3 * SIZE}
    assert layer.order == "one by one"


@pytest.mark.usefixtures("without_scratch")
def test_each_order_of_csr_conv_has_its_hand_computed_peaks() -> None:
    """The peak is at the last sum of step 2, in maps of 8×8 floats, two of them per tensor.

    Batched: U of both steps (4), V·h (2), α·relu (2), (1-β)·V·h (2) and their sum (2). Literal: the first
    h (2) and the second U (2) in the place of both U, and the same four. At the concatenation fewer live.
    """
    layer = CSRConv2d(4, 4, 1, T=2).eval()
    x = torch.randn(1, 4, 8, 8)
    asked = layer.order
    live, allocated = peaks_by_order(layer, x)
    assert live == allocated == {"batched": 12 * 64 * FLOATS, "literal": 12 * 64 * FLOATS}
    assert layer.order == asked


@pytest.mark.usefixtures("without_scratch")
def test_more_steps_show_what_the_batched_order_holds() -> None:
    """T = 4. Batched, at the concatenation: all four U (8 maps), the three h after the first (6), y (8).

    Literal, there and at the last sum: 16, all four h (8) and y (8).
    """
    layer = CSRConv2d(8, 8, 1, T=4).eval()
    x = torch.randn(1, 8, 8, 8)
    live, allocated = peaks_by_order(layer, x)
    assert live == allocated == {"batched": 22 * 64 * FLOATS, "literal": 16 * 64 * FLOATS}


def test_a_network_without_orders_has_no_peaks_by_order() -> None:
    assert peaks_by_order(nn.ReLU(), torch.ones(2)) == (None, None)
    assert memory.by_order(nn.ReLU(), lambda: None, lambda: 1) == {}


def test_scratch_is_the_allocators_and_no_live_tensor() -> None:
    """A 3×3 convolution of 16 channels at 32×32: 64 KiB come out; what the kernel lays out is scratch."""
    network, x = nn.Conv2d(16, 16, 3, padding=1), torch.randn(1, 16, 32, 32)
    found = {}
    for onednn in (True, False):
        with torch.backends.mkldnn.flags(enabled=onednn), torch.inference_mode():
            network(x)
            found[onednn] = memory.memory(network, lambda: network(x), memory.ResidentMark(), "cpu")
    assert {one.live_peak for one in found.values()} == {16 * 32 * 32 * FLOATS}
    scratch = 9 * 16 * 32 * 32 * FLOATS  # im2col: every input value once per tap
    assert found[False].allocator_peak == 16 * 32 * 32 * FLOATS + scratch
    assert all((one.allocator_peak or 0) >= (one.live_peak or 0) for one in found.values())


def test_a_runtime_that_hides_its_tensors_has_no_live_peak() -> None:
    network, x = nn.ReLU(), torch.ones(1, 4, 8, 8)
    mark = memory.ResidentMark()
    found = memory.memory(network, lambda: network(x), mark, "cpu", hidden="runtime compile hides them")
    assert (found.live_peak, found.live_peak_refused) == (None, "runtime compile hides them")
    assert found.allocator_peak == x.numel() * FLOATS


def test_onednns_own_tensors_have_no_live_peak() -> None:
    x = torch.ones(1, 4, 8, 8)
    found = memory.memory(nn.ReLU(), lambda: x.to_mkldnn().to_dense(), memory.ResidentMark(), "cpu")
    assert found.live_peak is None
    assert "_mkldnn" in (found.live_peak_refused or "")
