"""A suite: what a YAML file asks to be measured, read and checked word by word."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bench.errors import InputError, quoted
from bench.plan.axes import (
    AXES,
    Backbones,
    Batches,
    Classes,
    Dtypes,
    Inputs,
    MemoryFormats,
    Methods,
    Runtimes,
    Seeds,
    Sweep,
    TargetList,
    Threads,
)
from bench.plan.calls import Entry, read_entries
from bench.plan.case_id import parse_methods
from bench.plan.declared import DECLARED_BACKBONES, DECLARED_RUNTIMES
from bench.plan.imports import ImportedBackbone, ImportSpec, check_import, read_import
from bench.plan.problems import Located, first_problem
from bench.plan.shipped import find_suite
from bench.plan.target_file import described, known_targets
from bench.plan.targets import Target, Targets, default_targets
from bench.plan.trimming import Condition
from bench.plan.yaml_source import Place, YamlSource, read_yaml
from bench.plugins import load_plugins

Seconds = Annotated[float, Field(gt=0, le=3600)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$", max_length=100)]
"""Becomes part of a file's name, which has at most 255 bytes."""


PASSES, QUICK_PASSES = 16, 4
"""Turns of each case in a round: see bench.run.turns."""


class Measure(BaseModel):
    """How each case is measured. Times are in seconds."""

    model_config = ConfigDict(extra="forbid", strict=True)

    rounds: Annotated[
        int | None,
        Field(ge=1, le=1000, description="a fixed number of rounds, whatever is known after them"),
    ] = None
    min_rounds: Annotated[int, Field(ge=2, le=1000, description="rounds before any verdict")] = 5
    seating: Annotated[
        Literal["together", "apart"],
        Field(description="together: a baseline and its methods share a process; apart: one process each"),
    ] = "together"
    passes: Annotated[int, Field(ge=1, le=1000, description="turns of each case in a round")] = PASSES
    layouts: Annotated[
        int, Field(ge=1, le=100, description="how often in a round the cases lie anew in memory, and once")
    ] = 1
    min_samples: Annotated[int, Field(ge=3, description="samples that a trial takes at least")] = 64
    min_seconds: Annotated[Seconds, Field(description="time that a trial samples at least")] = 0.25
    max_seconds: Annotated[Seconds, Field(description="time after which a trial stops sampling")] = 2.0
    tight: Annotated[
        float, Field(gt=0, lt=1, description="relative half-width of the median's interval that is enough")
    ] = 0.005
    warmup_max_seconds: Annotated[Seconds, Field(description="time that warming up may take")] = 1.0
    timeout: Annotated[Seconds, Field(description="time after which a trial is ended as failed")] = 120.0
    heap: Annotated[
        Literal["filled", "kept", "default"],
        Field(
            description="kept: freed memory stays with the process; filled: so it does, and what is "
            "left free by then is occupied before turns begin; default: as the system's allocator has it"
        ),
    ] = "filled"
    energy: Annotated[
        bool, Field(description="energy of a call, by a probe with nothing beside it; 4 s a case at least")
    ] = False
    resolution: Annotated[
        float, Field(gt=0, lt=1, description="differences up to this are called the same: 0.01 is 1 %")
    ] = 0.01
    max_rounds: Annotated[
        int, Field(ge=1, le=1000, description="rounds after which a verdict is no longer waited for")
    ] = 30
    cool_below: Annotated[
        float | None,
        Field(ge=20, le=120, description="degrees Celsius below which a sitting waits for the hottest zone"),
    ] = None

    @model_validator(mode="after")
    def _minimum_below_maximum(self) -> Measure:
        if self.min_seconds > self.max_seconds:
            raise ValueError(f"min_seconds {self.min_seconds:g} is above max_seconds {self.max_seconds:g}")
        return self

    @property
    def planned_rounds(self) -> int:
        """Rounds of every case: those asked for, or those before the first verdict."""
        return min(self.min_rounds, self.max_rounds) if self.rounds is None else self.rounds

    def protocol(self) -> dict[str, float]:
        """What the measuring process needs of it."""
        names = ("min_samples", "min_seconds", "max_seconds", "tight", "warmup_max_seconds")
        return {name: getattr(self, name) for name in names}

    def quickened(self) -> Measure:
        """The same with two rounds and a fifth of the sampling time: for a first look, not for a claim."""
        return self.model_copy(
            update={
                "rounds": min(self.planned_rounds, 2),
                "passes": min(self.passes, QUICK_PASSES),
                "min_seconds": min(self.min_seconds, 0.05),
                "min_samples": min(self.min_samples, 16),
                "max_seconds": min(self.max_seconds, 0.4),
                "warmup_max_seconds": min(self.warmup_max_seconds, 0.2),
            }
        )


class Suite(BaseModel):
    """One suite file. Lists multiply, at the top or in each sweep; ``include`` and ``exclude`` trim."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[Name, Field(description="names results and report")]
    description: str = ""
    backbones: Backbones = []
    methods: Methods = []
    runtimes: Runtimes = ["eager"]
    targets: TargetList = None
    batches: Batches = [1]
    inputs: Inputs = None
    seeds: Seeds = [0]
    threads: Threads = [1]
    memory_formats: MemoryFormats = ["contiguous"]
    dtypes: Dtypes = ["float32"]
    classes: Classes = None
    sweeps: Annotated[
        list[Sweep],
        Field(min_length=1, description="parts with lists of their own; the cases are those of all of them"),
    ] = []
    include: Annotated[
        list[str | Condition],
        Field(description="globs on case ids, or conditions; a case stays when one fits (none given: all)"),
    ] = []
    exclude: Annotated[
        list[str | Condition],
        Field(description="globs on case ids, or conditions, in order; a later `!glob` takes a case back in"),
    ] = []
    measure: Measure = Measure()
    plugins: Annotated[
        list[str], Field(description="Python files with methods or backbones of your own")
    ] = []


@dataclass(frozen=True)
class LoadedSweep:
    """One sweep with every name known and every knob checked: all that multiplies.

    ``name``: its ``for``, or ``sweep 2``; a suite without sweeps has one, whose name is empty. ``entries``
    are the methods of its list, with lists of knob values written out. ``place``: where it stands in the
    file; ``places``: where each of its axes does.
    """

    name: str
    place: Place
    places: Mapping[str, Place]
    backbones: tuple[str | ImportedBackbone, ...]
    entries: tuple[Entry, ...]
    runtimes: tuple[str, ...]
    targets: Mapping[str, Target]
    batches: tuple[int, ...]
    inputs: tuple[str, ...] | None
    seeds: tuple[int, ...]
    threads: tuple[int, ...]
    memory_formats: tuple[str, ...]
    dtypes: tuple[str, ...]
    classes: int | None
    measure: Measure


@dataclass(frozen=True)
class LoadedSuite:
    """A valid suite with its source: every name known, every knob checked, its plugins imported.

    ``plugins`` are the files that the suite and the command line name.
    """

    suite: Suite
    source: YamlSource
    sweeps: tuple[LoadedSweep, ...]
    plugins: tuple[str, ...] = ()

    @property
    def targets(self) -> dict[str, Target]:
        """The targets of all sweeps, by name."""
        return {name: target for sweep in self.sweeps for name, target in sweep.targets.items()}

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The methods of all sweeps."""
        return tuple(entry for sweep in self.sweeps for entry in sweep.entries)


def load_suite(
    file: Path, plugins: Iterable[str] = (), trust: bool = False, methods: Iterable[str] = ()
) -> LoadedSuite:
    """Reads and checks a suite, and imports the ``plugins`` that the command line names.

    ``file`` may be the bare name of a shipped suite. ``methods`` are labels such as ``half(ratio=0.25)`` that
    are measured beside the suite's own, in every sweep.

    Code that the suite names is run only if ``trust`` is True: plugins (those that ``plugins`` has too are
    allowed all the same) and networks of the user's own, which are then built once. To look at somebody's
    suite must not run their code. Raises InputError with file, line and the nearest valid word, also for
    code that is not allowed.
    """
    source = read_yaml(find_suite(file))
    if not isinstance(source.data, dict):
        raise InputError(f"{source.file}:1: a suite is a mapping with at least name, backbones and methods")
    try:
        suite = Suite.model_validate(source.data)
    except ValidationError as error:
        raise InputError(first_problem(error, source, Suite)) from None
    imported = _import_plugins(suite, source, tuple(plugins), trust)
    more = tuple(map(_labelled, methods))
    sweeps = tuple(_loaded(given, source, trust, more) for given in _given(suite, source))
    _refuse_contradictions(sweeps, source)
    return LoadedSuite(suite, source, sweeps, imported)


@dataclass(frozen=True)
class _Given:
    """What a sweep asks for: values of axes, its own or the file's, and where each stands."""

    name: str
    place: Place
    values: Mapping[str, Any]
    places: Mapping[str, Place]
    measure: Measure


def _given(suite: Suite, source: YamlSource) -> Iterator[_Given]:
    """The sweeps of a suite; a suite without any is one."""
    shared = {axis: getattr(suite, axis) for axis in AXES}
    if not suite.sweeps:
        for axis in ("backbones", "methods"):
            if not shared[axis]:
                raise InputError(f"{source.where(())}: the key '{axis}' is missing")
        yield _Given("", (), shared, {axis: (axis,) for axis in AXES}, suite.measure)
    for at, sweep in enumerate(suite.sweeps):
        own = {axis: value for axis in AXES if (value := getattr(sweep, axis)) is not None}
        for axis in ("backbones", "methods"):
            if axis not in own and not shared[axis]:
                where = source.where(("sweeps", at))
                raise InputError(f"{where}: the key '{axis}' is missing, here and at the file's top")
        places: dict[str, Place] = {axis: ("sweeps", at, axis) if axis in own else (axis,) for axis in AXES}
        measure = _measure(sweep, source, at)
        yield _Given(sweep.for_ or f"sweep {at + 1}", ("sweeps", at), {**shared, **own}, places, measure)


def _measure(sweep: Sweep, source: YamlSource, at: int) -> Measure:
    """The file's ``measure`` with the sweep's own keys put in."""
    shared = source.data.get("measure") or {}
    try:
        return Measure.model_validate({**shared, **(sweep.measure or {})})
    except ValidationError as error:
        raise InputError(first_problem(error, source, Measure, ("sweeps", at, "measure"))) from None


def _loaded(given: _Given, source: YamlSource, trust: bool, more: tuple[Entry, ...]) -> LoadedSweep:
    """The sweep, with ``more`` methods behind its own."""
    values, places = given.values, given.places
    targets = _targets(values["targets"], source, places["targets"])
    backbones = tuple(
        _backbone(written, source, (*places["backbones"], at), trust)
        for at, written in enumerate(values["backbones"])
    )
    for at, name in enumerate(values["runtimes"]):
        with Located(source, (*places["runtimes"], at)):
            DECLARED_RUNTIMES.get(name)
    return LoadedSweep(
        name=given.name,
        place=given.place,
        places=places,
        backbones=backbones,
        entries=(*read_entries(values["methods"], source, places["methods"]), *more),
        runtimes=tuple(values["runtimes"]),
        targets=targets,
        batches=tuple(values["batches"]),
        inputs=None if values["inputs"] is None else tuple(values["inputs"]),
        seeds=tuple(values["seeds"]),
        threads=tuple(values["threads"]),
        memory_formats=tuple(values["memory_formats"]),
        dtypes=tuple(values["dtypes"]),
        classes=values["classes"],
        measure=given.measure,
    )


def _backbone(
    written: str | ImportSpec, source: YamlSource, place: Place, trust: bool
) -> str | ImportedBackbone:
    with Located(source, place):
        if isinstance(written, str):
            if not is_glob(written):
                DECLARED_BACKBONES.get(written)
            return written
        if not trust:
            raise InputError(
                f"the suite imports {written.import_}, a program that would run here: `--trust` allows all "
                "that the suite names"
            )
        found = read_import(written, Path(source.file).parent)
        check_import(found)
        return found


def _refuse_contradictions(sweeps: tuple[LoadedSweep, ...], source: YamlSource) -> None:
    """Raises InputError for two sweeps of one name, and for two different targets of one name."""
    seen: set[str] = set()
    targets: dict[str, Target] = {}
    for at, sweep in enumerate(sweeps):
        if sweep.name in seen:
            where = source.where(("sweeps", at, "for"))
            raise InputError(f"{where}: two sweeps are called {quoted(sweep.name)}")
        seen.add(sweep.name)
        for name, target in sweep.targets.items():
            if targets.setdefault(name, target) != target:
                where = source.where(sweep.places["targets"])
                raise InputError(f"{where}: two different targets are called {quoted(name)}")


def _labelled(label: str) -> Entry:
    """The methods that the command line gives. Raises InputError."""
    try:
        return Entry(parse_methods(label.replace(" ", "")), ("methods",))
    except InputError as error:
        raise InputError(f"--method {quoted(label)}: {error}") from None


def is_glob(name: str) -> bool:
    """Whether a backbone's name stands for all that fit it."""
    return any(letter in name for letter in "*?[")


def _import_plugins(suite: Suite, source: YamlSource, given: tuple[str, ...], trust: bool) -> tuple[str, ...]:
    """Imports the files that the suite names, if they are allowed, and those that are given."""
    folder = Path(source.file).parent
    beside = [str(folder / plugin) for plugin in suite.plugins]
    allowed = {Path(plugin).resolve() for plugin in given}
    for at, plugin in enumerate(beside):
        if not trust and Path(plugin).resolve() not in allowed:
            raise InputError(
                f"{source.where(('plugins', at))}: the suite names the plugin {plugin}, a program that would "
                f"run here: `--plugin {plugin}` allows this file, `--trust` all that the suite names"
            )
    for at, plugin in enumerate(beside):
        with Located(source, ("plugins", at)):
            load_plugins([plugin])
    load_plugins(given)
    named = {Path(plugin).resolve() for plugin in beside}
    return (*beside, *(plugin for plugin in given if Path(plugin).resolve() not in named))


def _targets(written: Any, source: YamlSource, at: Place) -> dict[str, Target]:
    """The targets by name: those that the suite describes, the user's own, and those of every host."""
    known = known_targets()
    if written is None:
        return {name: known.get(name) for name in default_targets()}
    if isinstance(written, dict):
        return described(written, known, source, at)
    targets: dict[str, Target] = {}
    for number, entry in enumerate(written):
        place = (*at, number)
        with Located(source, place):
            for name, target in _entry(entry, known, source, place).items():
                if targets.setdefault(name, target) != target:
                    raise InputError(f"two different targets are called {quoted(name)}")
    return targets


def _entry(
    entry: str | dict[str, Any], known: Targets, source: YamlSource, place: Place
) -> dict[str, Target]:
    if isinstance(entry, str):
        return {entry: known.get(entry)}
    if "name" in entry:  # as the first suites had it: {name: board, prefix: [ssh, board]}
        rest = {key: value for key, value in entry.items() if key != "name"}
        return described({entry["name"]: rest}, known, source, place)
    return described(entry, known, source, place)
