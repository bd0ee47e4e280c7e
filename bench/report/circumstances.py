"""How each run was measured and on what: facts with names, "unknown" where nobody could tell."""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from bench.analysis.packed import plain
from bench.analysis.quality import gpu_reasons
from bench.analysis.records import Json, RunStart, Trial
from bench.analysis.store import Results
from bench.report import digits
from bench.report.cautions import begun_loaded
from bench.report.prose import shortened

UNKNOWN = "unknown"

HOST_FACTS = {
    "cpu": "processor",
    "microarchitecture": "microarchitecture",
    "cpu_identity": "identified by",
    "isa": "instruction sets",
    "caches": "caches",
    "clusters": "clusters of cores",
    "machine": "architecture",
    "logical_cpus": "logical CPUs",
    "cpu_capability": "vector instructions used by torch",
    "memory_bytes": "main memory",
    "gpu": "GPU",
    "gpu_memory_bytes": "GPU memory",
    "system": "system",
    "kernel": "kernel",
    "virtual": "virtual machine",
    "emulated": "emulated processor",
    "governor": "frequency governor",
    "turbo": "turbo",
    "smt": "simultaneous multithreading",
    "clock_source": "clock source",
    "python": "Python",
    "torch": "torch",
    "cuda": "CUDA",
    "cudnn": "cuDNN",
    "mkldnn": "oneDNN available",
}
"""Keys of a host's fingerprint as a reader calls them; a key not named here is shown as it is."""

_ONLY_WITH_GPU = ("gpu", "gpu_memory_bytes", "cuda", "cudnn")


@dataclass(frozen=True)
class Fact:
    """A name and what is known about it."""

    name: str
    value: str


@dataclass(frozen=True)
class Facts:
    """Facts about one run or one host."""

    title: str
    facts: tuple[Fact, ...]


def runs(results: Sequence[Results]) -> tuple[Facts, ...]:
    """One set of facts per run."""
    return tuple(Facts(f"Run {one.start.run}", tuple(_run(one))) for one in results)


def hosts(results: Sequence[Results]) -> tuple[Facts, ...]:
    """One set of facts per host, in order of appearance."""
    found: dict[str, Json] = {}
    for one in results:
        for trial in one.trials:
            if trial.host:
                found.setdefault(str(trial.host.get("id", UNKNOWN)), trial.host)
    return tuple(Facts(f"Host {key}", tuple(_host(host))) for key, host in found.items())


def protocol(measure: Json) -> str:
    """The sampling protocol of one trial in words."""

    def word(key: str) -> str:
        return f"{measure[key]:g}" if digits.known(measure.get(key)) else UNKNOWN

    if "passes" in measure:
        return (
            f"Warm-up until two successive windows agree, {word('warmup_max_seconds')} s at most; "
            f"then {word('passes')} turns of a few uncounted and a few counted calls, "
            f"{word('max_seconds')} s at most. A process gives one ratio: the median over its turns."
        )
    tight = digits.percent(measure.get("tight"), 1) if digits.known(measure.get("tight")) else UNKNOWN
    return (
        f"Warm-up until two successive windows agree, {word('warmup_max_seconds')} s at most; "
        f"then at least {word('min_samples')} samples and {word('min_seconds')} s, "
        f"or until the interval of the median is within ±{tight}, {word('max_seconds')} s at most. "
        "A trial gives one median."
    )


def _run(results: Results) -> Iterable[Fact]:
    start, trials = results.start, results.trials
    yield Fact("suite", start.suite + (f": {shortened(start.description)}" if start.description else ""))
    yield Fact("file", results.file.name)
    yield Fact("started", start.started)
    yield Fact("ended", "; ".join(f"{end.ended} ({end.status})" for end in results.ends) or UNKNOWN)
    yield Fact("revision of csr-bench", start.revision)
    if start.arms:
        yield Fact("revisions compared", ", ".join(f"{arm}: {rev}" for arm, rev in start.arms.items()))
    yield Fact("versions", ", ".join(f"{k} {v}" for k, v in start.versions.items()) or UNKNOWN)
    yield Fact("rounds planned", _rounds(start.measure) + _quick(start.measure))
    if digits.known(start.measure.get("resolution")):
        asked = digits.percent(start.measure["resolution"], 1)
        yield Fact("resolution asked for", f"±{asked} of each ratio to dense")
    if seating := _values(trial.seating or None for trial in trials if trial.latency):
        yield Fact("cases that are compared", _SEATINGS.get(seating, seating))
    failed = sum(trial.status != "ok" for trial in trials)
    around = _Around.of(trials)
    yield Fact(
        "trials", f"{len(trials)} in fresh processes, {failed} failed, {around.loaded} begun on a loaded host"
    )
    yield Fact("order", f"every round visits each case once in a fresh random order; seed {start.seed}")
    yield Fact("sampling", protocol(start.measure))
    yield from _sweeps(start)
    yield Fact("threads", _values(trial.threads for trial in trials))
    yield Fact("pinned to cores", _values(_cores(trial.cores) for trial in trials))
    yield Fact("denormal numbers", _values(trial.denormals for trial in trials))
    yield Fact("freed memory", _values(_HEAPS.get(trial.heap or "", trial.heap) for trial in trials))
    yield from _gpu(trials)
    yield Fact("1-minute load before trials", around.load.in_words())
    yield Fact("CPU pressure before trials, % of 10 s", around.pressure.in_words())
    yield Fact("CPU time stolen by other virtual machines", around.stolen_share())
    yield Fact("targets", "; ".join(_target(target) for target in start.targets) or UNKNOWN)
    if start.plugins:
        yield Fact("plugins", ", ".join(PurePath(plugin).name for plugin in start.plugins))


def _sweeps(start: RunStart) -> Iterable[Fact]:
    """Sweeps whose cases were measured otherwise than the suite's others."""
    for sweep in start.sweeps:
        own = {key: value for key, value in sweep["measure"].items() if value != start.measure.get(key)}
        if own:
            words = ", ".join(f"{key} {value}" for key, value in own.items())
            yield Fact(f"cases of sweep {sweep['for']}", words)


def _gpu(trials: Sequence[Trial]) -> Iterable[Fact]:
    """How CUDA was set up, and what NVML told; nothing where no trial ran on a GPU."""
    on_gpu = [trial for trial in trials if trial.cuda_flags is not None]
    if not on_gpu:
        return
    settings = (
        ", ".join(f"{k} {'on' if v else 'off'}" for k, v in t.cuda_flags.items())
        for t in on_gpu
        if t.cuda_flags
    )
    yield Fact("CUDA settings", _values(settings))
    clock = _Spread()
    for trial in on_gpu:
        clock.add((trial.conditions_before or {}).get("gpu_clock_mhz"))
    yield Fact("GPU clock before trials, MHz", clock.in_words())
    after = [trial.conditions_after or {} for trial in on_gpu]
    if not any(digits.known(seen.get("gpu_throttle_reasons")) for seen in after):
        yield Fact("GPU clocks lowered after trials by", UNKNOWN)
        return
    reasons = Counter(word for seen in after for word in gpu_reasons(seen.get("gpu_throttle_reasons")))
    words = ", ".join(f"{word} ({number})" for word, number in sorted(reasons.items()))
    yield Fact("GPU clocks lowered after trials by", words or "neither heat nor power")


_HEAPS = {
    "filled": "kept by the process, and what building left free occupied",
    "kept": "kept by the process",
    "default": "returned as the system's allocator decides",
}


_SEATINGS = {
    "together": "share a fresh process and take turns of a few calls",
    "apart": "take turns of a few calls, each in a fresh process of its own",
    UNKNOWN: "run one after the other, each alone in a fresh process",
}


def _rounds(measure: Json) -> str:
    """``5``, or the rounds from which and up to which a verdict was waited for."""
    if digits.known(measure.get("rounds")) or "min_rounds" not in measure:
        return str(measure.get("rounds", UNKNOWN))
    return f"{measure['min_rounds']} to {measure.get('max_rounds', UNKNOWN)}, until each verdict is known"


def _quick(measure: Json) -> str:
    return " (--quick: a first look)" if measure.get("quick") else ""


def _host(host: Json) -> Iterable[Fact]:
    keys = [key for key in HOST_FACTS if key in host or key not in _ONLY_WITH_GPU]
    keys += sorted(key for key in host if key not in HOST_FACTS and key not in ("id", "name"))
    if known_name := host.get("name"):
        yield Fact("name", _host_word("name", known_name))
    for key in keys:
        yield Fact(HOST_FACTS.get(key, key), _host_word(key, host.get(key)))


def _host_word(key: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if key.endswith("_bytes") and digits.known(value):
        return digits.size(value)
    return UNKNOWN if value is None or value == "" else shortened(str(value))


def _target(target: Json) -> str:
    prefix = target.get("prefix") or []
    behind = f", started with `{shlex.join(map(str, prefix))}`" if prefix else ""
    return f"{target.get('name', UNKNOWN)} (device {target.get('device', UNKNOWN)}{behind})"


def _values(values: Iterable[Any]) -> str:
    return ", ".join(sorted({str(v) for v in values if v is not None})) or UNKNOWN


def _cores(cores: Any) -> str | None:
    return "+".join(map(str, cores)) if isinstance(cores, list) else cores


@dataclass
class _Spread:
    """The lowest and highest of the numbers that were added."""

    low: float = math.inf
    high: float = -math.inf

    def add(self, value: object) -> None:
        """Anything but a finite number is passed over."""
        if digits.known(value):
            self.low, self.high = min(self.low, float(value)), max(self.high, float(value))

    def in_words(self) -> str:
        """``0.3 to 1.7``; one number where all were equal."""
        if self.low > self.high:
            return UNKNOWN
        return f"{self.low:g}" if self.low == self.high else f"{self.low:g} to {self.high:g}"


@dataclass
class _Around:
    """What was seen around the trials of a run, all together; jiffies were used or stolen while they ran."""

    loaded: int = 0
    load: _Spread = field(default_factory=_Spread)
    pressure: _Spread = field(default_factory=_Spread)
    busy: float = 0
    stolen: float = 0

    @classmethod
    def of(cls, trials: Iterable[Trial]) -> _Around:
        """One look at each trial: a run may have a million."""
        found = cls()
        for trial in trials:
            before = plain(trial.conditions_before) or {}
            found.loaded += begun_loaded(before, trial.host or {})
            found.load.add(before.get("load_1m"))
            found.pressure.add(before.get("cpu_pressure_10s"))
            if isinstance(began := before.get("busy_jiffies"), dict):
                found._ran(began, (trial.conditions_after or {}).get("busy_jiffies"))
        return found

    def _ran(self, before: Json, after: object) -> None:
        if isinstance(after, dict):
            self.busy += after["busy"] - before["busy"]
            self.stolen += after["steal"] - before["steal"]

    def stolen_share(self) -> str:
        """The stolen part of all CPU time that was used or stolen while trials ran."""
        both = self.busy + self.stolen
        return digits.percent(self.stolen / both, 1) if both > 0 else UNKNOWN
