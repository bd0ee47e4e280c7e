"""The command that measures a case again, from what the run's start record tells."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from bench.analysis.records import RunStart

_CARRIED = {"--rounds": True, "--resolution": True, "--max-rounds": True, "--quick": False,
            "--plugin": True, "--trust": False}  # fmt: skip
"""Options that change how a case is measured, and whether a value follows."""


def repeat(start: RunStart, case_id: str) -> str:
    """``bench run SUITE --only 'ID' --seed N`` with the options of the run that change how it measures.

    ``--only`` with a whole id chooses that case and its baseline. The suite's file is the one that was
    recorded, or else the one that a suite of this name has among those shipped.
    """
    suite = start.suite_file or f"suites/{start.suite}.yaml"
    verb = ["ab", *start.arms.values()] if start.arms else ["run"]
    options = list(_carried(start.command))
    if not start.command and start.measure.get("quick"):
        options.append("--quick")
    return shlex.join(["bench", *verb, suite, "--only", case_id, "--seed", str(start.seed), *options])


def _carried(words: Sequence[str]) -> Iterator[str]:
    """The options of a recorded command that count, as they stood there."""
    waiting = False
    for word in words:
        name, given, _ = word.partition("=")
        if waiting or (name in _CARRIED and word.startswith("--")):
            yield word
        waiting = not waiting and not given and _CARRIED.get(word, False)
