"""Runs of `bench run` as result files of asv, so that its page shows machines that asv never ran on."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.analysis.asv_results import BENCHMARKS, METRIC_OF, read_result_file
from bench.analysis.commit_history import TIMES
from bench.analysis.round_values import RoundValues, round_values
from bench.analysis.run_readings import rows_of, started_at
from bench.analysis.store import Results
from bench.errors import InputError

Benchmark = Mapping[str, Any]

TRACKED_TARGET = "cpu"
"""The target of the suite that asv runs: on another machine's line its cases have the same names."""

REQUIREMENTS = ("torch", "torchvision")
"""As in the matrix of asv.conf.json."""


@dataclass
class Sheet:
    """What goes into one file of asv: one machine, one commit, one environment.

    ``cells``: benchmark -> case as asv names it -> (value, one number a round); no rounds for what is exact.
    """

    machine: str
    facts: dict[str, str]
    commit: str
    date: int
    python: str
    requirements: dict[str, str]
    started: float
    source: Path
    cells: dict[str, dict[str, tuple[float, tuple[float, ...]]]] = field(default_factory=dict)

    @property
    def environment(self) -> str:
        """The name that asv gives the environment, and a part of the file's name."""
        from asv.environment import get_env_name

        return str(get_env_name("virtualenv", self.python, self.requirements, {}))

    @property
    def path(self) -> str:
        """The file below results/asv."""
        from asv.results import get_filename

        return str(get_filename(self.machine, self.commit, self.environment))


def sheets_of(
    results: Results, commit: str, date: int, benchmarks: Mapping[str, Benchmark], machine: str | None = None
) -> tuple[list[Sheet], list[str]]:
    """A sheet for each machine that measured, and the cases that asv does not track.

    ``commit`` in full, ``date`` when it was made (seconds since 1970). A case of another target stands on its
    machine's line under the name that it has on the runner's. Raises InputError where no case is tracked,
    where one ``machine`` is named for several, and where none is known.
    """
    by_round, hosts = round_values(results), _hosts(results)
    known = {name: _cases(benchmarks[name]) for name in BENCHMARKS.values() if name in benchmarks}
    aliases = {
        planned.case.id: replace(planned.case, target=TRACKED_TARGET).id
        for planned in results.start.planned()
    }
    sheets: dict[str, Sheet] = {}
    strange: list[str] = []
    for row in rows_of(results):
        case = str(row["case"])
        names = [name for name in (case, aliases[case]) if any(name in cases for cases in known.values())]
        if not names:
            strange.append(case)
            continue
        name = machine or _machine_of(row)
        facts = hosts.get(str(row["host"]), {})
        sheet = sheets.setdefault(name, _empty(results, name, facts, commit, date))
        for benchmark, cases in known.items():
            cell = _cell(row, METRIC_OF[benchmark], by_round[case])
            if names[0] in cases and cell is not None:
                sheet.cells.setdefault(benchmark, {})[names[0]] = cell
    _check(results, sheets, strange, machine)
    return list(sheets.values()), strange


def write_sheets(
    sheets: Sequence[Sheet], folder: Path, benchmarks: Mapping[str, Benchmark], overwrite: bool = False
) -> list[Path]:
    """Writes the files, all or none, with a machine file for machines that have none; returns them.

    What a file holds of other cases and benchmarks stays. Raises InputError for a file that holds more rounds
    of a time than the new run has, unless ``overwrite``, and for one that is not asv's.
    """
    from asv import util
    from asv.benchmarks import Benchmarks
    from asv.machine import Machine

    if not overwrite:
        for sheet in sheets:
            _refuse_worse(sheet, folder)
    written = []
    for sheet in sheets:
        machine_file = folder / sheet.machine / "machine.json"
        if not machine_file.is_file():
            facts = {"machine": sheet.machine, **sheet.facts}
            util.write_json(str(machine_file), facts, Machine.api_version)
        written.append(_write(sheet, folder, benchmarks, _facts(machine_file)))
    listing = folder / "benchmarks.json"
    if not listing.is_file():  # without one asv's page has nothing to show
        util.write_json(str(listing), dict(benchmarks), Benchmarks.api_version)
    return written


def _empty(results: Results, machine: str, facts: Mapping[str, Any], commit: str, date: int) -> Sheet:
    python = ".".join(str(facts.get("python", "unknown")).split(".")[:2])
    versions = {name: str(results.start.versions.get(name, "")).partition("+")[0] for name in REQUIREMENTS}
    if "torch" in facts:
        versions["torch"] = str(facts["torch"]).partition("+")[0]
    known = {
        "arch": facts.get("machine"),
        "cpu": facts.get("cpu"),
        "num_cpu": facts.get("logical_cpus"),
        "os": facts.get("system"),  # without the kernel's release, which would begin a new line
        "ram": facts.get("memory_bytes"),
    }
    told = {key: str(value) for key, value in known.items() if value is not None}
    needed = {name: version for name, version in versions.items() if version}
    return Sheet(machine, told, commit, date, python, needed, started_at(results), results.file)


def _cell(row: Mapping[Any, Any], metric: str, rounds: RoundValues) -> tuple[float, tuple[float, ...]] | None:
    """The value of a case with its rounds; None for what is not known or not to be trusted."""
    value = row[metric]
    if value is None or not math.isfinite(value):
        return None
    if metric not in TIMES:
        return (int(value) if float(value).is_integer() else float(value)), ()
    if not rounds.trusted:
        return None
    return float(value), rounds.latencies if metric == "latency" else rounds.ratios


def _check(
    results: Results, sheets: Mapping[str, Sheet], strange: Sequence[str], machine: str | None
) -> None:
    file = results.file
    if not sheets:
        raise InputError(
            f"{file}: none of its {len(strange)} cases is tracked; suites/asv.yaml names those that are"
        )
    if "" in sheets:
        raise InputError(f"{file}: does not say on which machine it ran; name it with --machine")
    for name in sheets:
        if not re.fullmatch(r"[\w][\w.-]*", name):
            raise InputError(
                f"machine '{name}': a name is letters, digits, dots and dashes; choose one with --machine"
            )
    hosts = _hosts(results)
    if machine is not None and len(hosts) > 1:
        names = ", ".join(sorted(str(of.get("name", key)) for key, of in hosts.items()))
        raise InputError(
            f"{file}: several machines measured ({names}), so --machine cannot name one; leave it out"
        )


def _hosts(results: Results) -> dict[str, Mapping[str, Any]]:
    return {str(one.host["id"]): one.host for one in (*results.probes, *results.trials) if one.host}


def _machine_of(row: Mapping[Any, Any]) -> str:
    """The host's name; with the target behind it where that is a device of the host."""
    name, target = str(row["host_name"]), str(row["target"])
    return f"{name}-{target}" if name and target == "cuda" else name


def _cases(benchmark: Benchmark) -> list[str]:
    (cases,) = benchmark["params"]
    return [str(ast.literal_eval(case)) for case in cases]


def _refuse_worse(sheet: Sheet, folder: Path) -> None:
    """Raises InputError where the file that is there knows a time by more rounds."""
    file = folder / sheet.path
    if not file.is_file():
        return
    data = read_result_file(file)
    for benchmark, cells in sheet.cells.items():
        columns = dict(zip(data["result_columns"], data["results"].get(benchmark, ()), strict=False))
        cases = [str(ast.literal_eval(case)) for case in (columns.get("params") or [[]])[0]]
        repeats = columns.get("stats_repeat") or [None] * len(cases)
        for case, repeat in zip(cases, repeats, strict=False):
            rounds = len(cells[case][1]) if case in cells else 0
            if case in cells and (repeat or 0) > rounds:
                raise InputError(
                    f"{file}: has {case} from {repeat} rounds, and {sheet.source} has {rounds}; "
                    "--replace takes it all the same"
                )


def _facts(machine_file: Path) -> dict[str, str]:
    from asv import util

    data = util.load_json(str(machine_file))
    return {key: value for key, value in data.items() if key != "version"}


def _write(sheet: Sheet, folder: Path, benchmarks: Mapping[str, Benchmark], facts: Mapping[str, str]) -> Path:
    from asv.results import Results as AsvResults
    from asv.runner import BenchmarkResult

    params = {**facts, "python": sheet.python, **sheet.requirements}
    made = AsvResults(
        params, sheet.requirements, sheet.commit, 1000 * sheet.date, sheet.python, sheet.environment, {}
    )
    made.load_data(str(folder))
    began = datetime.fromtimestamp(sheet.started, UTC)
    for name, cells in sheet.cells.items():
        benchmark, cases = benchmarks[name], _cases(benchmarks[name])
        told = [cells.get(case) for case in cases]
        result = BenchmarkResult(
            result=[None if cell is None else cell[0] for cell in told],
            samples=[list(cell[1]) if cell and cell[1] else None for cell in told],
            number=[1 if cell and cell[1] else None for cell in told],
            errcode=0,
            stderr="",
            profile=None,
        )
        mine = {at for at, case in enumerate(cases) if case in cells}
        made.add_result(benchmark, result, started_at=began, record_samples=True, selected_idx=mine)
    made.save(str(folder))
    return folder / sheet.path


def untracked_in_words(strange: Iterable[str]) -> str:
    """How many cases were left out, and the first of them; "" for none."""
    cases = list(dict.fromkeys(strange))
    more = f" and {len(cases) - 1} more" if len(cases) > 1 else ""
    return f"not tracked, and left out: {cases[0]}{more}" if cases else ""
