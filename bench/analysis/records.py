"""The records of a run: one JSON line each, written once and never changed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from bench.account import Left, Replaced
from bench.analysis.packed import plain
from bench.analysis.stats import trial_median
from bench.case import Case
from bench.counting.counts import Counts
from bench.worker.measurements import Answers
from bench.worker.protocol import Failure, Measured
from bench.worker.protocol import Json as Json

Kind = TypeVar("Kind")

SCHEMA = 3
"""Format of the lines. 1: the first. 2: cases take turns, and the turns are kept raw; probes. 3:
``live_peak`` is that of live tensors; what had the name before is ``allocator_peak``."""

SCHEMA_OF_PROFILES = 4
"""Lines with a profile have this one, so that a revision which knows none says what is wrong; it can read all
others."""

READABLE = (1, 2, 3)


@dataclass(frozen=True)
class RunStart:
    """What was asked for: the first line of a file.

    ``solved``: knobs found for a wanted budget; ``arms``: name -> revision where two are compared.
    ``command``: the command line without what belongs to the machine; ``suite_file`` and ``suite_text``: the
    file that was measured; ``packages``: all that was installed, ``name==version``. Empty where not recorded.
    ``sweeps``: where the suite has some, each with its name (``for``), the ids of its cases and how they are
    measured; ``measure`` is then the suite's own, which those of another sweep may differ from.
    """

    run: str
    suite: str
    description: str
    suite_digest: str
    started: str
    seed: int
    measure: Json
    cases: list[Json]
    targets: list[Json]
    plugins: list[str]
    versions: Json
    revision: str = "unknown"
    arms: dict[str, str] = field(default_factory=dict)
    peaks: Json | None = None
    solved: list[Json] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    suite_file: str = ""
    suite_text: str = ""
    packages: list[str] = field(default_factory=list)
    sweeps: list[Json] = field(default_factory=list)
    kind: str = field(default="run", init=False)

    @property
    def timed(self) -> bool:
        """False for a run that counted and read memory, and took no time."""
        return self.measure.get("timed") is not False

    def planned(self) -> list[PlannedCase]:
        """The cases with their baselines. Raises KeyError, TypeError or ValueError for what is no case."""
        return [PlannedCase.of(data) for data in self.cases]

    def measures(self) -> dict[str, Json]:
        """How each case is measured, by id: as the first of its sweeps says, all of which say the same."""
        found: dict[str, Json] = {}
        for sweep in reversed(self.sweeps):
            measure = {**self.measure, **sweep["measure"]}
            found |= dict.fromkeys(sweep["cases"], measure)
        return {PlannedCase.of(data).case.id: self.measure for data in self.cases} | found


@dataclass(frozen=True)
class PlannedCase:
    """A case of a run, and the id of the one it is compared with."""

    case: Case
    baseline: str

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> PlannedCase:
        """The planned case of an entry of ``RunStart.cases``."""
        fields = {k: v for k, v in data.items() if k != "baseline"}
        return cls(Case.from_dict(fields), str(data["baseline"]))


@dataclass(frozen=True)
class CountRecord:
    """Exact counts of one network, shared by all cases with this ``count_id``; or why there are none.

    ``arm``: the revision that counted, where one run measures two. ``answers``: what its trials must answer
    (see bench.analysis.proof); None from a revision that does not tell it. ``discarded``: replaced layers in
    which nothing is left of the weights that were loaded.
    """

    run: str
    count_id: str
    status: str
    error: Failure | None
    counts: Counts | None
    replaced: tuple[Replaced, ...] = ()
    left: tuple[Left, ...] = ()
    recipes: tuple[Any, ...] = ()
    arm: str = ""
    answers: Answers | None = None
    discarded: tuple[str, ...] = ()
    kind: str = field(default="count", init=False)

    @property
    def key(self) -> tuple[str, str]:
        """What a reader finds the counts of a case by: arm and count id."""
        return self.arm, self.count_id


class _WithMedian(Measured):
    """Room for what a trial works out once: a record with slots has none for a cached property."""

    __slots__ = ("_log_median",)
    _log_median: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial(_WithMedian):
    """One process, one case: raw samples and all that was seen around them; or why it failed.

    ``arm`` tells two revisions apart where one run measures both. ``sitting``: what took turns with it has
    the same one; "" for a trial that had its process and its time to itself. ``seating``: ``together`` in
    one process with the others, ``apart`` in one of its own, "" alone. ``note``: why it is not as usual.
    """

    run: str
    case: str
    round: int
    position: int
    status: str
    started: str
    wall_seconds: float
    arm: str = ""
    sitting: str = ""
    seating: str = ""
    seats: int = 1
    note: str = ""
    kind: str = field(default="trial", init=False)

    @property
    def log_median(self) -> float:
        """Logarithm of the median of its samples; nan for one that failed or has not one usable sample."""
        try:
            return self._log_median
        except AttributeError:
            object.__setattr__(self, "_log_median", _log_median(self))
            return self._log_median


def _log_median(trial: Trial) -> float:
    if trial.status != "ok" or trial.latency is None:
        return math.nan
    try:
        return math.log(trial_median(trial.latency.samples))
    except ValueError:
        return math.nan  # as a broken clock gives: counts as no latency


@dataclass(frozen=True, kw_only=True, slots=True)
class Probe(Measured):
    """A process of one case's own that was asked for memory and output, and for no time."""

    run: str
    case: str
    status: str
    arm: str = ""
    kind: str = field(default="probe", init=False)


@dataclass(frozen=True)
class LayerTime:
    """One layer of a profiled forward call: whole batch, in seconds.

    ``bytes``: compulsory ones. ``parts``: seconds by kind of work, of a layer that can tell them apart.
    """

    layer: str
    kind: str
    macs: int
    bytes: int
    seconds: float
    parts: dict[str, float] | None = None


@dataclass(frozen=True)
class ProfileRecord:
    """Where a case's time goes, layer by layer in the order of execution; taken when nothing was timed.

    ``seconds``: of a whole forward call. ``flops`` and ``bandwidth`` per second are the host's peaks for the
    case's threads and dtype, None where they were not stored. Profiling costs time of its own: no latency and
    no verdict is made of it.
    """

    run: str
    case: str
    taken: str
    host: Json
    seconds: float
    layers: tuple[LayerTime, ...]
    flops: float | None = None
    bandwidth: float | None = None
    kind: str = field(default="profile", init=False)


@dataclass(frozen=True)
class RunEnd:
    """How the run ended: ``complete`` or ``interrupted``. A run resumed has several."""

    run: str
    status: str
    ended: str
    kind: str = field(default="end", init=False)


Record = RunStart | CountRecord | Trial | Probe | ProfileRecord | RunEnd

_KINDS: dict[str, type[Any]] = {
    "run": RunStart,
    "count": CountRecord,
    "trial": Trial,
    "probe": Probe,
    "profile": ProfileRecord,
    "end": RunEnd,
}


def to_line(record: Record) -> Json:
    """The record as plain data with its schema version."""
    schema = SCHEMA_OF_PROFILES if isinstance(record, ProfileRecord) else SCHEMA
    return {"schema": schema, **asdict(record, dict_factory=_plain_fields)}


def _plain_fields(fields: list[tuple[str, Any]]) -> Json:
    return {name: plain(value) for name, value in fields}


def from_line(line: Mapping[str, Any]) -> Record:
    """The record of a line, its types checked.

    Raises ValueError for another schema, a line that is no record, and a value of the wrong type.
    """
    schema = line.get("schema")
    of_profile = schema == SCHEMA_OF_PROFILES and line.get("kind") == "profile"
    if not (schema in READABLE or of_profile) or isinstance(schema, bool):
        newer = isinstance(schema, int) and schema > SCHEMA
        mend = "; update csr-bench to read it" if newer else ""
        raise ValueError(f"schema {schema!r}, this csr-bench reads schema {SCHEMA}{mend}")
    kind = _KINDS.get(str(line.get("kind")))
    if kind is None:
        raise ValueError(f"unknown kind of record {line.get('kind')!r}")
    fields = dict(line)
    del fields["schema"], fields["kind"]
    record: Record = typed(kind, fields)
    if isinstance(record, RunStart):
        try:
            record.measures()
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"cases: {type(error).__name__}: {error}") from None
    if isinstance(record, Measured):
        _check_host(record)
    return record


def _check_host(trial: Measured) -> None:
    """Raises ValueError for a fingerprint or conditions that no worker would write."""
    if trial.host is not None and not isinstance(trial.host.get("id"), str):
        raise ValueError("host.id: a fingerprint has the digest of its facts")
    for name in ("conditions_before", "conditions_during", "conditions_after"):
        for key, value in (getattr(trial, name) or {}).items():
            if type(value) in _PLAIN or key == "affinity":
                continue
            busy = value if key == "busy_jiffies" and isinstance(value, dict) else {}
            if not (isinstance(busy.get("busy"), _WORDS) and isinstance(busy.get("steal"), _WORDS)):
                raise ValueError(f"{name}.{key}: a number or a word is expected")


_WORDS = (int, float, str)
_PLAIN = frozenset({*_WORDS, bool})


def typed(kind: type[Kind], data: Mapping[str, Any]) -> Kind:
    """The data as a ``kind``, unknown keys left out. Raises ValueError that names the first mistake."""
    try:
        return _adapter(kind).validate_python(_as_named_now(data))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ValueError(f"{where}: {first['msg'][0].lower()}{first['msg'][1:]}") from None
    except RecursionError:
        raise ValueError("nesting is too deep") from None


def _as_named_now(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The data with memory under today's names.

    Records and workers without ``allocator_peak`` took their ``live_peak`` from the allocator's events, with
    kernels' scratch in it. Not by the schema: `bench ab` asks workers of other revisions, which send none.
    """
    memory = data.get("memory")
    if not isinstance(memory, dict) or "allocator_peak" in memory:
        return data
    renamed = {
        **{k: v for k, v in memory.items() if k not in _RENAMED},
        **{_RENAMED[k]: v for k, v in memory.items() if k in _RENAMED},
    }
    return {**data, "memory": renamed}


_RENAMED = {"live_peak": "allocator_peak", "live_peak_by_order": "allocator_peak_by_order"}

_adapters: dict[type[Any], TypeAdapter[Any]] = {}


def _adapter(kind: type[Kind]) -> TypeAdapter[Kind]:
    """Made once per kind: it costs milliseconds."""
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]
