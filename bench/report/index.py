"""The list of the pages in a folder: what each says in one line, the newest first."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from bench.analysis.disk import write_whole
from bench.analysis.store import Results

FOLDER = "reports"
"""A folder of this name has an index; a page that is written elsewhere stands alone."""

FILE = "index.html"

_MARK = '<meta name="csr-bench" content="'
_HEAD = 4096
"""Characters of a page in which what it says of itself stands."""


@dataclass(frozen=True)
class Entry:
    """One page: its file's name, suites, when its newest run began, its hosts and its headline."""

    file: str
    suites: str
    started: str
    hosts: str
    cases: int
    headline: str


def about(suites: str, headline: str, cases: int, results: Sequence[Results]) -> str:
    """JSON of what a page says of itself in its head."""
    names = {
        str(trial.host.get("name") or trial.host["id"])
        for one in results
        for trial in one.trials
        if trial.host and trial.status == "ok"
    }
    data = {
        "suites": suites[:200],
        "started": max((one.start.started for one in results), default=""),
        "hosts": ", ".join(sorted(names))[:200],
        "cases": cases,
        "headline": headline[:400],
    }
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def write_index(folder: Path) -> Path:
    """Writes the index of a folder anew, from the pages that lie in it. Raises InputError when it cannot."""
    output = folder / FILE
    write_whole(output, index_page(entries(folder)))
    return output


def entries(folder: Path) -> list[Entry]:
    """The pages of the folder, the newest run first; one that says nothing of itself has its name alone."""
    found = []
    for file in sorted(folder.glob("*.html")):
        if file.name != FILE and file.is_file():
            found.append(_entry(file))
    return sorted(found, key=lambda entry: (entry.started, entry.file), reverse=True)


def index_page(found: Sequence[Entry]) -> str:
    """The index as one HTML text that loads nothing."""
    from bench.report.page import template, text_of

    page = template("index.html.j2")
    return page.render(entries=found, css=Markup(text_of("page.css") + text_of("table.css")))


def _entry(file: Path) -> Entry:
    try:
        with file.open(encoding="utf-8", errors="replace") as page:
            head = page.read(_HEAD)
    except OSError:
        head = ""
    data = _data(head)
    words = {key: str(data.get(key, "")) for key in ("suites", "started", "hosts", "headline")}
    cases = data.get("cases")
    return Entry(file.name, cases=cases if isinstance(cases, int) else 0, **words)


def _data(head: str) -> dict[str, Any]:
    _, found, rest = head.partition(_MARK)
    try:
        data = json.loads(html.unescape(rest.partition('"')[0])) if found else {}
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def has_index(folder: Path) -> bool:
    """Whether pages of this folder are listed."""
    return folder.resolve().name == FOLDER
