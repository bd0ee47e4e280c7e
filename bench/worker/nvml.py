"""What NVIDIA's management library tells of the GPU that torch uses: clocks, throttling, memory, energy.

It comes with the package nvidia-ml-py (the extra ``csr-bench[cuda]``). Without it, or without a driver,
everything read here is unknown, and nothing else changes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from typing import Any

import torch

UNKNOWN = "unknown"

SM_CLOCK, MEMORY_CLOCK, TEMPERATURE = 1, 2, 0
"""NVML_CLOCK_SM, NVML_CLOCK_MEM and NVML_TEMPERATURE_GPU."""


class Gpu:
    """One GPU by its NVML handle; ``library`` is the module pynvml. What it refuses to tell is unknown."""

    def __init__(self, library: Any, handle: Any) -> None:
        self._library = library
        self._handle = handle

    def conditions(self) -> dict[str, int | str]:
        """Clocks in MHz, temperature in °C, power in mW, and the reasons for lower clocks as NVML's bits."""
        return {
            "gpu_clock_mhz": self._read("nvmlDeviceGetClockInfo", SM_CLOCK),
            "gpu_memory_clock_mhz": self._read("nvmlDeviceGetClockInfo", MEMORY_CLOCK),
            "gpu_temperature_c": self._read("nvmlDeviceGetTemperature", TEMPERATURE),
            "gpu_power_mw": self._read("nvmlDeviceGetPowerUsage"),
            "gpu_throttle_reasons": self._read("nvmlDeviceGetCurrentClocksThrottleReasons"),
        }

    def used_bytes(self, pid: int | None = None) -> int | None:
        """What the driver gave this process: context, code and all that torch's allocator holds.

        In a container the driver knows processes by other numbers: a single one on the GPU is taken for this
        one. None where it cannot be told which it is.
        """
        processes = self._ask("nvmlDeviceGetComputeRunningProcesses") or []
        mine = [process for process in processes if process.pid == (os.getpid() if pid is None else pid)]
        found = mine or (processes if len(processes) == 1 else [])
        used = found[0].usedGpuMemory if found else None
        return used if isinstance(used, int) else None

    def microjoules(self) -> int | None:
        """Energy since the driver was loaded; None on GPUs before Volta, which do not count it."""
        counted = self._read("nvmlDeviceGetTotalEnergyConsumption")
        return 1000 * counted if isinstance(counted, int) else None

    def _read(self, name: str, *arguments: Any) -> int | str:
        value = self._ask(name, *arguments)
        return UNKNOWN if value is None else int(value)

    def _ask(self, name: str, *arguments: Any) -> Any:
        try:
            return getattr(self._library, name)(self._handle, *arguments)
        except (AttributeError, self._library.NVMLError):
            return None


def _library() -> Any:
    import pynvml  # optional, and nothing of it is looked at before a case runs on a GPU

    return pynvml


def attach(uuid: str, load: Callable[[], Any] = _library) -> Gpu | None:
    """The GPU with that UUID; None without the library, a driver, or such a GPU.

    By the UUID, because NVML numbers all GPUs of a host, and torch those that it may see.
    """
    try:
        library = load()
    except ImportError:
        return None
    try:
        library.nvmlInit()
        return Gpu(library, library.nvmlDeviceGetHandleByUUID(uuid))
    except library.NVMLError:
        return None


@cache
def gpu() -> Gpu | None:
    """The GPU of this process: torch's first CUDA device."""
    uuid = getattr(torch.cuda.get_device_properties(0), "uuid", None)
    return None if uuid is None else attach(f"GPU-{uuid}")
