"""The measuring process: one line out, the same in every process, torch and the standard library only."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from bench.case import DENSE, Case, MethodCall
from bench.worker import cores
from bench.worker.output import describe_output
from bench.worker.stages import Stages

PROTOCOL = {
    "min_samples": 3,
    "min_seconds": 0.001,
    "max_seconds": 0.05,
    "tight": 0.005,
    "warmup_max_seconds": 0.01,
}
TINY = Case("layer/4-4-k3", DENSE, input=(4, 8, 8))
CSR = Case("layer/4-4-k3", (MethodCall("csr_conv", {"T": 2}),), input=(4, 8, 8))
PLUGIN = """\
from bench.methods.parts.method import Rewritten, method
from bench.models.base import backbone
from torch import nn

@method("chatty")
def chatty(network, context):
    '''Prints on both streams.'''
    import os
    print("to stdout")
    os.system("echo from a child")
    return Rewritten(network, ("x",))

@method("broken")
def broken(network, context):
    '''Raises.'''
    raise ArithmeticError("this method is broken\\nsecond line")

@method("wordless")
def wordless(network, context):
    '''Raises without a word.'''
    raise KeyError()

class Layout(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3)

    def forward(self, x):
        import torch
        for tensor in (x, self.conv.weight):
            assert tensor.is_contiguous(memory_format=torch.channels_last), "not channels last"
        return self.conv(x)

@backbone("layout", input=(4, 8, 8))
def layout(classes):
    '''Insists on channels last.'''
    return Layout()

@backbone("echo", input=(4, 8, 8))
def echo(classes):
    '''Answers with its input.'''
    return nn.Identity()
"""

# Runs many jobs in one process, then tells what was imported.
SCRIPT = """\
import json, sys
from bench.worker.pipe import to_line
from bench.worker.protocol import Job
from bench.worker.trial import Stages, run
answers = [json.loads(to_line(run(Job.from_json(job), Stages()))) for job in json.loads(sys.argv[1])]
tops = sorted({name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names)
print(json.dumps({"answers": answers, "modules": tops}))
"""


def job(case: Case, recipes: list[Any] | None = None, **changes: Any) -> dict[str, Any]:
    data = {
        "case": case.as_dict(),
        "device": "cpu",
        "recipes": [None] * len(case.methods) if recipes is None else recipes,
        "protocol": PROTOCOL,
        "plugins": [],
    }
    return {**data, **changes}


def start(given: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench.worker"],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def several(jobs: list[dict[str, Any]]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(jobs)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    answers: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answers


def bare_torch() -> set[str]:
    code = SCRIPT.replace(
        "from bench.worker.pipe import to_line\n"
        "from bench.worker.protocol import Job\n"
        "from bench.worker.trial import Stages, run",
        "import torch, bench; run = Stages = Job = to_line = None",
    )
    done = subprocess.run([sys.executable, "-c", code, "[]"], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout)["modules"])


@pytest.fixture(scope="module")
def recipe() -> list[Any]:
    """What filter_l1's preparation says should stay, found where torch-pruning may be imported."""
    from bench.network import prepare

    return prepare(Case("resnet20", (MethodCall("filter_l1", {"ratio": 0.5}),)))[1]


@pytest.fixture(scope="module")
def methods(recipe: list[Any]) -> dict[str, Any]:
    """One process that measured each method once."""
    return several(
        [
            job(TINY),
            job(CSR),
            job(Case("layer/4-4-k3", (MethodCall("psconv", {"variant": "pSC4"}),), input=(4, 8, 8))),
            job(Case("resnet20", (MethodCall("filter_l1", {"ratio": 0.5}),)), recipe),
        ]
    )


@pytest.fixture(scope="module")
def twice() -> list[dict[str, Any]]:
    """The same case in two processes."""
    done = [start(job(CSR)) for _ in range(2)]
    assert [d.returncode for d in done] == [0, 0], done[0].stderr
    assert [len(d.stdout.splitlines()) for d in done] == [1, 1]
    return [json.loads(d.stdout) for d in done]


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("plugin") / "mine.py"
    file.write_text(PLUGIN)
    return str(file)


@pytest.fixture(scope="module")
def mishaps(plugin: str) -> dict[str, dict[str, Any]]:
    """One process in which all goes wrong, one thing after the other, and what still goes right after it."""
    jobs = {
        "broken": job(Case("layer/4-4-k3", (MethodCall("broken"),), input=(4, 8, 8)), plugins=[plugin]),
        "wordless": job(Case("layer/4-4-k3", (MethodCall("wordless"),), input=(4, 8, 8)), plugins=[plugin]),
        "unknown backbone": job(Case("resnet21", DENSE)),
        "unknown method": job(Case("resnet20", (MethodCall("dence"),))),
        "unknown runtime": job(Case("resnet20", DENSE, "eagre")),
        "wrong channels": job(Case("layer/4-4-k3", DENSE, input=(5, 8, 8))),
        "threads": job(Case("layer/4-4-k3", DENSE, input=(4, 8, 8), threads=4096)),
        "recipes missing": job(TINY, []),
        "plugin missing": job(TINY, plugins=["nothere.py"]),
        "cuda": job(TINY, device="cuda"),
        "channels last": job(
            Case("layout", DENSE, input=(4, 8, 8), memory_format="channels_last"), plugins=[plugin]
        ),
        "contiguous": job(Case("layout", DENSE, input=(4, 8, 8)), plugins=[plugin]),
        "echo 0": job(Case("echo", DENSE, input=(4, 8, 8)), plugins=[plugin]),
        "echo 1": job(Case("echo", DENSE, input=(4, 8, 8), seed=1), plugins=[plugin]),
        "after all": job(TINY),
    }
    return dict(zip(jobs, several(list(jobs.values()))["answers"], strict=True))


def test_one_line_with_samples_memory_and_output(twice: list[dict[str, Any]]) -> None:
    answer = twice[0]
    assert (answer["status"], answer["error"]) == ("ok", None)
    latency = answer["latency"]
    assert len(latency["samples"]) >= 3
    assert all(s > 0 for s in latency["samples"])
    assert latency["stop"] in ("enough", "tight", "budget")
    assert answer["params"] == 2 * 9 * (2 + 2) + 2
    assert answer["memory"]["weight_bytes"] == 4 * answer["params"]
    assert answer["memory"]["live_peak"] > 0
    assert answer["output"]["shape"] == [1, 4, 8, 8]
    assert answer["output"]["finite"]
    assert answer["threads"] == 1
    assert len(answer["cores"]) == 1
    assert answer["host"]["emulated"] is False
    assert answer["conditions_before"]["affinity"] == answer["cores"]
    assert {"import torch", "build", "method", "runtime", "sample", "memory", "output"} <= set(
        answer["stages"]
    )


def test_two_processes_give_the_same_output_and_the_same_exact_numbers(twice: list[dict[str, Any]]) -> None:
    one, other = twice
    assert one["output"] == other["output"]
    assert one["memory"]["live_peak"] == other["memory"]["live_peak"]
    assert one["memory"]["weight_bytes"] == other["memory"]["weight_bytes"]
    assert one["host"] == other["host"]


def test_every_method_is_measured(methods: dict[str, Any]) -> None:
    assert [(a["status"], a["error"]) for a in methods["answers"]] == [("ok", None)] * 4
    sums = [a["output"]["checksum"] for a in methods["answers"]]
    assert len(set(sums)) == 4


def test_the_worker_imports_torch_and_the_standard_library_only(methods: dict[str, Any]) -> None:
    assert "torch" in methods["modules"]
    extra = set(methods["modules"]) - bare_torch()
    assert extra == set()


@pytest.mark.parametrize(
    "module",
    [
        "pandas",
        "pydantic",
        "scipy",
        "typer",
        "yaml",
        "torchvision",
        "timm",
        "fvcore",
        "torch_pruning",
        "rich",
        "jinja2",
        "psutil",
    ],
)
def test_the_worker_does_not_import(methods: dict[str, Any], module: str) -> None:
    assert module not in methods["modules"]


def test_a_method_that_raises_is_a_failed_answer_with_stage_and_traceback(
    mishaps: dict[str, dict[str, Any]],
) -> None:
    answer = mishaps["broken"]
    assert answer["status"] == "failed"
    error = answer["error"]
    assert (error["stage"], error["type"]) == ("method", "ArithmeticError")
    assert error["message"] == "this method is broken\nsecond line"
    assert "in broken" in error["traceback"]
    assert answer["host"]["id"]


def test_an_error_without_words_is_called_by_its_type(mishaps: dict[str, dict[str, Any]]) -> None:
    assert mishaps["wordless"]["error"]["message"] == "KeyError"


@pytest.mark.parametrize(
    ("what", "stage", "words"),
    [
        ("unknown backbone", "build", "unknown backbone 'resnet21'; did you mean 'resnet"),
        ("unknown method", "method", "unknown method 'dence'; did you mean 'dense'?"),
        ("unknown runtime", "runtime", "unknown runtime 'eagre'; did you mean 'eager'?"),
        ("wrong channels", "sample", "to have 4 channels, but got 5 channels"),
        ("threads", "start", "4096 threads on "),
        ("recipes missing", "method", "shorter"),
        ("plugin missing", "build", "plugin 'nothere.py' is not a Python file"),
        ("contiguous", "sample", "not channels last"),
    ],
)
def test_what_goes_wrong_is_said_in_words(
    mishaps: dict[str, dict[str, Any]], what: str, stage: str, words: str
) -> None:
    answer = mishaps[what]
    assert answer["status"] == "failed"
    assert answer["error"]["stage"] == stage
    assert words in answer["error"]["message"]


def test_channels_last_reaches_input_and_weights(mishaps: dict[str, dict[str, Any]]) -> None:
    assert mishaps["channels last"]["error"] is None


def test_the_input_is_drawn_from_the_cases_seed(mishaps: dict[str, dict[str, Any]]) -> None:
    sums = []
    for seed in (0, 1):
        images = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(seed))
        told = describe_output(images)  # an echo has no BatchNorm: calibration changes nothing
        sums.append(json.loads(json.dumps(asdict(replace(told, plain=told.sample)))))
    assert [mishaps[f"echo {seed}"]["output"] for seed in (0, 1)] == sums
    assert sums[0] != sums[1]


def test_a_failed_case_leaves_no_trace_in_the_next(
    mishaps: dict[str, dict[str, Any]], methods: dict[str, Any]
) -> None:
    assert mishaps["after all"]["output"] == methods["answers"][0]["output"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="this host has a CUDA device")
def test_cuda_without_a_device_is_said_in_words(mishaps: dict[str, dict[str, Any]]) -> None:
    assert mishaps["cuda"]["error"]["message"] == "no CUDA device is available to torch"


def test_what_libraries_print_does_not_reach_the_answer(plugin: str) -> None:
    case = Case("layer/4-4-k3", (MethodCall("chatty"),), input=(4, 8, 8))
    done = start(job(case, plugins=[plugin]))
    assert done.returncode == 0
    assert json.loads(done.stdout)["status"] == "ok"
    assert len(done.stdout.splitlines()) == 1
    assert "from a child" in done.stderr


def test_a_job_that_is_no_json_is_a_failed_answer() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.worker"], input="{", capture_output=True, text=True, check=False
    )
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["status"], answer["error"]["stage"]) == (0, "failed", "job")
    assert answer["error"]["type"] == "JSONDecodeError"


def test_pinning_takes_the_highest_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    bound: list[list[int]] = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 5, 2, 3})
    monkeypatch.setattr(os, "sched_setaffinity", lambda pid, cores: bound.append(list(cores)))
    assert cores.pin(2) == [3, 5]
    assert bound == [[3, 5]]
    with pytest.raises(ValueError, match="5 threads on 4 cores: at most 4 threads work here"):
        cores.pin(5)


def test_pinning_is_unknown_where_the_system_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_setaffinity")
    assert cores.pin(2) == "unknown"


def test_stages_add_up_on_their_clock() -> None:
    ticks = iter([0.0, 1.0, 3.0, 6.0, 10.0])
    stages = Stages(lambda: next(ticks))
    for name in ("build", "sample", "build", "end"):
        stages.enter(name)
    assert stages.seconds == {"start": 1.0, "build": 2.0 + 4.0, "sample": 3.0}
    assert stages.current == "end"


def test_a_pause_belongs_to_no_stage() -> None:
    ticks = iter([0.0, 1.0, 3.0, 50.0, 52.0])
    stages = Stages(lambda: next(ticks))
    stages.enter("import torch")
    stages.pause()
    stages.resume()
    stages.enter("build")
    assert stages.seconds == {"start": 1.0 + 2.0, "import torch": 2.0}


def test_the_package_imports_nothing_at_its_top() -> None:
    code = (
        "import sys, bench.case, bench.worker.trial; print('torch' in sys.modules, 'pydantic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_a_worker_needs_no_installed_package_but_torch(tmp_path: Path) -> None:
    """A bare board: the package's folder on the path, and every other import forbidden."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Refuse:\n"
        "    names = {'pandas', 'pydantic', 'scipy', 'yaml', 'typer', 'torchvision', 'timm', 'fvcore',"
        " 'torch_pruning', 'psutil', 'rich', 'jinja2'}\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in self.names:\n"
        "            raise ImportError('forbidden: ' + name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "bench.worker"],
        input=json.dumps(job(CSR)),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    answer = json.loads(done.stdout)
    assert answer["error"] is None
