"""The page: everything put together into one self-contained HTML text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.resources import files

import jinja2
import pandas as pd
from markupsafe import Markup

from bench.analysis.store import Results
from bench.report import circumstances, frontier
from bench.report.answer import answer
from bench.report.beside import change_section, hosts_section
from bench.report.cautions import cautions
from bench.report.commit_charts import CommitsToDraw, commit_charts
from bench.report.details import details
from bench.report.dynamic import INTRODUCTION, RANDOM, dynamic
from bench.report.export import page_texts
from bench.report.forest import forest
from bench.report.index import about
from bench.report.limits import limits
from bench.report.palette import Palette
from bench.report.paper import paper_rule, paper_words
from bench.report.profile import profiles
from bench.report.promise import promise
from bench.report.repeat import repeats
from bench.report.rows import constant, records
from bench.report.run_history import run_history_section
from bench.report.t_sweep import t_sweep
from bench.report.table import table
from bench.report.words import findings

STYLES = ("page.css", "plots.css", "table.css", "print.css")
SCRIPTS = ("page.js", "table.js")


def render(
    frame: pd.DataFrame,
    results: Sequence[Results],
    past: Sequence[Results] = (),
    past_frame: pd.DataFrame | None = None,
    commits: CommitsToDraw | None = None,
) -> str:
    """One HTML text that loads nothing: the same frame and results give the same bytes.

    ``past``: earlier runs with their frame, for the history alone. ``commits``: how cases went from commit to
    commit.
    """
    rows = records(frame)
    # Rows of other files have no details here.
    earlier = [] if past_frame is None else [{**row, "anchor": ""} for row in records(past_frame)]
    palette = Palette.of(rows)
    care = cautions(rows, results)
    cases = table(rows)
    suites = ", ".join(dict.fromkeys(one.start.suite for one in results)) or "no run"
    first = answer(rows, results, care)
    return template("page.html.j2").render(
        suites=suites,
        about=about(suites, first.headline, len(rows), results),
        answer=first,
        findings=findings(rows),
        cautions=care,
        forest=forest(rows, results, palette),
        constant=constant(rows),
        table=cases,
        paper_rule=paper_rule(cases.columns),
        paper_words=paper_words(cases.columns),
        table_texts=Markup(page_texts(rows, cases)),
        dynamic=dynamic(rows),
        dynamic_words=(INTRODUCTION, RANDOM),
        sweep=t_sweep(rows, palette),
        frontiers=frontier.frontiers(rows, palette),
        frontier_title=frontier.TITLE,
        frontier_introduction=frontier.INTRODUCTION,
        promise=promise(rows, palette),
        runs=circumstances.runs(results),
        hosts=circumstances.hosts(results),
        profiles=profiles(rows, results, palette),
        by_host=hosts_section(rows),
        change=change_section(rows, results),
        over_time=run_history_section([*earlier, *rows], [one.start for one in (*past, *results)]),
        commits=commit_charts(commits),
        repeats=repeats(results),
        details=details(rows, results),
        limits=limits(rows, results),
        css=Markup("\n".join(map(text_of, STYLES))),
        js=Markup("\n".join(map(text_of, SCRIPTS))),
    )


def template(name: str) -> jinja2.Template:
    """A template of this room; each section's own stands beside its module, named after it."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(text_of),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["headings"] = _headings
    return environment.get_template(name)


def _headings(main: str) -> list[tuple[str, Markup]]:
    """Id and title of every section that is there, for the list of links."""
    return [(name, Markup(title)) for name, title in re.findall(r'<h2 id="([^"]+)">(.*?)</h2>', main)]


def text_of(name: str) -> str:
    """A style, script or template of this room."""
    return files("bench.report").joinpath(name).read_text(encoding="utf-8")
