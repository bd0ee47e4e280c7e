"""From a suite to its cases: the lists of a sweep multiply, include and exclude trim the product."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from bench.case import Case, Imported, Shape, parse_shape
from bench.errors import InputError
from bench.plan.declared import DECLARED_BACKBONES
from bench.plan.imports import ImportedBackbone
from bench.plan.problems import Located
from bench.plan.suite import LoadedSuite, LoadedSweep, is_glob
from bench.plan.trimming import LeftOut, Trim, in_words
from bench.plan.wanted import wants
from bench.plan.yaml_source import Place, YamlSource

MAX_CASES = 100_000
"""Cases that a suite's lists may multiply to: at a second each, one round of them takes a day."""


@dataclass(frozen=True)
class Draft:
    """A case, and the sweep and the place in the suite that ask for it; a knob may be yet to solve for."""

    case: Case
    place: Place
    sweep: LoadedSweep

    @property
    def is_open(self) -> bool:
        """Whether a knob is yet to be solved for."""
        return wants(self.case.methods)


@dataclass(frozen=True)
class Expansion:
    """What a suite asks for before anything is solved, in the order of the file; a case may come twice."""

    drafts: tuple[Draft, ...]
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True)
class Network:
    """A backbone that a sweep names, with the images that it gets there."""

    name: str
    shapes: tuple[Shape, ...]
    imported: Imported | None = None


def expand(loaded: LoadedSuite) -> Expansion:
    """The cases of all sweeps, trimmed.

    A case with a knob to solve for is matched by ``exclude`` alone: its final name is not yet known. Raises
    InputError, with file and line, for more than MAX_CASES, and for classes asked of a network that knows
    none.
    """
    trim = trim_of(loaded)
    networks = [list(_networks(sweep, loaded.source)) for sweep in loaded.sweeps]
    _refuse_too_many(loaded, networks)
    drafts: list[Draft] = []
    dropped: dict[str, str] = {}
    for sweep, of_it in zip(loaded.sweeps, networks, strict=True):
        for draft in _drafts(sweep, of_it):
            if not draft.is_open and not trim.is_included(draft.case):
                continue
            entry = trim.dropped_by(draft.case)
            if entry is None:
                drafts.append(draft)
            else:
                dropped[draft.case.id] = in_words(entry)
    left_out = tuple(LeftOut(because, cases) for because, cases in Counter(dropped.values()).items())
    return Expansion(tuple(drafts), left_out)


def trim_of(loaded: LoadedSuite) -> Trim:
    """The suite's ``include`` and ``exclude``."""
    return Trim(tuple(loaded.suite.include), tuple(loaded.suite.exclude))


def _drafts(sweep: LoadedSweep, networks: list[Network]) -> Iterator[Draft]:
    for network in networks:
        for shape, *setting in itertools.product(network.shapes, *_lists(sweep)):
            entry, runtime, target, batch, threads, memory_format, dtype, seed = setting
            own = sweep.targets[target].threads
            if own is not None:
                if threads != sweep.threads[0]:
                    continue  # the target's number stands instead of the whole list
                threads = own
            case = Case(
                backbone=network.name,
                methods=entry.calls,
                runtime=runtime,
                target=target,
                batch=batch,
                input=shape,
                seed=seed,
                threads=threads,
                memory_format=memory_format,
                dtype=dtype,
                classes=sweep.classes,
                imported=network.imported,
            )
            yield Draft(case, entry.place, sweep)


def _lists(sweep: LoadedSweep) -> tuple[Collection[Any], ...]:
    """What multiplies, beside backbones and inputs."""
    return (
        sweep.entries,
        sweep.runtimes,
        sweep.targets,
        sweep.batches,
        sweep.threads,
        sweep.memory_formats,
        sweep.dtypes,
        sweep.seeds,
    )


def _refuse_too_many(loaded: LoadedSuite, networks: list[list[Network]]) -> None:
    cases = sum(
        sum(len(network.shapes) for network in of_it) * math.prod(map(len, _lists(sweep)))
        for sweep, of_it in zip(loaded.sweeps, networks, strict=True)
    )
    if cases > MAX_CASES:
        raise InputError(
            f"{loaded.source.where(())}: the lists multiply to {cases:,} cases; shorten them to at most "
            f"{MAX_CASES:,}"
        )


def _networks(sweep: LoadedSweep, source: YamlSource) -> Iterator[Network]:
    """The sweep's backbones with globs written out. Raises InputError."""
    place = sweep.places["backbones"]
    for at, written in enumerate(sweep.backbones):
        with Located(source, (*place, at)):
            if isinstance(written, ImportedBackbone):
                _refuse_classes(sweep, source, written.name, "those that its `args` say")
                yield Network(written.name, _shapes(sweep, source, written.input), written.source)
                continue
            names = DECLARED_BACKBONES.names(written) if is_glob(written) else [written]
            if not names:
                raise InputError(f"no backbone fits '{written}'")
            for name in names:
                declared = DECLARED_BACKBONES.get(name)
                if declared.output == "features":
                    _refuse_classes(sweep, source, name, "none: its output channels are its own")
                yield Network(name, _shapes(sweep, source, declared.input))


def _refuse_classes(sweep: LoadedSweep, source: YamlSource, name: str, its: str) -> None:
    """``classes`` are asked of every network: one that cannot have them must not pass in silence."""
    if sweep.classes is not None:
        raise InputError(
            f"{source.where(sweep.places['classes'])}: {name} knows no classes to ask for, it has {its}; "
            "leave classes out, or give it a sweep of its own"
        )


def _shapes(sweep: LoadedSweep, source: YamlSource, own: Shape) -> tuple[Shape, ...]:
    if sweep.inputs is None:
        return (own,)
    shapes = []
    for at, text in enumerate(sweep.inputs):
        with Located(source, (*sweep.places["inputs"], at)):
            shapes.append(parse_shape(text, own[0]))
    return tuple(shapes)
