"""Figures of the literature against what this code computes.

A published count is taken as a logical one: a paper counts the weights and the multiply-accumulates
that its method needs, not those that a framework's dense kernel spends on the zeros.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cached_property, partial
from typing import Any

import torch

from bench.analysis.published import Kind, Published
from bench.case import Case
from bench.counting.closed_form import CountedLayer, counted_layers
from bench.counting.count import count
from bench.counting.counts import Counts
from bench.counting.layer_count import LayerCount
from bench.counting.weight_bytes import weight_bytes
from bench.errors import InputError, nearest
from bench.methods import METHODS
from bench.models import BACKBONES
from bench.network import context_of, prepare
from bench.plan.knobs import check_call


class Status(StrEnum):
    """What became of a row."""

    EXACT = "exact"
    WITHIN = "within tolerance"
    OFF = "off"
    NOT_COMPUTABLE = "not computable"


@dataclass(frozen=True)
class Finding:
    """One figure, what was computed for it, and the verdict; ``note`` says why where it must."""

    row: Published
    status: Status
    computed: float | None
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        data = asdict(self.row)
        data["methods"] = [{"name": name, "knobs": knobs} for name, knobs in self.row.methods]
        data["input"] = "x".join(map(str, self.row.input))
        data["kind"] = self.row.kind.value
        return {**data, "status": self.status.value, "computed": self.computed, "note": self.note}


class Subject:
    """The network of a case, and what can be measured of it without a clock."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self.network = prepare(case)[0].network
        self.example = context_of(case).example_input()

    @cached_property
    def layers(self) -> list[CountedLayer]:
        """The convolution and linear layers with their closed forms."""
        return counted_layers(self.network, self.example)

    def params(self) -> float:
        """Distinct non-zero parameters, normalisation included."""
        stored = sum(p.numel() for p in self.network.parameters())
        return stored - sum(x.count.stored_params - x.count.logical_params for x in self.layers)

    def weights(self, only_convolutions: bool = False) -> float:
        """Distinct non-zero weights of convolution and linear layers, biases and scalars left out."""
        return sum(
            self._kept(layer)
            for layer in self._distinct()
            if len(layer.output_shape) == 3 or not only_convolutions
        )

    def layer_density(self, number: int) -> float:
        """Share of non-zero weights of the layer that runs as the ``number``-th, from 1.

        Raises ValueError for a network with fewer convolution and linear layers.
        """
        layers = self._distinct()
        if not 1 <= number <= len(layers):
            raise ValueError(f"there is no layer {number}: the network has {len(layers)}")
        layer = layers[number - 1]
        sizes = (p.numel() for p in self.network.get_submodule(layer.name).parameters() if p.dim() > 1)
        return self._kept(layer) / sum(sizes)

    def _distinct(self) -> list[CountedLayer]:
        """Every layer at its first call, in the order of the calls."""
        first: dict[str, CountedLayer] = {}
        for layer in self.layers:
            first.setdefault(layer.name, layer)
        return list(first.values())

    def _kept(self, layer: CountedLayer) -> int:
        """Distinct non-zero weights of one layer."""
        parameters = self.network.get_submodule(layer.name).parameters()
        return layer.count.logical_params - sum(p.numel() for p in parameters if p.dim() < 2)

    def macs(self, only_convolutions: bool = False) -> float:
        """Logical MACs. Raises ValueError where the three witnesses disagree on what is executed."""
        counted = self._counted
        if counted.disagreements:
            raise ValueError(f"the witnesses disagree: {counted.disagreements[0]}")
        kept = [x for x in counted.layers if not only_convolutions or len(x.output) == 3]
        return float(sum(x.macs for x in kept))

    def feature_params(self) -> float:
        """Parameters without the classifier: papers on retrieval leave it out."""
        return self.params() - self._classifier().stored_params

    def feature_macs(self) -> float:
        """Logical MACs without the classifier."""
        return self.macs() - self._classifier().logical_macs

    def file_size_mb(self) -> float:
        """The saved state in megabytes of 2**20 bytes, as torchvision's metadata count them."""
        file = io.BytesIO()
        torch.save(self.network.state_dict(), file)
        return file.tell() / 2**20

    def weight_bytes(self) -> float:
        """Bytes of everything that the saved state holds, without the file's own overhead."""
        return weight_bytes(self.network)

    def _classifier(self) -> LayerCount:
        """The layer that ran last, where it is a linear one."""
        last = self.layers[-1]
        if len(last.output_shape) != 1:
            raise ValueError(f"the network ends with {last.name}, which is no linear layer")
        return last.count

    @cached_property
    def _counted(self) -> Counts:
        return count(self.network, self.example)


MEASURES: dict[str, Callable[[Subject], float]] = {
    "params": Subject.params,
    "weights": Subject.weights,
    "kept_weights": Subject.weights,
    "conv_weights": lambda subject: subject.weights(only_convolutions=True),
    "macs": Subject.macs,
    "conv_macs": lambda subject: subject.macs(only_convolutions=True),
    "feature_params": Subject.feature_params,
    "feature_macs": Subject.feature_macs,
    "file_size_mb": Subject.file_size_mb,
    "weight_bytes": Subject.weight_bytes,
}
"""What a metric measures; a name with ``_ratio`` or ``_reduction_percent`` compares with dense.

Beside these there is ``layer_density:7`` for the seventh layer that runs.
"""

_LAYER_DENSITY = re.compile(r"layer_density:([1-9]\d*)")

_COMPARED: dict[str, Callable[[float, float], float]] = {
    "_ratio": lambda dense, own: dense / own,
    "_reduction_percent": lambda dense, own: 100 * (1 - own / dense),
}


def conform(rows: Iterable[Published]) -> list[Finding]:
    """The verdict on every row, in order. Each network is built once, whatever is asked of it.

    Raises InputError for a row that nothing could ever compute: an unknown metric or knob.
    """
    rows = list(rows)
    cases = [_case(row) for row in rows]
    wanted: dict[str, tuple[Case, list[str]]] = {}
    for row, case in zip(rows, cases, strict=True):
        if case is None:
            continue
        measure, compared = _metric(row)
        for subject in (case, case.baseline()) if compared else (case,):
            measures = wanted.setdefault(subject.id, (subject, []))[1]
            if measure not in measures:
                measures.append(measure)
    with _one_thread():
        measured = {case_id: _measure(case, measures) for case_id, (case, measures) in wanted.items()}
    return [_finding(row, case, measured) for row, case in zip(rows, cases, strict=True)]


def tally(findings: Iterable[Finding]) -> dict[str, int]:
    """How many rows have each status, every status named."""
    counts = dict.fromkeys((status.value for status in Status), 0)
    for finding in findings:
        counts[finding.status.value] += 1
    return counts


def tally_by_kind(findings: Iterable[Finding]) -> dict[str, dict[str, int]]:
    """The tally of each kind of figure, every kind named: only published ones are reproduced."""
    findings = list(findings)
    return {kind.value: tally(f for f in findings if f.row.kind is kind) for kind in Kind}


@contextmanager
def _one_thread() -> Iterator[None]:
    """Nothing here is timed, and threads that wait for each other cost more than they bring."""
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        yield
    finally:
        torch.set_num_threads(threads)


def _missing(row: Published) -> str:
    """Names of the row that no registry has, in words."""
    words = [f"method {name}" for name, _ in row.methods if name not in METHODS]
    words += [] if _is_backbone(row.backbone) else [f"backbone {row.backbone}"]
    return " and ".join(words) + " not in the registry" if words else ""


def _is_backbone(name: str) -> bool:
    try:
        BACKBONES.get(name)  # a family answers for more names than it lists: any layer/…
    except InputError:
        return False
    return True


def _case(row: Published) -> Case | None:
    _metric(row)
    if _missing(row):
        return None
    try:
        calls = tuple(check_call(name, knobs) for name, knobs in row.methods)
    except InputError as error:
        raise InputError(f"{row.where}: {error}") from None
    return Case(row.backbone, calls, input=row.input, classes=row.classes)


def _metric(row: Published) -> tuple[str, Callable[[float, float], float] | None]:
    """The measure of the row's metric, and how it is put beside the dense network's, if it is."""
    for suffix, compared in _COMPARED.items():
        if row.metric.endswith(suffix) and row.metric.removesuffix(suffix) in MEASURES:
            return row.metric.removesuffix(suffix), compared
    if row.metric not in MEASURES and not _LAYER_DENSITY.fullmatch(row.metric):
        known = [*MEASURES, *(measure + suffix for measure in MEASURES for suffix in _COMPARED)]
        known.append("layer_density:1")
        raise InputError(f"{row.where}: unknown metric '{row.metric}'{nearest(row.metric, known)}")
    return row.metric, None


def _measurement(measure: str) -> Callable[[Subject], float]:
    density = _LAYER_DENSITY.fullmatch(measure)
    return partial(Subject.layer_density, number=int(density[1])) if density else MEASURES[measure]


def _measure(case: Case, measures: list[str]) -> dict[str, float | str]:
    """Each measure of the case as a number, or as words when it could not be taken."""
    found: dict[str, float | str] = {}
    subject: Subject | None = None
    for measure in measures:
        try:
            subject = subject or Subject(case)
            found[measure] = _measurement(measure)(subject)
        except Exception as error:  # noqa: BLE001 - a figure that cannot be computed is a line of the table
            found[measure] = f"{case.id}: {type(error).__name__}: {str(error).partition(chr(10))[0]}"
            if subject is None:
                return dict.fromkeys(measures, found[measure])
    return found


def _finding(row: Published, case: Case | None, measured: dict[str, dict[str, float | str]]) -> Finding:
    if case is None:
        return Finding(row, Status.NOT_COMPUTABLE, None, _missing(row))
    measure, compared = _metric(row)
    own = measured[case.id][measure]
    if isinstance(own, str):
        return Finding(row, Status.OFF, None, own)
    computed = own
    if compared is not None:
        dense = measured[case.baseline().id][measure]
        if isinstance(dense, str):
            return Finding(row, Status.OFF, None, dense)
        computed = compared(dense, own)
    difference = abs(computed - row.value)
    if difference == 0:
        return Finding(row, Status.EXACT, computed)
    return Finding(row, Status.WITHIN if difference <= row.tolerance else Status.OFF, computed)
