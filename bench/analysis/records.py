"""The records of a run: one JSON line each, written once and never changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

SCHEMA = 1
"""Format of the lines. 1: the first."""

Json = dict[str, Any]


@dataclass(frozen=True)
class RunStart:
    """What was asked for: the first line of a file.

    ``solved``: knobs found for a target; ``arms``: name -> revision where two are compared.
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


@dataclass(frozen=True)
class Count:
    """Exact counts of one network, shared by all cases with this ``count_id``; or why there are none."""

    run: str
    count_id: str
    status: str
    error: Json | None
    counts: Json | None
    replaced: list[Json]
    left: list[Json]
    recipes: list[Any]
    arm: str = ""
    kind: str = field(default="count", init=False)

    @property
    def key(self) -> str:
        """What a reader finds the counts of a case by: see ``count_key``."""
        return count_key(self.arm, self.count_id)


@dataclass(frozen=True)
class Trial:
    """One process, one case: raw samples and all that was seen around them; or why it failed.

    ``latency``, ``memory``, ``output``, ``host`` are as the probes gave them; ``arm`` tells two
    revisions apart where one run measures both.
    """

    run: str
    case: str
    round: int
    position: int
    status: str
    error: Json | None
    started: str
    wall_seconds: float
    latency: Json | None = None
    memory: Json | None = None
    output: Json | None = None
    params: int | None = None
    host: Json | None = None
    conditions_before: Json | None = None
    conditions_after: Json | None = None
    cores: Any = None
    threads: int | None = None
    denormals: str | None = None
    latency_refused: str | None = None
    compile_seconds: float | None = None
    heap: str | None = None
    stages: Json = field(default_factory=dict)
    arm: str = ""
    kind: str = field(default="trial", init=False)


@dataclass(frozen=True)
class RunEnd:
    """How the run ended: ``complete`` or ``interrupted``. A run resumed has several."""

    run: str
    status: str
    ended: str
    kind: str = field(default="end", init=False)


def count_key(arm: str, count_id: str) -> str:
    """Key of a network's counts: its count id, behind the arm where a run has two."""
    return f"{arm}@{count_id}" if arm else count_id


Record = RunStart | Count | Trial | RunEnd

_KINDS: dict[str, type[RunStart] | type[Count] | type[Trial] | type[RunEnd]] = {
    "run": RunStart,
    "count": Count,
    "trial": Trial,
    "end": RunEnd,
}


def to_line(record: Record) -> Json:
    """The record as plain data with its schema version."""
    return {"schema": SCHEMA, **asdict(record)}


def from_line(line: Mapping[str, Any]) -> Record:
    """The record of a line. Raises ValueError for another schema or a line that is no record."""
    schema = line.get("schema")
    if schema != SCHEMA:
        newer = isinstance(schema, int) and schema > SCHEMA
        mend = "; update csr-bench to read it" if newer else ""
        raise ValueError(f"schema {schema!r}, this csr-bench reads schema {SCHEMA}{mend}")
    record = _KINDS.get(str(line.get("kind")))
    if record is None:
        raise ValueError(f"unknown kind of record {line.get('kind')!r}")
    fields = {k: v for k, v in line.items() if k not in ("schema", "kind")}
    try:
        return record(**fields)
    except TypeError as error:
        raise ValueError(str(error).replace("__init__() ", "")) from None
