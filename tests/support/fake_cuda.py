"""A device that runs behind its host on a clock of its own, as torch.cuda shows one: nothing waits."""

from __future__ import annotations

from collections.abc import Iterable

from bench.worker.latency import SPIN


class FakeEvent:
    """A mark on the device's timeline."""

    def __init__(self, device: FakeCuda) -> None:
        self._device = device
        self.at = 0.0

    def record(self) -> None:
        """The device passes the mark when all that was launched before is done."""
        self.at = max(self._device.free_at, self._device.clock)

    def query(self) -> bool:
        """Whether the device has passed it."""
        return self._device.clock >= self.at

    def elapsed_time(self, other: FakeEvent) -> float:
        """Milliseconds from this mark to the other."""
        return 1e3 * (other.at - self.at)


class FakeCuda:
    """In the place of torch.cuda: each call costs the host ``launch`` seconds and the device ``work``.

    ``reserved``: what the allocator says it holds, one number per question; the last one stays.
    """

    def __init__(self, launch: float, work: float, reserved: Iterable[int] = (0,)) -> None:
        self.launch, self.work = launch, work
        self.clock = self.free_at = 0.0
        self.calls = 0
        self._reserved = list(reserved)

    def now(self) -> float:
        """The host's clock."""
        return self.clock

    def call(self) -> None:
        """Launches work, and does not wait for it."""
        self.calls += 1
        self.clock += self.launch
        self.free_at = max(self.free_at, self.clock) + self.work

    def Event(self, enable_timing: bool) -> FakeEvent:  # noqa: N802 - torch's name
        """A new mark."""
        assert enable_timing
        return FakeEvent(self)

    def synchronize(self) -> None:
        """The host waits for the device."""
        self.clock = max(self.clock, self.free_at)

    def memory_reserved(self) -> int:
        """Bytes that the allocator holds."""
        return self._reserved.pop(0) if len(self._reserved) > 1 else self._reserved[0]

    def _sleep(self, cycles: int) -> None:
        self.free_at = max(self.free_at, self.clock) + cycles / SPIN


class NVMLError(Exception):
    """What the library raises for everything that it does not tell."""


class FakeProcess:
    """One process on the GPU."""

    def __init__(self, pid: int, used: int | None) -> None:
        self.pid, self.usedGpuMemory = pid, used


class FakeNvml:
    """In the place of the module pynvml; a fact that is left out is not supported there."""

    NVMLError = NVMLError

    def __init__(self, driver: bool = True, processes: Iterable[FakeProcess] = (), **facts: int) -> None:
        self._driver = driver
        self._processes = list(processes)
        self._facts = facts

    def nvmlInit(self) -> None:  # noqa: N802
        """Attaches to the driver."""
        if not self._driver:
            raise NVMLError("Driver Not Loaded")

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:  # noqa: N802
        """The one GPU there is."""
        if uuid != "GPU-1":
            raise NVMLError("Not Found")
        return uuid

    def nvmlDeviceGetClockInfo(self, handle: str, kind: int) -> int:  # noqa: N802
        """MHz."""
        return self._fact({1: "sm", 2: "memory"}[kind])

    def nvmlDeviceGetTemperature(self, handle: str, sensor: int) -> int:  # noqa: N802
        """Degrees."""
        return self._fact("temperature")

    def nvmlDeviceGetPowerUsage(self, handle: str) -> int:  # noqa: N802
        """Milliwatts."""
        return self._fact("power")

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle: str) -> int:  # noqa: N802
        """Bits."""
        return self._fact("reasons")

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: str) -> int:  # noqa: N802
        """Millijoules."""
        return self._fact("energy")

    def nvmlDeviceGetComputeRunningProcesses(self, handle: str) -> list[FakeProcess]:  # noqa: N802
        """Who uses the GPU."""
        return self._processes

    def _fact(self, name: str) -> int:
        if name not in self._facts:
            raise NVMLError("Not Supported")
        return self._facts[name]
