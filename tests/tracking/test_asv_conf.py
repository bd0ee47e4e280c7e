"""asv.conf.json: readable by asv, with the versions that constraints.txt pins."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from asv.config import Config

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def conf() -> Any:
    return Config.load(str(ROOT / "asv.conf.json"))


@pytest.fixture(scope="module")
def pinned() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==", 1) for line in lines if "==" in line)


@pytest.mark.parametrize("package", ["torch", "torchvision"])
def test_the_matrix_pins_what_the_constraints_pin(conf: Any, pinned: dict[str, str], package: str) -> None:
    assert conf.matrix["req"][package] == [pinned[package]]


def test_everything_else_is_installed_with_the_constraints(conf: Any) -> None:
    assert any("-c {conf_dir}/constraints.txt" in command for command in conf.install_command)
    assert all("--no-deps" in command for command in conf.build_command)


def test_folders(conf: Any) -> None:
    assert (ROOT / conf.benchmark_dir / "__init__.py").is_file()
    assert (conf.results_dir, conf.html_dir, conf.env_dir) == ("results/asv", "reports/asv", ".asv/env")
    assert conf.environment_type == "virtualenv"
    assert conf.branches == ["HEAD"]  # a detached or shallow checkout has no other


def test_the_project_is_named_as_its_package(conf: Any) -> None:
    # asv uninstalls the package of that name before it installs the next commit's.
    assert f'name = "{conf.project}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("entry", "threshold"),
    [
        ("cases.Counts.track_stored_params(case)", 0.0),
        ("cases.Memory.track_live_peak(case)", 0.0),
        ("cases.Memory.track_allocator_peak(case)", 0.0),
        ("cases.Latency.track_ratio(case)", 0.1),
    ],
)
def test_counts_have_no_threshold_and_times_have_one(conf: Any, entry: str, threshold: float) -> None:
    fitting = [value for regex, value in conf.regressions_thresholds.items() if re.match(regex, entry)]
    assert fitting == [threshold]
