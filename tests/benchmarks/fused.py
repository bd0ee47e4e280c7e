"""The tables of docs/performance.md from a results file of suites/fused.yaml."""

from __future__ import annotations

import math
import sys
from typing import Any

from bench import api

Row = dict[Any, Any]
FORMS = {
    "csr_conv(T=4,order=fused)": "fused",
    "csr_conv(T=4,order=batched)": "batched",
    "psconv(variant=PSD1_P16,form=fused)": "pSConv fused",
    "psconv(variant=PSD1_P16,form=executed)": "pSConv executed",
}


def ratio(row: Row | None) -> str:
    """``0.910 (0.900 to 0.920)``, or a dash."""
    if row is None or math.isnan(row["ratio"]):
        return "—"
    return f"{row['ratio']:.3f} ({row['ratio_low']:.3f} to {row['ratio_high']:.3f})"


def number(row: Row | None, column: str) -> str:
    """A ratio or a share, or a dash."""
    return "—" if row is None or math.isnan(row[column]) else f"{row[column]:.3f}"


def main() -> None:
    frame = api.make_frame([api.read_results(sys.argv[1])])
    rows: dict[tuple[str, str, str], Row] = {}
    for row in frame.to_dict("records"):
        rows[row["backbone"], FORMS.get(row["label"], row["label"]), row["runtime"]] = row
    backbones = list(dict.fromkeys(backbone for backbone, _, _ in rows))
    print(
        "| network | MACs ÷ dense | fused ÷ dense | batched ÷ dense | both folded | delivered | live peak |"
    )
    print("|---" * 7 + "|")
    for name in backbones:
        fused, dense = rows.get((name, "fused", "eager")), rows[name, "dense", "eager"]
        peak = "—" if fused is None else f"{fused['live_peak'] / dense['live_peak']:.2f}"
        cells = [
            number(fused, "macs_ratio"),
            ratio(fused),
            ratio(rows.get((name, "batched", "eager"))),
            ratio(rows.get((name, "fused", "eager-folded"))),
            number(fused, "delivered_share"),
            peak,
        ]
        print(f"| {name} | {' | '.join(cells)} |")
    print("\n| network | pSConv's MACs ÷ dense | fused ÷ dense | executed ÷ dense | both folded |")
    print("|---" * 5 + "|")
    for name in backbones:
        fused = rows.get((name, "pSConv fused", "eager"))
        if fused is not None:
            executed = ratio(rows.get((name, "pSConv executed", "eager")))
            folded = ratio(rows.get((name, "pSConv fused", "eager-folded")))
            print(f"| {name} | {number(fused, 'macs_ratio')} | {ratio(fused)} | {executed} | {folded} |")
    print("\n| network | dense, eager | dense, eager-folded | dense, ONNX Runtime | fused, eager-folded |")
    print("|---" * 5 + "|")
    for name in backbones:
        asked = [
            ("dense", "eager"),
            ("dense", "eager-folded"),
            ("dense", "onnxruntime"),
            ("fused", "eager-folded"),
        ]
        found = [rows.get((name, form, runtime)) for form, runtime in asked]
        times = [
            "—" if row is None or math.isnan(row["latency"]) else f"{row['latency'] * 1e3:.2f} ms"
            for row in found
        ]
        print(f"| {name} | {' | '.join(times)} |")


if __name__ == "__main__":
    main()
