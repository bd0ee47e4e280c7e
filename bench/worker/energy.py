"""Energy of a call: a counter read around a window of calls, less what the host uses while it waits.

Counters are those of the hardware: NVML's for a GPU (millijoules since the driver was loaded, renewed some
ten to fifty times a second), RAPL's for an x86 processor (Linux's powercap, microjoules, a thousand times a
second). Both count everything on the chip, so nothing else may run, and windows are long beside the steps in
which they are renewed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.worker.measurements import UNSUPPORTED, Energy

POWERCAP = Path("/sys/class/powercap")

WINDOW = 2.0
"""Seconds of each window at least: a step of a counter renewed ten times a second is 5 % of it."""

REST, WARM = 0.5, 0.25
"""Seconds between the last call and the idle window, and of uncounted calls before the others."""

BATCH_SECONDS = 0.01
"""Calls come in batches of so many seconds, beside which clock and synchronisation cost little."""


class Counter(Protocol):
    """Counts energy. ``ranges``: for each chip the value at which it begins anew, None where it does not."""

    @property
    def source(self) -> str:
        """Whose counter it is."""
        ...

    @property
    def ranges(self) -> Sequence[int | None]:
        """By chip."""
        ...

    def read(self) -> tuple[int, ...]:
        """Microjoules since some moment, one number per chip."""
        ...


@dataclass(frozen=True)
class Window:
    """What was used over a time in which so many calls were made."""

    joules: float
    seconds: float
    calls: int

    @property
    def watts(self) -> float:
        """Mean power."""
        return self.joules / self.seconds


def spent(before: Sequence[int], after: Sequence[int], ranges: Sequence[int | None]) -> float:
    """Joules between two readings of all chips, each of which began anew at most once.

    Raises ValueError for a counter that went back although it has no range.
    """
    total = 0
    for start, end, range_ in zip(before, after, ranges, strict=True):
        if end < start and range_ is None:
            raise ValueError(f"the energy counter went back from {start} to {end} µJ")
        total += end - start + (range_ or 0 if end < start else 0)
    return total / 1e6


def window(
    work: Callable[[], int], counter: Counter, clock: Callable[[], float], seconds: float = WINDOW
) -> Window:
    """Works again and again until so many seconds are over; ``work`` says how many calls it made."""
    before, since = counter.read(), clock()
    calls, elapsed = 0, 0.0
    while elapsed < seconds:
        calls += work()
        elapsed = clock() - since
    return Window(spent(before, counter.read(), counter.ranges), elapsed, calls)


def energy(
    work: Callable[[], int],
    counter: Counter,
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
) -> Energy:
    """Joules of a call: those of a window of work, less idle power times its length, over its calls.

    Where no more is used than idle there is no number, and ``refused`` has both powers.
    """
    sleep(REST)

    def wait() -> int:
        sleep(WINDOW / 20)
        return 0

    idle = window(wait, counter, clock)
    since = clock()
    while clock() - since < WARM:
        work()
    busy = window(work, counter, clock)
    above = busy.joules - idle.watts * busy.seconds
    refused = ""
    if above <= 0:
        refused = (
            f"{busy.watts:.2f} W while it was called, {idle.watts:.2f} W idle: nothing above idle is seen"
        )
    return Energy(
        source=counter.source,
        joules=None if refused else above / busy.calls,
        watts=busy.watts,
        idle_watts=idle.watts,
        calls=busy.calls,
        seconds=busy.seconds,
        idle_seconds=idle.seconds,
        refused=refused,
    )


class Rapl:
    """The counters of all processor packages. Raises OSError where none is there, or none may be read."""

    source = "rapl"

    def __init__(self, root: Path = POWERCAP) -> None:
        zones = sorted(zone for zone in root.glob("intel-rapl:*") if zone.name.count(":") == 1)
        # Beside the packages there may be a zone of the whole board, psys, in which they are counted again.
        zones = [zone for zone in zones if (zone / "name").read_text().startswith("package")]
        if not zones:
            raise FileNotFoundError(f"{root} has no intel-rapl zone of a processor package")
        self._files = [zone / "energy_uj" for zone in zones]
        self.ranges: list[int | None] = [int((zone / "max_energy_range_uj").read_text()) for zone in zones]
        self.read()

    def read(self) -> tuple[int, ...]:
        """Microjoules of each package."""
        return tuple(int(file.read_text()) for file in self._files)


class NvmlCounter:
    """The GPU's counter; ``microjoules`` is that of bench.worker.nvml. Raises OSError where it has none."""

    source = "nvml"
    ranges: Sequence[int | None] = (None,)

    def __init__(self, microjoules: Callable[[], int | None]) -> None:
        self._microjoules = microjoules
        self.read()

    def read(self) -> tuple[int, ...]:
        """Microjoules since the driver was loaded."""
        found = self._microjoules()
        if found is None:
            raise OSError("NVML counts no energy on this GPU")
        return (found,)


def counter_for(device: str, root: Path = POWERCAP) -> Counter | str:
    """The counter of a device, or why there is none."""
    try:
        if device != "cuda":
            return Rapl(root)
        from bench.worker import nvml

        gpu = nvml.gpu()
        return (
            "NVML is not there: pip install 'csr-bench[cuda]'"
            if gpu is None
            else NvmlCounter(gpu.microjoules)
        )
    except PermissionError as error:
        return f"{error.filename} may not be read; `sudo chmod a+r` on it allows it until the next restart"
    except (OSError, ValueError) as error:
        return str(error)


def energy_of(round_: Callable[[], object], calls_in_round: int, device: str, emulated: bool) -> Energy:
    """Energy of a call, where ``round_`` makes ``calls_in_round``; UNSUPPORTED with the reason elsewhere."""
    counter = "an emulated processor has no counter of its own" if emulated else counter_for(device)
    if isinstance(counter, str):
        return Energy(UNSUPPORTED, refused=counter)
    return energy(batched(round_, calls_in_round, _wait_for(device)), counter)


def batched(
    round_: Callable[[], object],
    calls_in_round: int,
    wait: Callable[[], object],
    clock: Callable[[], float] = time.perf_counter,
) -> Callable[[], int]:
    """Work for a window: as many rounds as take about BATCH_SECONDS, then waiting for the device."""
    wait()
    since = clock()
    round_()
    wait()
    took = clock() - since
    rounds = max(1, math.ceil(BATCH_SECONDS / took)) if took > 0 else 1

    def work() -> int:
        for _ in range(rounds):
            round_()
        wait()
        return rounds * calls_in_round

    return work


def _wait_for(device: str) -> Callable[[], object]:
    if device != "cuda":
        return lambda: None
    import torch

    return torch.cuda.synchronize
