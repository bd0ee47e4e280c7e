"""A suite: what a YAML file asks to be measured, read and checked word by word."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bench.errors import InputError, quoted
from bench.plan.calls import Entry, read_entries
from bench.plan.case_id import parse_methods
from bench.plan.declared import DECLARED_BACKBONES, DECLARED_RUNTIMES
from bench.plan.problems import Located, first_problem
from bench.plan.shipped import find_suite
from bench.plan.target_file import described, known_targets
from bench.plan.targets import Target, Targets, default_targets
from bench.plan.yaml_source import Place, YamlSource, read_yaml
from bench.plugins import load_plugins

Positive = Annotated[int, Field(ge=1)]
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
        Literal["kept", "default"],
        Field(
            description="kept: freed memory stays with the process; default: as the system's allocator has it"
        ),
    ] = "kept"
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
    """One suite file. Lists multiply; ``include`` and ``exclude`` trim the product."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[Name, Field(description="names results and report")]
    description: str = ""
    backbones: Annotated[list[str], Field(min_length=1, description="names or globs: `bench list backbones`")]
    methods: Annotated[
        list[str | dict[str, Any]],
        Field(min_length=1, description="names, or {name: {knob: value or list of values}}, or {chain: […]}"),
    ]
    runtimes: Annotated[list[str], Field(min_length=1)] = ["eager"]
    targets: Annotated[
        list[str | dict[str, Any]] | dict[str, Any] | None,
        Field(min_length=1, description="names, or {name: {launch: …, device: …}}: `bench targets`"),
    ] = None
    batches: Annotated[list[Positive], Field(min_length=1)] = [1]
    inputs: Annotated[
        list[str] | None,
        Field(min_length=1, description="CxHxW, or HxW; the backbone's own where it is left out"),
    ] = None
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] = [0]
    threads: Annotated[list[Positive], Field(min_length=1)] = [1]
    memory_formats: Annotated[list[Literal["contiguous", "channels_last"]], Field(min_length=1)] = [
        "contiguous"
    ]
    dtypes: Annotated[
        list[Literal["float32", "bfloat16", "float16"]],
        Field(min_length=1, description="what the network and its input are cast to; ratios are within one"),
    ] = ["float32"]
    classes: Annotated[Positive | None, Field(description="logits of a classifier, channels of a map")] = None
    include: Annotated[
        list[str], Field(description="globs on case ids; a case stays when one fits (none given: all stay)")
    ] = []
    exclude: Annotated[
        list[str], Field(description="globs on case ids, in order; a later `!glob` takes a case back in")
    ] = []
    measure: Measure = Measure()
    plugins: Annotated[
        list[str], Field(description="Python files with methods or backbones of your own")
    ] = []


@dataclass(frozen=True)
class LoadedSuite:
    """A valid suite with its source: every name known, every knob checked, its plugins imported.

    ``entries`` are the methods of its list, with lists of knob values written out. ``plugins`` are the
    files that the suite and the command line name.
    """

    suite: Suite
    source: YamlSource
    targets: Mapping[str, Target]
    entries: tuple[Entry, ...]
    plugins: tuple[str, ...] = ()


def load_suite(
    file: Path, plugins: Iterable[str] = (), trust: bool = False, methods: Iterable[str] = ()
) -> LoadedSuite:
    """Reads and checks a suite, and imports the ``plugins`` that the command line names.

    ``file`` may be the bare name of a shipped suite. ``methods`` are labels such as ``half(ratio=0.25)`` that
    are measured beside the suite's own.

    A file that the suite names as a plugin is imported only if ``plugins`` has it too, or ``trust`` is
    True: to look at somebody's suite must not run their code. Raises InputError with file, line and
    the nearest valid word, also for a plugin that is not allowed.
    """
    source = read_yaml(find_suite(file))
    if not isinstance(source.data, dict):
        raise InputError(f"{source.file}:1: a suite is a mapping with at least name, backbones and methods")
    try:
        suite = Suite.model_validate(source.data)
    except ValidationError as error:
        raise InputError(first_problem(error, source, Suite)) from None
    imported = _import_plugins(suite, source, tuple(plugins), trust)
    targets = _targets(suite, source)
    for at, name in enumerate(suite.backbones):
        with Located(source, ("backbones", at)):
            if not is_glob(name):
                DECLARED_BACKBONES.get(name)
    for at, name in enumerate(suite.runtimes):
        with Located(source, ("runtimes", at)):
            DECLARED_RUNTIMES.get(name)
    entries = (*read_entries(suite.methods, source), *map(_given, methods))
    return LoadedSuite(suite, source, targets, entries, imported)


def _given(label: str) -> Entry:
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


def _targets(suite: Suite, source: YamlSource) -> dict[str, Target]:
    """The targets by name: those that the suite describes, the user's own, and those of every host."""
    known = known_targets()
    if suite.targets is None:
        return {name: known.get(name) for name in default_targets()}
    if isinstance(suite.targets, dict):
        return described(suite.targets, known, source, ("targets",))
    targets: dict[str, Target] = {}
    for at, entry in enumerate(suite.targets):
        place = ("targets", at)
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
