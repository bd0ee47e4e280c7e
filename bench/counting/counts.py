"""The counts of one network, as plain numbers. Standard library only."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class LayerCounts:
    """One counted layer: shapes at batch 1, parameters, and MACs by three witnesses."""

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


@dataclass(frozen=True)
class Counts:
    """Counts of one network at batch 1.

    ``params`` are stored, ``logical_params`` the distinct non-zero ones; ``macs`` are logical,
    ``executed_macs`` what the layers compute; ``flops`` = 2 × executed MACs. ``other_elements``: output
    elements of all other operators. ``witnesses``: executed MACs by who counted them.
    ``disagreements``: a line for each thing the witnesses differ on, empty where all is well.
    ``layers``: one row for each call of a counted layer, in the order of the calls.
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

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)
