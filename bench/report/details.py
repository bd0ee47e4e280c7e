"""The details of one case: how to measure it again, how its trials went, what was replaced and what left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from bench.analysis.loaded_weights import discarded_words
from bench.analysis.store import Results
from bench.analysis.story import Name, Story, TrialFact, stories
from bench.report import digits, outcome
from bench.report.cautions import MARKS
from bench.report.column_digits import Value, decimals_for, fixed
from bench.report.command import repeat
from bench.report.prose import plural
from bench.report.rows import Row, case_name, name, varying
from bench.report.strip import strip
from bench.report.table_columns import instructions_of

MOST_CASES = 200
"""Cases with details on the page: those of thousands would make a page that no browser likes."""

MOST_ROUNDS = 40
"""Rounds whose ratio stands on the page."""


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
    ran: tuple[Layers, ...]
    error: str
    disagreements: tuple[str, ...]
    command: str = ""
    strip: Markup = field(default=Markup(""))
    rounds: str = ""
    marked: tuple[str, ...] = ()

    @property
    def replaced_count(self) -> int:
        """Layers that the method rewrote."""
        return sum(len(group.layers) for group in self.replaced)

    @property
    def left_count(self) -> int:
        """Layers that the method left dense."""
        return sum(len(group.layers) for group in self.left)


@dataclass(frozen=True)
class AllDetails:
    """The details of the first cases; ``folded``: how many others there are."""

    cases: tuple[Details, ...]
    folded: int = 0


def details(rows: Sequence[Row], results: Sequence[Results] = (), most: int = MOST_CASES) -> AllDetails:
    """One entry for each of the first ``most`` rows, in their order. ``results``: where they are from."""
    columns = varying(rows)
    shown = rows[:most]
    told = _stories(shown, results)
    starts = {one.start.run: one.start for one in reversed(results)}
    found = []
    for row in shown:
        start = starts.get(row["run"])
        command = repeat(start, row["case"]) if start else ""
        found.append(_one(row, columns, command, told.get((row["run"], *_key(row)))))
    return AllDetails(tuple(found), len(rows) - len(shown))


def _key(row: Row) -> Name:
    return row["arm"], row["case"], row["host"]


def _stories(rows: Sequence[Row], results: Sequence[Results]) -> Mapping[tuple[str, str, str, str], Story]:
    found: dict[tuple[str, str, str, str], Story] = {}
    for one in reversed(results):
        names = [(*_key(row), row["baseline"]) for row in rows if row["run"] == one.start.run]
        found |= {(one.start.run, *key): story for key, story in stories(one, names).items()}
    return found


def _one(row: Row, columns: Sequence[str], command: str, story: Story | None) -> Details:
    return Details(
        anchor=row["anchor"],
        title=name(row, columns),
        verdict=outcome.outcome(row),
        facts=tuple(_facts(row)),
        replaced=_together(
            (f"{layer['before']} became {layer['after']}", layer["name"]) for layer in row["replaced"]
        ),
        left=_together((layer["reason"], layer["name"]) for layer in row["left"]),
        ran=_together((words, layer) for layer, words in row["executed_order"].items()),
        error=row["error"],
        disagreements=tuple(row["disagreements"]),
        command=command,
        strip=strip(row, story.trials) if story else Markup(""),
        rounds=_rounds(row, story),
        marked=tuple(_marked(story.trials)) if story else (),
    )


def _rounds(row: Row, story: Story | None) -> str:
    """The ratio of every round: ``1: 0.771, 2: 0.768``; of the first ones where there are many."""
    if story is None or row["is_baseline"] or not story.ratios:
        return ""
    places = decimals_for([Value(row["ratio"], row["ratio_low"], row["ratio_high"])]) + 1
    words = [f"{at + 1}: {fixed(ratio, min(places, 4))}" for at, ratio in story.ratios.items()]
    rest = len(words) - MOST_ROUNDS
    return ", ".join(words[:MOST_ROUNDS]) + (f" and {rest} more" if rest > 0 else "")


def _marked(trials: Sequence[TrialFact]) -> Iterable[str]:
    """The marks with their meaning and their rounds, and the trials that failed with their error."""
    found = Counter(mark for trial in trials for mark in trial.marks)
    for mark in sorted(found):
        where = _of_rounds(trial for trial in trials if mark in trial.marks)
        yield f"{plural(found[mark], 'trial')} marked {mark} ({MARKS.get(mark, 'no further words')}): {where}"
    if left := [trial for trial in trials if trial.left_out]:
        yield f"{plural(len(left), 'trial')} left out of the estimate: {_of_rounds(left)}"
    errors: dict[str, list[TrialFact]] = {}
    for trial in trials:
        if trial.error:
            errors.setdefault(trial.error, []).append(trial)
    for error, failed in errors.items():
        yield f"{plural(len(failed), 'trial')} failed, {error}: {_of_rounds(failed)}"


def _of_rounds(trials: Iterable[TrialFact]) -> str:
    numbers = [str(number + 1) for number in sorted({trial.round for trial in trials})]
    rest = len(numbers) - MOST_ROUNDS
    word = "round" if len(numbers) == 1 else "rounds"
    return f"{word} {', '.join(numbers[:MOST_ROUNDS])}" + (f" and {rest} more" if rest > 0 else "")


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
    if row["runtime_did"]:
        facts.append((f"what runtime {row['runtime']} did", row["runtime_did"]))
    if row["live_peak_refused"]:
        facts.append(("no live tensor peak, because", row["live_peak_refused"]))
    if digits.known(row["host_latency"]):
        facts.append(("latency on the host's clock", digits.time(row["host_latency"])))
    if row["energy_source"]:
        facts.append(("energy of a call", _energy(row)))
    if digits.known(row["p90"]):
        facts.insert(6, ("90th percentile of all calls", digits.time(row["p90"])))
    facts[5:5] = list(_made(row))
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
