"""The host: what cannot be read is "unknown", the id is stable, and emulation is seen."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path

import pytest
import torch

from bench.worker import host


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> None:
    """No file can be read."""

    def refuse(self: Path, *_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_text", refuse)


def cpuinfo(monkeypatch: pytest.MonkeyPatch, text: str, machine: str) -> None:
    read = Path.read_text

    def fake(self: Path, *words: object, **named: object) -> str:
        return text if str(self) == "/proc/cpuinfo" else read(self, *words, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "read_text", fake)
    monkeypatch.setattr(platform, "machine", lambda: machine)


INTEL = "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Some CPU\nflags\t\t: fpu sse2 hypervisor\n"
ARM = "processor\t: 0\nBogoMIPS\t: 108.00\nCPU implementer\t: 0x41\nCPU part\t: 0xd08\n"


def test_a_fingerprint_is_stable_from_call_to_call() -> None:
    one = host.fingerprint("cpu")
    assert one == host.fingerprint("cpu")
    assert len(one["id"]) == 12
    json.dumps(one)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("cpu", lambda m: m.setattr(host, "cpu_model", lambda: "another")),
        ("kernel", lambda m: m.setattr(platform, "release", lambda: "0.0.0")),
        ("logical_cpus", lambda m: m.setattr(os, "cpu_count", lambda: 999)),
        ("emulated", lambda m: m.setattr(host, "emulated", lambda: "yes")),
        ("torch", lambda m: m.setattr(torch, "__version__", "0")),
    ],
)
def test_the_id_changes_with_a_fact(monkeypatch: pytest.MonkeyPatch, name: str, change: object) -> None:
    before = host.fingerprint("cpu")
    change(monkeypatch)  # type: ignore[operator]
    after = host.fingerprint("cpu")
    assert before[name] != after[name]
    assert before["id"] != after["id"]


def test_the_id_does_not_hold_the_hosts_name(monkeypatch: pytest.MonkeyPatch) -> None:
    before = host.fingerprint("cpu")
    monkeypatch.setattr(platform, "node", lambda: "renamed")
    assert host.fingerprint("cpu")["id"] == before["id"]
    assert host.fingerprint("cpu")["name"] == "renamed"


def test_what_cannot_be_read_is_unknown(blind: None) -> None:
    found = host.fingerprint("cpu")
    for fact in ("governor", "turbo", "smt", "virtual", "clock_source"):
        assert found[fact] == "unknown", fact
    now = host.conditions()
    for fact in (
        "cpu_pressure_10s",
        "memory_pressure_10s",
        "frequency_khz",
        "temperature_mc",
        "throttle_count",
        "busy_jiffies",
    ):
        assert now[fact] == "unknown", fact


def test_a_processor_without_a_listing_is_unknown(blind: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "processor", lambda: "")
    assert host.cpu_model() == "unknown"


def test_a_load_that_cannot_be_read_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OSError

    monkeypatch.setattr(os, "getloadavg", refuse)
    assert host.conditions()["load_1m"] == "unknown"


def test_a_file_with_other_words_than_expected_is_unknown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cpus = tmp_path / "sys/devices/system/cpu"
    monkeypatch.setattr(host, "_CPU", cpus)
    for core in os.sched_getaffinity(0):
        (cpus / f"cpu{core}/cpufreq").mkdir(parents=True)
        (cpus / f"cpu{core}/cpufreq/scaling_cur_freq").write_text("<unsupported>\n")
    (cpus / "cpu0/cpufreq").mkdir(parents=True, exist_ok=True)
    (cpus / "cpu0/cpufreq/scaling_governor").write_bytes(b"\xff\xfe")
    assert host.conditions(root=tmp_path)["frequency_khz"] == "unknown"
    assert host.fingerprint("cpu")["governor"] == "unknown"


def test_the_files_of_the_processor_are_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cpus = tmp_path / "sys/devices/system/cpu"
    monkeypatch.setattr(host, "_CPU", cpus)
    last = max(os.sched_getaffinity(0))
    for name, text in {
        "cpu0/cpufreq/scaling_governor": "performance\n",
        f"cpu{last}/cpufreq/scaling_cur_freq": "2400000\n",
        f"cpu{last}/thermal_throttle/core_throttle_count": "3\n",
        "smt/active": "1\n",
        "intel_pstate/no_turbo": "1\n",
    }.items():
        (cpus / name).parent.mkdir(parents=True, exist_ok=True)
        (cpus / name).write_text(text)
    found, now = host.fingerprint("cpu"), host.conditions(root=tmp_path)
    assert (found["governor"], found["smt"], found["turbo"]) == ("performance", "on", "off")
    assert (now["frequency_khz"], now["throttle_count"]) == (2_400_000, 3)


def test_conditions_are_plain_data() -> None:
    now = host.conditions()
    json.dumps(now)
    assert now["affinity"] == sorted(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("listing", "machine", "emulated"),
    [
        (INTEL, "x86_64", False),
        (INTEL, "aarch64", True),
        (ARM, "aarch64", False),
        (ARM, "x86_64", True),
        ("", "aarch64", False),
        (ARM, "riscv64", False),
    ],
)
def test_a_listing_of_another_architecture_is_emulation(
    monkeypatch: pytest.MonkeyPatch, listing: str, machine: str, emulated: bool
) -> None:
    cpuinfo(monkeypatch, listing, machine)
    assert host.emulated() is emulated


def test_this_host_is_not_emulated() -> None:
    assert host.emulated() is False


def test_whoever_starts_an_emulator_says_which_core_it_stands_for(monkeypatch: pytest.MonkeyPatch) -> None:
    before = host.fingerprint("cpu")
    monkeypatch.setenv(host.EMULATED_CORE, "cortex-a72")
    found = host.fingerprint("cpu")
    assert (found["emulated"], found["cpu"], found["microarchitecture"]) == (
        True,
        "emulated cortex-a72",
        "emulated cortex-a72",
    )
    assert not {"caches", "clusters", "isa", "kernel"} & found.keys()  # those are of this host
    assert found["id"] != before["id"]
    monkeypatch.setattr(platform, "release", lambda: "0.0.0")
    assert host.fingerprint("cpu")["id"] == found["id"]  # the same core, emulated by another host


def test_the_listing_names_the_processor_and_the_hypervisor(monkeypatch: pytest.MonkeyPatch) -> None:
    cpuinfo(monkeypatch, INTEL, "x86_64")
    found = host.fingerprint("cpu")
    assert found["cpu"] == "Some CPU"
    assert found["virtual"] is True
    cpuinfo(monkeypatch, INTEL.replace(" hypervisor", ""), "x86_64")
    assert host.fingerprint("cpu")["virtual"] is False
    cpuinfo(monkeypatch, ARM, "aarch64")
    assert host.fingerprint("cpu")["virtual"] == "unknown"
