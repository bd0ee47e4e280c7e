"""The page: everything put together into one self-contained HTML text."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

import jinja2
import pandas as pd
from markupsafe import Markup

from bench.analysis.store import Results
from bench.report import circumstances, frontier
from bench.report.answer import answer
from bench.report.cautions import cautions
from bench.report.details import details
from bench.report.dynamic import INTRODUCTION, RANDOM, dynamic
from bench.report.forest import forest
from bench.report.history import Past, history_chart
from bench.report.limits import limits
from bench.report.palette import Palette
from bench.report.promise import promise
from bench.report.rows import constant, records
from bench.report.t_sweep import t_sweep
from bench.report.table import table
from bench.report.words import findings

STYLES = ("page.css", "plots.css", "table.css")
SCRIPTS = ("page.js", "table.js")


def render(frame: pd.DataFrame, results: Sequence[Results], past: Past | None = None) -> str:
    """One HTML text that loads nothing: the same frame and results give the same bytes."""
    rows = records(frame)
    palette = Palette.of(rows)
    care = cautions(rows, results)
    return _template().render(
        suites=", ".join(dict.fromkeys(one.start.suite for one in results)) or "no run",
        answer=answer(rows, results, care),
        findings=findings(rows),
        cautions=care,
        forest=forest(rows, results, palette),
        constant=constant(rows),
        table=table(rows),
        dynamic=dynamic(rows),
        dynamic_words=(INTRODUCTION, RANDOM),
        sweep=t_sweep(rows, palette),
        frontiers=frontier.frontiers(rows, palette),
        frontier_title=frontier.TITLE,
        frontier_introduction=frontier.INTRODUCTION,
        promise=promise(rows, palette),
        history=history_chart(past),
        runs=circumstances.runs(results),
        hosts=circumstances.hosts(results),
        details=details(rows),
        limits=limits(rows, results),
        css=Markup("\n".join(map(_text, STYLES))),
        js=Markup("\n".join(map(_text, SCRIPTS))),
    )


def _template() -> jinja2.Template:
    """The page's template; each section's own stands beside its module, named after it."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_text),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("page.html.j2")


def _text(name: str) -> str:
    return files("bench.report").joinpath(name).read_text(encoding="utf-8")
