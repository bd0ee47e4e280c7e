"""What a suite's lists may hold, at the file's top and in its sweeps alike."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from bench.plan.imports import ImportSpec

Positive = Annotated[int, Field(ge=1)]

Backbones = Annotated[
    list[str | ImportSpec],
    Field(
        min_length=1,
        description="names or globs: `bench list backbones`; or {import: 'mypkg.nets:build', input: 3x32x32}",
    ),
]
Methods = Annotated[
    list[str | dict[str, Any]],
    Field(min_length=1, description="names, or {name: {knob: value or list of values}}, or {chain: […]}"),
]
Runtimes = Annotated[list[str], Field(min_length=1)]
TargetList = Annotated[
    list[str | dict[str, Any]] | dict[str, Any] | None,
    Field(min_length=1, description="names, or {name: {launch: …, device: …}}: `bench targets`"),
]
Batches = Annotated[list[Positive], Field(min_length=1)]
Inputs = Annotated[
    list[str] | None,
    Field(min_length=1, description="CxHxW, or HxW; the backbone's own where it is left out"),
]
Seeds = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
Threads = Annotated[list[Positive], Field(min_length=1)]
MemoryFormats = Annotated[list[Literal["contiguous", "channels_last"]], Field(min_length=1)]
Dtypes = Annotated[
    list[Literal["float32", "bfloat16", "float16"]],
    Field(min_length=1, description="what the network and its input are cast to; ratios are within one"),
]
Classes = Annotated[Positive | None, Field(description="logits of a classifier, channels of a map")]

AXES = (
    "backbones", "methods", "runtimes", "targets", "batches", "inputs", "seeds", "threads", "memory_formats",
    "dtypes", "classes",
)  # fmt: skip
"""Keys that a sweep may have of its own; those that it leaves out are those of the file's top."""


class Sweep(BaseModel):
    """A part of a suite: what it gives multiplies, and what it leaves out is that of the file's top."""

    model_config = ConfigDict(extra="forbid", strict=True)

    for_: Annotated[
        str | None,
        Field(alias="for", min_length=1, max_length=100, description="the sweep's name, in words"),
    ] = None
    backbones: Backbones | None = None
    methods: Methods | None = None
    runtimes: Runtimes | None = None
    targets: TargetList = None
    batches: Batches | None = None
    inputs: Inputs = None
    seeds: Seeds | None = None
    threads: Threads | None = None
    memory_formats: MemoryFormats | None = None
    dtypes: Dtypes | None = None
    classes: Classes = None
    measure: Annotated[
        dict[str, Any] | None,
        Field(description="how its cases are measured; keys left out are those of the file's `measure`"),
    ] = None
