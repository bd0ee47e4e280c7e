"""Every runtime on tiny networks: the answer of eager, from a file written once, with torch's threads."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from bench.case import DENSE, Case, MethodCall
from bench.methods.parts.int8_conv import available
from bench.plan.declared import DECLARED_RUNTIMES
from bench.runtimes import RUNTIMES, Runtime
from bench.runtimes.base import NotInstalled, Untakeable
from bench.runtimes.packages import absent
from bench.worker.exporter import export_case
from bench.worker.protocol import Job
from bench.worker.runnable import bytes_in
from bench.worker.seat import Seat
from bench.worker.stages import Stages

LAYER: dict[str, Any] = {"backbone": "layer/4-4-k3", "input": (4, 8, 8)}
METHODS = {
    "dense": DENSE,
    "csr_conv": (MethodCall("csr_conv", {"T": 2}),),
    "psconv": (MethodCall("psconv", {"variant": "pSC4"}),),
    "weight_only": (MethodCall("int8", {"scheme": "weight_only"}),),
}


def needing(name: str) -> Any:
    """The runtime's name as a parameter, left out by name where its package is missing."""
    missing = absent(name, RUNTIMES.get(name).needs, RUNTIMES.get(name).extra)
    return pytest.param(name, marks=pytest.mark.skipif(bool(missing), reason=missing or "installed"))


EXPORTING = [needing(name) for name in RUNTIMES.names() if RUNTIMES.get(name).export is not None]


def made(runtime: str, methods: Any = DENSE, exported: Path | None = None, **changes: Any) -> Seat:
    case = Case(methods=methods, runtime=runtime, **{**LAYER, **changes})
    job = Job(case, recipes=(None,) * len(methods), exported="" if exported is None else str(exported))
    with torch.inference_mode():
        return Seat(job, Stages())


@pytest.mark.parametrize("name", RUNTIMES.names())
def test_a_runtime_with_files_names_its_packages_and_its_extra(name: str) -> None:
    entry = RUNTIMES.get(name)
    assert bool(entry.export) == bool(entry.needs) == bool(entry.extra)
    declared = DECLARED_RUNTIMES.get(name)
    assert (declared.exports, declared.needs, declared.extra) == (
        bool(entry.export),
        entry.needs,
        entry.extra,
    )


@pytest.mark.parametrize("methods", METHODS.values(), ids=METHODS)
@pytest.mark.parametrize("name", EXPORTING)
def test_it_answers_as_eager_does(name: str, methods: Any) -> None:
    seat, eager = made(name, methods, batch=2), made("eager", methods, batch=2)
    with torch.inference_mode():
        torch.testing.assert_close(seat().clone(), eager(), rtol=1e-4, atol=1e-5)
        assert seat().shape == (2, 4, 8, 8)


@pytest.mark.parametrize("name", EXPORTING)
def test_a_network_with_batchnorm_proves_itself_as_an_eager_one_does(name: str) -> None:
    """Its output is the calibrated one, beside eager's from before: both as counted."""
    found = {runtime: made(runtime, backbone="resnet20", input=(3, 32, 32)) for runtime in ("eager", name)}
    with torch.inference_mode():
        one, other = (found[runtime].output() for runtime in ("eager", name))
    assert one.plain == other.plain
    assert other.sample == pytest.approx(one.sample, abs=0.01 * max(map(abs, one.sample)))
    assert one.plain != one.sample


@pytest.mark.parametrize("name", EXPORTING)
def test_it_is_exported_once_and_then_loaded(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "case"
    answer = export_case(
        Job(Case(methods=DENSE, runtime=name, **LAYER), recipes=(None,), exported=str(folder))
    )
    assert answer.error is None
    assert answer.export_seconds is not None
    assert answer.export_seconds > 0
    assert answer.exported_bytes == bytes_in(folder) > 4 * (4 * 4 * 9)
    seat = made(name, exported=folder)
    assert seat.export_seconds is None
    assert seat.exported_bytes == answer.exported_bytes
    assert seat.compile_seconds > 0
    alone = made(name)
    assert alone.export_seconds is not None
    with torch.inference_mode():
        assert torch.equal(alone().clone(), seat())


@pytest.mark.parametrize("name", EXPORTING)
def test_torch_sees_none_of_its_memory(name: str) -> None:
    seat = made(name)
    assert seat.past_torch
    assert name in seat.hidden
    assert not made("eager").past_torch


@pytest.mark.parametrize("name", EXPORTING)
def test_a_layout_of_torchs_own_is_refused_in_words(name: str) -> None:
    with pytest.raises(Untakeable, match=f"runtime {name} chooses its own memory layout"):
        made(name, memory_format="channels_last")


@pytest.mark.parametrize("name", EXPORTING)
def test_half_precision_is_refused_in_words(name: str) -> None:
    with pytest.raises(Untakeable, match=f"runtime {name} computes in float32 here, not in bfloat16"):
        made(name, dtype="bfloat16")


@pytest.mark.parametrize("name", EXPORTING)
def test_a_network_that_inputs_leave_is_refused_in_words(name: str) -> None:
    methods = (MethodCall("early_exit", {"threshold": 0.3}),)
    case = Case("resnet20", methods, name)
    answer = export_case(Job(case, recipes=([0.5, 0.5],), exported="/nowhere"))
    assert answer.error is not None
    assert answer.error.stage == "export"


@pytest.mark.skipif(not available(), reason="this build of torch has no int8 convolution")
@pytest.mark.parametrize("name", EXPORTING)
def test_an_operator_that_it_has_not_fails_in_words(name: str, tmp_path: Path) -> None:
    methods = (MethodCall("int8", {"scheme": "static"}),)
    case = Case(methods=methods, runtime=name, **LAYER)
    answer = export_case(Job(case, recipes=({"conv": [-3.0, 3.0]},), exported=str(tmp_path / "case")))
    assert answer.error is not None
    assert answer.error.in_words().startswith(
        f"Untakeable in export: runtime {name} cannot take this network"
    )
    assert "int8_conv2d" in answer.error.first_line()


class Stub:
    """Stands where a runtime's package would: remembers how it was set up."""

    def __init__(self, real: Callable[..., Any]) -> None:
        self._real = real
        self.asked: list[tuple[Any, ...]] = []

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        self.asked.append(arguments)
        return self._real(*arguments, **options)


@pytest.fixture
def two_threads() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.skipif(importlib.util.find_spec("onnxruntime") is None, reason="onnxruntime is not installed")
def test_onnxruntime_has_torchs_threads_and_none_that_spins(
    monkeypatch: pytest.MonkeyPatch, two_threads: None
) -> None:
    import onnxruntime as ort

    sessions = Stub(ort.InferenceSession)
    monkeypatch.setattr(ort, "InferenceSession", sessions)
    made("onnxruntime", threads=2)
    ((_, options),) = sessions.asked
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (2, 1)
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


@pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="openvino is not installed")
def test_openvino_has_torchs_threads_and_computes_in_float32(
    monkeypatch: pytest.MonkeyPatch, two_threads: None
) -> None:
    import openvino as ov

    compiled: list[Any] = []
    real = ov.Core.compile_model

    def compile_model(self: Any, *arguments: Any) -> Any:
        compiled.append(real(self, *arguments))
        return compiled[-1]

    monkeypatch.setattr(ov.Core, "compile_model", compile_model)
    made("openvino", threads=2)
    assert compiled[0].get_property("INFERENCE_NUM_THREADS") == 2
    assert compiled[0].get_property("NUM_STREAMS") == 1
    assert "float32" in str(compiled[0].get_property("INFERENCE_PRECISION_HINT"))


@pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="openvino is not installed")
def test_openvino_tells_nobody_that_it_was_imported() -> None:
    """In a process of its own: whoever imported it before has loaded what sends."""
    script = (
        "import sys\nfrom bench.runtimes.openvino import _package\n_package().convert_model\n"
        "assert sys.modules['openvino_telemetry'] is None\n"
        "assert 'openvino.tools.ovc.telemetry_stub' in sys.modules\n"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr


def test_what_is_not_installed_is_named_with_its_extra() -> None:
    def nothing(_network: Any, _example: Tensor) -> Any: ...

    entry = Runtime("far", nothing, "", needs=("json", "no_such_package"), extra="far")
    with pytest.raises(
        NotInstalled, match=r"runtime far: no_such_package is not installed here; `pip install "
    ):
        entry.require()
    assert absent("near", ("json",), "near") == ""
    assert "a_b and c_d are not installed" in absent("x", ("a_b", "c_d"), "x")
