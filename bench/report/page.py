"""The page: everything put together into one self-contained HTML text."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files

import jinja2
import pandas as pd
from markupsafe import Markup

from bench.analysis.store import Results
from bench.report import circumstances
from bench.report.cautions import cautions
from bench.report.curves import curve_plots
from bench.report.details import details
from bench.report.dynamic import INTRODUCTION, RANDOM, dynamic
from bench.report.limits import limits
from bench.report.pareto import pareto_plots
from bench.report.rows import constant, records
from bench.report.table import table
from bench.report.words import summarise


def render(frame: pd.DataFrame, results: Sequence[Results]) -> str:
    """One HTML text that loads nothing: the same frame and results give the same bytes."""
    rows = records(frame)
    plots = (pareto_plots(rows), curve_plots(rows))
    return _template().render(
        suites=", ".join(dict.fromkeys(one.start.suite for one in results)) or "no run",
        summary=summarise(rows),
        cautions=cautions(rows, results),
        runs=circumstances.runs(results),
        hosts=circumstances.hosts(results),
        constant=constant(rows),
        table=table(rows),
        dynamic=dynamic(rows),
        dynamic_words=(INTRODUCTION, RANDOM),
        plots=plots,
        details=details(rows),
        limits=limits(rows, results),
        css=Markup(_text("page.css")),
        js=Markup(_text("page.js")),
        plotly=Markup(plotly_source() if any(kind.figures for kind in plots) else ""),
    )


@cache
def plotly_source() -> str:
    """plotly.js as the plotly package ships it."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["markup_json"] = Markup
    return environment.from_string(_text("page.html.j2"))


def _text(name: str) -> str:
    return files("bench.report").joinpath(name).read_text(encoding="utf-8")
