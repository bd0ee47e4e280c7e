"""The four counts of one layer."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class LayerCount:
    """Closed-form counts of one layer at batch 1.

    Stored parameters are what the file holds, logical ones the distinct non-zero weights; executed
    MACs are what this implementation computes, logical ones what a perfect kernel would.
    """

    stored_params: int
    logical_params: int
    executed_macs: int
    logical_macs: int

    @classmethod
    def dense(cls, params: int, macs: int) -> LayerCount:
        """Counts of a layer that has no zeros and runs as it is written."""
        return cls(params, params, macs, macs)

    def times(self, runs: int) -> LayerCount:
        """The same parameters, the MACs of that many runs."""
        return replace(self, executed_macs=runs * self.executed_macs, logical_macs=runs * self.logical_macs)
