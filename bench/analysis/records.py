"""The records of a run: one JSON line each, written once and never changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from bench.account import Left, Replaced
from bench.case import Case
from bench.counting.counts import Counts
from bench.worker.protocol import Answers, Failure, Measured
from bench.worker.protocol import Json as Json

Kind = TypeVar("Kind")

SCHEMA = 3
"""Format of the lines. 1: the first. 2: cases take turns, and the turns are kept raw; probes. 3:
``live_peak`` is that of live tensors; what had the name before is ``allocator_peak``."""

READABLE = (1, 2, 3)


@dataclass(frozen=True)
class RunStart:
    """What was asked for: the first line of a file.

    ``solved``: knobs found for a wanted budget; ``arms``: name -> revision where two are compared.
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
    kind: str = field(default="run", init=False)

    @property
    def timed(self) -> bool:
        """False for a run that counted and read memory, and took no time."""
        return self.measure.get("timed") is not False

    def planned(self) -> list[PlannedCase]:
        """The cases with their baselines. Raises KeyError, TypeError or ValueError for what is no case."""
        return [PlannedCase.of(data) for data in self.cases]


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
    (see bench.analysis.proof); None from a revision that does not tell it.
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
    kind: str = field(default="count", init=False)

    @property
    def key(self) -> tuple[str, str]:
        """What a reader finds the counts of a case by: arm and count id."""
        return self.arm, self.count_id


@dataclass(frozen=True, kw_only=True)
class Trial(Measured):
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


@dataclass(frozen=True, kw_only=True)
class Probe(Measured):
    """A process of one case's own that was asked for memory and output, and for no time."""

    run: str
    case: str
    status: str
    arm: str = ""
    kind: str = field(default="probe", init=False)


@dataclass(frozen=True)
class RunEnd:
    """How the run ended: ``complete`` or ``interrupted``. A run resumed has several."""

    run: str
    status: str
    ended: str
    kind: str = field(default="end", init=False)


Record = RunStart | CountRecord | Trial | Probe | RunEnd

_KINDS: dict[str, type[Any]] = {
    "run": RunStart,
    "count": CountRecord,
    "trial": Trial,
    "probe": Probe,
    "end": RunEnd,
}


def to_line(record: Record) -> Json:
    """The record as plain data with its schema version."""
    return {"schema": SCHEMA, **asdict(record)}


def from_line(line: Mapping[str, Any]) -> Record:
    """The record of a line, its types checked.

    Raises ValueError for another schema, a line that is no record, and a value of the wrong type.
    """
    schema = line.get("schema")
    if schema not in READABLE or isinstance(schema, bool):
        newer = isinstance(schema, int) and schema > SCHEMA
        mend = "; update csr-bench to read it" if newer else ""
        raise ValueError(f"schema {schema!r}, this csr-bench reads schema {SCHEMA}{mend}")
    kind = _KINDS.get(str(line.get("kind")))
    if kind is None:
        raise ValueError(f"unknown kind of record {line.get('kind')!r}")
    record: Record = typed(kind, {k: v for k, v in line.items() if k not in ("schema", "kind")})
    if isinstance(record, RunStart):
        try:
            record.planned()
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"cases: {type(error).__name__}: {error}") from None
    if isinstance(record, Trial | Probe):
        _check_host(record)
    return record


def _check_host(trial: Trial | Probe) -> None:
    """Raises ValueError for a fingerprint or conditions that no worker would write."""
    if trial.host is not None and not isinstance(trial.host.get("id"), str):
        raise ValueError("host.id: a fingerprint has the digest of its facts")
    for name in ("conditions_before", "conditions_during", "conditions_after"):
        for key, value in (getattr(trial, name) or {}).items():
            jiffies = key == "busy_jiffies" and isinstance(value, dict)
            numbers = [value.get("busy"), value.get("steal")] if jiffies else [value]
            if key != "affinity" and not all(isinstance(n, int | float | str) for n in numbers):
                raise ValueError(f"{name}.{key}: a number or a word is expected")


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


def _as_named_now(data: Mapping[str, Any]) -> Json:
    """The data with memory under today's names.

    Records and workers without ``allocator_peak`` took their ``live_peak`` from the allocator's events, with
    kernels' scratch in it. Not by the schema: `bench ab` asks workers of other revisions, which send none.
    """
    memory = data.get("memory")
    if not isinstance(memory, dict) or "allocator_peak" in memory:
        return dict(data)
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
