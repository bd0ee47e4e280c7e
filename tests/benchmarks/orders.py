"""The table of docs/performance.md from a results file of suites/orders.yaml."""

from __future__ import annotations

import sys
from pathlib import Path

from bench.analysis import stats
from bench.analysis.quality import medians
from bench.analysis.stats import Interval
from bench.analysis.store import read_results
from bench.case import Case

PAIRS = (
    ("batched", "dense"),
    ("literal", "dense"),
    ("fused", "dense"),
    ("auto", "dense"),
    ("batched", "literal"),
)


def words(ratio: Interval) -> str:
    """``0.910 (0.900 to 0.920)``."""
    return f"{ratio.value:.3f} ({ratio.low:.3f} to {ratio.high:.3f})"


def main() -> None:
    results = read_results(Path(sys.argv[1]))
    arms: dict[str, dict[str, dict[int, float]]] = {}
    for data in results.start.cases:
        case = Case.from_dict({k: v for k, v in data.items() if k != "baseline"})
        found = medians([trial for trial in results.trials if trial.case == case.id])
        order = "dense" if case.methods[0].name == "dense" else case.methods[0].knobs.get("order", "batched")
        arms.setdefault(case.backbone, {})[order] = found
    pairs = [pair for pair in PAIRS if all(set(pair) <= of.keys() for of in arms.values())]
    print("| network | " + " | ".join(f"{order} ÷ {base}" for order, base in pairs) + " |")
    print("|---" * (len(pairs) + 1) + "|")
    for backbone, of in arms.items():
        cells = " | ".join(words(stats.ratio(of[base], of[order])) for order, base in pairs)
        print(f"| {backbone} | {cells} |")


if __name__ == "__main__":
    main()
