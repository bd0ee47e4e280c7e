"""A user's own targets: boards and clusters stay in a file of theirs, and suites travel without them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.errors import InputError, quoted
from bench.plan.problems import Located, first_problem
from bench.plan.targets import TARGETS, Target, Targets, split_launch
from bench.plan.yaml_source import Place, YamlSource, read_yaml

NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
QEMU = "qemu"
"""The launcher that stands for an emulated core."""


class TargetSpec(BaseModel):
    """Where a case runs: a device, and the command that starts a worker there."""

    model_config = ConfigDict(extra="forbid", strict=True)

    device: Annotated[Literal["cpu", "cuda"], Field(description="torch's device")] = "cpu"
    threads: Annotated[int | None, Field(ge=1, description="instead of the suite's")] = None
    launch: Annotated[
        str | list[str] | None,
        Field(description="what starts the worker: `taskset -c 0-3`, `ssh pi@board`, `srun -p gpu`, `qemu`"),
    ] = None
    prefix: Annotated[list[str] | None, Field(description="an earlier name of `launch`")] = None
    python: Annotated[str | None, Field(description="the interpreter there")] = None
    cores: Annotated[
        str, Field(pattern=r"^(|big|little|\d+(-\d+)?(,\d+(-\d+)?)*)$", description="big, little, or 4-7")
    ] = ""
    cpu: Annotated[
        str | None,
        Field(pattern=r"^[a-z0-9][a-z0-9,=-]*$", description="the core that qemu emulates: cortex-a72"),
    ] = None

    def target(self, name: str) -> Target:
        """The target of that name. Raises InputError for words that contradict each other."""
        if self.launch is not None and self.prefix is not None:
            raise InputError(
                f"target {quoted(name)}: `prefix` is an earlier name of `launch`: give one of them"
            )
        prefix = split_launch(self.launch if self.launch is not None else self.prefix or [])
        emulated = prefix == (QEMU,)
        if emulated != (self.cpu is not None):
            raise InputError(f"target {quoted(name)}: `launch: qemu` and `cpu: cortex-a72` go together")
        if emulated and self.device != "cpu":
            raise InputError(f"target {quoted(name)}: an emulated core has no device {self.device}")
        if emulated and (self.python is not None or self.cores):
            raise InputError(
                f"target {quoted(name)}: an emulated core has an interpreter of its own, and no clusters: "
                "leave `python` and `cores` out"
            )
        return Target(
            name,
            self.device,
            () if emulated else prefix,
            self.python,
            threads=self.threads,
            cores=self.cores,
            emulates=self.cpu,
        )


def targets_file() -> Path:
    """Where a user's own targets stand: ``targets.yaml`` in the folder for settings of csr-bench."""
    return Path(platformdirs.user_config_dir("csr-bench")) / "targets.yaml"


def known_targets(file: Path | None = None) -> Targets:
    """The targets that need no description and the user's own. Raises InputError for a mistake there."""
    file = file or targets_file()
    if not file.exists():
        return TARGETS
    source = read_yaml(file)
    if not isinstance(source.data, dict):
        raise InputError(f"{file}:1: targets are a mapping: `pi: {{launch: ssh pi@board}}`")
    return TARGETS.joined(described(source.data, TARGETS, source))


def described(
    data: Mapping[Any, Any], known: Targets, source: YamlSource, at: Place = ()
) -> dict[str, Target]:
    """The targets of a mapping from names to what they are; a known one may be left as it is.

    ``at`` is where the mapping stands in ``source``. Raises InputError with file and line.
    """
    found: dict[str, Target] = {}
    for name, written in data.items():
        here = (*at, name)
        with Located(source, here):
            if not isinstance(name, str) or not re.fullmatch(NAME, name):
                raise InputError(f"{quoted(name)} is no name of a target: letters, digits and . _ -")
            found[name] = _target(name, written, known, source, here)
    return found


def _target(name: str, written: Any, known: Targets, source: YamlSource, here: Place) -> Target:
    if written is None:
        return known.get(name)
    if not isinstance(written, dict):
        raise InputError(f"target {quoted(name)} is a mapping: {{launch: ssh pi@board, python: python3}}")
    if name in known and "device" not in written:
        written = {**written, "device": known.get(name).device}
    try:
        return TargetSpec.model_validate(written).target(name)
    except ValidationError as error:
        raise InputError(first_problem(error, source, TargetSpec, here)) from None
