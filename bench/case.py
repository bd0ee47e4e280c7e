"""One case: backbone × method(knobs) × runtime × target × batch × input. Standard library only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from bench.errors import InputError, quoted

Shape = tuple[int, int, int]
"""Channels, height, width of one input image."""

VARIED = 40
"""Inputs that stand for all inputs of a network which some leave early: shares come in steps of 2.5 %."""

_SHAPE = re.compile(r"(?:([1-9]\d{0,8})x)?([1-9]\d{0,8})x([1-9]\d{0,8})", re.ASCII)

CONTIGUOUS = "contiguous"

FLOAT32 = "float32"
DTYPES = (FLOAT32, "bfloat16", "float16")
"""What weights, input and activations may be stored in, by torch's names."""


def argument_words(arguments: Mapping[str, Any]) -> str:
    """Keyword arguments as ids show them: ``(width=16,depth=2)``, empty where there are none."""
    inner = ",".join(f"{name}={_word(value)}" for name, value in arguments.items())
    return f"({inner})" if inner else ""


def _tuples(value: Any) -> Any:
    """The value with tuples in place of lists."""
    if isinstance(value, Mapping):
        return {key: _tuples(inner) for key, inner in value.items()}
    return tuple(_tuples(inner) for inner in value) if isinstance(value, list | tuple) else value


def _word(value: Any) -> str:
    """A knob's value without blanks, quotes or slashes: ``expand:3+project:4``."""
    if isinstance(value, Mapping):
        return "+".join(f"{key}:{_word(inner)}" for key, inner in value.items())
    if isinstance(value, list | tuple):
        return "+".join(_word(inner) for inner in value)
    return str(value).replace("/", ":").replace(" ", "")


@dataclass(frozen=True)
class MethodCall:
    """A method with its knobs; ``label`` is how it reads: ``csr_conv(T=4)``."""

    name: str
    knobs: Mapping[str, Any] = field(default_factory=dict)
    label: str = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        # JSON knows no tuples: a case read back from its record must equal the one that was written.
        object.__setattr__(self, "knobs", {knob: _tuples(value) for knob, value in self.knobs.items()})
        object.__setattr__(self, "label", self.name + argument_words(self.knobs))


DENSE = (MethodCall("dense"),)


@dataclass(frozen=True)
class Imported:
    """Where a network of the user's own comes from.

    ``build``: ``module:function``, called with ``args`` as keyword arguments; the module is looked for among
    the installed ones and in ``folder``. ``weights``: the path of a state_dict, "" for random ones;
    ``sha256`` is that file's.
    """

    build: str
    args: Mapping[str, Any] = field(default_factory=dict)
    folder: str = ""
    weights: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class Case:
    """What is measured. ``id`` is stable and readable; what has its usual value is left out of it.

    ``methods`` are applied one after the other. ``input`` is (C, H, W) of one image. ``classes`` None
    means the backbone's own number. ``dtype`` is what the finished network and its input are cast to: one of
    DTYPES, else ValueError. ``imported``: where a backbone comes from that is nobody's but the user's.
    """

    backbone: str
    methods: tuple[MethodCall, ...]
    runtime: str = "eager"
    target: str = "cpu"
    batch: int = 1
    input: Shape = (3, 32, 32)
    seed: int = 0
    threads: int = 1
    memory_format: str = CONTIGUOUS
    classes: int | None = None
    dtype: str = FLOAT32
    imported: Imported | None = None
    id: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise ValueError(f"dtype {self.dtype!r} is none of {', '.join(DTYPES)}")
        shape = "x".join(map(str, self.input))
        parts = [self.backbone, self.method, self.runtime, self.target, f"b{self.batch}", shape]
        if self.threads != 1:
            parts.append(f"t{self.threads}")
        if self.memory_format != CONTIGUOUS:
            parts.append(self.memory_format)
        if self.dtype != FLOAT32:
            parts.append(self.dtype)
        if self.classes is not None:
            parts.append(f"c{self.classes}")
        if self.seed:
            parts.append(f"seed{self.seed}")
        object.__setattr__(self, "id", "/".join(parts))

    @property
    def method(self) -> str:
        """The methods' labels, joined by ``+``."""
        return "+".join(call.label for call in self.methods)

    @property
    def count_id(self) -> str:
        """Cases that share it have the same network, hence the same counts, whatever it is cast to."""
        shape = "x".join(map(str, self.input))
        return f"{self.backbone}/{self.method}/{shape}/c{self.classes}/seed{self.seed}"

    def baseline(self) -> Case:
        """The same case with the dense backbone, in the same dtype.

        A method's ratio says what the method does: across dtypes it would mix that with what the cast does.
        """
        return replace(self, methods=DENSE)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON; ``Case.from_dict`` reads it back.

        The usual dtype is left out, and where nothing is imported that: revisions from before them refuse a
        key that they do not know, as they would measure another case than was asked for.
        """
        data = asdict(self)
        if self.dtype == FLOAT32:
            del data["dtype"]
        if self.imported is None:
            del data["imported"]
        data["methods"] = [{"name": call.name, "knobs": dict(call.knobs)} for call in self.methods]
        data["input"] = list(self.input)
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Case:
        """The case that ``as_dict`` wrote. Raises KeyError or TypeError for anything else.

        A key that is not known here is such a thing too: it stands for a value that is not usual.
        """
        fields = {k: v for k, v in data.items() if k != "id"}
        fields["methods"] = tuple(MethodCall(m["name"], m["knobs"]) for m in data["methods"])
        channels, height, width = data["input"]
        fields["input"] = (channels, height, width)
        if fields.get("imported") is not None:
            fields["imported"] = Imported(**fields["imported"])
        return cls(**fields)


def parse_shape(text: str, channels: int = 3) -> Shape:
    """``3x32x32``, or ``32x32`` with the channels given. Raises InputError."""
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise InputError(f"input {quoted(text)} is no shape; 3x32x32 is one")
    return int(match[1] or channels), int(match[2]), int(match[3])
