"""The report: one self-contained HTML page from results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.analysis.frame import make_frame
from bench.analysis.store import Results


def write_report(results: Sequence[Results], output: Path) -> None:
    """Writes the page; the file appears whole or not at all."""
    from bench.report.page import render

    text = render(make_frame(results), results)
    output.parent.mkdir(parents=True, exist_ok=True)
    draft = output.with_name(f".{output.name}.draft")
    draft.write_text(text, encoding="utf-8")
    draft.replace(output)
