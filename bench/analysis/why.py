"""Why a network takes the time it takes: dispatch, reorders of layout, arithmetic on padded channels.

Pure functions. The times of layers come from an undisturbed run; what happened inside them, from runs of
their own that a log and a profiler slow down, so only a layer's shares are taken from there, and never more
than the layer took.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench.analysis.onednn_log import MULTIPLYING, Primitive, read

ARITHMETIC, PADDING, REORDERS = "arithmetic", "arithmetic on padded channels", "reorders of layout"
ELEMENTWISE, MOVING, DISPATCH = "element-wise work", "splitting and concatenating", "dispatch"
BETWEEN = "operators between the layers"
PARTS = (ARITHMETIC, PADDING, REORDERS, ELEMENTWISE, MOVING, DISPATCH, BETWEEN)

NATIVE = "unfolding and a matrix product (torch's own)"
"""What torch runs where it takes a convolution for too small for oneDNN (aten::_slow_conv2d_forward)."""


@dataclass(frozen=True)
class SeenLayer:
    """What was seen of a layer's call: ``seconds`` undisturbed, the log's lines, operators' own seconds.

    ``elementwise`` and ``moving``: seconds of such operators inside the layer; ``kernels``: of what
    multiplies and is in no log, by operator.
    """

    name: str
    kind: str
    seconds: float
    macs: int
    attainable_seconds: float | None
    log: Sequence[str]
    kernels: Mapping[str, float]
    elementwise: float = 0.0
    moving: float = 0.0


@dataclass(frozen=True)
class ExplainedLayer:
    """A layer's seconds by part, what ran its products, and the MACs that the hardware did for them."""

    name: str
    kind: str
    seconds: float
    macs: int
    hardware_macs: int
    kernels: tuple[str, ...]
    parts: Mapping[str, float]
    attainable_seconds: float | None

    @property
    def fraction(self) -> float | None:
        """The attainable time over the time taken; None where either is unknown."""
        if not self.attainable_seconds or not self.seconds:
            return None
        return self.attainable_seconds / self.seconds


@dataclass(frozen=True)
class Explanation:
    """A network's layers, and its seconds by part."""

    case: str
    seconds: float
    layers: tuple[ExplainedLayer, ...]
    parts: Mapping[str, float]

    @property
    def sentence(self) -> str:
        """``of 13.7 ms 61 % is dispatch, 22 % reorders of layout, …``: the largest first, from 1 % on."""
        shares = {part: taken / self.seconds for part, taken in self.parts.items()}
        named = sorted((share, part) for part, share in shares.items() if share >= 0.005)[::-1]
        words = ", ".join(
            f"{share:.0%}{' is' if not at else ''} {part}" for at, (share, part) in enumerate(named)
        )
        return f"of {self.seconds * 1e3:.3g} ms {words}".replace("%", " %")

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {**asdict(self), "sentence": self.sentence}


def explain(case: str, seconds: float, layers: Sequence[SeenLayer]) -> Explanation:
    """The parts of a forward call of so many seconds."""
    explained = tuple(map(explain_layer, layers))
    parts = {part: sum(layer.parts.get(part, 0.0) for layer in explained) for part in PARTS}
    parts[BETWEEN] = max(0.0, seconds - sum(layer.seconds for layer in layers))
    return Explanation(case, seconds, explained, parts)


def explain_layer(seen: SeenLayer) -> ExplainedLayer:
    """One layer. What the log and the profiler explain is shortened where it is more than the layer took."""
    primitives = read(seen.log)
    multiplying = [one for one in primitives if one.kind in MULTIPLYING]
    arithmetic = sum(one.seconds for one in multiplying)
    padding = sum(one.seconds * _padded_share(one) for one in multiplying)
    parts = {
        ARITHMETIC: arithmetic - padding + sum(seen.kernels.values()),
        PADDING: padding,
        REORDERS: sum(one.seconds for one in primitives if one.kind == "reorder"),
        ELEMENTWISE: seen.elementwise,
        MOVING: seen.moving,
    }
    total = sum(parts.values())
    if total > seen.seconds:
        parts = {part: taken * seen.seconds / total for part, taken in parts.items()}
    parts[DISPATCH] = max(0.0, seen.seconds - total)
    logged, padded = sum(one.macs for one in multiplying), sum(one.padded_macs for one in multiplying)
    names = dict.fromkeys([*(one.implementation for one in multiplying), *map(_kernel_name, seen.kernels)])
    return ExplainedLayer(
        seen.name,
        seen.kind,
        seen.seconds,
        seen.macs,
        seen.macs - min(seen.macs, logged) + padded,
        tuple(names),
        parts,
        seen.attainable_seconds,
    )


def _padded_share(primitive: Primitive) -> float:
    """The part of its products that are by channels which only fill up a block."""
    return 1 - primitive.macs / primitive.padded_macs if primitive.padded_macs else 0.0


def _kernel_name(operator: str) -> str:
    if operator == "kernel":
        return "compiled kernel"
    return NATIVE if "slow_conv" in operator or operator.startswith("thnn_conv") else operator
