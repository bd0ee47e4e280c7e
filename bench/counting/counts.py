"""The counts of one network, as plain numbers. Standard library only."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class LayerCounts:
    """One counted layer: shapes at batch 1, parameters, and MACs by three witnesses.

    ``share``: of the inputs that come to it, in a network that inputs may leave before.
    """

    name: str
    kind: str
    input: tuple[int, ...]
    output: tuple[int, ...]
    params: int
    logical_params: int
    macs: int
    executed_macs: int
    fvcore_macs: int
    torch_macs: int
    share: float = 1.0


@dataclass(frozen=True)
class ExitCounts:
    """One exit of a network that inputs leave early: how many of the seeded ones do, and what each costs."""

    name: str
    inputs: int
    macs: int
    executed_macs: int
    other_elements: int


@dataclass(frozen=True)
class Counts:
    """Counts of one network at batch 1.

    ``params`` are stored, ``logical_params`` the distinct non-zero ones; ``macs`` are logical,
    ``executed_macs`` what the layers compute; ``flops`` = 2 × executed MACs. ``other_elements``: output
    elements of all other operators. ``witnesses``: executed MACs by who counted them.
    ``activation_macs``: multiply-accumulates of activations with activations, which are no convolution's and
    no linear layer's: in none of the other counts. None where whoever counted did not tell them apart.
    ``disagreements``: a line for each thing the witnesses differ on, empty where all is well.
    ``layers``: one row for each call of a counted layer, in the order of the calls. ``exits``: where inputs
    may leave, the end included; MACs and other elements are then expectations over the seeded inputs.
    """

    params: int
    logical_params: int
    macs: int
    executed_macs: int
    flops: int
    other_elements: int
    weight_bytes: int
    witnesses: dict[str, int]
    disagreements: tuple[str, ...]
    layers: tuple[LayerCounts, ...]
    exits: tuple[ExitCounts, ...] = ()
    activation_macs: int | None = None

    @property
    def disputed_layers(self) -> int:
        """Layers whose executed MACs the three witnesses count differently; 0 where all agree."""
        if not self.disagreements:
            return 0
        own: dict[str, int] = {}
        others: dict[str, set[int]] = {}
        for row in self.layers:  # a witness tells what all calls of a layer cost together
            own[row.name] = own.get(row.name, 0) + row.executed_macs
            others.setdefault(row.name, set()).update((row.fvcore_macs, row.torch_macs))
        return sum(1 for name, macs in own.items() if others[name] != {macs})

    @property
    def witnessed_macs(self) -> int:
        """The largest of the three witnesses' MACs: what a network computes and throws away is in it."""
        return max((self.executed_macs, *self.witnesses.values()))

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)
