"""Energy on a clock and a counter of our own: windows, idle power, counters that begin anew."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_cuda import FakeNvml
from hypothesis import given
from hypothesis import strategies as st

from bench.worker import energy, nvml
from bench.worker.energy import WINDOW, NvmlCounter, Rapl, batched, counter_for, energy_of, spent, window
from bench.worker.measurements import UNSUPPORTED, Energy


class FakeHost:
    """Uses ``idle`` watts always and ``extra`` more while it works; its counter begins anew at ``range_``."""

    source = "fake"

    def __init__(
        self, idle: float, extra: float, call: float = 0.01, range_: int = 10**12, start: int = 0
    ) -> None:
        self.idle, self.extra, self.call = idle, extra, call
        self.ranges: list[int | None] = [range_]
        self.now, self._used = 0.0, float(start)
        self.readings: list[float] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self._used += 1e6 * self.idle * seconds

    def work(self) -> int:
        self.now += self.call
        self._used += 1e6 * (self.idle + self.extra) * self.call
        return 1

    def read(self) -> tuple[int, ...]:
        self.readings.append(self.now)
        assert self.ranges[0] is not None
        return (round(self._used) % self.ranges[0],)


def measured(host: FakeHost) -> Energy:
    return energy.energy(host.work, host, host.clock, host.sleep)


def test_idle_power_is_subtracted() -> None:
    found = measured(FakeHost(idle=40.0, extra=5.0))
    assert found.joules == pytest.approx(5.0 * 0.01, rel=1e-4)
    assert (found.watts, found.idle_watts) == pytest.approx((45.0, 40.0), rel=1e-4)
    assert (found.source, found.refused) == ("fake", "")


@given(st.floats(0, 300), st.floats(1, 300), st.floats(1e-3, 3.0))
def test_any_host_gives_what_its_calls_use(idle: float, extra: float, call: float) -> None:
    assert measured(FakeHost(idle, extra, call)).joules == pytest.approx(extra * call, rel=1e-3)


def test_both_windows_are_at_least_two_seconds() -> None:
    host = FakeHost(idle=40.0, extra=5.0, call=0.3)
    found = measured(host)
    idle_from, idle_to, busy_from, busy_to = host.readings
    assert WINDOW == 2.0
    assert min(idle_to - idle_from, busy_to - busy_from, found.seconds, found.idle_seconds) >= 2.0 - 1e-9
    assert found.calls == 7
    assert found.seconds == pytest.approx(2.1)


def test_a_call_longer_than_the_window_is_made_once() -> None:
    assert measured(FakeHost(idle=1.0, extra=5.0, call=9.0)).calls == 1


def test_counted_calls_come_after_warm_ones() -> None:
    host = FakeHost(idle=40.0, extra=5.0)
    measured(host)
    assert host.readings[2] - host.readings[1] >= energy.WARM


def test_no_more_than_idle_gives_no_number_and_both_powers() -> None:
    found = measured(FakeHost(idle=40.0, extra=-1.0))
    assert found.joules is None
    assert found.refused == "39.00 W while it was called, 40.00 W idle: nothing above idle is seen"


@given(st.integers(10**6, 10**9), st.integers(0, 10**9), st.integers(0, 10**9))
def test_a_counter_that_begins_anew_loses_nothing(range_: int, start: int, used: int) -> None:
    start, used = start % range_, used % range_
    assert spent([start], [(start + used) % range_], [range_]) == pytest.approx(used / 1e6)


def test_a_window_over_a_counter_that_begins_anew() -> None:
    range_ = 65_000_000_000
    host = FakeHost(idle=0.0, extra=50.0, range_=range_, start=range_ - 1_000_000)
    found = window(host.work, host, host.clock)
    assert found.joules == pytest.approx(100.0, rel=0.01)
    assert found.watts == pytest.approx(50.0)


def test_all_chips_are_added_each_with_its_own_range() -> None:
    assert spent([90, 5], [10, 15], [100, 100]) == pytest.approx(30e-6)


def test_a_counter_without_a_range_may_not_go_back() -> None:
    with pytest.raises(ValueError, match="went back from 5 to 4"):
        spent([5], [4], [None])


def zone(root: Path, name: str, label: str, used: int) -> None:
    folder = root / name
    folder.mkdir()
    (folder / "name").write_text(label + "\n")
    (folder / "energy_uj").write_text(f"{used}\n")
    (folder / "max_energy_range_uj").write_text("262143328850\n")


def test_rapl_adds_packages_and_neither_their_parts_nor_the_board(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0", 1)
    zone(tmp_path, "intel-rapl:0:0", "core", 10)
    zone(tmp_path, "intel-rapl:1", "package-1", 100)
    zone(tmp_path, "intel-rapl:2", "psys", 1000)
    found = Rapl(tmp_path)
    assert found.read() == (1, 100)
    assert found.ranges == [262143328850, 262143328850]
    assert isinstance(counter_for("cpu", tmp_path), Rapl)


def test_a_host_without_counters_says_so(tmp_path: Path) -> None:
    assert counter_for("cpu", tmp_path) == f"{tmp_path} has no intel-rapl zone of a processor package"
    (tmp_path / "intel-rapl:0").mkdir()
    assert "No such file" in str(counter_for("cpu", tmp_path))


def test_a_forbidden_counter_says_what_would_help(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0", 1)

    def forbid(self: Path, *_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_text", forbid)
    assert "may not be read; `sudo chmod a+r` on it" in str(counter_for("cpu", tmp_path))


def test_a_gpu_that_counts_is_read_in_microjoules() -> None:
    gpu = nvml.attach("GPU-1", lambda: FakeNvml(energy=5))
    assert gpu is not None
    assert NvmlCounter(gpu.microjoules).read() == (5000,)


def test_a_gpu_that_does_not_count_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = nvml.attach("GPU-1", lambda: FakeNvml())
    monkeypatch.setattr(nvml, "gpu", lambda: gpu)
    assert counter_for("cuda") == "NVML counts no energy on this GPU"
    monkeypatch.setattr(nvml, "gpu", lambda: None)
    assert "pip install 'csr-bench[cuda]'" in str(counter_for("cuda"))


def test_where_nothing_counts_energy_is_unsupported_and_nothing_is_called(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(energy, "counter_for", lambda device: "no counter here")
    found = energy_of(lambda: pytest.fail("called"), 1, "cpu", emulated=False)
    assert (found.source, found.joules, found.refused) == (UNSUPPORTED, None, "no counter here")
    assert "emulated" in energy_of(lambda: None, 1, "cpu", emulated=True).refused


def test_calls_come_in_batches_and_each_batch_waits_for_the_device() -> None:
    made: list[str] = []
    ticks = iter([0.0, 0.003])
    work = batched(lambda: made.append("round"), 4, lambda: made.append("wait"), lambda: next(ticks))
    made.clear()
    assert work() == 4 * 4  # four rounds of 3 ms, of four calls each
    assert made == ["round"] * 4 + ["wait"]
