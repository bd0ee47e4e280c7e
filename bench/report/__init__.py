"""The report: one self-contained HTML page from results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.analysis.disk import write_whole
from bench.analysis.frame import make_frame
from bench.analysis.store import Results


def write_report(results: Sequence[Results], output: Path) -> None:
    """Writes the page; the file appears whole or not at all. Raises InputError when it cannot be written."""
    from bench.report.page import render

    write_whole(output, render(make_frame(results), results))
