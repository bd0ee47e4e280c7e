"""Governor, frequency and temperature, from the files of hosts that are not at hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from hand_clock import HandClock

from bench.worker.thermal import COOLING_LONGEST, Watch, cool_down, reading

CPU = "sys/devices/system/cpu"


def core(root: Path, number: int, now: int, most: int = 1_800_000, governor: str = "ondemand") -> None:
    """A core's files."""
    texts = {
        "cpufreq/scaling_cur_freq": f"{now}\n",
        "cpufreq/cpuinfo_max_freq": f"{most}\n",
        "cpufreq/scaling_governor": f"{governor}\n",
    }
    for name, text in texts.items():
        file = root / CPU / f"cpu{number}" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def zone(root: Path, number: int, degrees: str, kind: str = "cpu-thermal") -> None:
    """A thermal zone's files."""
    folder = root / f"sys/class/thermal/thermal_zone{number}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "temp").write_text(degrees + "\n")
    (folder / "type").write_text(kind + "\n")


def test_the_slowest_of_the_cores_that_are_used_counts(tmp_path: Path) -> None:
    core(tmp_path, 0, 600_000)
    core(tmp_path, 4, 2_200_000, 2_200_000, "performance")
    core(tmp_path, 5, 1_100_000, 2_200_000, "performance")
    found = reading([4, 5], tmp_path)
    assert (found["frequency_khz"], found["frequency_share"]) == (1_100_000, 0.5)
    assert found["governor"] == "performance"
    assert reading([0, 4], tmp_path)["governor"] == "ondemand, performance"


def test_the_share_is_of_each_cores_own_maximum(tmp_path: Path) -> None:
    """A little core at its maximum is slower than a big one, and not slow."""
    core(tmp_path, 0, 1_800_000, 1_800_000)
    core(tmp_path, 4, 2_000_000, 2_400_000)
    assert reading([0, 4], tmp_path)["frequency_share"] == pytest.approx(0.8333)


def test_the_hottest_zone_counts_and_has_its_name(tmp_path: Path) -> None:
    zone(tmp_path, 0, "48000", "gpu-thermal")
    zone(tmp_path, 1, "71500", "bigcore-thermal")
    zone(tmp_path, 2, "-274000", "no-sensor")
    zone(tmp_path, 3, "0", "asleep")
    zone(tmp_path, 4, "disabled", "odd")
    found = reading([0], tmp_path)
    assert (found["temperature_mc"], found["hottest_zone"]) == (71_500, "bigcore-thermal")


def test_throttling_is_added_up_over_the_cores(tmp_path: Path) -> None:
    for number, text in ((0, "3\n"), (1, "4\n")):
        file = tmp_path / CPU / f"cpu{number}/thermal_throttle/core_throttle_count"
        file.parent.mkdir(parents=True)
        file.write_text(text)
    assert reading([0, 1], tmp_path)["throttle_count"] == 7
    assert reading([1, 2], tmp_path)["throttle_count"] == 4


def test_what_cannot_be_read_is_unknown(tmp_path: Path) -> None:
    assert set(reading([0, 1], tmp_path).values()) == {"unknown"}


def test_a_watch_keeps_the_worst(tmp_path: Path) -> None:
    time = HandClock()
    core(tmp_path, 0, 1_800_000)
    zone(tmp_path, 0, "60000")
    watch = Watch([0], time, tmp_path, every=1.0)
    for now, degrees in ((1_800_000, "62000"), (900_000, "81000"), (1_500_000, "79000")):
        core(tmp_path, 0, now)
        zone(tmp_path, 0, degrees)
        watch.look()
        time.pause(1.0)
    assert watch.worst() == {
        "looks": 3,
        "frequency_share": 0.5,
        "frequency_khz": 900_000,
        "temperature_mc": 81_000,
    }


def test_a_watch_looks_only_from_time_to_time(tmp_path: Path) -> None:
    time = HandClock()
    core(tmp_path, 0, 1_800_000)
    watch = Watch([0], time, tmp_path, every=1.0)
    for _ in range(25):
        watch.look()
        time.pause(0.1)
    assert watch.worst()["looks"] == 3


def test_where_nothing_can_be_read_a_watch_does_not_look(tmp_path: Path) -> None:
    watch = Watch([0], HandClock(), tmp_path)
    watch.look()
    assert watch.worst() == {
        "looks": 0,
        "frequency_share": "unknown",
        "frequency_khz": "unknown",
        "temperature_mc": "unknown",
    }


def test_a_hot_host_is_left_to_cool(tmp_path: Path) -> None:
    time = HandClock()
    zone(tmp_path, 0, "80000")

    def sleep(seconds: float) -> None:
        time.pause(seconds)
        zone(tmp_path, 0, str(80_000 - int(1000 * time.now)))

    assert cool_down(70, time, sleep, tmp_path) == pytest.approx(12.0)  # 70° exactly is not below


def test_a_cool_host_is_not_kept_waiting(tmp_path: Path) -> None:
    time = HandClock()
    zone(tmp_path, 0, "40000")
    assert cool_down(70, time, time.pause, tmp_path) == 0
    assert cool_down(70, time, time.pause, tmp_path / "no zones") == 0


def test_a_host_that_does_not_cool_is_measured_as_it_is(tmp_path: Path) -> None:
    time = HandClock()
    zone(tmp_path, 0, "90000")
    waited = cool_down(70, time, time.pause, tmp_path)
    assert COOLING_LONGEST <= waited < COOLING_LONGEST + 10
