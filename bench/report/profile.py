"""Where the time goes: a case's layers beside its baseline's, in order of execution and under the roof."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from bench.analysis.records import LayerTime, ProfileRecord
from bench.analysis.store import Results
from bench.report import digits, svg
from bench.report.palette import COLOURS, Palette
from bench.report.prose import coded, paragraph
from bench.report.rows import Row, method_label

TITLE = "Where the time goes"

INTRODUCTION = paragraph("""
    Each bar is a layer of one forward call, in the order of execution and cut by kind of work; the last bar
    is everything outside these layers (normalisation, activations, additions). Profiles are taken after all
    rounds, in eager mode, and are no part of any latency: watching a call costs time of its own.
""")

REST = "outside the layers"

_KINDS = {"Conv2d": "convolution", "Linear": "linear"}
_LEFT, _RIGHT, _PLOT = 44.0, 372.0, 92.0
_LEGEND_STEP = 15.0


@dataclass(frozen=True)
class Bar:
    """One layer: seconds by kind of work."""

    name: str
    parts: Mapping[str, float]

    @property
    def seconds(self) -> float:
        """All of it."""
        return math.fsum(self.parts.values())


def profiles(rows: Sequence[Row], results: Sequence[Results], palette: Palette) -> svg.Chart:
    """A panel of bars for each profiled case beside its baseline; a roofline where peaks are known."""
    by_name = {(row["run"], row["case"]): row for row in rows}
    panels: list[svg.Panel] = []
    without_peaks = False
    for one in results:
        for case, record in one.profiles.items():
            row = by_name.get((one.start.run, case))
            if row is None or not record.layers or (row["is_baseline"] and _is_beside(row, one)):
                continue
            base = one.profiles.get(row["baseline"]) if not row["is_baseline"] else None
            pair = [(row, record)]
            if base is not None and (base_row := by_name.get((one.start.run, row["baseline"]))):
                pair.insert(0, (base_row, base))
            panels.append(_bars(pair))
            roof = _roofline(pair, palette)
            without_peaks = without_peaks or roof is None
            panels += [] if roof is None else [roof]
    return svg.Chart(
        TITLE, INTRODUCTION, tuple(panels), coded(_missing(bool(panels), without_peaks, rows, results))
    )


def _is_beside(row: Row, one: Results) -> bool:
    """True for a baseline that is drawn beside a case of its own."""
    of = {planned.case.id: planned.baseline for planned in one.start.planned()}
    return any(of.get(case) == row["case"] != case for case in one.profiles)


def _missing(any_profile: bool, without_peaks: bool, rows: Sequence[Row], results: Sequence[Results]) -> str:
    if any_profile:
        words = (
            "No roofline: no peaks of this host are stored. `bench doctor --peaks` measures them; a profile "
            "taken after that has them."
        )
        return words if without_peaks else ""
    row = next((row for row in rows if not row["is_baseline"]), None)
    case = shlex.quote(row["case"]) if row else "CASE"
    suite = (results[0].start.suite_file if results else "") or "SUITE"
    return (
        f"Not measured: no profile is stored. `bench run {suite} --profile {case}` takes one after the "
        f"rounds, `bench profile {case} --store` adds one to a run that is over."
    )


def bars_of(record: ProfileRecord) -> list[Bar]:
    """The layers in order, and what lies outside them."""
    bars = [Bar(layer.layer, _parts(layer)) for layer in record.layers]
    rest = record.seconds - math.fsum(layer.seconds for layer in record.layers)
    return [*bars, Bar(REST, {REST: max(0.0, rest)})]


def _parts(layer: LayerTime) -> Mapping[str, float]:
    known = {kind: seconds for kind, seconds in (layer.parts or {}).items() if seconds > 0}
    return known or {_KINDS.get(layer.kind, layer.kind): max(0.0, layer.seconds)}


def _bars(pair: Sequence[tuple[Row, ProfileRecord]]) -> svg.Panel:
    every = [(row, record, bars_of(record)) for row, record in pair]
    kinds = list(dict.fromkeys(kind for _, _, bars in every for bar in bars for kind in bar.parts))
    kinds = [*(kind for kind in kinds if kind != REST), REST]
    css = {kind: f"c{(at + 1) % COLOURS}" for at, kind in enumerate(kinds)}
    longest = max(bar.seconds for _, _, bars in every for bar in bars) or 1.0
    unit = digits.unit_for([longest])
    parts = []
    for at, (row, _, bars) in enumerate(every):
        top = 24.0 + at * (_PLOT + 40)
        parts.append(_plot(row, bars, css, unit, longest, top))
    bottom = 24.0 + len(every) * (_PLOT + 40)
    parts.append(_legend(kinds, css, bottom))
    height = bottom + _LEGEND_STEP * math.ceil(len(kinds) / 2)
    row = pair[-1][0]
    title = f"{row['backbone']}: {method_label(row)}" + (" beside dense" if len(pair) > 1 else "")
    summary = " ".join(_in_words(record, row) for row, record in pair)
    drawing = svg.drawing(height, *parts, label="bars of seconds by layer")
    return svg.Panel(title, drawing, summary, key=f"profile {row['anchor']}")


def _plot(
    row: Row, bars: Sequence[Bar], css: Mapping[str, str], unit: digits.Unit, longest: float, top: float
) -> Markup:
    up = svg.Scale(0.0, longest / unit.seconds, top + _PLOT, top)
    step = (_RIGHT - _LEFT - 6) / len(bars)
    parts = [svg.beside(svg.Axis(up, "", svg.linear_ticks(0.0, up.high, 4)), _LEFT, _RIGHT)]
    parts.append(svg.text(_LEFT, top - 8, svg.cut(f"{method_label(row)}, {unit.name} a layer", 320), "label"))
    for at, bar in enumerate(bars):
        x = _LEFT + at * step + (6 if bar.name == REST else 0)
        width = max(0.6, step - min(1.0, 0.2 * step))
        boxes, below = [], 0.0
        for kind, seconds in bar.parts.items():
            start, end = up(below), up(below + seconds / unit.seconds)
            boxes.append(svg.group(css[kind], svg.box(x, end, width, start - end, "own")))
            below += seconds / unit.seconds
        words = ", ".join(f"{kind} {digits.time(seconds)}" for kind, seconds in bar.parts.items())
        parts.append(svg.marked(row, f"{bar.name}: {digits.time(bar.seconds)}\n{words}", *boxes))
    parts.append(svg.text(_LEFT, top + _PLOT + 13, "first layer", "tick"))
    parts.append(svg.text(_RIGHT, top + _PLOT + 13, REST, "tick", "end"))
    return svg.group("", *parts)


def _legend(kinds: Sequence[str], css: Mapping[str, str], top: float) -> Markup:
    found = []
    for at, kind in enumerate(kinds):
        x, y = _LEFT + (at % 2) * 165, top + (at // 2) * _LEGEND_STEP
        found.append(svg.group(css[kind], svg.box(x, y - 8, 9, 9, "own")))
        found.append(svg.text(x + 14, y, svg.cut(kind, 145), "tick"))
    return svg.group("", *found)


def _in_words(record: ProfileRecord, row: Row) -> str:
    totals: dict[str, float] = {}
    for bar in bars_of(record):
        for kind, seconds in bar.parts.items():
            totals[kind] = totals.get(kind, 0.0) + seconds
    whole = math.fsum(totals.values()) or 1.0
    largest = sorted(totals.items(), key=lambda item: -item[1])[:4]
    shares = ", ".join(f"{kind} {digits.percent(seconds / whole)}" for kind, seconds in largest)
    return f"{method_label(row)} {digits.time(record.seconds)} a forward: {shares}."


def _roofline(pair: Sequence[tuple[Row, ProfileRecord]], palette: Palette) -> svg.Panel | None:
    """Layers by intensity and the rate that they reach; None where no peaks are known."""
    flops = next((record.flops for _, record in pair if record.flops), None)
    bandwidth = next((record.bandwidth for _, record in pair if record.bandwidth), None)
    points = [(row, layer) for row, record in pair for layer in record.layers if _has_place(layer)]
    if flops is None or bandwidth is None or not points:
        return None
    across = svg.log_scale(
        (*map(_intensity, (layer for _, layer in points)), flops / bandwidth), _LEFT, _RIGHT
    )
    rates = [_rate(layer) for _, layer in points]
    up = svg.log_scale((*rates, flops), 200, 24)
    axes = [
        svg.below(
            svg.Axis(across, "FLOPs per compulsory byte", svg.log_ticks(across.low, across.high)), 200, 24
        ),
        svg.beside(svg.Axis(up, "FLOP/s", svg.log_ticks(up.low, up.high), digits.tick), _LEFT, _RIGHT),
    ]
    knee = flops / bandwidth
    corners = [(x, min(flops, bandwidth * x)) for x in (across.low, knee, across.high)]
    roof = svg.path([(across(x), up.inside(y)) for x, y in corners], "front")
    dots = [_dot(row, layer, palette, across, up) for row, layer in points]
    drawing = svg.drawing(236, *axes, roof, *dots, label="roofline of the layers")
    near = sum(_rate(layer) >= 0.5 * min(flops, bandwidth * _intensity(layer)) for _, layer in points)
    summary = (
        f"{near} of {len(points)} layers reach half of what the host could do for their intensity; "
        f"{digits.tick(float(f'{flops:.3g}'))}FLOP/s, {digits.tick(float(f'{bandwidth:.3g}'))}B/s."
    )
    row = pair[-1][0]
    title = f"{row['backbone']}: {method_label(row)} under the roof"
    return svg.Panel(title, drawing, summary, key=f"roofline {row['anchor']}")


def _dot(row: Row, layer: LayerTime, palette: Palette, across: svg.Scale, up: svg.Scale) -> Markup:
    look = palette.look(row)
    words = f"{method_label(row)}: {layer.layer}, {digits.tick(float(f'{_rate(layer):.3g}'))}FLOP/s"
    shape = svg.dot(look.shape, across(_intensity(layer)), up(_rate(layer)), 3.2)
    return svg.marked(row, words, shape, css=look.css)


def _has_place(layer: LayerTime) -> bool:
    return layer.macs > 0 and layer.bytes > 0 and layer.seconds > 0


def _intensity(layer: LayerTime) -> float:
    return 2 * layer.macs / layer.bytes


def _rate(layer: LayerTime) -> float:
    return 2 * layer.macs / layer.seconds
