"""A worker's end of the pipe: jobs are read from stdin, and stdout has answers alone, a line each."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, TextIO

from bench.worker.offspring import end_offspring
from bench.worker.protocol import Failure, Json
from bench.worker.stdin_watch import end_with_stdin


def to_line(answer: Any) -> str:
    """An answer as a line: its fields, with ``status``."""
    status = "ok" if answer.error is None else "failed"
    return json.dumps({"status": status, **dataclasses.asdict(answer)})


def claim_stdout() -> TextIO:
    """The real stdout for answers alone; whatever libraries print goes to stderr."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def answer_one(
    handle: Callable[[Json], Any],
    failed: Callable[[Failure], Any],
    converse: Callable[[Json], Iterator[Any]] | None = None,
) -> None:
    """Reads one job, answers it, and leaves without the interpreter's own tear-down.

    ``handle`` gives the answer; what it raises becomes ``failed(failure)``. A job with ``seats``, or one that
    asks to be ready for them, begins a conversation: ``converse`` gives one answer after the other.
    """
    answers = claim_stdout()
    try:
        job = json.loads(sys.stdin.readline())
        if job.get("watch"):
            end_with_stdin()
        talks = converse is not None and bool({"seats", "ready"} & job.keys())
        given = converse(job) if converse is not None and talks else iter((handle(job),))
        for answer in given:
            answers.write(to_line(answer) + "\n")
            answers.flush()
    except Exception as error:  # noqa: BLE001 - a failed job is an answer, which carries the traceback
        answers.write(to_line(failed(Failure.of(error, "job"))) + "\n")
        answers.flush()
    sys.stderr.flush()
    end_offspring()
    os._exit(0)


def answer_each(handle: Callable[[Json], Any], failed: Callable[[Failure], Any]) -> None:
    """Answers every line of stdin with one line until stdin ends.

    From the first job with ``watch`` on, the process ends in the middle of a job too when stdin closes.
    """
    answers = claim_stdout()
    watched = False
    for line in sys.stdin:
        try:
            job = json.loads(line)
            if not watched and job.get("watch"):
                watched = True
                end_with_stdin()
            answer = handle(job)
        except Exception as error:  # noqa: BLE001 - as in answer_one
            answer = failed(Failure.of(error, "job"))
        answers.write(to_line(answer) + "\n")
        answers.flush()
    end_offspring()
