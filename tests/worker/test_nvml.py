"""NVML, made up: what it tells, what it refuses to tell, and that nobody needs it."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from fake_cuda import FakeNvml, FakeProcess
from torch import nn

from bench.worker import host, memory, nvml

TOLD = {"sm": 1980, "memory": 3201, "temperature": 41, "power": 113_500, "reasons": 4, "energy": 77}


def attached(**facts: Any) -> nvml.Gpu:
    found = nvml.attach("GPU-1", lambda: FakeNvml(**facts))
    assert found is not None
    return found


def test_clocks_temperature_power_and_reasons_are_conditions() -> None:
    assert attached(**TOLD).conditions() == {
        "gpu_clock_mhz": 1980,
        "gpu_memory_clock_mhz": 3201,
        "gpu_temperature_c": 41,
        "gpu_power_mw": 113_500,
        "gpu_throttle_reasons": 4,
    }


def test_what_it_refuses_to_tell_is_unknown() -> None:
    found = attached()
    assert set(found.conditions().values()) == {"unknown"}
    assert found.microjoules() is None
    assert found.used_bytes() is None


def test_energy_is_counted_in_microjoules() -> None:
    assert attached(**TOLD).microjoules() == 77_000


@pytest.mark.parametrize(
    ("processes", "used"),
    [
        ([FakeProcess(7, 100), FakeProcess(8, 200)], 100),
        ([FakeProcess(1007, 100)], 100),  # in a container, where the driver counts otherwise
        ([FakeProcess(1007, 100), FakeProcess(1008, 200)], None),
        ([FakeProcess(7, None)], None),
        ([], None),
    ],
    ids=["by its number", "the only one", "which is it", "not told", "nobody"],
)
def test_memory_is_that_of_this_process(processes: list[FakeProcess], used: int | None) -> None:
    assert attached(processes=processes).used_bytes(7) == used


def missing() -> Any:
    raise ImportError("pynvml")


def test_without_the_library_a_driver_or_the_gpu_there_is_nothing_to_ask() -> None:
    assert nvml.attach("GPU-1", missing) is None
    assert nvml.attach("GPU-1", lambda: FakeNvml(driver=False)) is None
    assert nvml.attach("GPU-2", lambda: FakeNvml()) is None


def test_conditions_of_a_gpu_stand_beside_those_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvml, "gpu", lambda: attached(**TOLD))
    assert host.conditions("cuda")["gpu_clock_mhz"] == 1980
    assert "gpu_clock_mhz" not in host.conditions()
    monkeypatch.setattr(nvml, "gpu", lambda: None)
    assert "gpu_clock_mhz" not in host.conditions("cuda")


def test_the_library_is_imported_where_a_gpu_is_asked_alone() -> None:
    assert "pynvml" not in sys.modules
    host.conditions()
    memory.memory(_Nothing(), lambda: None, memory.ResidentMark(), "cpu")
    assert "pynvml" not in sys.modules


class _Nothing(nn.Module):
    """A network without anything."""


@pytest.mark.cuda
def test_on_a_real_gpu_it_tells_or_is_not_there() -> None:
    found = nvml.gpu()
    if found is None:
        pytest.skip("nvidia-ml-py is not installed, or finds no driver")
    clock = found.conditions()["gpu_clock_mhz"]
    assert clock == "unknown" or int(clock) > 0
