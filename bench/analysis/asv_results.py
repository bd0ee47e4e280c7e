"""The files of asv, read: which number of which case stands where, and what asv's own page says of it.

asv 0.6 keeps a file for each machine, commit and environment (its schema 2), a list of its benchmarks, and,
once published, the regressions that its page shows.
"""

from __future__ import annotations

import ast
import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.analysis.commit_history import CommitHistory, Reading, Step
from bench.errors import InputError

BENCHMARKS = {
    "params": "cases.Counts.track_stored_params",
    "logical_params": "cases.Counts.track_logical_params",
    "macs": "cases.Counts.track_logical_macs",
    "executed_macs": "cases.Counts.track_executed_macs",
    "disputed_layers": "cases.Counts.track_disputed_layers",
    "witnessed_macs": "cases.Counts.track_witnessed_macs",
    "other_elements": "cases.Counts.track_other_elements",
    "weight_bytes": "cases.Memory.track_weight_bytes",
    "live_peak": "cases.Memory.track_live_peak",
    "allocator_peak": "cases.Memory.track_allocator_peak",
    "instructions": "cases.Emulated.track_instructions",
    "latency": "cases.Latency.track_latency",
    "ratio": "cases.Latency.track_ratio",
}
"""Column of the frame -> the benchmark that tracks it."""

METRIC_OF = {benchmark: metric for metric, benchmark in BENCHMARKS.items()}

SCHEMA, MACHINE_SCHEMA, BENCHMARKS_SCHEMA = 2, 1, 2
"""Versions of asv's files for results, machines and benchmarks."""


@dataclass(frozen=True)
class Listed:
    """A rise that asv's page lists. It lies after ``after`` ("" where asv names one commit) and up to
    ``commit``."""

    benchmark: str
    case: str
    after: str
    commit: str


def read_asv(folder: Path) -> tuple[list[Reading], list[str]]:
    """All readings under ``results/asv``, and notes on what was left out.

    Numbers of an older version of a benchmark are left out and counted: they mean something else. Raises
    InputError for a folder without results, and for a file that is not asv's or of another schema.
    """
    versions = _versions(folder)
    readings: list[Reading] = []
    older: set[str] = set()
    files = sorted(
        file for file in folder.glob("*/*.json") if file.name not in ("machine.json", "benchmarks.json")
    )
    if not files:
        raise InputError(
            f"{folder}: holds no results of asv; `asv run` measures, `bench asv import` brings them"
        )
    for file in files:
        data = read_result_file(file)
        line = _line(data)
        for name, row in data["results"].items():
            metric = METRIC_OF.get(name)
            if metric is None:
                continue
            columns = dict(zip(data["result_columns"], row, strict=False))
            if name in versions and columns.get("version") not in (None, versions[name]):
                older.add(name)
                continue
            readings += _readings(line, metric, str(data["commit_hash"]), columns)
    notes = [f"left out: numbers of an older version of {', '.join(sorted(older))}"] if older else []
    return readings, notes


def is_asv_folder(folder: Path) -> bool:
    """Whether asv keeps its results there: it describes each machine in a file of its own."""
    return (folder / "benchmarks.json").is_file() or any(folder.glob("*/machine.json"))


def read_result_file(file: Path) -> dict[str, Any]:
    """The data of one of asv's result files. Raises InputError with the file for anything else."""
    data = _load(file, SCHEMA)
    needed = {"commit_hash": str, "params": dict, "results": dict, "result_columns": list}
    for key, kind in needed.items():
        if not isinstance(data.get(key), kind):
            raise InputError(
                f"{file}: no result of asv: {key} is missing; was its run interrupted? remove it"
            )
    if not all(isinstance(row, list) for row in data["results"].values()):
        raise InputError(f"{file}: no result of asv: a benchmark has no columns; remove it")
    return data


def read_page(folder: Path) -> list[Listed] | None:
    """The rises that asv's page in ``reports/asv`` lists; None where nothing was published."""
    regressions, index = folder / "regressions.json", folder / "index.json"
    if not regressions.is_file() or not index.is_file():
        return None
    hashes = {str(number): str(commit) for number, commit in _load(index).get("revision_to_hash", {}).items()}
    found = []
    for entry, _, _, _, _, _, jumps in _load(regressions).get("regressions", []):
        benchmark, _, rest = str(entry).partition("(")
        for before, at, *_ in jumps:
            after = hashes.get(str(before), "") if before is not None else ""
            found.append(Listed(benchmark, rest.removesuffix(")").strip("'"), after, hashes.get(str(at), "")))
    return found


def _readings(line: str, metric: str, commit: str, columns: Mapping[str, Any]) -> Iterator[Reading]:
    params = columns.get("params") or []
    cases = [_case(combination) for combination in itertools.product(*params)]
    values = columns.get("result") or [None] * len(cases)
    lows = columns.get("stats_ci_99_a") or [None] * len(cases)
    highs = columns.get("stats_ci_99_b") or [None] * len(cases)
    started = columns.get("started_at")
    when = started / 1000 if isinstance(started, int | float) else 0.0
    for case, value, low, high in zip(cases, values, lows, highs, strict=False):
        yield Reading(line, case, metric, commit, _number(value), _number(low), _number(high), when)


def _case(combination: tuple[Any, ...]) -> str:
    """asv keeps parameters as Python writes them."""
    text = str(combination[0]) if combination else ""
    try:
        return str(ast.literal_eval(text))
    except (ValueError, SyntaxError):
        return text


def _number(value: Any) -> float:
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if known else math.nan


def _line(data: Mapping[str, Any]) -> str:
    """The machine in words, with what asv too begins a new line for."""
    params = data["params"]
    facts = [str(params[key]) for key in ("os", "cpu") if params.get(key)]
    needed = [f"{key} {value}" for key, value in sorted((data.get("requirements") or {}).items()) if value]
    told = ", ".join([*facts, f"Python {data.get('python')}", *needed])
    return f"{params.get('machine', 'unknown machine')} ({told})"


def _versions(folder: Path) -> dict[str, str]:
    file = folder / "benchmarks.json"
    if not file.is_file():
        return {}
    known = _load(file, BENCHMARKS_SCHEMA)
    return {
        name: str(of["version"]) for name, of in known.items() if isinstance(of, dict) and "version" in of
    }


def _load(file: Path, schema: int | None = None) -> dict[str, Any]:
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise InputError(f"{file}: no JSON; was asv interrupted while it wrote it? remove it") from None
    if not isinstance(data, dict):
        raise InputError(f"{file}: no file of asv")
    if schema is not None and data.get("version") != schema:
        raise InputError(
            f"{file}: asv's schema {data.get('version')!r}, this csr-bench reads {schema}; "
            "`asv update` renews it"
        )
    return data


def disagreements(history: CommitHistory, listed: Sequence[Listed]) -> list[str]:
    """Where asv's page and a history differ about rises, in words: on either side what the other does not
    have.

    asv's page lists no falls, so they are not compared.
    """
    places = {commit: at for at, commit in enumerate(history.order)}
    rises = [step for step in history.steps if step.rise and step.metric in BENCHMARKS]
    told = [one for one in listed if one.benchmark in METRIC_OF and one.commit in places]
    found = [
        f"{step.candidates[-1][:12]}: asv's page does not list the rise of {step.metric} of {step.case}"
        for step in rises
        if not any(_same(step, one, places) for one in told)
    ]
    return found + [
        f"{one.commit[:12]}: asv's page lists a rise of {METRIC_OF[one.benchmark]} of {one.case}, "
        "and here there is none"
        for one in told
        if not any(_same(step, one, places) for step in rises)
    ]


def _same(step: Step, listed: Listed, places: Mapping[str, int]) -> bool:
    """True where both speak of one number and may mean one commit."""
    if BENCHMARKS[step.metric] != listed.benchmark or step.case != listed.case:
        return False
    last = places[listed.commit]
    first = places.get(listed.after, last - 1) + 1
    return places[step.candidates[0]] <= last and first <= places[step.candidates[-1]]
