"""Repositories with commits, and results of asv, made by hand for tests of what reads them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

CASE = "resnet20/csr_conv(T=4)/eager/cpu/b1/3x32x32"
DENSE = "resnet20/dense/eager/cpu/b1/3x32x32"
COLUMNS = [
    "result", "params", "version", "started_at", "duration", "stats_ci_99_a", "stats_ci_99_b", "stats_q_25",
    "stats_q_75", "stats_number", "stats_repeat", "samples", "profile",
]  # fmt: skip


class Repository:
    """A git repository in a folder; ``commits`` as they were made, the oldest first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.commits: list[str] = []
        folder.mkdir(parents=True, exist_ok=True)
        self.git("init", "--quiet", "--initial-branch", "main")

    def git(self, *words: str) -> str:
        """What git answers here."""
        who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
        done = subprocess.run(
            ["git", "-C", str(self.folder), *who, *words], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(self, subject: str, **files: str) -> str:
        """A commit with that subject and those files; its full name."""
        for name, text in files.items():
            file = self.folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            self.git("add", name)
        self.git("commit", "--quiet", "--allow-empty", "--message", subject)
        self.commits.append(self.git("rev-parse", "HEAD"))
        return self.commits[-1]


def asv_result(
    commit: str,
    values: Mapping[str, Mapping[str, Any]],
    machine: str = "m",
    version: str = "1",
    schema: int = 2,
) -> dict[str, Any]:
    """The data of one result file: benchmark -> case -> value."""
    rows: dict[str, Any] = {}
    for benchmark, cases in values.items():
        named = [[repr(case) for case in cases]]
        rows[benchmark] = [list(cases.values()), named, version, 1_700_000_000_000, 1.0]
    params = {
        "machine": machine,
        "os": "Linux",
        "cpu": "c",
        "ram": "1",
        "arch": "x",
        "num_cpu": "2",
        "python": "3.11",
    }
    return {
        "version": schema, "commit_hash": commit, "env_name": "e", "date": 0, "params": params,
        "python": "3.11",
        "requirements": {"torch": "2.13.0"}, "env_vars": {}, "result_columns": COLUMNS, "results": rows,
        "durations": {},
    }  # fmt: skip


def write_asv(
    folder: Path, results: Sequence[Mapping[str, Any]], versions: Mapping[str, str] | None = None
) -> None:
    """Writes results of asv as asv lays them out, and the list of benchmarks where ``versions`` are given."""
    for data in results:
        file = folder / data["params"]["machine"] / f"{data['commit_hash'][:8]}-e.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(data), encoding="utf-8")
        machine = {key: data["params"][key] for key in ("machine", "os", "cpu", "ram", "arch", "num_cpu")}
        (file.parent / "machine.json").write_text(json.dumps({**machine, "version": 1}), encoding="utf-8")
    if versions is not None:
        listing = {name: {"name": name, "version": version} for name, version in versions.items()}
        (folder / "benchmarks.json").write_text(json.dumps({**listing, "version": 2}), encoding="utf-8")
