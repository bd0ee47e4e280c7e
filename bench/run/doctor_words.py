"""What the self-test and the looks around found, in words and with units: pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bench.analysis.quality import gpu_reasons
from bench.run.doctor import ROUNDS, UNKNOWN, Examination, verdict_line


def verdict(found: Examination, gate: float) -> str:
    """The one line that comes first: whether this host is fit to judge, and at which changes."""
    fit = "fit" if found.test.gates(gate) else "not fit"
    return f"{fit} to judge changes of {_percent(gate)}: {verdict_line(found.test, found.where)}"


def facts(found: Examination) -> list[tuple[str, str]]:
    """Name and value of everything that was found, the self-test first."""
    return [
        *_tested(found),
        *_around(found),
        *_named(found.conditions, CONDITIONS),
        *_named(found.host, HOST),
        *(("torch build", line) for line in found.builds[1:8]),
        *_peaks(found.peaks or ()),
    ]


def _percent(value: float) -> str:
    return f"{100 * value:.3g} %"


def _tested(found: Examination) -> list[tuple[str, str]]:
    test = found.test
    return [
        ("A/A processes", f"{test.pairs}" + (f", {test.failed} failed" if test.failed else "")),
        ("A/A verdicts wrong", f"{_percent(test.wrong)} of comparisons of {ROUNDS} rounds"),
        ("A/A difference between processes", f"{_percent(test.spread)} (standard deviation)"),
        ("A/A difference, 95th percentile", _percent(test.difference_p95)),
        ("smallest change found with 95 %", _percent(test.smallest_change)),
        ("resolution, 95th percentile", f"±{_percent(test.resolution_p95)}"),
        ("marked trials", ", ".join(f"{k} {v}" for k, v in test.marked.items()) or "none"),
    ]


def _around(found: Examination) -> list[tuple[str, str]]:
    around, users = found.neighbours, found.gpu_users
    if around is None:
        return []
    memory = f"{_gib(around.memory_available_bytes).removesuffix(' GiB')} of {_gib(around.memory_bytes)}"
    return [
        ("load over 1, 5 and 15 minutes", ", ".join(f"{load:g}" for load in around.load or ()) or UNKNOWN),
        ("memory available", UNKNOWN if around.memory_bytes is None else memory),
        (
            "busiest other processes",
            ", ".join(f"{name} {cores:.2f} cores" for name, cores in around.busiest) or "none",
        ),
        ("other users of the GPU", users if isinstance(users, str) else f"{len(users)}"),
    ]


def _peaks(peaks: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    rows = []
    for peak in peaks:
        threads = "1 thread" if peak["threads"] == 1 else f"{peak['threads']} threads"
        rates = ", ".join(f"{dtype} {rate / 1e9:.0f} GFLOP/s" for dtype, rate in peak["flops"].items())
        rows.append((f"peak, {threads}", f"{rates}; {peak['bandwidth'] / 1e9:.1f} GB/s"))
    return rows


def _gib(value: Any) -> str:
    return f"{value / 2**30:.1f} GiB" if isinstance(value, int) else UNKNOWN


def _yes(value: Any) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _cores(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _scaled(factor: float, unit: str, digits: int = 1) -> Callable[[Any], str]:
    def words(value: Any) -> str:
        known = isinstance(value, int | float) and not isinstance(value, bool)
        return f"{value * factor:.{digits}f} {unit}" if known else str(value)

    return words


def _reasons(value: Any) -> str:
    return ", ".join(sorted(gpu_reasons(value))) or (UNKNOWN if value == UNKNOWN else "it is not")


Words = Mapping[str, tuple[str, Callable[[Any], str]]]
"""Key of a record -> what a reader calls it, and its value as text."""

HOST: Words = {
    "name": ("host", str),
    "id": ("fingerprint", str),
    "machine": ("architecture", str),
    "cpu": ("processor", str),
    "microarchitecture": ("microarchitecture", str),
    "cpu_identity": ("identified by", str),
    "isa": ("instruction sets", str),
    "caches": ("caches", str),
    "clusters": ("clusters", str),
    "logical_cpus": ("logical processors", str),
    "memory_bytes": ("memory", _gib),
    "system": ("system", str),
    "kernel": ("kernel", str),
    "governor": ("governor of the first core", str),
    "turbo": ("turbo", str),
    "smt": ("two threads a core (SMT)", str),
    "virtual": ("virtual machine", _yes),
    "emulated": ("emulated", _yes),
    "clock_source": ("clock source", str),
    "python": ("Python", str),
    "torch": ("torch", str),
    "cpu_capability": ("torch's CPU kernels", str),
    "mkldnn": ("oneDNN", _yes),
    "gpu": ("GPU", str),
    "gpu_memory_bytes": ("GPU memory", _gib),
    "cuda": ("CUDA", str),
    "cudnn": ("cuDNN", str),
}

CONDITIONS: Words = {
    "cpu_pressure_10s": ("time that work waited for a core, last 10 s", _scaled(1, "%")),
    "memory_pressure_10s": ("time that work waited for memory, last 10 s", _scaled(1, "%")),
    "governor": ("governor of these cores", str),
    "frequency_khz": ("frequency of the slowest core", _scaled(1e-6, "GHz", 2)),
    "frequency_share": ("part of its highest frequency", _scaled(100, "%", 0)),
    "temperature_mc": ("temperature of the hottest zone", _scaled(1e-3, "°C")),
    "hottest_zone": ("hottest zone", str),
    "throttle_count": ("times throttled since the start", str),
    "affinity": ("cores that this process may use", _cores),
    "gpu_clock_mhz": ("GPU clock", _scaled(1, "MHz", 0)),
    "gpu_memory_clock_mhz": ("GPU memory clock", _scaled(1, "MHz", 0)),
    "gpu_temperature_c": ("GPU temperature", _scaled(1, "°C", 0)),
    "gpu_power_mw": ("GPU power", _scaled(1e-3, "W")),
    "gpu_throttle_reasons": ("why the GPU is slowed down", _reasons),
}
"""Left out: clocks and counters of which only a difference says something."""


def _named(record: Mapping[str, Any], words: Words) -> list[tuple[str, str]]:
    return [(name, text(record[key])) for key, (name, text) in words.items() if key in record]
