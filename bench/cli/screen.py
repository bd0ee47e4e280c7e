"""What a person sees: plain text, colours only on a terminal, progress on stderr."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import stat
import sys
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from bench.analysis.records import Trial
    from bench.report.terminal import Account, Group

_NARROW = 12
"""A column that may fold gets at least so many characters, or what it needs."""


class ReaderGone(Exception):  # noqa: N818 - no error: the reader had enough
    """Whoever read standard output has closed it, as ``head`` does."""


class _Screen(Console):
    """A console that leaves it to its caller what a closed output means."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        silence(self.file)
        if not self.stderr:
            raise ReaderGone from None

    def _check_buffer(self) -> None:
        try:
            super()._check_buffer()
        except OSError as error:
            if not _is_gone(error, self.file):
                raise
            self.on_broken_pipe()


def console(stderr: bool = False) -> Console:
    """A console; rich leaves colours and control codes out where the output is no terminal."""
    return _Screen(stderr=stderr, highlight=False)


def say(text: str = "", err: bool = False) -> None:
    """Prints text: line ends and tabs as they are, other control characters and lone surrogates spelled out.

    Raises ReaderGone when standard output is closed; a closed standard error stops nobody.
    """
    try:
        typer.echo("".join(c if c in "\n\t" else _harmless(c) for c in text), err=err)
    except OSError as error:
        stream = sys.stderr if err else sys.stdout
        if not _is_gone(error, stream):
            raise
        silence(stream)
        if not err:
            raise ReaderGone from None


def say_waiting(pid: str) -> None:
    """Tells whom this process waits for."""
    say(f"waiting: another run (pid {pid}) is measuring on this host", err=True)


def say_log(line: str) -> None:
    """Tells a line of the log as it is written."""
    say(one_line(line), err=True)


def one_line(text: str) -> str:
    """The text with line ends, control characters and lone surrogates spelled out, as ``\\x1b``."""
    return "".join(map(_harmless, text))


def reader_gone() -> bool:
    """True when standard output is a pipe that nobody reads any more."""
    poller = select.poll()
    try:
        poller.register(sys.stdout.fileno(), 0)
    except (OSError, ValueError):
        return False
    return bool(poller.poll(0))


@contextmanager
def leaving(code: int) -> Iterator[None]:
    """Leaves with ``code`` after the printing inside, also when the reader has gone meanwhile."""
    with contextlib.suppress(ReaderGone):
        yield
    raise typer.Exit(code)


def print_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    right: Sequence[int] = (),
    whole: Sequence[int] = (0,),
    header: bool = False,
) -> None:
    """A table on a terminal; where the output is piped tab-separated lines, with ``header`` names first.

    Cells are text, never markup. Those of the columns ``whole`` are names that a person copies: they are
    not folded, however narrow the terminal is.
    """
    lines = [[one_line(cell) for cell in row] for row in rows]
    if _is_piped():
        for line in [list(columns)] * header + lines:
            say("\t".join(line))
        return
    _print_aligned(columns, lines, right, whole, [_width(columns, lines, at) for at in range(len(columns))])


def print_groups(
    columns: Sequence[str], groups: Sequence[Group], right: Sequence[int] = (), header: bool = False
) -> None:
    """Groups of rows, each under its title, with the same columns; in a pipe the title is the first cell."""
    if _is_piped():
        rows = [[group.title, *row] for group in groups for row in group.rows]
        print_table(["network", *columns], rows, header=header)
        return
    cells = [[[one_line(cell) for cell in row] for row in group.rows] for group in groups]
    everything = [line for lines in cells for line in lines]
    widths = [_width(columns, everything, at) for at in range(len(columns))]
    whole = (0, *right)  # names and numbers: words may fold
    for number, (group, lines) in enumerate(zip(groups, cells, strict=True)):
        say(f"\n{one_line(group.title)}" if number else one_line(group.title))
        _print_aligned(columns, lines, right, whole, widths)


def print_account(found: Account, header: bool = False) -> None:
    """What a run found: its tables on stdout; in a pipe what stands under them goes to stderr."""
    print_groups(found.columns, found.groups, found.right, header)
    for line in (*found.notes, *found.ending):
        say(one_line(line), err=_is_piped())


def _is_piped() -> bool:
    return sys.stdout is None or not sys.stdout.isatty()


def _width(columns: Sequence[str], lines: Sequence[Sequence[str]], at: int) -> int:
    return max(map(cell_len, (columns[at], *(line[at] for line in lines))))


def _print_aligned(
    columns: Sequence[str],
    lines: Sequence[Sequence[str]],
    right: Sequence[int],
    whole: Sequence[int],
    widths: Sequence[int],
) -> None:
    table = Table(box=None, pad_edge=False)
    screen = console()
    least = [width if at in whole else min(width, _NARROW) for at, width in enumerate(widths)]
    screen.width = max(screen.width, sum(least) + 2 * len(least))
    fits = sum(widths) + 2 * len(widths) <= screen.width
    for at, name in enumerate(columns):
        table.add_column(
            Text(name),
            justify="right" if at in right else "left",
            overflow="fold",
            no_wrap=at in whole,
            min_width=widths[at] if fits else None,
        )
    for line in lines:
        table.add_row(*map(Text, line))
    screen.print(table)


def duration(seconds: float) -> str:
    """``45 s``, ``3 min 20 s``, ``2 h 05 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


TOLD_EVERY = 30.0
"""Seconds between two lines about a long work, where no bar can move."""


class RunProgress:
    """A bar with time left on a terminal; elsewhere a line every half minute."""

    def __init__(self, progress: Progress, clock: Callable[[], float] = time.monotonic) -> None:
        self._progress = progress
        self._task: TaskID | None = None
        self._clock = clock
        self._ends: float | None = None
        self._told = clock()
        self._now: tuple[str, int, int | None] | None = None
        self._one_at_a_time = threading.Lock()

    def waiting(self, pid: str) -> None:
        """Shows whom this process waits for."""
        if self._progress.disable:
            say_waiting(pid)
        self.show(f"waiting: another run (pid {pid}) is measuring on this host", 0, None)

    def solving(self, done: int, total: int) -> None:
        """Shows how many wanted budgets have their knob."""
        self.show("solving for knobs", done, total)

    def counting(self, done: int, total: int) -> None:
        """Shows how many networks are counted."""
        self.show("counting networks", done, total)

    def probing(self, done: int, total: int) -> None:
        """Shows how many cases were asked for their memory."""
        self.show("reading memory", done, total)

    def calling(self, done: int, total: int) -> None:
        """Shows how many dense networks were called to tell the time."""
        self.show("calling dense networks", done, total)

    def trial(self, done: int, total: int, trial: Trial | None) -> None:
        """Shows how many trials are done, and names those that failed."""
        self.show("measuring trials", done, total)
        if trial is not None and trial.error is not None:
            failed = Text(one_line(f"failed: {trial.case}: {trial.error.first_line()}"))
            self._progress.console.print(failed, soft_wrap=True)

    def remaining(self, seconds: float) -> None:
        """Keeps when the run is expected to end; where no bar shows it, it is said the first time."""
        if self._progress.disable and self._ends is None:
            say(f"measuring will take about {duration(seconds)}", err=True)
        self._ends = self._clock() + seconds

    def show(self, what: str, done: int, total: int | None) -> None:
        """Moves the bar, or begins a new one when ``what`` changed. ``total`` None: nobody knows how long."""
        self._now = (what, done, total)
        self.tell()
        if self._task is None or self._progress.tasks[-1].description != what:
            if self._task is not None:
                self._progress.remove_task(self._task)
            self._task = self._progress.add_task(what, total=total)
        left = None if self._ends is None else max(0.0, self._ends - self._clock())
        self._progress.update(self._task, completed=done, total=total, left=left)

    def tell(self) -> None:
        """Where no bar can move: a line about where the work is, if the last one is long enough ago."""
        with self._one_at_a_time:
            now = self._clock()
            if not self._progress.disable or self._now is None or now - self._told < TOLD_EVERY:
                return
            self._told = now
            what, done, total = self._now
        rest = "" if self._ends is None else f", about {duration(max(0, self._ends - now))} left"
        say(f"{what}{rest}" if total is None else f"{what}: {done} of {total}{rest}", err=True)


class _TimeLeft(TimeRemainingColumn):
    """The time that is left as the run itself expects it; before it does, by how fast the bar moved."""

    max_refresh = 0.0

    def render(self, task: Task) -> Text:
        left = task.fields.get("left")
        return super().render(task) if left is None else Text(duration(left))


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
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left", markup=False),
        _TimeLeft(),
    )
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as progress:
        told = RunProgress(progress)
        with contextlib.nullcontext() if screen.is_terminal else _telling(told):
            yield told


@contextmanager
def _telling(progress: RunProgress) -> Iterator[None]:
    """Lets the progress tell of itself although nothing moves: a single step may take minutes."""
    over = threading.Event()

    def tell() -> None:
        while not over.wait(TOLD_EVERY / 6):
            progress.tell()

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


_STEERING = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode's categories of what moves a cursor, turns a line around or has no bytes."""


def _harmless(character: str) -> str:
    if unicodedata.category(character) not in _STEERING:
        return character
    return character.encode("unicode_escape").decode("ascii")


def _is_gone(error: OSError, stream: IO[str]) -> bool:
    """Whether a write failed because nobody reads any more: a closed pipe, a terminal that was closed."""
    if isinstance(error, BrokenPipeError):
        return True
    try:
        return error.errno == errno.EIO and stat.S_ISCHR(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError):
        return False


def silence(stream: IO[str]) -> None:
    """Sends what is still to be written nowhere, so that the flush at the interpreter's end is quiet."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
