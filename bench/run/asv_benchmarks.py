"""What asv would find in `bench/tracking`: asked of asv's own discovery, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.errors import InputError
from bench.registry import in_one_line

_DISCOVERY = """
import sys
from asv_runner.discovery import list_benchmarks
with open(sys.argv[2], "w") as answer:
    list_benchmarks(sys.argv[1], answer)
"""


def discover(folder: Path) -> dict[str, dict[str, Any]]:
    """Name -> benchmark, as asv describes it: parameters, version, unit.

    Raises InputError for a folder without benchmarks, or whose benchmarks cannot be imported.
    """
    if not (folder / "__init__.py").is_file():
        raise InputError(f"{folder}: holds no benchmarks of asv; run this in a checkout of csr-bench")
    with tempfile.TemporaryDirectory() as scratch:
        answer = Path(scratch) / "benchmarks.json"
        done = subprocess.run(
            [sys.executable, "-c", _DISCOVERY, str(folder.resolve()), str(answer)],
            cwd=scratch,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            last = (done.stderr.strip() or "no reason was given").splitlines()[-1]
            raise InputError(f"{folder}: asv cannot find its benchmarks: {in_one_line(ValueError(last))}")
        found: list[dict[str, Any]] = json.loads(answer.read_text(encoding="utf-8"))
    return {one["name"]: one for one in found}
