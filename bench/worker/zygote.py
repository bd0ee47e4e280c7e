"""A zygote: a process that has imported torch, and answers every job from a fork of itself.

Each job still has a process of its own, without paying for the imports again. Only what does not depend on
where things lie in memory may be asked in this way: two forks of one zygote differ by 1–3 % in latency,
always to the same side, so no time is ever taken in one.
"""

from __future__ import annotations

import json
import os
import sys
from typing import NoReturn, TextIO

from bench.worker.offspring import end_offspring, ended_by
from bench.worker.pipe import claim_stdout, to_line
from bench.worker.protocol import Failure, Job, Measured
from bench.worker.stages import Stages
from bench.worker.stdin_watch import end_with_stdin, ending_with_stdin


def main() -> None:
    """Answers every line of stdin until stdin ends."""
    answers = claim_stdout()
    # What every job needs. Nothing is computed before the fork: a pool of threads would not survive it.
    with ending_with_stdin():
        import torch  # noqa: F401

        import bench.network
        import bench.worker.host
        import bench.worker.memory
        import bench.worker.seat  # noqa: F401

    while line := sys.stdin.readline():
        sys.stderr.flush()
        child = os.fork()
        if child == 0:
            _answer(line, answers)
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        if code:
            kind, words = "Crash", f"the worker {ended_by(code)}"
            answers.write(to_line(Measured(error=Failure("launch", kind, words))) + "\n")
            answers.flush()
    end_offspring()


def _answer(line: str, answers: TextIO) -> NoReturn:
    """What the forked process does: one job, one answer, and no tear-down of what it shares."""
    from bench.worker.trial import run

    stages = Stages()
    try:
        end_with_stdin()
        answer = run(Job.from_json(json.loads(line)), stages)
    except Exception as error:  # noqa: BLE001 - a failed job is an answer, which carries the traceback
        answer = Measured(error=Failure.of(error, "job"), stages=stages.seconds)
    answers.write(to_line(answer) + "\n")
    answers.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
