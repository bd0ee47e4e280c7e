"""What the measuring host is, and what it was busy with. What cannot be read is "unknown"."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from pathlib import Path
from typing import Any

import torch

from bench.worker import nvml, thermal
from bench.worker.measurements import Conditions, Host
from bench.worker.processor import in_words, processor

UNKNOWN = "unknown"
EMULATED_CORE = "CSR_BENCH_EMULATED_CORE"
"""Variable with the name of the core that an emulator stands in for; set by whoever starts one."""

OF_A_CORE = ("machine", "cpu", "system", "emulated", "python", "torch", "cpu_capability", "mkldnn")
"""Facts of an emulated core: the same whichever host emulates it, so that their results compare."""

_CPU = Path("/sys/devices/system/cpu")
_LINUX_MACHINES = {"aarch64": ("CPU implementer",), "x86_64": ("vendor_id",)}


def fingerprint(device: str) -> Host:
    """What stays the same while this host and this installation stay the same, with ``id``, its digest."""
    core = os.environ.get(EMULATED_CORE)
    facts: dict[str, Any] = {
        "machine": platform.machine(),
        "cpu": f"emulated {core}" if core else cpu_model(),
        "logical_cpus": os.cpu_count() or UNKNOWN,
        "memory_bytes": _memory_bytes(),
        "system": platform.system(),
        "kernel": platform.release(),
        "governor": _read(_CPU / "cpu0/cpufreq/scaling_governor"),
        "turbo": _turbo(),
        "smt": {"0": "off", "1": "on"}.get(_read(_CPU / "smt/active"), UNKNOWN),
        "virtual": _virtual(),
        "emulated": emulated(),
        "clock_source": _read(Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "mkldnn": torch.backends.mkldnn.is_available(),
    }
    if core:  # what else there is belongs to the host that emulates, and changes nothing
        facts = {name: fact for name, fact in facts.items() if name in OF_A_CORE}
    if device == "cuda":
        properties = torch.cuda.get_device_properties(0)
        facts["gpu"] = properties.name
        facts["gpu_memory_bytes"] = properties.total_memory
        facts["cuda"] = torch.version.cuda or UNKNOWN
        facts["cudnn"] = torch.backends.cudnn.version()
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]
    # Beside the digest: what is read of a processor grows with this program, and the host stays the same.
    beside = {"microarchitecture": facts["cpu"]} if core else in_words(processor())
    return {"id": digest, "name": platform.node() or UNKNOWN, **facts, **beside}


def conditions(device: str = "cpu", root: Path = Path("/")) -> Conditions:
    """What may change from one moment to the next: load, pressure, frequency, temperature, affinity.

    Governor, frequency and throttling are those of the cores that this process may use, and the temperature
    is that of the hottest zone: see ``bench.worker.thermal``, which reads its files below ``root``. Of a GPU
    also what NVML tells: clocks, temperature, power, reasons for lower clocks.
    """
    managed = nvml.gpu() if device == "cuda" else None
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else UNKNOWN
    return {
        **({} if managed is None else managed.conditions()),
        "load_1m": _load(),
        "cpu_pressure_10s": _pressure("cpu"),
        "memory_pressure_10s": _pressure("memory"),
        **thermal.reading(cores if isinstance(cores, list) else (0,), root),
        "affinity": cores,
        "busy_jiffies": _busy_jiffies(),
        "own_cpu": time.process_time(),
        "clock": time.monotonic(),
    }


def cpu_model() -> str:
    """The processor's name as the kernel tells it."""
    for key in ("model name", "Model", "Hardware"):
        value = _cpuinfo().get(key)
        if value:
            return value
    return platform.processor() or UNKNOWN


def emulated() -> bool:
    """True under user-mode emulation: whoever started us says so, or the listing is of another architecture.

    Under qemu-user /proc/cpuinfo is the host's, and so is its clock: a latency would mean nothing.
    """
    if os.environ.get(EMULATED_CORE):
        return True
    own = _LINUX_MACHINES.get(platform.machine())
    listing = _cpuinfo()
    if own is None or not listing:
        return False
    return not any(key in listing for key in own)


def _cpuinfo() -> dict[str, str]:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return {}
    pairs = (line.partition(":") for line in text.splitlines())
    return {key.strip(): value.strip() for key, colon, value in pairs if colon}


def _memory_bytes() -> int | str:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return UNKNOWN


def _turbo() -> str:
    boost = _read(_CPU / "cpufreq/boost")
    if boost != UNKNOWN:
        return {"0": "off", "1": "on"}.get(boost, UNKNOWN)
    return {"0": "on", "1": "off"}.get(_read(_CPU / "intel_pstate/no_turbo"), UNKNOWN)


def _virtual() -> bool | str:
    flags = _cpuinfo().get("flags")
    return UNKNOWN if flags is None else "hypervisor" in flags.split()


def _load() -> float | str:
    try:
        return round(os.getloadavg()[0], 2)
    except OSError:
        return UNKNOWN


def _pressure(resource: str) -> float | str:
    for line in _read(Path(f"/proc/pressure/{resource}")).splitlines():
        if line.startswith("some"):
            return float(line.split()[1].removeprefix("avg10="))
    return UNKNOWN


def _busy_jiffies() -> dict[str, int] | str:
    """Jiffies since boot by all CPUs together: busy for anyone, and stolen by the hypervisor."""
    fields = _read(Path("/proc/stat")).partition("\n")[0].split()
    if len(fields) < 9 or fields[0] != "cpu":
        return UNKNOWN
    user, nice, system, _idle, _iowait, irq, softirq, steal = (int(f) for f in fields[1:9])
    return {"busy": user + nice + system + irq + softirq, "steal": steal}


def _read(path: Path) -> str:
    try:
        return path.read_text().strip() or UNKNOWN
    except (OSError, UnicodeDecodeError):
        return UNKNOWN
