"""The details of one case: what was replaced, what was left dense and why, and how its trials went."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.analysis.loaded_weights import discarded_words
from bench.report import digits, outcome
from bench.report.rows import Row, case_name, name, varying
from bench.report.table import anchor, instructions_of


@dataclass(frozen=True)
class Layers:
    """Layers with something in common: what they became, or why they were left."""

    what: str
    layers: tuple[str, ...]


@dataclass(frozen=True)
class Details:
    """One case."""

    anchor: str
    title: str
    verdict: str
    facts: tuple[tuple[str, str], ...]
    replaced: tuple[Layers, ...]
    left: tuple[Layers, ...]
    error: str
    disagreements: tuple[str, ...]

    @property
    def replaced_count(self) -> int:
        """Layers that the method rewrote."""
        return sum(len(group.layers) for group in self.replaced)

    @property
    def left_count(self) -> int:
        """Layers that the method left dense."""
        return sum(len(group.layers) for group in self.left)


def details(rows: Sequence[Row]) -> tuple[Details, ...]:
    """One entry per row, in the table's order."""
    columns = varying(rows)
    return tuple(_one(number, row, columns) for number, row in enumerate(rows))


def _one(number: int, row: Row, columns: Sequence[str]) -> Details:
    return Details(
        anchor=anchor(number),
        title=name(row, columns),
        verdict=outcome.outcome(row),
        facts=tuple(_facts(row)),
        replaced=_together(
            (f"{layer['before']} became {layer['after']}", layer["name"]) for layer in row["replaced"]
        ),
        left=_together((layer["reason"], layer["name"]) for layer in row["left"]),
        error=row["error"],
        disagreements=tuple(row["disagreements"]),
    )


def _facts(row: Row) -> list[tuple[str, str]]:
    facts = [
        ("case", case_name(row)),
        ("run", row["run"]),
        ("host", row["host"] or "unknown"),
        ("trials", f"{row['trials']} finished, {row['failed_trials']} failed"),
        ("rounds shared with dense", "—" if row["is_baseline"] else str(row["ratio_rounds"])),
        ("first call", digits.time(row["first_call"])),
        ("parameters, stored", digits.exact(row["params"])),
        ("parameters, logical", digits.exact(row["logical_params"])),
        ("MACs, logical", digits.exact(row["macs"])),
        ("MACs, executed", digits.exact(row["executed_macs"])),
        ("FLOPs, 2 × executed MACs", digits.exact(row["flops"])),
        ("elements of other layers (not in MACs)", digits.exact(row["other_elements"])),
    ]
    if row["activation_macs"] > 0:
        words = "MACs between activations, as in attention (not in MACs)"
        facts.append((words, digits.exact(row["activation_macs"])))
    if row["weights"]:
        facts.append(("weights loaded", row["weights"]))
    if row["discarded"]:
        words = discarded_words(row["discarded"], len(row["replaced"]))
        facts.append(("loaded weights discarded", words))
    if digits.known(row["intensity"]):
        facts.append(("arithmetic intensity, FLOPs per compulsory byte", f"{row['intensity']:.1f}"))
    if digits.known(row["attainable"]):
        reached = f"{digits.time(row['attainable'])}, {digits.percent(row['attained'])} of that speed reached"
        facts.append(("attainable time by the host's peaks", reached))
    facts += _instructions(row)
    for order, peak in row["live_peak_by_order"].items():
        facts.append((f"live tensor peak in {order} order, bytes", digits.exact(peak)))
    for order, peak in row["allocator_peak_by_order"].items():
        facts.append((f"allocator peak in {order} order, bytes", digits.exact(peak)))
    if row["live_peak_refused"]:
        facts.append(("no live tensor peak, because", row["live_peak_refused"]))
    if digits.known(row["host_latency"]):
        facts.append(("latency on the host's clock", digits.time(row["host_latency"])))
    if row["energy_source"]:
        facts.append(("energy of a call", _energy(row)))
    if digits.known(row["p90"]):
        facts.insert(6, ("90th percentile of all calls", digits.time(row["p90"])))
    facts[5:5] = list(_made(row))
    if row["marks"]:
        facts.insert(4, ("trials marked", ", ".join(f"{mark} {n}" for mark, n in row["marks"].items())))
    if row["left_out_trials"]:
        facts.insert(4, ("trials left out of the latency", str(row["left_out_trials"])))
    return facts


def _energy(row: Row) -> str:
    """The number with the counter that it is of, or why there is none."""
    if row["energy_refused"]:
        return f"{row['energy_source']}: {row['energy_refused']}"
    return f"{digits.joules(row['energy'])} by {row['energy_source']}"


def _made(row: Row) -> Iterable[tuple[str, str]]:
    """What it took to make the case callable, and what lies on the disk for it."""
    loaded = digits.known(row["exported_bytes"])
    if digits.known(row["export_seconds"]):
        yield "exporting, once before all trials", digits.time(row["export_seconds"])
    if digits.known(row["compile_seconds"]):
        word = "loading what was exported" if loaded else "compiling"
        yield f"{word}, before the first call", digits.time(row["compile_seconds"])
    if loaded:
        yield "exported file, bytes", digits.exact(row["exported_bytes"])


def _instructions(row: Row) -> list[tuple[str, str]]:
    if not digits.known(row["instructions"]):
        return []
    total, kinds = row["instructions"], row["instruction_kinds"]
    by_kind = [
        f"{digits.exact(n)} {_KINDS.get(kind, kind)} ({digits.percent(n / total)})"
        for kind, n in kinds.items()
    ]
    facts = [(instructions_of(row["emulates"]), digits.exact(total)), ("of them", ", ".join(by_kind))]
    adds = kinds.get("multiply_add", 0)
    if adds and digits.known(row["executed_macs"]):
        per = row["executed_macs"] * row["batch"] / adds
        facts.append(("executed MACs per multiply-add instruction", f"{per:.2f}"))
    return facts


_KINDS = {
    "multiply_add": "multiply-adds",
    "load": "loads",
    "store": "stores",
    "branch": "branches",
    "other": "others",
}


def _together(pairs: Iterable[tuple[str, str]]) -> tuple[Layers, ...]:
    groups: dict[str, list[str]] = {}
    for what, layer in pairs:
        groups.setdefault(what, []).append(layer)
    return tuple(Layers(what, tuple(layers)) for what, layers in groups.items())
