"""How fast and hot the cores are that a worker is bound to: governor, frequency, thermal zones, throttling.

A board that gets hot lowers its clock and says so in files of the kernel, or by the clock alone. Files are
read below a root that tests replace; what cannot be read is "unknown", never "fine".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

UNKNOWN = "unknown"

BETWEEN_LOOKS = 0.25
"""Seconds between two looks while cases take turns: reading the files takes a tenth of a millisecond."""

COOLING_LONGEST = 600.0
"""Seconds after which a host that does not cool is measured as it is."""

COOLING_STEP = 2.0

_CPU = Path("sys/devices/system/cpu")
_PLAUSIBLE = range(1, 150_000)
"""Thousandths of a degree; a zone without a sensor tells -274000, or 0."""


def reading(cores: Iterable[int], root: Path = Path("/")) -> dict[str, Any]:
    """One look.

    ``governor``: of these cores, joined where they differ. ``frequency_khz`` and ``frequency_share``: of the
    slowest of them, and as a part of the highest that it may have. ``temperature_mc``: of the hottest thermal
    zone, in thousandths of a degree; ``hottest_zone`` is its name. ``throttle_count``: of all these cores.
    """
    folders = [root / _CPU / f"cpu{core}" for core in cores]
    governors = sorted({_text(folder / "cpufreq/scaling_governor") for folder in folders} - {""})
    frequencies = [
        (now, now / most) for folder in folders if (now := _now(folder)) and (most := _most(folder))
    ]
    unscaled = [now for folder in folders if (now := _now(folder))]
    counts = [_number(folder / "thermal_throttle/core_throttle_count") for folder in folders]
    zones = _zones(root)
    hottest = max(zones, default=None)
    return {
        "governor": ", ".join(governors) or UNKNOWN,
        "frequency_khz": min(unscaled, default=UNKNOWN),
        "frequency_share": round(min(share for _, share in frequencies), 4) if frequencies else UNKNOWN,
        "temperature_mc": UNKNOWN if hottest is None else hottest[0],
        "hottest_zone": UNKNOWN if hottest is None else hottest[1],
        "throttle_count": sum(count for count in counts if count is not None)
        if any(count is not None for count in counts)
        else UNKNOWN,
    }


class Watch:
    """Looks from time to time while something is measured, and keeps the worst that it saw."""

    def __init__(
        self,
        cores: Iterable[int],
        clock: Callable[[], float] = time.monotonic,
        root: Path = Path("/"),
        every: float = BETWEEN_LOOKS,
    ) -> None:
        self._cores = tuple(cores)
        self._clock = clock
        self._root = root
        self._every = every
        self._next = clock()
        first = reading(self._cores, root)
        self._worth = any(first[key] != UNKNOWN for key in ("frequency_share", "temperature_mc"))
        self._seen: list[dict[str, Any]] = []

    def look(self) -> None:
        """A look, if the last one is long enough ago; none where nothing can be read (a virtual machine)."""
        if self._worth and self._clock() >= self._next:
            self._seen.append(reading(self._cores, self._root))
            self._next = self._clock() + self._every

    def worst(self) -> dict[str, Any]:
        """``looks``, the lowest ``frequency_share`` and ``frequency_khz``, the highest ``temperature_mc``."""
        return {
            "looks": len(self._seen),
            "frequency_share": min(self._known("frequency_share"), default=UNKNOWN),
            "frequency_khz": min(self._known("frequency_khz"), default=UNKNOWN),
            "temperature_mc": max(self._known("temperature_mc"), default=UNKNOWN),
        }

    def _known(self, key: str) -> list[float]:
        return [seen[key] for seen in self._seen if seen[key] != UNKNOWN]


def cool_down(
    below: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    root: Path = Path("/"),
) -> float:
    """Waits until the hottest zone is below that many degrees, at most COOLING_LONGEST; returns the seconds.

    Where no zone can be read there is nothing to wait for.
    """
    since = clock()
    while (zones := _zones(root)) and max(zones)[0] >= below * 1000:
        if clock() - since >= COOLING_LONGEST:
            break
        sleep(COOLING_STEP)
    return clock() - since


def _zones(root: Path) -> list[tuple[int, str]]:
    """Temperature and name of each thermal zone that tells one."""
    found = []
    for zone in sorted((root / "sys/class/thermal").glob("thermal_zone*")):
        degrees = _number(zone / "temp")
        if degrees is not None and degrees in _PLAUSIBLE:
            found.append((degrees, _text(zone / "type") or zone.name))
    return found


def _now(core: Path) -> int | None:
    return _number(core / "cpufreq/scaling_cur_freq") or None


def _most(core: Path) -> int | None:
    """What its design allows: a limit that was set lower by hand is a slow core too."""
    return _number(core / "cpufreq/cpuinfo_max_freq") or _number(core / "cpufreq/scaling_max_freq") or None


def _number(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text.removeprefix("-").isdecimal() else None


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""
