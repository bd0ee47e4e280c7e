"""A badge for shields.io (its endpoint schema) from `bench history --json`: rises within the newest commits.

badge.py HISTORY.json BADGE.json
"""

import json
import sys
from pathlib import Path

NEWEST = 10
"""Measured commits whose rises are shown."""


def badge(history):
    """The badge's data: how many numbers rose at the newest commits that were measured."""
    measured = {}
    for series in history["series"]:
        measured.update((point["at"], point["commit"]) for point in series["points"])
    newest = {measured[at] for at in sorted(measured)[-NEWEST:]}
    rises = [step for step in history["steps"] if step["rise"] and newest & set(step["candidates"])]
    told = {"schemaVersion": 1, "label": f"regressions, {len(newest)} commits"}
    if not measured:
        return told | {"message": "not measured", "color": "lightgrey"}
    if not rises:
        return told | {"message": "none", "color": "brightgreen"}
    cases = len({step["case"] for step in rises})
    return told | {"message": f"{len(rises)} in {cases} cases", "color": "orange"}


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:3])
    target.write_text(json.dumps(badge(json.loads(source.read_text(encoding="utf-8")))) + "\n", encoding="utf-8")
