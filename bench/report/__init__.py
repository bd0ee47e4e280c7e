"""The report: one self-contained HTML page from results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.analysis.disk import write_whole
from bench.analysis.frame import make_frame
from bench.analysis.store import Results

if TYPE_CHECKING:
    from bench.report.history import Past


def write_report(results: Sequence[Results], output: Path, past: Past | None = None) -> None:
    """Writes the page; the file appears whole or not at all. Raises InputError when it cannot be written.

    ``past``: a history that gets a section of its own.
    """
    from bench.report.page import render

    write_whole(output, render(make_frame(results), results, past))
