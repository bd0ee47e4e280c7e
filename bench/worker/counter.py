"""The counting process: finds recipes and exact counts, case by case, before anything is timed.

Counts do not depend on the moment, so one process serves all cases of a run: one JSON line in per
case, one out. It may import what the measuring process must not: fvcore, torch-pruning.
"""

from __future__ import annotations

import json
import sys
import traceback
from dataclasses import asdict
from typing import Any

from bench.worker.trial import claim_stdout


def count_case(data: dict[str, Any]) -> dict[str, Any]:
    """Recipes, counts, replaced and left layers of a case; or status "failed" with the error."""
    try:
        from bench.case import Case
        from bench.counting.count import count
        from bench.network import context_of, prepare
        from bench.worker.layer_time import seconds_of

        case = Case.from_dict(data)
        rewritten, recipes = prepare(case, seconds_of)
        counts = count(rewritten.network, context_of(case).example_input())
    except Exception as error:  # noqa: BLE001 - a failed case is a result: the record carries the traceback
        message = str(error).strip() or type(error).__name__
        return {
            "status": "failed",
            "error": {
                "stage": "count",
                "type": type(error).__name__,
                "message": message,
                "traceback": traceback.format_exc(),
            },
        }
    return {
        "status": "ok",
        "error": None,
        "counts": counts.as_dict(),
        "replaced": [asdict(layer) for layer in rewritten.replaced],
        "left": [asdict(layer) for layer in rewritten.left],
        "recipes": recipes,
    }


def main() -> None:
    """Answers every line of stdin with one line on stdout until stdin ends."""
    answers = claim_stdout()
    for line in sys.stdin:
        job = json.loads(line)
        from bench.plugins import load_plugins

        try:
            load_plugins(job.get("plugins", []))
        except Exception as error:  # noqa: BLE001 - the user's own file: what it raises is the answer
            answer: dict[str, Any] = {
                "status": "failed",
                "error": {
                    "stage": "plugin",
                    "type": type(error).__name__,
                    "message": str(error),
                    "traceback": traceback.format_exc(),
                },
            }
        else:
            answer = count_case(job["case"])
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
