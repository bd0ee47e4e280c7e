"""Counts of a network that inputs leave at several exits: the mean over the inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bench.counting.counts import Counts, ExitCounts


def mean(values: Sequence[int], left: Sequence[int]) -> int:
    """The mean of one value per exit over the inputs that leave there, rounded to a whole number."""
    inputs = sum(left)
    total = sum(value * number for value, number in zip(values, left, strict=True))
    return (2 * total + inputs) // (2 * inputs)


def expected(ways: Sequence[Counts], exits: Sequence[str], left: Sequence[int]) -> Counts:
    """The expectation over inputs of which ``left[k]`` leave at exit k; ``ways[k]`` is what runs for them.

    Parameters, bytes and layers are those of the last way, which has them all; a layer knows the share of
    the inputs that come to it. A witness's MACs are an expectation too, and a disagreement on any way is
    one of the network.
    """
    whole = ways[-1]
    executed = mean([way.executed_macs for way in ways], left)
    names = [{row.name for row in way.layers} for way in ways]
    shares = {
        row.name: sum(n for n, of in zip(left, names, strict=True) if row.name in of) / sum(left)
        for row in whole.layers
    }
    return replace(
        whole,
        macs=mean([way.macs for way in ways], left),
        executed_macs=executed,
        flops=2 * executed,
        other_elements=mean([way.other_elements for way in ways], left),
        witnesses={name: mean([way.witnesses[name] for way in ways], left) for name in whole.witnesses},
        disagreements=tuple(
            f"leaving at {name}: {line}"
            for name, way in zip(exits, ways, strict=True)
            for line in way.disagreements
        ),
        layers=tuple(replace(row, share=shares[row.name]) for row in whole.layers),
        exits=tuple(
            ExitCounts(name, number, way.macs, way.executed_macs, way.other_elements)
            for name, number, way in zip(exits, left, ways, strict=True)
        ),
        activation_macs=mean([way.activation_macs or 0 for way in ways], left),
    )
