"""What a worker measures of one case: times, memory, energy, what came out, and of which host.

Plain records, which travel inside the answers of ``bench.worker.protocol`` and stay in results files: fields
are added, and keep their meaning. Standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

UNCOUNTED = 5
"""Calls after something else was at work that are not counted: the first five are slow
(tests/benchmarks/noise.py shows it)."""

Host = dict[str, Any]
"""A host's fingerprint: ``id`` is the digest of the facts, and there are as many facts as were found."""

# What comes in is made a dict and a tuple; a reader may rely on less, as those of a file are packed.
if TYPE_CHECKING:
    Conditions = Mapping[str, Any]
    Seconds = Sequence[float]
    SecondsByStage = Mapping[str, float]
else:
    Conditions = dict[str, Any]
    Seconds = tuple[float, ...]
    SecondsByStage = dict[str, float]
"""``Conditions``: what may change from one moment to the next, as ``bench.worker.host.conditions`` reads it.
``Seconds``: samples."""


@dataclass(frozen=True, slots=True)
class Turn:
    """Samples taken in one go, between the turns of other cases.

    ``number``: which pass over the cases. ``at``: the place in the sequence of all turns of a sitting, by
    which turns that are next to each other in time are found. ``count``: samples of this turn.
    """

    number: int
    at: int
    count: int


@dataclass(frozen=True, slots=True)
class Latency:
    """Raw samples of one trial: seconds per call, each the mean of ``calls_per_sample`` calls.

    ``first_call`` includes what happens only once (allocation, autotuning); compilation is before it.
    ``stop``: ``enough`` (count and time reached), ``tight`` (interval of the median tight), ``budget``,
    ``turns`` (all its turns were taken). ``turns``: how the samples, in order, belong to turns.

    On a GPU ``samples`` are times between two events on its stream, and its waits for the host lie in them.
    ``host_samples``: the same calls on the host's clock, until their results were there. ``queued_samples``:
    what the device needs when every call was launched before it began. Both are empty elsewhere; host time
    less queued time is the launch overhead.
    """

    samples: Seconds
    calls_per_sample: int
    first_call: float
    warmup_calls: int
    warmup_steady: bool
    stop: str
    turns: tuple[Turn, ...] = ()
    host_samples: Seconds = ()
    queued_samples: Seconds = ()


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes. None is "unknown": the platform did not say.

    ``live_peak``: peak of bytes of tensors alive during one forward, input and weights excluded: the same
    integer on every processor; ``live_peak_refused`` says why it is unknown. ``allocator_peak``: peak of
    bytes that the allocator gave out, kernels' scratch among them: the same integer on one host only. Both
    ``…_by_order``: with each order of a layer's steps, where layers offer several. ``resident_growth``: how
    far the process's resident high-water mark rose above what it held before the first forward.
    ``cuda_nvml_peak``: what the driver gave the process by the end of its calls, of which torch gives nothing
    back: context, code and reserved memory.

    A worker from before ``allocator_peak`` calls that number ``live_peak``: see bench.analysis.records.
    """

    weight_bytes: int
    live_peak: int | None = None
    resident_before: int | None = None
    resident_peak: int | None = None
    resident_growth: int | None = None
    cuda_allocated_peak: int | None = None
    cuda_reserved_peak: int | None = None
    live_peak_by_order: dict[str, int] | None = None
    allocator_peak: int | None = None
    allocator_peak_by_order: dict[str, int] | None = None
    live_peak_refused: str | None = None
    cuda_nvml_peak: int | None = None


UNSUPPORTED = "unsupported"


@dataclass(frozen=True)
class Energy:
    """Energy of one call on a whole batch in joules, what the host uses anyway subtracted.

    ``source``: ``nvml`` (the GPU's own counter), ``rapl`` (that of all processor packages) or UNSUPPORTED.
    ``refused`` says why there is no number. ``watts`` while it was called and ``idle_watts`` before, over
    ``seconds`` and ``idle_seconds``; ``calls`` in that time.
    """

    source: str
    joules: float | None = None
    watts: float | None = None
    idle_watts: float | None = None
    calls: int = 0
    seconds: float = 0.0
    idle_seconds: float = 0.0
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Output:
    """What the network answered: shape, SHA-256 of its bytes as float32, mean magnitude, finiteness.

    ``sample``: some values of the first image's answer; ``plain``: the same values from before BatchNorm's
    statistics were estimated anew. Empty from a worker that does not tell them.
    """

    shape: tuple[int, ...]
    checksum: str
    mean_magnitude: float
    finite: bool
    sample: tuple[float, ...] = ()
    plain: tuple[float, ...] = ()


@dataclass(frozen=True)
class Answers:
    """What the counted network answers to the first image, which every trial must repeat.

    ``plain`` and ``calibrated`` are its ``Output.plain`` and ``Output.sample``. ``spread``: how far rounding
    alone moves them, as a share of the largest value.
    """

    plain: tuple[float, ...]
    calibrated: tuple[float, ...]
    spread: float


VISITS = 2
"""Calls of each input by itself: with 40 inputs enough for a 90th percentile."""


@dataclass(frozen=True)
class Inputs:
    """How the seeded inputs fared in a network that they may leave early.

    ``left_at``: the exit, from 0, at which each of them left. ``in_round``: how many of them make a round,
    the mean over which is a sample of the latency. ``seconds``: by input, its calls one by one, taken when
    the latency was; empty where no time was taken.
    """

    left_at: tuple[int, ...]
    in_round: int
    seconds: tuple[tuple[float, ...], ...] = ()
