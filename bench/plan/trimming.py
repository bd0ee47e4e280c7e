"""``include`` and ``exclude``: globs on case ids, and conditions on what a case is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bench.case import Case

Words = str | Annotated[list[str], Field(min_length=1)]
Numbers = int | Annotated[list[int], Field(min_length=1)]


class Condition(BaseModel):
    """What a case must be: all that is given must fit, and of a list one item. Words are globs."""

    model_config = ConfigDict(extra="forbid", strict=True)

    backbone: Words | None = None
    method: Annotated[
        Words | None,
        Field(description="fits a method's name (of a chain: one of them), or all with its knobs as in ids"),
    ] = None
    runtime: Words | None = None
    target: Words | None = None
    batch: Numbers | None = None
    input: Annotated[Words | None, Field(description="CxHxW")] = None
    seed: Numbers | None = None
    threads: Numbers | None = None
    memory_format: Words | None = None
    dtype: Words | None = None
    classes: Numbers | None = None
    because: Annotated[str, Field(description="why, for whoever reads the file; `bench plan` shows it")] = ""

    @model_validator(mode="after")
    def _asks_for_something(self) -> Condition:
        if not self.model_fields_set - {"because"}:
            raise ValueError("a condition needs something beside `because`: backbone, method, …")
        return self

    def fits(self, case: Case) -> bool:
        """Whether the case is all that is asked for."""
        return all(_one_fits(getattr(self, name), found) for name, found in _facts(case).items())


Entry = str | Condition


@dataclass(frozen=True)
class LeftOut:
    """Cases that one condition or glob left out: so many, and why."""

    because: str
    cases: int


@dataclass(frozen=True)
class Trim:
    """Which cases stay: of each list the last entry that fits decides, and ``!`` turns a glob round."""

    include: tuple[Entry, ...]
    exclude: tuple[Entry, ...]

    def keep(self, case: Case) -> bool:
        """Whether the case stays. Without a fitting entry, an include list leaves it out."""
        return self.is_included(case) and self.dropped_by(case) is None

    def is_included(self, case: Case) -> bool:
        """Whether the include list alone keeps the case."""
        last = _last_that_fits(self.include, case)
        return not self.include if last is None else not _turned_round(last)

    def dropped_by(self, case: Case) -> Entry | None:
        """What of the exclude list alone leaves the case out; None where nothing does."""
        last = _last_that_fits(self.exclude, case)
        return None if last is None or _turned_round(last) else last


def in_words(entry: Entry) -> str:
    """Why an entry leaves a case out: its ``because``, else the entry itself."""
    if isinstance(entry, str):
        return entry
    asked = entry.model_dump(exclude_unset=True, exclude={"because"})
    return entry.because or ", ".join(f"{key} {value}" for key, value in asked.items())


def _last_that_fits(entries: Sequence[Entry], case: Case) -> Entry | None:
    found = None
    for entry in entries:
        if (
            entry.fits(case)
            if isinstance(entry, Condition)
            else fnmatchcase(case.id, entry.removeprefix("!"))
        ):
            found = entry
    return found


def _turned_round(entry: Entry) -> bool:
    return isinstance(entry, str) and entry.startswith("!")


def _facts(case: Case) -> Mapping[str, Sequence[Any]]:
    """What a condition's words are held against: one of these must fit."""
    return {
        "backbone": (case.backbone,),
        "method": (case.method, *(call.name for call in case.methods)),
        "runtime": (case.runtime,),
        "target": (case.target,),
        "batch": (case.batch,),
        "input": ("x".join(map(str, case.input)),),
        "seed": (case.seed,),
        "threads": (case.threads,),
        "memory_format": (case.memory_format,),
        "dtype": (case.dtype,),
        "classes": (case.classes,),
    }


def _one_fits(asked: Any, found: Sequence[Any]) -> bool:
    if asked is None:
        return True
    wanted = asked if isinstance(asked, list) else [asked]
    return any(
        fnmatchcase(one, glob) if isinstance(glob, str) else one == glob for glob in wanted for one in found
    )
