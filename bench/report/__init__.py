"""The report: one self-contained HTML page from results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.analysis.disk import write_whole
from bench.analysis.frame import make_frame
from bench.analysis.store import Results, without_collector

if TYPE_CHECKING:
    from bench.report.commit_charts import CommitsToDraw


def write_report(
    results: Sequence[Results],
    output: Path,
    past: Sequence[Results] = (),
    commits: CommitsToDraw | None = None,
) -> None:
    """Writes the page, and the index of the folder where that is ``reports``.

    ``past``: earlier runs, for the history alone. ``commits``: how cases went from commit to commit. The file
    appears whole or not at all. Raises InputError when it cannot be written.
    """
    from bench.report.index import has_index, write_index
    from bench.report.page import render

    with without_collector():
        past_frame = make_frame(past) if past else None
        page = render(make_frame(results), results, past, past_frame, commits)
    write_whole(output, page)
    if has_index(output.parent):
        write_index(output.parent)
