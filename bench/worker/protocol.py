"""What goes between the harness and its workers: one JSON line in, one JSON line out. Standard library only.

A worker is a process that reads jobs on stdin and answers each with one line on stdout (bench.worker.pipe).
Every answer has ``status`` ("ok" or "failed") and ``error`` beside the fields of its kind, whatever went
wrong: a failed job is an answer too. Other revisions speak the same protocol: keys are added, and keep their
meaning.
"""

from __future__ import annotations

import dataclasses
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.case import Case
from bench.worker.measurements import (
    Conditions,
    Energy,
    Host,
    Inputs,
    Latency,
    Memory,
    Output,
    SecondsByStage,
)
from bench.worker.out_of_memory import MEND, ran_out

Json = dict[str, Any]

LONGEST_MESSAGE = 4_000
"""Characters of an error's message, and of its traceback's end, that a record keeps."""


@dataclass(frozen=True)
class Failure:
    """Why a job failed: the stage it was in, the error's type and message, and where it was raised."""

    stage: str
    type: str
    message: str
    traceback: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", _shortened(self.message))
        object.__setattr__(self, "traceback", _printable(self.traceback[-LONGEST_MESSAGE:]))

    @classmethod
    def of(cls, error: BaseException, stage: str) -> Failure:
        """The failure that this exception was; what an allocator said stands in the traceback alone."""
        name = type(error).__name__
        trace = "".join(traceback.format_exception(error))
        lacking = ran_out(error)
        words = str(error).strip() or name if lacking is None else f"{lacking}; {MEND}"
        return cls(stage, name, words, trace)

    def in_words(self) -> str:
        """One line: ``ValueError in count: nothing to replace``."""
        return f"{self.type} in {self.stage}: {self.first_line()}"

    def first_line(self) -> str:
        """The message's first line."""
        return self.message.strip().partition("\n")[0]


@dataclass(frozen=True)
class Job:
    """What a worker is asked: a case, and what it needs to build and measure it.

    ``recipes``: one per method, from the counting process. ``protocol``: when a trial has enough. ``orders``
    asks for the memory of every order. ``heap``: how the allocator was set up in the process's environment.
    ``watch``: the harness holds stdin open while it lives, so that the worker ends when it closes.
    ``timed`` False leaves the samples out: a process that is asked for memory and output alone. ``cores``:
    the cluster that the process is bound to, see ``bench.worker.cores``. ``energy`` asks for the energy of a
    call, for which nothing else may run. ``cool_below``: degrees below which the host's hottest zone has to
    be before anything that is timed begins. ``exported``: the folder where the runtime's file of the case is,
    "" for a runtime without one and where none was written yet.
    """

    case: Case
    device: str = "cpu"
    recipes: tuple[Any, ...] = ()
    protocol: Mapping[str, float] = field(default_factory=dict)
    plugins: tuple[str, ...] = ()
    orders: bool = False
    heap: str = "filled"
    watch: bool = True
    timed: bool = True
    cores: str = ""
    energy: bool = False
    exported: str = ""
    cool_below: float | None = None

    def to_json(self) -> Json:
        """Plain data; ``Job.from_json`` reads it back."""
        data = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {**data, "case": self.case.as_dict()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Job:
        """The job of a line, as this or another revision wrote it. Raises KeyError or TypeError."""
        known = {f.name for f in dataclasses.fields(cls)} - {"case", "watch"}
        fields = {k: v for k, v in data.items() if k in known}
        for name in ("recipes", "plugins"):
            fields[name] = tuple(fields.get(name, ()))
        # A harness that does not speak of it closes stdin as soon as the job is written.
        return cls(Case.from_dict(data["case"]), watch=bool(data.get("watch", False)), **fields)


@dataclass(frozen=True, slots=True)
class Measured:
    """A trial's answer. What a failed trial found before it failed is kept.

    ``cuda_flags``: what the worker set of torch's CUDA, see ``bench.worker.cuda``; None on other devices.
    ``compile_seconds``: compiling, or loading what was exported. ``export_seconds``: writing that, None where
    it was there already; ``exported_bytes``: its size on the disk, None for a runtime without files.
    ``conditions_during``: the worst that was seen while samples were taken; ``cooled_seconds``: how long the
    host was left to cool before: see ``bench.worker.thermal``. ``instructions``: of one forward on an
    emulated core (the mean over a round of inputs), by kind with their total: see
    ``bench.worker.instructions``. ``executed_order``: what ran of the layers that were asked for a
    compiled kernel, by layer, and why where that is none of theirs. ``runtime_did``: what the runtime made
    of the network, where it says so.
    """

    error: Failure | None = None
    latency: Latency | None = None
    memory: Memory | None = None
    output: Output | None = None
    params: int | None = None
    host: Host | None = None
    conditions_before: Conditions | None = None
    conditions_after: Conditions | None = None
    cores: list[int] | str | None = None
    threads: int | None = None
    denormals: str | None = None
    latency_refused: str | None = None
    compile_seconds: float | None = None
    heap: str | None = None
    stages: SecondsByStage = field(default_factory=dict)
    inputs: Inputs | None = None
    cuda_flags: dict[str, bool] | None = None
    energy: Energy | None = None
    export_seconds: float | None = None
    exported_bytes: int | None = None
    instructions: dict[str, int] | None = None
    conditions_during: Conditions | None = None
    cooled_seconds: float | None = None
    executed_order: dict[str, str] | None = None
    runtime_did: str | None = None


@dataclass(frozen=True)
class Exported:
    """The answer of ``bench.worker.exporter``: seconds that it took, bytes on the disk."""

    error: Failure | None = None
    export_seconds: float | None = None
    exported_bytes: int | None = None


@dataclass(frozen=True)
class Seat:
    """A case that was built and warmed up, ready for its turns; or why it is not.

    ``seconds_per_call``: where warming up ended. ``refused``: why no time may be taken here. Of exporting and
    compiling as in ``Measured``.
    """

    error: Failure | None = None
    compile_seconds: float = 0.0
    first_call: float = 0.0
    warmup_calls: int = 0
    warmup_steady: bool = False
    calls_per_sample: int = 1
    seconds_per_call: float = 0.0
    refused: str | None = None
    export_seconds: float | None = None
    exported_bytes: int | None = None


@dataclass(frozen=True)
class Ready:
    """The answer to a job with ``"ready": true``: torch is imported, and the seats may be asked for."""

    error: Failure | None = None


@dataclass(frozen=True)
class Built:
    """The answer to ``{"seats": [job, …], "settle": false}``; ``{"settle": true}`` warms up what is built."""

    error: Failure | None = None


@dataclass(frozen=True)
class Seated:
    """The answer to ``{"seats": [job, …]}``: what the process is, and one seat for each job, in order."""

    error: Failure | None = None
    seats: tuple[Seat, ...] = ()
    host: Host | None = None
    conditions_before: Conditions | None = None
    cores: list[int] | str | None = None
    threads: int | None = None
    denormals: str | None = None
    heap: str | None = None
    stages: dict[str, float] = field(default_factory=dict)
    cuda_flags: dict[str, bool] | None = None
    cooled_seconds: float | None = None


@dataclass(frozen=True)
class Sampled:
    """The answer to ``{"turn": seat, "uncounted": n, "counted": m}``: seconds per call, m of them."""

    error: Failure | None = None
    samples: tuple[float, ...] = ()
    host_samples: tuple[float, ...] = ()


@dataclass(frozen=True)
class Drawn:
    """The answer to ``{"draw": seed}``: every seat lies anew in memory; bytes that the copies occupy."""

    error: Failure | None = None
    occupied: int = 0


@dataclass(frozen=True)
class SeatEnd:
    """What a seat's network is and answered, how inputs fared in it (``Output``, ``Inputs``), what its device
    needs alone (``Latency``), and how its layers ran (``Measured``)."""

    error: Failure | None = None
    params: int | None = None
    output: Output | None = None
    inputs: Inputs | None = None
    queued_samples: tuple[float, ...] = ()
    executed_order: dict[str, str] | None = None
    runtime_did: str | None = None


@dataclass(frozen=True)
class Risen:
    """The answer to ``{"rise": true}``, after which the process ends."""

    error: Failure | None = None
    conditions_after: Conditions | None = None
    seats: tuple[SeatEnd, ...] = ()
    stages: dict[str, float] = field(default_factory=dict)
    conditions_during: Conditions | None = None


@dataclass(frozen=True)
class Profiled:
    """Where a network's time goes: seconds of a forward, and of each layer."""

    error: Failure | None = None
    host: Host | None = None
    seconds: float = 0.0
    layers: tuple[ProfiledLayer, ...] = ()


@dataclass(frozen=True)
class ProfiledLayer:
    """Median seconds of a layer; ``parts``: seconds by what the layer's own spans name."""

    name: str
    seconds: float
    parts: dict[str, float] | None = None


@dataclass(frozen=True)
class Explained:
    """What happened inside each layer's call, in the order of the calls."""

    error: Failure | None = None
    layers: tuple[ExplainedLayer, ...] = ()


@dataclass(frozen=True)
class ExplainedLayer:
    """One call of a layer: the lines of oneDNN's log, and its operators' own seconds by name."""

    name: str
    log: tuple[str, ...]
    operators: dict[str, float]


@dataclass(frozen=True)
class Peaks:
    """What a host can reach at best: FLOPs per second by dtype, bytes per second."""

    error: Failure | None = None
    threads: int = 0
    flops: dict[str, float] = field(default_factory=dict)
    bandwidth: float = 0.0


@dataclass(frozen=True)
class Facts:
    """What a host is, and which figures can be measured there."""

    error: Failure | None = None
    host: Host | None = None
    measurable: tuple[str, ...] = ()


def _shortened(text: str) -> str:
    text = _printable(text)
    if len(text) <= LONGEST_MESSAGE:
        return text
    return f"{text[:LONGEST_MESSAGE]} … ({len(text)} characters)"


def _printable(text: str) -> str:
    """Without lone surrogates, which no file and no page can hold."""
    return text.encode("utf-8", "replace").decode("utf-8")
