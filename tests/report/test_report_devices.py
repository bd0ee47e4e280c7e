"""Columns that only some devices fill: launch overhead, energy, dtypes beside float32."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from report_lab import Net, Parsed, around, rows, run

from bench.analysis.frame import make_frame
from bench.analysis.records import SCHEMA, Probe, from_line
from bench.analysis.store import Results
from bench.report import page
from bench.report.answer import standing
from bench.report.rows import varying
from bench.report.table import table


def headers(results: Results) -> list[str]:
    return [column.header.partition(",")[0] for column in table(rows(results)).columns]


def cells(results: Results, header: str) -> list[tuple[str, ...]]:
    at = headers(results).index(header)
    found = [line.cells[at] for line in table(rows(results)).lines]
    texts = [(cell.text, cell.note) if cell.note else (cell.text,) for cell in found]
    return [tuple(text.replace("\N{NO-BREAK SPACE}", " ") for text in parts) for parts in texts]


def text(results: Results) -> str:
    return Parsed(page.render(make_frame([results]), [results])).text.replace("\N{NO-BREAK SPACE}", " ")


def on_gpu(results: Results, reasons: Any) -> Results:
    """The run as a GPU would have given it: 4 ms on the host, of which the device needed 1."""
    trials = []
    for trial in results.trials:
        assert trial.latency is not None
        latency = replace(trial.latency, host_samples=(0.004,) * 3, queued_samples=(0.001,) * 3)
        before, after = ({**(seen or {}), "gpu_throttle_reasons": bits} for seen, bits in
                         ((trial.conditions_before, 0), (trial.conditions_after, reasons)))  # fmt: skip
        changes: dict[str, Any] = {"latency": latency, "cuda_flags": {"cudnn_tf32": False}}
        trials.append(replace(trial, conditions_before=before, conditions_after=after, **changes))
    return replace(results, trials=trials)


def with_energy(results: Results, **energy: Any) -> Results:
    fields = {
        "kind": "probe",
        "schema": SCHEMA,
        "run": "run-1",
        "case": results.trials[0].case,
        "status": "ok",
    }
    probe = from_line({**fields, "energy": energy})
    assert isinstance(probe, Probe)
    return replace(results, probes=[probe])


def test_launch_overhead_is_a_column_where_a_gpu_measured_it() -> None:
    assert "launch overhead" not in headers(run(Net()))
    assert cells(on_gpu(run(Net()), 0), "launch overhead") == [("3.00", "75 %")]


def test_a_gpus_settings_and_throttling_are_told() -> None:
    said = text(on_gpu(run(Net()), 0x20))
    assert "cudnn_tf32 off" in said
    assert "heat, by the driver (5)" in said
    assert "5 trials marked gpu_throttled: heat or power lowered the GPU's clocks" in said
    assert "neither heat nor power" in text(on_gpu(run(Net()), 0))
    assert "CUDA settings" not in text(run(Net()))


def test_energy_is_a_column_where_any_case_has_it() -> None:
    assert "energy" not in headers(run(Net()))
    found = with_energy(
        run(Net()), source="nvml", joules=0.00123, watts=91.0, idle_watts=70.5, calls=5, seconds=2.0
    )
    assert cells(found, "energy") == [("1.23", "91.0 W, idle 70.5 W")]
    assert "1.23 mJ by nvml" in text(found)


def test_energy_that_nobody_counts_is_a_reason_and_no_column() -> None:
    refused = with_energy(run(Net()), source="unsupported", refused="no counter here")
    assert "energy" not in headers(refused)
    assert "unsupported: no counter here" in text(refused)


def test_a_dtype_stands_beside_float32_in_rows_of_its_own() -> None:
    nets = [
        Net(dtype=dtype, medians=around(seconds * factor), method=method)
        for dtype, factor in (("float32", 1.0), ("bfloat16", 0.5))
        for method, seconds in (("dense", 1e-3), ("psconv", 3e-3))
    ]
    found = run(*nets)
    assert cells(found, "dtype") == [("float32",), ("float32",), ("bfloat16",), ("bfloat16",)]
    beside = [cell[0] for cell in cells(found, "latency ÷ float32")]
    assert beside[:2] == ["—", "—"]
    assert [float(text) for text in beside[2:]] == [0.5, 0.5]
    assert [float(cell[0]) for cell in cells(found, "latency ÷ dense")] == [1, 3, 1, 3]
    groups = [(one.backbone, one.setting) for one in standing(rows(found), varying(rows(found)))]
    assert groups == [("resnet20", "float32"), ("resnet20", "bfloat16")]
    assert {"dtype", "latency ÷ float32"} & set(headers(run(*nets[:2]))) == set()
