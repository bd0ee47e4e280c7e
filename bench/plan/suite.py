"""A suite: what a YAML file asks to be measured, checked word by word, and the cases it means."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bench.case import Case, MethodCall, Shape
from bench.errors import InputError, nearest
from bench.models import BACKBONES
from bench.plan.knobs import expand_knobs
from bench.plan.solve import Solved, Solver, check, is_target, spread
from bench.plan.targets import TARGETS, Target
from bench.plan.yaml_source import YamlSource, read_yaml
from bench.plugins import load_plugins
from bench.runtimes import RUNTIMES

Positive = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0, le=3600)]
Entry = str | dict[str, Any]
NAME = r"^[A-Za-z0-9_.-]+$"


class Measure(BaseModel):
    """How each case is measured. Times are in seconds."""

    model_config = ConfigDict(extra="forbid", strict=True)

    rounds: Annotated[int, Field(ge=1, le=1000, description="trials per case, each in a fresh process")] = 5
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
    resolution: Annotated[
        float | None,
        Field(gt=0, lt=1, description="go on until each ratio to dense is known that well: 0.02 is 2 %"),
    ] = None
    max_rounds: Annotated[int, Field(ge=1, le=1000, description="rounds that a resolution may take")] = 30

    @model_validator(mode="after")
    def _minimum_below_maximum(self) -> Measure:
        if self.min_seconds > self.max_seconds:
            raise ValueError(f"min_seconds {self.min_seconds:g} is above max_seconds {self.max_seconds:g}")
        return self

    def protocol(self) -> dict[str, float]:
        """What the measuring process needs of it."""
        names = ("min_samples", "min_seconds", "max_seconds", "tight", "warmup_max_seconds")
        return {name: getattr(self, name) for name in names}

    def quickened(self) -> Measure:
        """The same with two rounds and a fifth of the sampling time: for a first look, not for a claim."""
        return self.model_copy(
            update={
                "rounds": min(self.rounds, 2),
                "min_seconds": min(self.min_seconds, 0.05),
                "min_samples": min(self.min_samples, 16),
                "max_seconds": min(self.max_seconds, 0.4),
                "warmup_max_seconds": min(self.warmup_max_seconds, 0.2),
            }
        )


class TargetSpec(BaseModel):
    """A target of your own: a device behind an argv prefix such as ``[taskset, -c, "0"]``."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[str, Field(pattern=NAME)]
    device: Literal["cpu", "cuda"] = "cpu"
    prefix: list[str] = []
    python: str | None = None


class Suite(BaseModel):
    """One suite file. Lists multiply; ``include`` and ``exclude`` trim the product."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[str, Field(pattern=NAME, description="names results and report")]
    description: str = ""
    backbones: Annotated[list[str], Field(min_length=1, description="names or globs: `bench list backbones`")]
    methods: Annotated[
        list[Entry],
        Field(min_length=1, description="names, or {name: {knob: value or list of values}}, or {chain: […]}"),
    ]
    runtimes: Annotated[list[str], Field(min_length=1)] = ["eager"]
    targets: Annotated[list[str | TargetSpec], Field(min_length=1)] = ["cpu"]
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
    classes: Annotated[Positive | None, Field(description="classes of the classifier")] = None
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


class LoadedSuite:
    """A valid suite with its source: every name known, every knob checked."""

    def __init__(self, suite: Suite, source: YamlSource, targets: dict[str, Target]) -> None:
        self.suite = suite
        self.source = source
        self.targets = targets
        places = list(_all_calls(suite, source))
        self._calls = [calls for _, calls in places]
        self._lines = {id(calls): ("methods", at) for at, calls in places}
        self._solver = Solver()
        self._solved: dict[tuple[str, str, float], Solved] = {}

    def cases(self) -> list[Case]:
        """All cases in the order of the file, each once. Raises InputError when nothing is left."""
        suite = self.suite
        include, exclude = _matchers(suite.include), _matchers(suite.exclude)
        found: dict[str, Case] = {}
        backbones = [BACKBONES.get(name) for name in self._backbones()]
        for backbone in backbones:
            shapes = _shapes(suite, backbone.input, self.source)
            axes = itertools.product(
                shapes, self._calls, suite.runtimes, self.targets, suite.batches,
                suite.threads, suite.memory_formats, suite.seeds,
            )  # fmt: skip
            for shape, calls, runtime, target, batch, threads, memory_format, seed in axes:
                case = Case(
                    backbone.name,
                    calls,
                    runtime,
                    target,
                    batch,
                    shape,
                    seed,
                    threads,
                    memory_format,
                    suite.classes,
                )
                if any(is_target(value) for call in calls for value in call.knobs.values()):
                    # A case that goes by its name before solving is not worth the search.
                    if not _stays(case.id, [], exclude):
                        continue
                    with _Located(self.source, self._lines[id(calls)]):
                        case, solved = self._solver.solve(case)
                    if solved is not None:
                        self._solved[solved.count_id, solved.of, solved.asked] = solved
                if _stays(case.id, include, exclude) and found.setdefault(case.id, case) != case:
                    raise InputError(f"{self.source.where(('methods',))}: two cases share the id {case.id}")
        if not found:
            trimmed = "exclude" if suite.exclude else "include"
            raise InputError(f"{self.source.where((trimmed,))}: include and exclude leave no case")
        return list(found.values())

    def solved(self) -> list[Solved]:
        """The knobs that ``cases`` found, in the order of the cases."""
        return list(self._solved.values())

    def _backbones(self) -> Iterator[str]:
        for at, name in enumerate(self.suite.backbones):
            if any(letter in name for letter in "*?["):
                names = BACKBONES.names(name)
                if not names:
                    raise InputError(f"{self.source.where(('backbones', at))}: no backbone fits '{name}'")
                yield from names
            else:
                yield name


def load_suite(file: Path, plugins: Iterable[str] = ()) -> LoadedSuite:
    """Reads and checks a suite. Raises InputError with file, line and the nearest valid word."""
    source = read_yaml(file)
    if not isinstance(source.data, dict):
        raise InputError(f"{file}:1: a suite is a mapping with at least name, backbones and methods")
    try:
        suite = Suite.model_validate(source.data)
    except ValidationError as error:
        raise InputError(_first_problem(error, source)) from None
    beside, given = [str(file.parent / plugin) for plugin in suite.plugins], list(plugins)
    for at, plugin in enumerate(beside):
        with _Located(source, ("plugins", at)):
            load_plugins([plugin])
    load_plugins(given)
    suite.plugins = [*beside, *given]
    targets: dict[str, Target] = {}
    for at, entry in enumerate(suite.targets):
        with _Located(source, ("targets", at)):
            target = (
                TARGETS.get(entry)
                if isinstance(entry, str)
                else Target(entry.name, entry.device, tuple(entry.prefix), entry.python)
            )
            if targets.setdefault(target.name, target) != target:
                raise InputError(f"two different targets are called '{target.name}'")
    for at, name in enumerate(suite.backbones):
        with _Located(source, ("backbones", at)):
            if not any(letter in name for letter in "*?["):
                BACKBONES.get(name)
    for at, name in enumerate(suite.runtimes):
        with _Located(source, ("runtimes", at)):
            RUNTIMES.get(name)
    return LoadedSuite(suite, source, targets)


def parse_shape(text: str, channels: int = 3) -> Shape:
    """``3x32x32``, or ``32x32`` with the channels given. Raises InputError."""
    match = re.fullmatch(r"(?:([1-9]\d*)x)?([1-9]\d*)x([1-9]\d*)", text)
    if match is None:
        raise InputError(f"input '{text}' is no shape; 3x32x32 is one")
    return int(match[1] or channels), int(match[2]), int(match[3])


def _all_calls(suite: Suite, source: YamlSource) -> Iterator[tuple[int, tuple[MethodCall, ...]]]:
    """Each place in the file's list of methods, with the methods that it gives."""
    for at, entry in enumerate(suite.methods):
        with _Located(source, ("methods", at)):
            if isinstance(entry, dict) and "chain" in entry:
                for calls in _chain(entry, source, at):
                    yield at, calls
            else:
                for call in _calls(entry, source, ("methods", at)):
                    yield at, (call,)


def _chain(entry: dict[str, Any], source: YamlSource, at: int) -> Iterator[tuple[MethodCall, ...]]:
    steps = entry["chain"]
    if len(entry) != 1 or not isinstance(steps, list) or not steps:
        raise InputError("a chain is a list of methods: {chain: [csr_conv: {T: 4}, psconv: {variant: pSC4}]}")
    where = ("methods", at, "chain")
    yield from itertools.product(*(list(_calls(s, source, (*where, i))) for i, s in enumerate(steps)))


def _calls(entry: Any, source: YamlSource, path: tuple[str | int, ...]) -> Iterator[MethodCall]:
    if isinstance(entry, str):
        name = entry
        knobs: Any = {}
    elif isinstance(entry, dict) and len(entry) == 1:
        ((name, knobs),) = entry.items()
        knobs = {} if knobs is None else knobs
    else:
        raise InputError("a method is a name or a mapping with one name: csr_conv: {T: 4}")
    with _Located(source, (*path, name)):
        if not isinstance(knobs, dict):
            raise InputError(f"the knobs of {name} are a mapping: {{knob: value}}")
        knobs = spread(knobs)
        for knob in knobs:
            with _Located(source, (*path, name, knob)):
                one_each = {k: v for k, v in knobs.items() if k == knob}
                for values in expand_knobs(name, one_each):
                    _check_alone(name, values, knobs)
        for values in expand_knobs(name, knobs):
            yield check(name, values)


def _check_alone(name: str, values: dict[str, Any], knobs: dict[str, Any]) -> None:
    """Checks one knob's value beside the first values of the others, so that an error has its line."""
    others = next(expand_knobs(name, {k: v for k, v in knobs.items() if k not in values}))
    try:
        check(name, {**others, **values})
    except InputError as error:
        if not any(f"'{other}'" in str(error) or f"knob {other} " in str(error) for other in others):
            raise


class _Located:
    """Puts file and line before an InputError that has none yet."""

    def __init__(self, source: YamlSource, path: tuple[str | int, ...]) -> None:
        self._where = source.where(path)
        self._file = source.file

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, InputError) and not str(error).startswith(f"{self._file}:"):
            raise InputError(f"{self._where}: {error}") from None


def _shapes(suite: Suite, own: Shape, source: YamlSource) -> list[Shape]:
    if suite.inputs is None:
        return [own]
    shapes = []
    for at, text in enumerate(suite.inputs):
        with _Located(source, ("inputs", at)):
            shapes.append(parse_shape(text, own[0]))
    return shapes


def _matchers(globs: list[str]) -> list[tuple[bool, str]]:
    return [(not glob.startswith("!"), glob.removeprefix("!")) for glob in globs]


def _stays(case_id: str, include: list[tuple[bool, str]], exclude: list[tuple[bool, str]]) -> bool:
    """The last glob that fits decides; without one, an include list leaves out and an exclude list keeps."""
    included = not include
    for positive, glob in include:
        if fnmatchcase(case_id, glob):
            included = positive
    excluded = False
    for positive, glob in exclude:
        if fnmatchcase(case_id, glob):
            excluded = positive
    return included and not excluded


def _first_problem(error: ValidationError, source: YamlSource) -> str:
    problems = error.errors()
    # Of a union, the message of the alternative that got furthest says most.
    # A misspelt key comes first: it is often why another one is missing.
    problem = max(
        problems, key=lambda p: (p["type"] == "extra_forbidden", len(p["loc"]), p["type"] != "string_type")
    )
    path = tuple(part for part in problem["loc"] if part in _plain(problem["loc"], source))
    where = source.where(path)
    key = path[-1] if path else ""
    if problem["type"] == "extra_forbidden":
        return f"{where}: unknown key '{key}'{nearest(str(key), _fields_at(path))}"
    if problem["type"] == "missing":
        missing = problem["loc"][-1]
        return f"{where}: the key '{missing}' is missing"
    name = ".".join(str(part) for part in path)
    message = problem["msg"][0].lower() + problem["msg"][1:]
    if problem["type"] == "too_short":
        message = "the list is empty; it needs at least one item"
    if problem["type"] == "value_error":
        message = str(problem["ctx"]["error"])
    value = problem["input"]
    shown = "" if isinstance(value, list | dict) else f", not {value!r}"
    return f"{where}: {name}: {re.sub(r'^(input|string) should', 'must', message)}{shown}"


def _plain(loc: tuple[str | int, ...], source: YamlSource) -> list[str | int]:
    """The parts of pydantic's location that exist in the file: unions add words of their own."""
    kept: list[str | int] = []
    for part in loc:
        if (*kept, part) in source.lines:
            kept.append(part)
    return kept


def _fields_at(path: tuple[str | int, ...]) -> list[str]:
    model: type[BaseModel] = Suite
    if path and path[0] == "measure" and len(path) > 1:
        model = Measure
    if path and path[0] == "targets" and len(path) > 1:
        model = TargetSpec
    return list(model.model_fields)
