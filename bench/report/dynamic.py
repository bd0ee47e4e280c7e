"""The table of networks that inputs may leave early: by exit, who leaves there and what that costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.exits import QUANTILES
from bench.report import digits
from bench.report.prose import paragraph
from bench.report.rows import Row, name, varying

RANDOM = paragraph("""
    The inputs are random, so an absolute confidence would mean nothing: the share of those who leave at an
    exit is set, by a quantile of the entropies there, and not found. Real inputs leave elsewhere, and the
    expected MACs and latency change with them.
""")

INTRODUCTION = paragraph("""
    A dynamic network's latency depends on its input. Each of its seeded inputs was visited by itself in
    every trial: the latency of an exit is the median over the inputs that left there, the percentiles are
    those of all single calls. The latency that stands in the table of cases, and from which the verdict
    comes, is the expectation: the mean over rounds of inputs in which every exit has its share.
""")


@dataclass(frozen=True)
class ExitLine:
    """One exit as text."""

    exit: str
    share: str
    macs: str
    latency: str


@dataclass(frozen=True)
class Dynamic:
    """One dynamic network: its exits, and all inputs together."""

    title: str
    exits: tuple[ExitLine, ...]
    all_inputs: ExitLine
    percentiles: str


def dynamic(rows: Sequence[Row]) -> tuple[Dynamic, ...]:
    """The networks with exits, in the table's order; failed cases have nothing to say here."""
    columns = varying(rows)
    return tuple(_one(row, columns) for row in rows if row["exits"] and row["status"] != "failed")


def _one(row: Row, columns: Sequence[str]) -> Dynamic:
    exits = tuple(
        ExitLine(
            exit["exit"],
            digits.percent(exit["share"], 1),
            digits.short(exit["executed_macs"]),
            digits.time(exit["latency"]),
        )
        for exit in row["exits"]
    )
    expected = digits.short(row["executed_macs"]), digits.time(row["latency"])
    return Dynamic(
        title=name(row, columns),
        exits=exits,
        all_inputs=ExitLine("all inputs, expected", digits.percent(1.0), *expected),
        percentiles=", ".join(
            f"p{per_cent} {digits.time(row['input_quantiles'][str(per_cent)])}"
            for per_cent in QUANTILES
            if str(per_cent) in row["input_quantiles"]
        ),
    )
