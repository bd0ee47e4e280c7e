"""From a suite to its cases: lists multiply, globs trim the product."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from bench.case import Case, Shape, parse_shape
from bench.errors import InputError
from bench.plan.declared import DECLARED_BACKBONES, DeclaredBackbone
from bench.plan.problems import Located
from bench.plan.suite import LoadedSuite, is_glob
from bench.plan.wanted import wants
from bench.plan.yaml_source import Place

MAX_CASES = 100_000
"""Cases that a suite's lists may multiply to: at a second each, one round of them takes a day."""


@dataclass(frozen=True)
class Draft:
    """A case, and the place in the suite that asks for it; a knob of the case may be yet to solve for."""

    case: Case
    place: Place

    @property
    def is_open(self) -> bool:
        """Whether a knob is yet to be solved for."""
        return wants(self.case.methods)


@dataclass(frozen=True)
class Globs:
    """Which cases stay: of each list the last glob that fits decides, and ``!`` turns a glob round."""

    include: tuple[str, ...]
    exclude: tuple[str, ...]

    def keep(self, case_id: str) -> bool:
        """Whether the case stays. Without a fitting glob, an include list leaves it out."""
        return _last_word(self.include, case_id, not self.include) and not self.drop(case_id)

    def drop(self, case_id: str) -> bool:
        """Whether the exclude list alone leaves the case out."""
        return _last_word(self.exclude, case_id, False)


def expand(loaded: LoadedSuite) -> list[Draft]:
    """All cases of a suite before anything is solved, in the order of the file; a case may come twice.

    A case with a knob to solve for is matched by ``exclude`` alone: its final name is not yet known.
    Raises InputError, with file and line, for more than MAX_CASES, and for classes asked of a network
    that knows none.
    """
    globs = globs_of(loaded)
    backbones = list(_backbones(loaded))
    _refuse_classes(loaded, backbones)
    shapes = [_shapes(loaded, backbone.input) for backbone in backbones]
    _refuse_too_many(loaded, sum(map(len, shapes)))
    drafts = []
    for backbone, own_shapes in zip(backbones, shapes, strict=True):
        for draft in _drafts(loaded, backbone, own_shapes):
            case_id = draft.case.id
            if not globs.drop(case_id) if draft.is_open else globs.keep(case_id):
                drafts.append(draft)
    return drafts


def globs_of(loaded: LoadedSuite) -> Globs:
    """The suite's ``include`` and ``exclude``."""
    return Globs(tuple(loaded.suite.include), tuple(loaded.suite.exclude))


def _drafts(loaded: LoadedSuite, backbone: DeclaredBackbone, shapes: list[Shape]) -> Iterator[Draft]:
    for shape, *setting in itertools.product(shapes, *_lists(loaded)):
        entry, runtime, target, batch, threads, memory_format, dtype, seed = setting
        own = loaded.targets[target].threads
        if own is not None:
            if threads != loaded.suite.threads[0]:
                continue  # the target's number stands instead of the whole list
            threads = own
        case = Case(
            backbone=backbone.name,
            methods=entry.calls,
            runtime=runtime,
            target=target,
            batch=batch,
            input=shape,
            seed=seed,
            threads=threads,
            memory_format=memory_format,
            dtype=dtype,
            classes=loaded.suite.classes,
        )
        yield Draft(case, entry.place)


def _lists(loaded: LoadedSuite) -> tuple[Collection[Any], ...]:
    """What multiplies, beside backbones and inputs."""
    suite = loaded.suite
    return (
        loaded.entries,
        suite.runtimes,
        loaded.targets,
        suite.batches,
        suite.threads,
        suite.memory_formats,
        suite.dtypes,
        suite.seeds,
    )


def _refuse_classes(loaded: LoadedSuite, backbones: list[DeclaredBackbone]) -> None:
    """A suite's ``classes`` are asked of every network: one that has none must not pass in silence."""
    for backbone in backbones:
        if loaded.suite.classes is not None and backbone.output == "features":
            raise InputError(
                f"{loaded.source.where(('classes',))}: {backbone.name} knows no classes: its output "
                "channels are its own; leave classes out, or give it a suite of its own"
            )


def _refuse_too_many(loaded: LoadedSuite, networks: int) -> None:
    cases = networks * math.prod(map(len, _lists(loaded)))
    if cases > MAX_CASES:
        raise InputError(
            f"{loaded.source.where(())}: the lists multiply to {cases:,} cases; shorten them to at most "
            f"{MAX_CASES:,}"
        )


def _backbones(loaded: LoadedSuite) -> Iterator[DeclaredBackbone]:
    for at, name in enumerate(loaded.suite.backbones):
        with Located(loaded.source, ("backbones", at)):
            names = DECLARED_BACKBONES.names(name) if is_glob(name) else [name]
            if not names:
                raise InputError(f"no backbone fits '{name}'")
            for one in names:
                yield DECLARED_BACKBONES.get(one)


def _shapes(loaded: LoadedSuite, own: Shape) -> list[Shape]:
    if loaded.suite.inputs is None:
        return [own]
    shapes = []
    for at, text in enumerate(loaded.suite.inputs):
        with Located(loaded.source, ("inputs", at)):
            shapes.append(parse_shape(text, own[0]))
    return shapes


def _last_word(globs: tuple[str, ...], case_id: str, otherwise: bool) -> bool:
    answer = otherwise
    for glob in globs:
        if fnmatchcase(case_id, glob.removeprefix("!")):
            answer = not glob.startswith("!")
    return answer
