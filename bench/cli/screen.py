"""What a person sees: plain text, colours only on a terminal, progress on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from bench.analysis.records import Trial


def console(stderr: bool = False) -> Console:
    """A console; rich leaves colours and control codes out where the output is no terminal."""
    return Console(stderr=stderr, highlight=False)


def print_table(columns: list[str], rows: list[list[str]], right: tuple[int, ...] = ()) -> None:
    """A table on a terminal, tab-separated lines where the output is piped."""
    if not sys.stdout.isatty():
        for row in rows:
            typer.echo("\t".join(row))
        return
    table = Table(box=None, pad_edge=False)
    for at, name in enumerate(columns):
        table.add_column(name, justify="right" if at in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    console().print(table)


def duration(seconds: float) -> str:
    """``45 s``, ``3 min 20 s``, ``2 h 05 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class RunProgress:
    """A bar with time left on a terminal; silent elsewhere."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None

    def counting(self, done: int, total: int) -> None:
        """Shows how many networks are counted."""
        self.show("counting networks", done, total)

    def trial(self, done: int, total: int, trial: Trial | None) -> None:
        """Shows how many trials are done, and names those that failed."""
        self.show("measuring trials", done, total)
        if trial is not None and trial.error is not None:
            self._progress.console.print(f"failed: {trial.case}: {trial.error.first_line()}", markup=False)

    def show(self, what: str, done: int, total: int) -> None:
        """Moves the bar, or begins a new one when ``what`` changed."""
        if self._task is None or self._progress.tasks[-1].description != what:
            if self._task is not None:
                self._progress.remove_task(self._task)
            self._task = self._progress.add_task(what, total=total)
        self._progress.update(self._task, completed=done, total=total)


@contextmanager
def bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A plain bar with time left on stderr; ``done(so_many, total)`` moves it."""
    with run_progress() as progress:
        yield lambda done, total: progress.show(what, done, total)


@contextmanager
def run_progress() -> Iterator[RunProgress]:
    """The progress of a run on stderr."""
    screen = console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as progress:
        yield RunProgress(progress)
